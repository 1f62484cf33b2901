"""dlt's defaults: `by_the_book.py PLAN FILE FIRST LAST` loads the visits of some days as dlt's documentation shows it.

A `rest_api` source, merge on the primary key, dictionaries, the destination's default file format.
"""

import json
import sys
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source


def main() -> None:
    plan, file, first, last = sys.argv[1:]
    asked = json.loads(Path(plan).read_text())
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
                {
                    "name": "visits",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": asked["visits"],
                        "params": {"start_date": first, "end_date": last, "page[size]": 100},
                        "data_selector": "data",
                    },
                }
            ],
        },
        name="by_the_book",
    )
    pipeline = dlt.pipeline("by_the_book", destination=dlt.destinations.duckdb(file), dataset_name="by_the_book")
    pipeline.run(source)


if __name__ == "__main__":
    main()
