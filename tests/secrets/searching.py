"""What is left behind, byte by byte and unpacked, and the forms that a secret could have in it."""

import gzip
import io
import json
import re
import zlib
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb
import psycopg2
import pyarrow.parquet as pq

# base64 of what zlib has packed: dlt's state
PACKED = re.compile(rb"e[JN][A-Za-z0-9+/]{20,}={0,2}")
TABLES = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog')"


def forms(secret: str) -> set[bytes]:
    """The secret plain, percent-encoded, escaped and in base64, wherever in a longer text it may begin."""
    written = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), secret.replace("/", r"\/")}
    found = {text.encode() for text in written} | {secret.encode().hex().encode()}
    for skipped in range(3):
        part = secret.encode()[skipped:]
        part = part[: len(part) // 3 * 3]
        found |= {b64encode(part), urlsafe_b64encode(part)}
    return found


def views(content: bytes) -> Iterator[bytes]:
    """The content as it is, and what is packed in it."""
    yield content
    if content.startswith(b"PAR1"):
        yield _text(pq.read_table(io.BytesIO(content)).to_pylist())
    elif content.startswith(b"\x1f\x8b"):
        yield from views(gzip.decompress(content))
    for word in PACKED.findall(content):
        with suppress(ValueError, zlib.error):
            yield zlib.decompress(b64decode(word))


def left_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder with each view of it; DuckDB's files with every table."""
    for path in folder.rglob("*"):
        if path.is_file():
            name = str(path.relative_to(folder))
            for view in views(path.read_bytes()):
                yield name, view
            if path.suffix == ".duckdb":
                with duckdb.connect(str(path), read_only=True) as connection:
                    for schema, table in connection.execute(TABLES).fetchall():
                        rows = connection.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()
                        for view in views(_text(rows)):
                            yield f"{name}: {schema}.{table}", view


def left_in_postgres(dsn: str) -> Iterator[tuple[str, bytes]]:
    """Every table of a database."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        for schema, table in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{schema}"."{table}" AS t')
            for view in views(_text(cursor.fetchall())):
                yield f"postgres: {schema}.{table}", view


def holding(secrets: Iterable[str], left: Iterable[tuple[str, bytes]]) -> set[tuple[str, str]]:
    """Where which of the secrets lies, in any form."""
    wanted = {secret: forms(secret) for secret in secrets}
    return {
        (place, secret)
        for place, content in left
        for secret, written in wanted.items()
        if any(form in content for form in written)
    }


def _text(rows: object) -> bytes:
    return json.dumps(rows, default=str, ensure_ascii=False).encode()
