"""dlt's defaults: `by_the_book.py PLAN FILE FIRST LAST` loads some days as dlt's documentation shows it.

A `rest_api` source, merge on the primary key, dictionaries, the destination's default file format. Leads are asked for
day by day, like ours, because their figures are those of the days asked for. What a page includes (locations) is left
out, as `data_selector` does.
"""

import json
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source


@dlt.resource(selected=False)
def days(first: str, last: str) -> Iterator[list[dict[str, str]]]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    for number in range((end - begin).days + 1):
        yield [{"day": (begin + timedelta(days=number)).isoformat()}]


def main() -> None:
    plan, file, first, last = sys.argv[1:]
    asked = json.loads(Path(plan).read_text())
    day = "{resources.days.day}"
    source = rest_api_source(
        {
            "client": {
                "base_url": asked["url"],
                "auth": {
                    "type": "api_key",
                    "name": "Authorization",
                    "api_key": asked["headers"]["Authorization"],
                    "location": "header",
                },
                "paginator": {"type": "json_link", "next_url_path": "links.next"},
            },
            "resources": [
                days(first, last),
                {
                    "name": "visits",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": f"accounts/{asked['account']}/visits",
                        "params": {"start_date": first, "end_date": last, "page[size]": 100},
                        "data_selector": "data",
                    },
                },
                {
                    "name": "leads",
                    "primary_key": ["id", "_days_day"],
                    "write_disposition": "merge",
                    "include_from_parent": ["day"],
                    "endpoint": {
                        "path": f"accounts/{asked['account']}/leads",
                        "params": {"start_date": day, "end_date": day, "page[size]": 100},
                        "data_selector": "data",
                    },
                },
            ],
        },
        name="by_the_book",
    )
    pipeline = dlt.pipeline("by_the_book", destination=dlt.destinations.duckdb(file), dataset_name="by_the_book")
    pipeline.run(source)


if __name__ == "__main__":
    main()
