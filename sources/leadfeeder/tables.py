"""What the `/v1` API has: its tables, column by column.

Source: Leadfeeder API, https://docs.leadfeeder.com/, "Getting Started", and client code that was run against live
accounts. The fields of most objects are not published: those that are not declared here land as text.
"""

from ..columns import Column, Type
from ..tables import Filled, Moving, Table

ACCOUNT_ID = Column("account_id", "id", about="→ accounts.id")
LOCATION_ID = Column("location_id", "id", "relationships.location.id", about="→ locations.id")
COMPANY_ID = Column(
    "company_id", "id", "relationships.company.id", about="→ company_aliases.asked_id, the id that it then had."
)


def attribute(name: str, kind: Type = "text", about: str = "", *, pii: bool = False) -> Column:
    """A column of the attribute of its name."""
    return Column(name, kind, f"attributes.{name}", about=about, pii=pii)


def own_id(about: str) -> Column:
    """The object's own id."""
    return Column("id", "id", "id", about=about)


def snapshot(name: str, *more: Column, row: str, about: str, by_account: bool = True) -> Table:
    """What is listed whole: of each account, or of the vendor."""
    return Table(
        name,
        columns=(*((ACCOUNT_ID,) if by_account else ()), own_id(row), *more),
        key=("account_id", "id") if by_account else ("id",),
        scope=("account_id",) if by_account else (),
        whole=not by_account,
        open="attributes",
        about=about,
    )


ACCOUNTS = Table(
    "accounts",
    columns=(
        own_id("The account."),
        attribute("name", about="Its name."),
        Column("credits_available", "bigint", "attributes.credits.available", about="Credits of the period."),
        Column("credits_used", "bigint", "attributes.credits.used", about="Those that are spent."),
        Column("credits_remaining", "bigint", "attributes.credits.remaining", about="Those that are left."),
        Column(
            "credits_next_reset_on", "date", "attributes.credits.next_reset_on", about="When the next period begins."
        ),
    ),
    key=("id",),
    open="attributes",
    about="The accounts that the key can see.",
)

CUSTOM_FEEDS = snapshot(
    "custom_feeds",
    attribute("name", about="Its name."),
    Column("folder_id", "id", "relationships.folder.id", about="→ custom_feed_folders.id"),
    Column("folder_name", "text", "relationships.folder.attributes.name", about="That folder's name."),
    Column("connected_list_id", "id", "relationships.connected_list.id", about="→ lists.id"),
    Column("connected_list_name", "text", "relationships.connected_list.attributes.name", about="That list's name."),
    row="The feed.",
    about="The saved feeds of each account; one that is gone disappears.",
)

VISITS = Table(
    "visits",
    columns=(
        ACCOUNT_ID,
        own_id("The visit."),
        COMPANY_ID,
        LOCATION_ID,
        attribute("started_at", "timestamp", "When it began."),
        Column("visit_date", "date", "visit_date", about="The UTC day of `started_at`."),
        attribute("visit_length", "bigint", "Seconds."),
        attribute("page_depth", "bigint", "Number of page views."),
        attribute("landing_page_path", about="Path of the first page."),
        attribute("source", about="Referrer traffic source."),
        attribute("medium", about="Referrer traffic medium."),
    ),
    key=("account_id", "id"),
    scope=("account_id", "visit_date"),
    moving=Moving("visits", "id", on="id", day="visit_date"),
    open="attributes",
    elsewhere=frozenset({"engagements"}),
    about="Visits of identified companies.",
)

VISIT_PAGES = Table(
    "visit_pages",
    columns=(
        ACCOUNT_ID,
        Column("visit_id", "id", "id", parent=True, about="→ visits.id"),
        Column("position", "bigint", about="From 0, in the vendor's order."),
        Column("visit_date", "date", "visit_date", parent=True, about="The visit's day."),
        Column("path", at="path", about="Path of the page."),
        Column("title", at="title", about="Title of the page."),
    ),
    key=("account_id", "visit_id", "position"),
    scope=("account_id", "visit_date"),
    moving=Moving("visits", "id", on="visit_id", day="visit_date"),
    each="attributes.engagements",
    open="",
    about="Pages of a visit: its engagements.",
)

LOCATIONS = Table(
    "locations",
    columns=(
        own_id("The location."),
        attribute("country", about="Country name."),
        attribute("country_code", about="ISO 3166-1 alpha-2."),
        attribute("region", about="Region name."),
        attribute("city", about="City name."),
        attribute("state_code", about="US only."),
    ),
    key=("id",),
    open="attributes",
    about="Places that visits and visitor companies refer to.",
)

WINDOW_START = Column("window_start", "date", about="First day of the calendar month.")
WINDOW = (
    WINDOW_START,
    Column("start_date", "date", about="First day asked for."),
    Column("end_date", "date", about="Last day asked for."),
)
COMPANY_LOCATION = (
    own_id("A company at a location: one company can be here several times."),
    COMPANY_ID,
    LOCATION_ID,
    attribute("name", about="Its name."),
)

VISITOR_COMPANIES = Table(
    "visitor_companies",
    columns=(
        ACCOUNT_ID,
        *WINDOW,
        *COMPANY_LOCATION,
        Column("company_name", "text", "relationships.company.attributes.name", about="The company's name."),
        Column("company_url", "text", "relationships.company.attributes.url", about="The company's web site."),
        Column("company", "json", "relationships.company.attributes", about="All that came with it of the company."),
    ),
    key=("account_id", "window_start", "id"),
    scope=("account_id", "window_start"),
    open="attributes",
    about="Who visited in a calendar month. The vendor gives no figures here.",
)

FEED_COMPANIES = Table(
    "feed_companies",
    columns=(
        ACCOUNT_ID,
        Column("custom_feed_id", "id", about="→ custom_feeds.id"),
        *WINDOW,
        *COMPANY_LOCATION,
    ),
    key=("account_id", "custom_feed_id", "window_start", "id"),
    scope=("account_id", "custom_feed_id", "window_start"),
    open="attributes",
    about="Which of them the visits of a calendar month put into a feed.",
)

TAGS = snapshot("tags", attribute("name", about="Its name."), row="The tag.", about="The account's tags.")

LISTS = snapshot(
    "lists",
    attribute("name", about="Its name."),
    attribute("scope", about="What it holds: company or contact."),
    row="The list.",
    about="The account's lists, of both scopes.",
)

LIST_ITEMS = Table(
    "list_items",
    columns=(
        ACCOUNT_ID,
        Column("list_id", "id", "list_id", about="→ lists.id"),
        own_id("The company or contact."),
        Column("type", at="type", about="What it is: company or contact."),
    ),
    key=("account_id", "list_id", "id"),
    scope=("account_id", "list_id"),
    open="attributes",
    about="What stands in the account's lists.",
)

USAGE = Table(
    "usage",
    columns=(
        ACCOUNT_ID,
        WINDOW_START,
        own_id("The row; its month and texts where the vendor gives it no id."),
        attribute("endpoint", about="What was asked."),
        attribute("period", about="The month, as YYYY-MM."),
    ),
    # a month's rows may have the ids of the last one's
    key=("account_id", "window_start", "id"),
    scope=("account_id", "window_start"),
    open="attributes",
    about="What the account's programs have asked in a month.",
)

READ_AT = Column("read_at", "timestamp", about="When it was asked for.")

COMPANIES = Table(
    "companies",
    columns=(
        ACCOUNT_ID,
        own_id("The company, by its present id."),
        READ_AT,
        Column("gone_at", "timestamp", "gone_at", about="When the vendor first said that there is none."),
        attribute("name", about="Its name."),
        attribute("url", about="Its web site."),
    ),
    key=("account_id", "id"),
    filled=Filled("gone_companies"),
    open="attributes",
    about="Details of the companies that visited; one that is gone keeps what was known of it.",
)

GONE_COMPANIES = Table(
    "gone_companies",
    columns=(
        ACCOUNT_ID,
        own_id("The company that was asked for."),
        READ_AT,
        Column("gone_at", "timestamp", "gone_at", about="When it was first gone; null where it has come back."),
    ),
    key=("account_id", "id"),
    about="Companies that the vendor no longer has; `companies` is marked from here.",
)

COMPANY_ALIASES = Table(
    "company_aliases",
    columns=(
        ACCOUNT_ID,
        Column("asked_id", "id", "asked_id", about="The id that was asked for, as visits have it."),
        Column("company_id", "id", "id", about="→ companies.id"),
        READ_AT,
    ),
    key=("account_id", "asked_id"),
    about="Companies that answered by another id: the vendor has merged them.",
)

COMPANY_FINANCIALS = Table(
    "company_financials",
    columns=(
        ACCOUNT_ID,
        Column("company_id", "id", "asked_id", about="→ company_aliases.asked_id, the id of its visits."),
        READ_AT,
    ),
    key=("account_id", "company_id"),
    open="attributes",
    about="Financial reports of the companies that visited; without any where the vendor has none.",
)

CONTACTS = Table(
    "contacts",
    columns=(
        ACCOUNT_ID,
        own_id("The contact."),
        COMPANY_ID,
        READ_AT,
        attribute("first_name", about="Given name.", pii=True),
        attribute("last_name", about="Family name.", pii=True),
        attribute("position", about="What the person does there."),
        attribute("emails", "json", "Addresses: a list.", pii=True),
        attribute("phones", "json", "Numbers: a list.", pii=True),
    ),
    key=("account_id", "id"),
    open="attributes",
    about="People at the companies that visited.",
)

CONTACT_SEARCHES = Table(
    "contact_searches",
    columns=(
        ACCOUNT_ID,
        Column("company_id", "id", "company_id", about="→ company_aliases.asked_id, the id of its visits."),
        READ_AT,
        Column("contacts", "bigint", "contacts", about="How many were found."),
    ),
    key=("account_id", "company_id"),
    about="Whose contacts have been read.",
)

IP_ENRICHMENT = Table(
    "ip_enrichment",
    columns=(ACCOUNT_ID, Column("ip", "id", "asked_id", about="The address that was asked for."), COMPANY_ID, READ_AT),
    key=("account_id", "ip"),
    open="attributes",
    about="The companies behind addresses.",
)

CUSTOM_FEED_FOLDERS = snapshot(
    "custom_feed_folders", attribute("name", about="Its name."), row="The folder.", about="Folders of feeds."
)

TRACKING_SCRIPTS = snapshot(
    "tracking_scripts",
    attribute("script_hash", about="What identifies the script."),
    attribute("script_html", about="The HTML to put into every tracked page."),
    row="The script.",
    about="The website tracking script of each account.",
)

CUSTOM_FIELDS = snapshot(
    "custom_fields", attribute("name", about="Its name."), row="The field.", about="Fields that the users have made."
)

INDUSTRIES = snapshot(
    "industries",
    attribute("name", about="Its name."),
    row="The industry.",
    about="The vendor's industries.",
    by_account=False,
)

NACE_CODES = snapshot("nace_codes", row="The code.", about="NACE and WZ codes of industries.", by_account=False)
