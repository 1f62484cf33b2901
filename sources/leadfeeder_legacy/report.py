"""The report of an export request: checked to its end on disk, then handed on as columns, block by block."""

import codecs
import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import ijson
import pyarrow as pa
import pyarrow.feather as feather

from ..errors import AnswerError
from ..tables import Table, concat
from ..windows import Days
from . import tables

BLOCK = 10_000
# what a file begins with
GZIP, BOM = b"\x1f\x8b", codecs.BOM_UTF8
DAMAGED = (ijson.JSONError, UnicodeDecodeError, AttributeError, gzip.BadGzipFile, EOFError, zlib.error)


class Report:
    """A report on its way through the disk: nothing of it is handed on before all of it is checked.

    It is that of a feed of an account, for the `days` asked for of the calendar window that begins on `window_start`.
    With `crowded` it stands for the leads of a single day instead.
    """

    def __init__(self, account_id: str, feed: str, window_start: date, days: Days, *, crowded: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="leadhouse-report-")
        self.file = Path(self._folder.name) / "report.json"
        self._blocks: list[tuple[Table, Path]] = []
        self._filled = (tables.REPORT_LEAD_DAYS,) if crowded else (tables.FEED_LEADS, tables.FEED_LEAD_KEYWORDS)
        self._scope = (account_id, days.first) if crowded else (account_id, feed, window_start)
        self._given: dict[str, object] = {
            "account_id": account_id,
            "custom_feed_id": feed,
            "window_start": window_start,
            "start_date": days.first,
            "end_date": days.last,
            "date": days.first,
        }

    def discard(self) -> None:
        """Remove it from the disk."""
        self._folder.cleanup()

    def read(self) -> int:
        """Turn the whole file into blocks of columns; returns its rows. Raises AnswerError where it is damaged."""
        count = 0
        try:
            if not self._has_list("data"):
                raise AnswerError("the report has no list of data")
            for block in self._objects("data.item"):
                count += len(block)
                self._keep(self._filled, block)
            self._has_list("included")
            for block in self._objects("included.item"):
                self._keep((tables.REPORT_LEADS,), [o for o in block if o.get("type") == "leads"])
                self._keep((tables.LOCATIONS,), [o for o in block if o.get("type") == "locations"])
        except DAMAGED as error:
            # what the parser says would show some of the report
            raise AnswerError(f"the report is damaged ({type(error).__name__})") from None
        return count

    def blocks(self) -> Iterator[tuple[Table, pa.Table]]:
        """The rows, and markers of their scopes, so that a window without leads is emptied."""
        markers = {table.name: table.markers([self._scope]) for table in self._filled}
        for table, path in self._blocks:
            rows = feather.read_table(path)
            if (marker := markers.pop(table.name, None)) is not None:
                rows = concat([marker, rows])
            yield table, rows
        for table in self._filled:
            if table.name in markers:
                yield table, markers[table.name]
        self.discard()

    def _open(self) -> io.BufferedIOBase:
        """The report from its beginning, unpacked where it came as a gzip file."""
        stream = self.file.open("rb")
        start = stream.read(len(BOM))
        if start.startswith(GZIP):
            stream.close()
            return gzip.open(self.file, "rb")
        stream.seek(len(BOM) if start == BOM else 0)
        return stream

    def _has_list(self, name: str) -> bool:
        """Whether there is a list of that name; raises AnswerError where something else has it."""
        with self._open() as stream:
            for prefix, event, _ in ijson.parse(stream):
                if prefix == name and event != "null":
                    if event == "start_array":
                        return True
                    raise AnswerError(f"the report's {name} is no list")
        return False

    def _objects(self, prefix: str) -> Iterator[list[dict[str, Any]]]:
        with self._open() as stream:
            block: list[dict[str, Any]] = []
            for item in ijson.items(stream, prefix, use_float=True):
                block.append(item)
                if len(block) >= BLOCK:
                    yield block
                    block = []
            yield block

    def _keep(self, filled: tuple[Table, ...], block: list[dict[str, Any]]) -> None:
        for table in filled:
            rows = table.rows(block, **self._given)
            if rows.num_rows:
                path = Path(self._folder.name) / f"{len(self._blocks)}.arrow"
                feather.write_feather(rows, str(path), compression="uncompressed")
                self._blocks.append((table, path))
