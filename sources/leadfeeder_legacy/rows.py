"""From the pages of a list to the rows of its tables: block by block, by the list's form.

A block that is unlike the form is read as Python's objects, by the same tables.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import pyarrow as pa

from ..errors import AnswerError
from ..objects import Columns, Fields, Form, Json, UnlikeError
from ..pages import Page, identity
from ..session import loads
from ..streams import Account
from ..tables import Table, concat
from . import tables
from .api import Endpoint, Head, with_day

log = logging.getLogger(__name__)

# pages that become columns at once: these cost by the table, not by the row
PAGES_TOGETHER = 16
# one block at a time: what becomes of it takes several times its memory
_turn = threading.Lock()


def rows_of(
    filled: Sequence[Table], items: Sequence[Json] | Columns, included: Sequence[Json] | Columns, **given: object
) -> dict[str, pa.Table]:
    """The rows of a stream's tables: what is listed, and the locations that come along."""
    # tables of the same objects share what is looked up in them
    own = items if isinstance(items, Columns) else Fields(items)
    return {table.name: table.rows(included if table is tables.LOCATIONS else own, **given) for table in filled}


def rows_of_pages(
    filled: Sequence[Table], endpoint: Endpoint, pages: Iterator[Page], account: Account, **given: object
) -> dict[str, pa.Table]:
    """The rows of all pages of a window. Raises AnswerError where one cannot be read."""
    assert endpoint.form is not None
    found = []
    while block := list(islice(pages, PAGES_TOGETHER)):
        try:
            # to ask DuckDB costs as much as a page of Python's objects
            rows = _by_form(filled, endpoint.form, block, given) if len(block) > 1 else None
        except UnlikeError as unlike:
            log.debug("%s: %s pages are read as objects: %s", endpoint.path, len(block), unlike)
            endpoint.form.learn(_documents(block))
            rows = None
        found.append(_as_objects(filled, block, account, given) if rows is None else rows)
    return {name: concat([rows[name] for rows in found]) for name in found[0]}


def _by_form(
    filled: Sequence[Table], form: Form, block: Sequence[Page], given: Mapping[str, object]
) -> dict[str, pa.Table]:
    if not all(isinstance(page.document.head, Head) for page in block):
        raise UnlikeError("some pages are no lists of objects")
    if any(len(page.items) != len(page.document.head.data) for page in block):
        raise UnlikeError("some rows have come before")
    if tables.VISITS in filled and not all(page.document.head.is_dated for page in block):
        raise UnlikeError("some visits have no date")
    with _turn:
        objects = form.read([page.document.content for page in block])
        return rows_of(filled, objects["data"], objects["included"].last_of_each("type", "locations"), **given)


def _as_objects(
    filled: Sequence[Table], block: Sequence[Page], account: Account, given: Mapping[str, object]
) -> dict[str, pa.Table]:
    documents = _documents(block)
    items: list[Json] = []
    for page, document in zip(block, documents, strict=True):
        shown = {identity(item): item for item in document["data"]}
        items += [shown[identity(item)] for item in page.items]
    places = {str(place.get("id")): place for document in documents for place in _locations(document)}
    if tables.VISITS in filled:
        items = [with_day(visit, account) for visit in items]
    return rows_of(filled, items, list(places.values()), **given)


def _documents(block: Sequence[Page]) -> list[Json]:
    try:
        return [loads(page.document.content) for page in block]
    except ValueError:
        raise AnswerError("the answer is no JSON") from None


def _locations(document: Json) -> Iterator[Json]:
    listed = document.get("included") or ()
    if not isinstance(listed, (list, tuple)):
        raise AnswerError("what the answer includes is no list")
    for included in listed:
        if isinstance(included, dict) and included.get("type") == "locations":
            yield included
