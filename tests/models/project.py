"""The dbt project and the page of questions, as the tests read them."""

import re

import yaml  # type: ignore[import-untyped]

from pipelines.transform import PROJECT
from tests.docs.pages import text

PAGE = "docs/queries.md"
QUERIES = dict(re.findall(r"^## (.+?)\n\n```sql\n(.*?)^```$", text(PAGE), re.MULTILINE | re.DOTALL))


def models(layer: str) -> dict[str, dict[str, object]]:
    """What the pages of a layer say of its models."""
    found = {}
    for page in sorted((PROJECT / "layers" / layer).glob("*.yml")):
        for model in yaml.safe_load(page.read_text(encoding="utf-8")).get("models", []):
            found[model["name"]] = model
    return found
