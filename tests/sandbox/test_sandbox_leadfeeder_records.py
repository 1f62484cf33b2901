"""Tags, lists, and what can cost credits in the `/v1` API."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox import Sandbox, World
from sandbox.words import TAGS
from tests.sandbox.client import Clock
from tests.sandbox.v1_client import V1


@pytest.fixture
def v1(sandbox: Sandbox) -> Iterator[V1]:
    client = V1(sandbox)
    yield client
    client.session.close()


def names(v1: V1) -> dict[str, str]:
    return {row["id"]: row["attributes"]["name"] for row in v1.ok("/tags", **{"page[size]": 100})["data"]}


def listed(v1: V1, **params: Any) -> dict[str, dict[str, Any]]:
    return {row["attributes"]["name"]: row for row in v1.ok("/lists", **params)["data"]}


def credits_left(v1: V1) -> int:
    return int(v1.ok("/accounts")["data"][0]["attributes"]["credits"]["remaining"])


def charged(v1: V1, path: str, **params: Any) -> int:
    return int(v1.ok(path, **params)["meta"]["credits"]["charged"])


def stranger(v1: V1) -> str:
    """A company that has visited nobody."""
    seen = {
        row["relationships"]["company"]["id"]
        for account in ("6001", "6002", "6003")
        for row in v1.companies("2025-06-02", "2025-06-30", account_id=account)
    }
    return str(next(row["id"] for row in v1.walk("/companies/search", {}) if row["id"] not in seen))


def visitor(v1: V1) -> str:
    return str(v1.companies("2025-06-25", "2025-06-25")[0]["relationships"]["company"]["id"])


def test_tags(v1: V1, sandbox: Sandbox) -> None:
    page = v1.ok("/tags", **{"page[size]": 3})
    assert page["meta"]["pagination"] == {"page_num": 1, "page_count": 4, "total_count": 10}
    assert {row["type"] for row in page["data"]} == {"tag"}
    assert set(names(v1).values()) == set(TAGS)
    lead = sandbox.world.history("6001").leads[0].lead
    sandbox.world.retag("6001", lead.id, ["changed", "hot"])
    assert set(names(v1).values()) == {*TAGS, "changed"}
    tag = sandbox.leadfeeder.lists.add_tag("6001", "new")
    sandbox.leadfeeder.lists.rename_tag("6001", tag, "newer")
    assert names(v1)[tag] == "newer"
    sandbox.leadfeeder.lists.remove_tag("6001", tag)
    assert tag not in names(v1)


def test_lists(v1: V1, sandbox: Sandbox, clock: Clock) -> None:
    lists = listed(v1)
    assert {row["attributes"]["scope"] for row in lists.values()} == {"company", "contact"}
    for scope in ("company", "contact"):
        of_scope = listed(v1, **{"filter[scope]": scope})
        assert of_scope == {name: row for name, row in lists.items() if row["attributes"]["scope"] == scope}
    assert v1.get("/lists", **{"filter[scope]": "people"}).status_code == 400
    for row in lists.values():
        items = v1.walk(f"/lists/{row['id']}/items")
        assert len(items) == len({item["id"] for item in items}) == row["attributes"]["items_count"]
        assert {item["type"] for item in items} <= {row["attributes"]["scope"]}
    assert max(row["attributes"]["items_count"] for row in lists.values()) > 100
    assert listed(v1, account_id="6002") != lists
    assert v1.get("/lists/1/items").status_code == 404


def test_items_have_cursors(v1: V1, sandbox: Sandbox) -> None:
    path = f"/lists/{listed(v1)['Target accounts']['id']}/items"
    pages = [v1.ok(path, **{"page[size]": 50})]
    while cursor := pages[-1]["meta"]["pagination"]["next_cursor"]:
        pages.append(v1.ok(path, **{"page[size]": 50, "page[cursor]": cursor}))
    total = pages[0]["meta"]["pagination"]["total_count"]
    assert [len(page["data"]) for page in pages] == [50, 50, total - 100]
    for wrong in ("?", "abc", "ZnJvbTp4"):
        assert v1.get(path, **{"page[cursor]": wrong}).status_code == 400
    sandbox.leadfeeder.options.paging_block = "meta"
    assert set(v1.ok(path)["meta"]) == {"next_cursor", "total_count", "request_id"}


def test_lists_change(v1: V1, sandbox: Sandbox, clock: Clock) -> None:
    lists = sandbox.leadfeeder.lists
    made = lists.add_list("6001", "Mine", items=["159000001", "159000002"])
    clock.sleep(60)
    lists.change_list("6001", made, name="Ours", add=["159000003"], remove=["159000001"])
    row = listed(v1)["Ours"]
    assert row["attributes"] == {
        "name": "Ours",
        "scope": "company",
        "items_count": 2,
        "created_at": "2025-06-30T12:00:30Z",
        "updated_at": "2025-06-30T12:01:30Z",
    }
    assert [item["id"] for item in v1.walk(f"/lists/{made}/items")] == ["159000002", "159000003"]
    lists.remove_list("6001", made)
    assert "Ours" not in listed(v1)


def test_company_search(v1: V1) -> None:
    page = v1.ok("/companies/search", {}, **{"page[size]": 2})
    assert page["meta"]["credits"] == {"charged": 0}
    assert page["data"][0]["type"] == "company_summary"
    assert set(page["data"][0]["attributes"]) == {"name", "role", "register", "meta"}
    every = v1.walk("/companies/search", {})
    assert len(every) == page["meta"]["pagination"]["total_count"] == len({row["id"] for row in every})
    named = v1.walk("/companies/search", {"search_terms": ["forge"]})
    assert named == [row for row in every if "forge" in row["attributes"]["name"].lower()]
    german = v1.walk("/companies/search", {"locations": [{"country_code": "DE", "city": "Berlin"}]})
    assert 0 < len(german) < len(every)
    assert v1.post("/companies/search", {"search_terms": "forge"}).status_code == 400
    assert v1.post("/companies/search", {"locations": ["DE"]}).status_code == 400


def test_details_cost_a_credit_once_a_year(clock: Clock) -> None:
    # nobody visits after its last day
    with Sandbox(World(today="2025-06-30", clock=clock), limits=False) as sandbox:
        v1 = V1(sandbox)
        company = stranger(v1)
        assert charged(v1, f"/companies/{company}") == 1
        assert charged(v1, f"/companies/{company}/financials") == 0
        assert credits_left(v1) == 999
        assert charged(v1, f"/companies/{company}", account_id="6003") == 1
        clock.sleep(364 * 86_400)
        assert charged(v1, f"/companies/{company}") == 0
        clock.sleep(86_400)
        assert charged(v1, f"/companies/{company}") == 1
        assert credits_left(v1) == 998
        v1.session.close()


def test_a_visitor_is_free(v1: V1) -> None:
    row = v1.visits("2025-06-25", "2025-06-25", include="company")[0]["relationships"]["company"]
    answer = v1.ok(f"/companies/{row['id']}")
    assert answer["meta"]["credits"] == {"charged": 0}
    assert answer["data"]["id"] == row["id"]
    assert answer["data"]["attributes"].items() >= row["attributes"].items()
    assert answer["data"]["attributes"]["web_engagement"]["last_visit_date"] <= "2025-06-27"
    financials = v1.ok(f"/companies/{row['id']}/financials")
    assert financials["data"]["type"] == "company_financials"
    assert isinstance(financials["data"]["attributes"]["reports"], list)
    assert credits_left(v1) == 1000


def test_no_credits_left(v1: V1, sandbox: Sandbox) -> None:
    company = stranger(v1)
    sandbox.leadfeeder.options.credits["6001"] = 0
    refused = v1.get(f"/companies/{company}")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (402, "insufficient_credits")
    assert v1.get(f"/companies/{visitor(v1)}").status_code == 200
    assert credits_left(v1) == 0


def test_a_company_that_is_gone(v1: V1, sandbox: Sandbox) -> None:
    company = visitor(v1)
    sandbox.leadfeeder.paid.lose_company(company)
    for path in (f"/companies/{company}", f"/companies/{company}/financials", "/companies/1", "/companies/abc"):
        answer = v1.get(path)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "entity_not_found")
    assert company not in {row["id"] for row in v1.walk("/companies/search", {})}
    assert visitor(v1) == company


def test_companies_that_were_merged(v1: V1, sandbox: Sandbox) -> None:
    before, company = stranger(v1), visitor(v1)
    sandbox.leadfeeder.paid.merge_company(before, company)
    assert v1.ok(f"/companies/{before}")["data"] == v1.ok(f"/companies/{company}")["data"]
    assert v1.ok(f"/companies/{before}")["data"]["id"] == company
    assert before not in {row["id"] for row in v1.walk("/companies/search", {})}
    after = stranger(v1)
    sandbox.leadfeeder.paid.merge_company(company, after)
    assert v1.ok(f"/companies/{before}")["data"]["id"] == after
    assert visitor(v1) == company


def test_contacts(v1: V1) -> None:
    every = v1.walk("/contacts/search", {})
    assert len(every) == len({row["id"] for row in every}) > 100
    company = every[0]["relationships"]["company"]["id"]
    mine = v1.walk("/contacts/search", {"company_ids": [company]})
    assert mine == [row for row in every if row["relationships"]["company"]["id"] == company]
    assert mine[0]["type"] == "contact_summary"
    assert len(mine[0]["attributes"]["last_name"]) == 2
    path = f"/contacts/{mine[0]['id']}"
    contact = v1.ok(path)["data"]
    assert (contact["type"], contact["id"]) == ("contact", mine[0]["id"])
    assert contact["attributes"]["first_name"] == mine[0]["attributes"]["first_name"]
    domain = v1.ok(f"/companies/{company}")["data"]["attributes"]["url"].removeprefix("https://www.")
    assert contact["attributes"]["emails"][0].endswith(f"@{domain}")
    assert charged(v1, path) == 0
    assert charged(v1, path, account_id="6002") == 1
    for unknown in ("1", "abc", f"{mine[0]['id'][:-1]}9"):
        assert v1.get(f"/contacts/{unknown}").status_code == 404


def test_contacts_of_a_list_are_found(v1: V1) -> None:
    items = v1.walk(f"/lists/{listed(v1)['Event 2024 attendees']['id']}/items")
    assert {item["id"] for item in items} < {row["id"] for row in v1.walk("/contacts/search", {})}


def test_addresses(v1: V1) -> None:
    found = {}
    for last in range(20):
        answer = v1.get("/ip/enrich", ip=f"192.0.2.{last}")
        assert answer.status_code in (200, 404)
        if answer.status_code == 200:
            found[f"192.0.2.{last}"] = answer.json()
    assert 2 < len(found) < 18
    for ip, told in found.items():
        assert (told["data"]["id"], told["data"]["type"]) == (ip, "enriched_ip")
        assert told["meta"]["credits"] == {"charged": 1}
        company = told["data"]["relationships"]["company"]
        assert v1.ok(f"/companies/{company['id']}")["data"]["attributes"]["url"] == company["attributes"]["url"]
    assert v1.get("/ip/enrich", ip="somewhere").status_code == 400
    assert v1.get("/ip/enrich").status_code == 400


def test_control(v1: V1, sandbox: Sandbox) -> None:
    def act(action: str, **arguments: Any) -> Any:
        answer = requests.post(f"{sandbox.url}/_sandbox/{action}", json=arguments, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    company = visitor(v1)
    made = act("add_list", account_id="6001", name="Theirs", items=[company])
    assert [item["id"] for item in v1.walk(f"/lists/{made}/items")] == [company]
    act("lose_company", company_id=company)
    assert v1.get(f"/companies/{company}").status_code == 404
    act("options", vendor="leadfeeder", relationships="data", paths={"industries": "/industries"})
    assert "data" in v1.visits("2025-06-25", "2025-06-25")[0]["relationships"]["company"]
    assert v1.get("/industries").status_code == 200
