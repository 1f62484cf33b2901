"""What Leedo has: its tables, column by column.

Source: Leedo API, "API Documentation" v1, https://api.leedo.app/v1.
"""

from ..columns import Column, Type
from ..tables import Table


def _field(name: str, type: Type = "text", about: str = "", *, pii: bool = False, listed: bool = True) -> Column:  # noqa: A002
    return Column(name, type, name, about=about, pii=pii, listed=listed)


ID = Column("id", "id", "id", about="The row, by the vendor's id.")
CREATED_AT = _field("created_at", "timestamp", "When it was made.")
UPDATED_AT = _field("updated_at", "timestamp", "When it was changed; null until its details are fetched.", listed=False)
DELETED_AT = Column("deleted_at", "timestamp", about="When it was first missing from the list; null while it is there.")

LEADS = Table(
    "leads",
    columns=(
        ID,
        _field("name", about="Name of a person. Personal data.", pii=True),
        _field("email", about="Personal data.", pii=True),
        _field("company", about="Company, as somebody typed it."),
        _field("status", about="E.g. new, contacted, qualified, unqualified, converted."),
        CREATED_AT,
        _field("phone", about="From the details. Personal data.", pii=True, listed=False),
        UPDATED_AT,
        DELETED_AT,
    ),
    key=("id",),
    open="",
    about="Potential customers; one that is gone is marked.",
)

LEAD_STATUS_HISTORY = Table(
    "lead_status_history",
    columns=(
        Column("lead_id", "id", "lead_id", about="→ leads.id"),
        Column("status", at="status", about="The status."),
        # ours, like an instant of the warehouse's: two loads of the same lead differ in it
        Column("valid_from", "timestamp", about="When it was first seen."),
        Column("valid_to", "timestamp", about="When another one was seen, or the lead was gone; null while it lasts."),
    ),
    key=("lead_id", "valid_from"),
    about="One row for each status that a lead was seen in.",
)

ACCOUNTS = Table(
    "accounts",
    columns=(
        ID,
        _field("name", about="Company name."),
        _field("industry", about="Industry."),
        _field("website", about="Web site."),
        CREATED_AT,
        UPDATED_AT,
        DELETED_AT,
    ),
    key=("id",),
    open="",
    about="Companies that are customers; one that is gone is marked.",
)

CONTACTS = Table(
    "contacts",
    columns=(
        ID,
        _field("name", about="Name of a person. Personal data.", pii=True),
        _field("email", about="Personal data.", pii=True),
        _field("role", about="What the person does there."),
        _field("account_id", "id", "→ accounts.id"),
        CREATED_AT,
        _field("phone", about="Not documented for contacts. Personal data.", pii=True, listed=False),
        UPDATED_AT,
        DELETED_AT,
    ),
    key=("id",),
    open="",
    about="People at accounts; one that is gone is marked.",
)

CAMPAIGNS = Table(
    "campaigns",
    columns=(
        ID,
        _field("name", about="Its name."),
        _field("status", about="E.g. active, paused, completed."),
        _field("leads_count", "bigint", "Leads that it brought."),
        CREATED_AT,
        UPDATED_AT,
        DELETED_AT,
    ),
    key=("id",),
    open="",
    about="Marketing campaigns; one that is gone is marked.",
)

UNFINISHED_WALKS = Table(
    "unfinished_walks",
    columns=(
        Column("stream", at="stream", about="The list."),
        Column("part", "bigint", "part", about="From 0: each piece of a run adds one."),
        Column("row_id", "id", "row_id", about="A row that was seen."),
    ),
    key=("stream", "part", "row_id"),
    scope=("stream", "part"),
    about="The rows that a walk has seen which the next run goes on with; empty where every list has been read whole.",
)
