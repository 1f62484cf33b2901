"""What merges cannot say, in SQL: rows that follow another table's, that have moved, or that another completes."""

from collections.abc import Mapping
from datetime import timedelta

from sources.tables import Moving, Newest, Table
from sources.windows import Days

# SQL and its values
Statement = tuple[str, list[object]]
# how far a row moves at most
FAR = timedelta(days=31)


def follow(vendor: str, table: Table, newest: Newest) -> str:
    """Give rows that an older day may just have overwritten what their newest day says."""
    key = ", ".join(theirs for _, theirs in newest.on)
    other = f"{vendor}.{newest.table}"
    return (
        f"UPDATE {vendor}.{table.name} AS t SET {', '.join(f'{c} = n.{c}' for c in newest.columns)} "  # noqa: S608
        f"FROM (SELECT DISTINCT ON ({key}) {key}, {', '.join(newest.columns)} FROM {other} "
        f"WHERE ({key}) IN (SELECT {key} FROM {other} WHERE {newest.by} BETWEEN %s AND %s) "
        f"AND {' AND '.join(f'{c} IS NOT NULL' for c in newest.columns)} "
        f"ORDER BY {key}, {newest.by} DESC) AS n "
        f"WHERE {' AND '.join(f't.{ours} = n.{theirs}' for ours, theirs in newest.on)}"
    )


def leave(vendor: str, table: Table, moving: Moving, read: Mapping[str, Days]) -> tuple[Statement, Statement]:
    """What finds a row on a day beside those that were read, and what removes all that are now on one of these.

    `read` are the days of each account.
    """
    first, last = min(days.first for days in read.values()), max(days.last for days in read.values())
    spans = ", ".join(["(%s, CAST(%s AS DATE), CAST(%s AS DATE))"] * len(read))
    rows = f"{vendor}.{table.name} AS t"
    of = f"(VALUES {spans}) AS s(account_id, first, last)"
    beside = (
        f"t.account_id = s.account_id AND t.{moving.day} NOT BETWEEN s.first AND s.last "
        f"AND t.{moving.day} BETWEEN %s AND %s"
    )
    found = (
        f"n.account_id = t.account_id AND n.{moving.id} = t.{moving.on} AND n.{moving.day} BETWEEN s.first AND s.last "
        f"AND n.{moving.day} BETWEEN %s AND %s "
        f"AND n.{moving.day} BETWEEN t.{moving.day} - {FAR.days} AND t.{moving.day} + {FAR.days}"
    )
    values: list[object] = [value for account, days in read.items() for value in (account, days.first, days.last)]
    values += [first - FAR, last + FAR]
    look = f"SELECT 1 FROM {rows}, {of} WHERE {beside} LIMIT 1"  # noqa: S608 — own names
    remove = f"DELETE FROM {rows} USING {of}, {vendor}.{moving.table} AS n WHERE {beside} AND {found}"  # noqa: S608
    return (look, values), (remove, [*values, first, last])


def fill(vendor: str, table: Table, other: Table, *, strangers: bool) -> list[str]:
    """Add the rows and the values that only the other table has; what is there already stays."""
    key = " AND ".join(f"t.{name} = o.{name}" for name in table.key)
    names = [name for name in other.schema.names if name in table.schema.names]
    values = [name for name in names if name not in table.key]
    own = [name for name in table.schema.names if name not in names] if strangers else []
    ours, theirs = f"{vendor}.{table.name}", f"{vendor}.{other.name}"
    return [
        f"UPDATE {ours} AS t SET {', '.join(f'{c} = COALESCE(t.{c}, o.{c})' for c in values)} FROM {theirs} AS o "  # noqa: S608
        f"WHERE {key} AND ({' OR '.join(f'(t.{c} IS NULL AND o.{c} IS NOT NULL)' for c in values)})"
        + "".join(f" AND t.{c} IS NULL" for c in own),
        f"INSERT INTO {ours} ({', '.join(names)}) SELECT {', '.join(names)} FROM {theirs} AS o "  # noqa: S608
        f"WHERE NOT EXISTS (SELECT 1 FROM {ours} AS t WHERE {key})",
    ]
