"""What the `/v1` API refuses: keys, limits, plans, accounts, paths; and the three shapes it says it in."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox import Sandbox, World
from tests.sandbox.client import Clock
from tests.sandbox.v1_client import V1

ASKED = {"start_date": "2025-06-25", "end_date": "2025-06-25"}


@pytest.fixture
def v1(sandbox: Sandbox) -> Iterator[V1]:
    client = V1(sandbox)
    yield client
    client.session.close()


@pytest.fixture
def limited(clock: Clock) -> Iterator[tuple[Sandbox, V1]]:
    with Sandbox(World(days=28, clock=clock), sleep=clock.sleep) as served:
        client = V1(served)
        yield served, client
        client.session.close()


def code(answer: requests.Response) -> str:
    return str(answer.json()["errors"][0]["code"])


def statuses(v1: V1, times: int) -> list[int]:
    return [v1.get("/accounts").status_code for _ in range(times)]


def test_a_burst_then_ten_a_second(limited: tuple[Sandbox, V1], clock: Clock) -> None:
    sandbox, v1 = limited
    assert statuses(v1, 17) == [200] * 15 + [429] * 2
    clock.sleep(0.5)
    assert statuses(v1, 6) == [200] * 5 + [429]
    clock.sleep(60)
    assert statuses(v1, 16) == [200] * 15 + [429]
    refused = v1.get("/accounts")
    assert code(refused) == "rate_limit_exceeded"
    assert "Retry-After" not in refused.headers
    sandbox.leadfeeder.options.limit_code = "too_many_requests"
    sandbox.leadfeeder.options.retry_after = 2
    refused = v1.get("/accounts")
    assert (code(refused), refused.headers["Retry-After"]) == ("too_many_requests", "2")
    sandbox.leadfeeder.options.requests_per_second = None
    assert statuses(v1, 20) == [200] * 20


def test_the_quota_of_a_month(limited: tuple[Sandbox, V1], clock: Clock) -> None:
    sandbox, v1 = limited
    sandbox.leadfeeder.options.requests_per_second = None
    sandbox.leadfeeder.options.retry_after = 2
    sandbox.leadfeeder.quota.used = 99_997
    assert statuses(v1, 4) == [200] * 3 + [429]
    refused = v1.get("/tags")
    assert code(refused) == "quota_exceeded"
    assert "Retry-After" not in refused.headers
    clock.now = datetime(2025, 7, 1, tzinfo=UTC).timestamp() - 1
    assert statuses(v1, 1) == [429]
    clock.sleep(1)
    assert statuses(v1, 2) == [200, 200]
    assert sandbox.leadfeeder.quota.used == 2
    sandbox.leadfeeder.options.requests_per_month = 2
    assert statuses(v1, 1) == [429]


def test_the_key(v1: V1, sandbox: Sandbox) -> None:
    for headers in ({"X-Api-Key": "wrong"}, {"Authorization": f"Token token={sandbox.leadfeeder.options.api_key}"}, {}):
        answer = requests.get(f"{v1.base}/accounts", headers=headers, timeout=5)
        assert (answer.status_code, code(answer)) == (401, "unauthorized")
        assert answer.json()["error"]["code"] == "unauthorized"


def test_three_shapes_of_errors(v1: V1, sandbox: Sandbox) -> None:
    def told(path: str, **params: Any) -> Any:
        answer = v1.get(path, **params).json()
        assert len(answer.pop("meta")["request_id"]) == 36
        return answer

    title = "There is no such entity"
    assert told("/lists/1/items") == {"errors": [{"code": "entity_not_found", "title": title}]}
    detail = "account_id is required"
    assert told("/tags", account_id=None) == {
        "errors": [{"code": "invalid_request", "title": "The request is not valid", "detail": detail}]
    }
    sandbox.leadfeeder.options.error_shape = "error"
    assert told("/lists/1/items") == {"error": {"code": "entity_not_found", "message": title}}
    assert told("/tags", account_id=None) == {"error": {"code": "invalid_request", "message": detail}}
    sandbox.leadfeeder.options.error_shape = "flat"
    assert told("/lists/1/items") == {"code": "entity_not_found", "message": title}
    assert told("/tags", account_id=None) == {"code": "invalid_request", "message": detail}


def test_accounts_that_refuse(v1: V1, sandbox: Sandbox) -> None:
    sandbox.leadfeeder.options.account_status.update({"6001": 402, "6002": 403, "6003": 404})
    lite = sandbox.world.add_account("Small Fry", subscription="lite")
    for account_id, status in {"6001": 402, "6002": 403, "6003": 404, lite: 403, "1": 404}.items():
        assert v1.post("/web-visits", ASKED, account_id=account_id).status_code == status
        for path in ("/tags", "/lists", "/web-visits/custom-feeds", "/companies/159000000"):
            assert v1.get(path, account_id=account_id).status_code == status
    assert code(v1.get("/tags", account_id="6002")) == "insufficient_entitlements"
    assert len(v1.ok("/accounts", account_id=None)["data"]) == 4
    assert v1.ok("/accounts", account_id="6001")["data"][0]["attributes"]["credits"]["remaining"] == 1000


def test_what_the_plan_does_not_include(v1: V1, sandbox: Sandbox) -> None:
    sandbox.leadfeeder.options.unentitled += ["/lists*", "/usage"]
    for path in ("/lists", "/lists/60011/items", "/usage"):
        answer = v1.get(path)
        assert (answer.status_code, code(answer)) == (403, "insufficient_entitlements")
    assert v1.get("/tags").status_code == 200


def test_unknown_paths_and_methods(v1: V1) -> None:
    for path in ("/nothing", "/custom-fields", "/web-visits/custom-feeds/folders"):
        answer = v1.get(path)
        assert (answer.status_code, code(answer)) == (404, "path_not_found")
    answer = v1.post("/tags", {})
    assert (answer.status_code, code(answer)) == (405, "method_not_allowed")


def test_paths_that_an_option_gives(v1: V1, sandbox: Sandbox) -> None:
    sandbox.leadfeeder.options.paths.update(
        custom_feed_folders="/folders", tracker_script="/script", custom_fields="/custom-fields",
        industries="/industries", nace_codes="/nace",
    )  # fmt: skip
    kinds = {path: v1.ok(path)["data"] for path in ("/folders", "/custom-fields", "/industries", "/nace")}
    assert {path: {row["type"] for row in rows} for path, rows in kinds.items()} == {
        "/folders": {"custom_feed_folder"},
        "/custom-fields": {"custom_field"},
        "/industries": {"industry"},
        "/nace": {"nace_code"},
    }
    for rows in kinds.values():
        assert len({row["id"] for row in rows}) == len(rows) > 1
    script = v1.ok("/script")["data"]
    assert script["type"] == "web_visits_tracker_script"
    assert script["attributes"]["script_hash"] in script["attributes"]["script_html"]
    assert v1.get("/industries", account_id=None).status_code == 200
    assert v1.get("/folders", account_id=None).status_code == 400


def test_faults_speak_its_language(v1: V1, sandbox: Sandbox) -> None:
    sandbox.faults.add("status", status=500, vendor="leadfeeder", account="6001", page=2)
    assert v1.post("/web-visits", ASKED, **{"page[num]": 1}).status_code == 200
    broken = v1.post("/web-visits", ASKED, **{"page[num]": 2})
    assert (broken.status_code, code(broken)) == (500, "internal_error")
    sandbox.faults.add("shift_page", page=2, rows=3)
    shifted = v1.ok("/web-visits", ASKED, **{"page[num]": 2})["data"]
    assert shifted[:3] == v1.ok("/web-visits", ASKED)["data"][-3:]
    assert v1.ok("/web-visits", ASKED, **{"page[num]": 2})["data"] != shifted
    target = v1.ok("/lists")["data"][0]["id"]
    sandbox.faults.add("loop_link", path="*/items", nth=2)
    first = v1.ok(f"/lists/{target}/items")["meta"]["pagination"]["next_cursor"]
    second = v1.ok(f"/lists/{target}/items", **{"page[cursor]": first})
    assert second["meta"]["pagination"]["next_cursor"] == first
