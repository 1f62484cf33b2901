"""The file that an export request ends in: whatever it is wrapped in it is read, or refused whole."""

import codecs
import gzip
from datetime import date

import pytest

from sources.errors import AnswerError
from sources.leadfeeder_legacy.report import Report
from sources.windows import Days

DAYS = Days(date(2026, 3, 1), date(2026, 3, 18))
ROW = b'{"relationships": {"lead": {"data": {"id": "a|b"}}}, "attributes": {}}'


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b'{"data": [%s]}' % ROW, 1),
        (codecs.BOM_UTF8 + b'{"data": []}', 0),
        (gzip.compress(b'{"data": [%s, %s]}' % (ROW, ROW)), 2),
        (gzip.compress(b'{"data": []}')[:-9], None),
        (b"\x1f\x8b is no gzip", None),
        (b"<html>a-secret-page</html>", None),
    ],
    ids=["plain", "with a mark", "packed", "packed and cut", "not packed", "a page"],
)
def test_a_report_in_any_wrapping(content: bytes, rows: int | None) -> None:
    report = Report("6001", "all_leads", date(2026, 3, 1), DAYS, crowded=True)
    report.file.write_bytes(content)
    if rows is None:
        with pytest.raises(AnswerError) as raised:
            report.read()
        assert "secret" not in str(raised.value)
        assert raised.value.message.startswith("the report is damaged (")
    else:
        assert report.read() == rows
    report.discard()
