"""A vendor's page says what its declarations say: streams, tables, keys, scopes, settings."""

import re

import pytest

from pipelines.vendors import VENDORS, Vendor
from sources.tables import Table

from .pages import defaults, table

EACH_VENDOR = pytest.mark.parametrize("vendor", [*VENDORS.values()], ids=[*VENDORS])


def page(vendor: Vendor) -> str:
    return f"sources/{vendor.name}/README.md"


def replaced_together(filled: Table) -> str:
    """What a page says of it; what is replaced in a history is ended and kept."""
    rows = ", ".join(filled.scope) or ("all rows" if filled.whole else "row by row")
    return f"{rows}: ended" if filled.history else rows


@EACH_VENDOR
def test_streams_and_tables(vendor: Vendor) -> None:
    shown = []
    stream = ""
    for name, filled, key, scope in table(page(vendor), "stream", "table", "key", "replaced together"):
        stream = name or stream
        shown.append((stream, filled, key, scope))
    assert shown == [
        (f"`{stream.name}`", f"`{filled.name}`", ", ".join(filled.key), replaced_together(filled))
        for stream in vendor.package.STREAMS
        for filled in stream.tables
    ]


@EACH_VENDOR
def test_requests(vendor: Vendor) -> None:
    shown = [row[0] for row in table(page(vendor), "stream", "requests per run", "asked with")]
    assert shown == [f"`{stream.name}`" for stream in vendor.package.STREAMS]


@EACH_VENDOR
def test_settings(vendor: Vendor) -> None:
    shown = {name.strip("`"): value for name, value in table(page(vendor), "setting", "default")}
    known = defaults(vendor)
    assert set(shown) == set(known)
    for name, default in known.items():
        if default is not None:
            given = f"{default:g}" if isinstance(default, float) else str(default)
            assert re.findall(r"`[^`]+`|[^\s;]+", shown[name])[0].strip("`") == given
