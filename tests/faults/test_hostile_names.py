"""Names that mean something to a database, a path or a terminal are just data. To models and pages: tests/models."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from pipelines.vendors import VENDORS
from pipelines.warehouse import Warehouse
from sandbox import Sandbox, World
from sources.clock import Clock
from tests.leadfeeder.oracle import Oracle as V1Oracle
from tests.leadfeeder_legacy.oracle import Oracle, Row
from tests.leadsie.oracle import connections
from tests.leedo.oracle import COLUMNS
from tests.leedo.oracle import Oracle as LeedoOracle
from tests.pipelines.cli_process import FIRST_DAY, LAST_DAY, Ended, leadhouse, settings, simulated
from tests.reading import rows_of

DROP = "'; drop table leads; --"
ACCOUNTS = {"../../x": "Up [bold]and[/bold] away", "6'\"%s%%_[/red]": DROP}
FEEDS = {DROP: DROP, "../7?page=1#x": '100 %s "quoted" <b>'}
TAGS = ["it's", 'a "quoted" one', "back\\slash", '{"a": [1]}', DROP, "%s %(x)s $1 {{ 1 }}"]
COMPANIES = (
    "<script>alert('&amp;')</script>",
    DROP,
    "tab\tnew\nline\rbell\x07escape\x1b[31m delete\x7f",
    "nothing\x00 in between",
    "\\u0000 \\x00 ␀",
    "🏭 Œuvres & Söhne 株式会社 👩‍👩‍👧",
    "\u202eright to left\u202c \u200f\u2066mark\u2069\ufeff",
    "long " * 2_000,
    "{{ ref('leads') }} {% raw %} ${HOME} $(id) `id` %s %%",
    "[link](javascript:alert(1)) ![x](http://tracker.example/x) [/bold]",
    "NULL",
)


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """All that a vendor can be told to say, said by all of them."""
    world = World(today=LAST_DAY, days=2, accounts=0)
    for account_id, name in ACCOUNTS.items():
        world.add_account(name, visits_per_day=12, account_id=account_id, leads=30)
    for number in range(100):
        world.rename_company(number, COMPANIES[number % len(COMPANIES)])
    for account in world.accounts.values():
        for feed in list(account.feeds):
            world.remove_feed(account.id, feed)
        for feed, name in FEEDS.items():
            world.add_feed(account.id, feed, name, page_url="/")
        for figures in world.history(account.id).leads[:5]:
            world.retag(account.id, figures.lead.id, TAGS)
    with simulated(world) as sandbox:
        found = settings(sandbox) | {"SOURCES__LEADFEEDER_LEGACY__EXPORT_REQUESTS_PER_MINUTE": "6000"}
        del found["SOURCES__LEADFEEDER_LEGACY__EXPORT_FEEDS"]
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        exports = sandbox.leadfeeder_legacy.options.exports
        exports.pending_polls = 0
        sandbox.leedo.crm.add_crm_rows("leads", 1, name=DROP, company=COMPANIES[2], status="[/red] '")
        sandbox.leadsie.grants.add_connection(custom_user_id="../x?y=1&z=%2e%2e/'")
        yield sandbox


class Quoting(Oracle):
    """An account's id is one part of a path, whatever is in it."""

    def _get(self, path: str, **parameters: Any) -> Any:
        for account in ACCOUNTS:
            path = path.replace(f"/accounts/{account}/", f"/accounts/{quote(account, safe='')}/")
        return super()._get(path, **parameters)


class V1Quoting(V1Oracle):
    def _get(self, path: str, **parameters: Any) -> Any:
        if path.startswith("/lists/"):
            path = f"/lists/{quote(path.removeprefix('/lists/').removesuffix('/items'), safe='')}/items"
        return super()._get(path, **parameters)


def run(*words: str, ends: int = 0) -> Ended:
    ended = leadhouse(*words)
    assert ended.exit_code == ends, f"{words}\n{ended.stdout}\n{ended.stderr}"
    return ended


def test_they_are_just_data(vendors: Sandbox, destination: str) -> None:
    to = ("--destination", destination)
    run("sync", *to)
    assert_equal(vendors, destination)
    # read again, with what the warehouse knows
    run("sync", "--account", "../../x", *to, "leadfeeder", "leadfeeder_legacy")
    assert_equal(vendors, destination)
    refused = run("sync", "leadfeeder_legacy", "--account", "../../y", *to, ends=1).stdout
    assert "account ../../y is not among those" in refused
    shown = run("status", *to).stdout
    assert all(account in shown for account in ACCOUNTS)
    if destination == "postgres":
        # it compares values, which both have
        for vendor in VENDORS:
            compared = run("verify", vendor, "--from", f"{FIRST_DAY}", "--to", f"{LAST_DAY}", *to)
            assert re.search(r" rows compared, 0 differ", compared.stdout), compared


def assert_equal(vendors: Sandbox, destination: str) -> None:
    """Every row of every vendor is as the vendor has it, but for U+0000, which PostgreSQL has no place for."""
    warehouse = Warehouse(destination, clock=Clock())
    expected: dict[tuple[str, str], list[Row]] = {}
    spans = dict.fromkeys(ACCOUNTS, (FIRST_DAY, LAST_DAY))
    for name, rows in Quoting(vendors).tables(spans).items():
        expected["leadfeeder_legacy", name] = rows
    for name, rows in V1Quoting(vendors).tables(FIRST_DAY, LAST_DAY).items():
        if name not in ("usage", "feed_companies", "visitor_companies"):
            expected["leadfeeder", name] = rows
    for name in COLUMNS:
        expected["leedo", name] = LeedoOracle(vendors).listed(name)
    expected["leadsie", "connections"] = [
        {name: value for name, value in row.items() if name != "assets"} for row in connections(vendors)
    ]
    with warehouse.open():
        for (vendor, table), rows in expected.items():
            assert rows, (vendor, table)
            columns = set().union(*rows)
            found = [{name: row.get(name) for name in columns} for row in rows_of(warehouse, vendor, table)]
            differ = [pair for pair in zip(in_order(found), in_order(rows), strict=True) if pair[0] != pair[1]]
            assert not differ, (vendor, table, [set(one) ^ set(other) for one, other in differ[:3]])


def in_order(rows: list[Row]) -> list[list[str]]:
    said = ({name: _plain(value) for name, value in row.items() if value is not None} for row in rows)
    return sorted(sorted(f"{name}: {value!r}" for name, value in row.items()) for row in said)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        # some counts have a column of text
        return str(Decimal(value).normalize())
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
