"""What a first load of Leedo will take."""

from ..first_load import FirstLoad, Load, pages
from ..meter import Meter
from ..runs import Run
from .api import Api
from .source import Settings


def first_load(found: Settings, run: Run) -> FirstLoad:
    """An estimate, from how many rows each list's first page says there are."""
    client = Api(run.session, page=found.page_parameter, per_page=found.per_page_parameter, size=found.per_page)
    load = Load()
    for stream in run.streams:
        page = client.page(stream.name, 1, Meter())
        rows = len(page.items) if page.total is None else page.total
        details = rows if found.details else 0
        load += Load(once=pages(rows, page.size or found.per_page) + details, capped=page.total is None)
    return FirstLoad(load, found.requests_per_hour / 3600, "the rows of each list")
