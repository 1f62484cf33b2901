"""Pages as the tests read them: code blocks, table rows, links, and what a name on a page may refer to."""

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.vendors import VENDORS, Vendor

ROOT = Path(__file__).parents[2]
# vendors that are simulated have no limit to keep
NO_LIMITS = "100000"


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)


def table(page: str, *header: str) -> list[list[str]]:
    """The cells of the rows below a header; raises ValueError where there is no such table."""
    lines = text(page).splitlines()
    start = lines.index(f"| {' | '.join(header)} |")
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def links(page: str) -> list[str]:
    """The targets of the links to other pages of the project."""
    found = re.findall(r"\]\(([^)]+)\)", text(page))
    return [target for target in found if not target.startswith(("http://", "https://"))]


def pages() -> Iterator[str]:
    """Every page that has been written for readers."""
    yield from ("README.md", "CHANGELOG.md", "sandbox/README.md")
    yield from (f"sources/{name}/README.md" for name in VENDORS)
    yield from (str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))


def defaults(vendor: Vendor) -> dict[str, Any]:
    """The vendor's settings with their defaults, its secret among them."""
    spec = type(vendor.package.settings())
    return {f.name: getattr(spec(), f.name) for f in dataclasses.fields(spec) if not f.name.startswith("__")}


def variables() -> set[str]:
    """The environment variables of all settings."""
    known = {f"DESTINATION__{name}__CREDENTIALS" for name in ("DUCKDB", "POSTGRES")}
    known |= {"FRESHNESS__DEFAULT", "RUNTIME__SLACK_INCOMING_HOOK"}
    for vendor in VENDORS.values():
        known |= {f"SOURCES__{vendor.name}__{name}".upper() for name in defaults(vendor)}
    return known


def unlimited() -> dict[str, str]:
    """The environment in which no vendor's rate is kept."""
    return {name: NO_LIMITS for name in variables() if "REQUESTS_PER_" in name}


def environment(*more: dict[str, str]) -> dict[str, str]:
    """The environment of a process that runs this checkout, wherever it is started."""
    found = dict(os.environ) | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "140"}
    for part in more:
        found |= part
    return found
