"""What merges cannot say, in SQL: rows that follow another table's, that have moved, that another completes, or that
came twice."""

from collections.abc import Mapping
from datetime import timedelta

from sources.tables import Moving, Newest, Table
from sources.windows import Days

# how far from the days that were read a row is looked for that has left them or come to them
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


def leave(vendor: str, table: Table, moving: Moving, read: Mapping[str, Days]) -> tuple[str, list[object]]:
    """Remove rows from days that they are no longer on; `read` are the days of each account that say where they are."""
    spans = ", ".join(["(%s, CAST(%s AS DATE), CAST(%s AS DATE))"] * len(read))
    first, last = min(days.first for days in read.values()), max(days.last for days in read.values())
    statement = (
        f"DELETE FROM {vendor}.{table.name} AS t USING {vendor}.{moving.table} AS n, "  # noqa: S608 — own names
        f"(VALUES {spans}) AS s(account_id, first, last) "
        f"WHERE n.account_id = s.account_id AND n.{moving.day} BETWEEN s.first AND s.last "
        f"AND n.{moving.day} BETWEEN %s AND %s "
        f"AND t.account_id = n.account_id AND t.{moving.on} = n.{moving.id} "
        f"AND t.{moving.day} NOT BETWEEN s.first AND s.last AND t.{moving.day} BETWEEN %s AND %s"
    )
    bounds = [value for account, days in read.items() for value in (account, days.first, days.last)]
    return statement, [*bounds, first, last, first - FAR, last + FAR]


def once(vendor: str, table: Table, place: str) -> str:
    """Leave each state of a history once; `place` is what tells equal rows apart."""
    name = f"{vendor}.{table.name}"
    same = " AND ".join(f"a.{column} = b.{column}" for column in (*table.key, "valid_from"))
    return f"DELETE FROM {name} AS a USING {name} AS b WHERE {same} AND a.{place} > b.{place}"  # noqa: S608 — own names


def fill(vendor: str, table: Table, other: Table) -> list[str]:
    """Add the rows and the values that only the other table has; what is there already stays."""
    key = " AND ".join(f"t.{name} = o.{name}" for name in table.key)
    names = [name for name in other.schema.names if name in table.schema.names]
    values = [name for name in names if name not in table.key]
    ours, theirs = f"{vendor}.{table.name}", f"{vendor}.{other.name}"
    return [
        f"UPDATE {ours} AS t SET {', '.join(f'{c} = COALESCE(t.{c}, o.{c})' for c in values)} FROM {theirs} AS o "  # noqa: S608
        f"WHERE {key} AND ({' OR '.join(f'(t.{c} IS NULL AND o.{c} IS NOT NULL)' for c in values)})",
        f"INSERT INTO {ours} ({', '.join(names)}) SELECT {', '.join(names)} FROM {theirs} AS o "  # noqa: S608
        f"WHERE NOT EXISTS (SELECT 1 FROM {ours} AS t WHERE {key})",
    ]
