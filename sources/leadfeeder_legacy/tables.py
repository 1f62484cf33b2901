"""What the token API has: its tables, column by column.

Source: Leadfeeder API, https://docs.leadfeeder.com/api/. Fields that were seen but are not documented say so.
"""

from decimal import Decimal, InvalidOperation

from ..columns import Column, Type
from ..tables import Filled, Moving, Newest, Table

# what a DECIMAL(38, 9) holds
LARGEST_AMOUNT = Decimal("1e28")

ACCOUNT_ID = Column("account_id", "id", about="→ accounts.id")


def _attribute(name: str, kind: Type = "text", about: str = "", *, pii: bool = False) -> Column:
    return Column(name, kind, f"attributes.{name}", about=about, pii=pii)


def _id(about: str) -> Column:
    return Column("id", "id", "id", about=about)


def _location_id() -> Column:
    return Column("location_id", "id", "relationships.location.data.id", about="→ locations.id")


def _amount(revenue: object) -> Decimal | None:
    """`EUR 395752792.0` → 395752792.0; the text itself stays in `revenue` where it is anything else."""
    try:
        amount = Decimal(str(revenue).split()[-1])
    except (InvalidOperation, IndexError):
        return None
    return amount if amount.is_finite() and abs(amount) < LARGEST_AMOUNT else None


def _currency(revenue: object) -> str | None:
    words = str(revenue).split()
    return words[0] if len(words) == 2 and words[0].isalpha() else None


ACCOUNTS = Table(
    "accounts",
    columns=(
        _id("The account."),
        _attribute("name", about="Its name."),
        _attribute("subscription", about="Its plan, e.g. lite, premium."),
        _attribute("timezone", about="The zone of its days, as the vendor spells it."),
        _attribute("website_tracking_status", about="not_installed, reporting or ok."),
        _attribute("on_trial", "bool", "Not documented, seen."),
        _attribute("subscription_addons", "json", "Not documented, seen."),
    ),
    key=("id",),
    open="attributes",
    about="The accounts that the token can see.",
)

TRACKING_SCRIPTS = Table(
    "tracking_scripts",
    columns=(
        ACCOUNT_ID,
        _id("The script."),
        _attribute("script_hash", about="What identifies the script."),
        _attribute("script_html", about="The HTML to put into every tracked page."),
        _attribute("timezone", about="The script's zone."),
    ),
    key=("account_id", "id"),
    scope=("account_id",),
    open="attributes",
    about="The website tracking script of each account.",
)

CUSTOM_FEEDS = Table(
    "custom_feeds",
    columns=(
        ACCOUNT_ID,
        _id("all_leads, new_leads, recommended_leads, followed_companies, or a number."),
        _attribute("name", about="Its name."),
    ),
    key=("account_id", "id"),
    scope=("account_id",),
    open="attributes",
    elsewhere=frozenset({"criteria"}),
    about="The saved feeds of each account; one that is gone disappears.",
)

CUSTOM_FEED_CRITERIA = Table(
    "custom_feed_criteria",
    columns=(
        ACCOUNT_ID,
        Column("custom_feed_id", "id", "id", parent=True, about="→ custom_feeds.id"),
        Column("position", "bigint", about="From 0, in the vendor's order."),
        Column("criterion_type", at="criterion_type", about="What is compared, e.g. country_code."),
        Column("search_value", at="search_value", about="With what; numbers and texts both land as text."),
        Column("display_value", at="display_value", about="The value as the app shows it."),
        Column("excluded", "bool", "excluded", about="Whether matches are left out."),
    ),
    key=("account_id", "custom_feed_id", "position"),
    scope=("account_id",),
    each="attributes.criteria",
    open="",
    about="What makes a lead part of a feed.",
)

LEAD_DAYS = Table(
    "lead_days",
    columns=(
        ACCOUNT_ID,
        Column("lead_id", "id", "id", about="→ leads.id"),
        Column("date", "date", about="The day that was asked for."),
        _attribute("visits", "bigint", "Number of visits on that day."),
        _attribute("quality", "bigint", "Lead quality by the visits of that day, 0 to 10."),
        _attribute("first_visit_date", "date", "Date of the first visit, as reported for that day."),
        _attribute("last_visit_date", "date", "Date of the last visit, as reported for that day."),
    ),
    key=("account_id", "date", "lead_id"),
    scope=("account_id", "date"),
    about="Which lead visited on which day.",
)

LEADS = Table(
    "leads",
    columns=(
        ACCOUNT_ID,
        _id("The lead: a company at a location."),
        _attribute("name", about="Company name."),
        _attribute("industry", about="Legacy industry classification."),
        _attribute("first_visit_date", "date", "Date of the first visit, as reported for the last day it was seen."),
        _attribute("last_visit_date", "date", "Date of the last visit, as reported for the last day it was seen."),
        _attribute("status", about="Deprecated by the vendor: new or handled."),
        _attribute("dealfront_id", "id", "The company in Dealfront."),
        _attribute("website_url", about="Company web site."),
        _attribute("phone", about="Company phone number."),
        _attribute("linkedin_url", about="Company's LinkedIn profile."),
        _attribute("twitter_handle", about="Company's Twitter handle."),
        _attribute("facebook_url", about="Company's Facebook page."),
        _attribute("employee_count", "bigint", "Estimated number of employees."),
        Column("employees_min", "bigint", "attributes.employees_range.min", about="10001 without a max: over 10,000."),
        Column("employees_max", "bigint", "attributes.employees_range.max", about="Upper bound, if there is one."),
        _attribute("crm_lead_id", "id", "The lead in the CRM."),
        _attribute("crm_organization_id", "id", "The organization in the CRM."),
        _attribute("logo_url", about="Company logo."),
        _attribute("assignee", about="Email of the assigned user.", pii=True),
        _attribute("business_id", "id", "Company business id."),
        _attribute("revenue", about="Estimated revenue, as the vendor writes it."),
        Column("revenue_amount", "decimal", "attributes.revenue", read=_amount, about="The amount in `revenue`."),
        Column("revenue_currency", "text", "attributes.revenue", read=_currency, about="The currency in `revenue`."),
        _attribute("emailed_to", about="Emails the lead was sent to, separated by commas.", pii=True),
        _attribute("view_in_leadfeeder", about="Link to the lead in the app."),
        _location_id(),
    ),
    key=("account_id", "id"),
    # the vendor may bound both dates by the days asked for: an older day that is read later must not set them back
    newest=Newest(
        "lead_days",
        on=(("account_id", "account_id"), ("id", "lead_id")),
        by="date",
        columns=("first_visit_date", "last_visit_date"),
    ),
    filled=Filled("report_leads", strangers=True),
    open="attributes",
    elsewhere=frozenset({"visits", "quality", "tags", "industries"}),
    about="Companies that visited, as last seen.",
)

LEAD_TAGS = Table(
    "lead_tags",
    columns=(
        ACCOUNT_ID,
        Column("lead_id", "id", "id", parent=True, about="→ leads.id"),
        Column("position", "bigint", about="From 0, in the vendor's order."),
        Column("tag", at="", about="The tag."),
    ),
    key=("account_id", "lead_id", "position"),
    scope=("account_id", "lead_id"),
    owner="leads",
    each="attributes.tags",
    about="Tags of a lead.",
)

LEAD_INDUSTRIES = Table(
    "lead_industries",
    columns=(
        ACCOUNT_ID,
        Column("lead_id", "id", "id", parent=True, about="→ leads.id"),
        Column("position", "bigint", about="From 0, in the vendor's order."),
        Column("name", at="name", about="Industry, by the current classification."),
    ),
    key=("account_id", "lead_id", "position"),
    scope=("account_id", "lead_id"),
    owner="leads",
    each="attributes.industries",
    open="",
    about="Industries of a lead.",
)

VISITS = Table(
    "visits",
    columns=(
        ACCOUNT_ID,
        _id("The visit."),
        _attribute("lead_id", "id", "→ leads.id"),
        _location_id(),
        _attribute("started_at", "timestamp", "When it began, to the minute."),
        Column("visit_date", "date", "attributes.date", about="The account's day (the vendor's `date`)."),
        _attribute("hour", "bigint", "The hour on the account's clock, 0 to 23."),
        _attribute("source", about="Referrer traffic source."),
        _attribute("medium", about="Referrer traffic medium."),
        _attribute("campaign", about="utm_campaign, or the AdWords campaign."),
        _attribute("referring_url", about="Referrer URL."),
        _attribute("keyword", about="Search phrase."),
        _attribute("query_term", about="Deprecated by the vendor: query that triggered the campaign."),
        _attribute("country_code", about="Deprecated by the vendor: ISO 3166-1 alpha-2."),
        _attribute("page_depth", "bigint", "Number of page views."),
        _attribute("visit_length", "bigint", "Seconds."),
        _attribute("device_type", about="E.g. smartphone."),
        _attribute("landing_page_path", about="Not documented, seen."),
        _attribute("lf_client_id", "id", "Visitor as Leadfeeder knows it.", pii=True),
        _attribute("ga_client_ids", "json", "Visitor ids as Google Analytics knows them: a list.", pii=True),
        _attribute("adobe_cookies", "json", "Adobe cookies, where their extraction is on: a list.", pii=True),
        _attribute("visitor_email", about="Not documented, seen. Personal data.", pii=True),
        _attribute("visitor_first_name", about="Not documented, seen. Personal data.", pii=True),
        _attribute("visitor_last_name", about="Not documented, seen. Personal data.", pii=True),
    ),
    key=("account_id", "id"),
    scope=("account_id", "visit_date"),
    moving=Moving("visits", "id", on="id", day="visit_date"),
    # a walk lets no visit pass twice, and no day is part of two windows
    distinct=True,
    open="attributes",
    elsewhere=frozenset({"visit_route"}),
    about="Visits of identified companies.",
)

VISIT_PAGES = Table(
    "visit_pages",
    columns=(
        ACCOUNT_ID,
        Column("visit_id", "id", "id", parent=True, about="→ visits.id"),
        Column("position", "bigint", about="From 0, along the route."),
        Column("visit_date", "date", "attributes.date", parent=True, about="The visit's day."),
        Column("hostname", at="hostname", about="Host of the page."),
        Column("page_path", at="page_path", about="Path of the page."),
        Column("previous_page_path", at="previous_page_path", about="Path of the page before, or (entrance)."),
        Column("time_on_page", "bigint", "time_on_page", about="Seconds."),
        Column("page_title", at="page_title", about="Title of the page."),
        Column("page_url", at="page_url", about="URL of the page."),
        Column("display_page_name", at="display_page_name", about="Path, URL or title, as set in Leadfeeder."),
    ),
    key=("account_id", "visit_id", "position"),
    scope=("account_id", "visit_date"),
    moving=Moving("visits", "id", on="visit_id", day="visit_date"),
    # a walk lets no visit pass twice, and no day is part of two windows
    distinct=True,
    each="attributes.visit_route",
    open="",
    about="Pages of a visit, in order.",
)

LOCATIONS = Table(
    "locations",
    columns=(
        _id("The location."),
        _attribute("country", about="Country name."),
        _attribute("country_code", about="ISO 3166-1 alpha-2."),
        _attribute("region", about="Region name."),
        _attribute("region_code", about="Not used by the vendor."),
        _attribute("city", about="City name."),
        _attribute("state_code", about="US only."),
    ),
    key=("id",),
    open="attributes",
    about="Places that leads and visits refer to.",
)


def _list_id(report_id: object) -> str:
    """Reports join a lead's id by `|` where the leads list has `_`."""
    return str(report_id).replace("|", "_")


WINDOW_START = Column("window_start", "date", about="First day of the calendar window.")
CUSTOM_FEED_ID = Column("custom_feed_id", "id", about="→ custom_feeds.id")
REPORT_LEAD_ID = Column("lead_id", "id", "relationships.lead.data.id", read=_list_id, about="→ leads.id")

FEED_LEADS = Table(
    "feed_leads",
    columns=(
        ACCOUNT_ID,
        CUSTOM_FEED_ID,
        WINDOW_START,
        REPORT_LEAD_ID,
        Column("start_date", "date", about="First day asked for."),
        Column("end_date", "date", about="Last day asked for."),
        _attribute("quality", "bigint", "Quality score of the window, 1 to 10."),
        Column("bounces", "bigint", "attributes.stats.bounces", about="Visits of one page."),
        Column("last_visit", "date", "attributes.stats.last_visit", about="Date of the last visit in the window."),
        Column("pageviews", "bigint", "attributes.stats.pageviews", about="Page views in the window."),
        Column("visits", "bigint", "attributes.stats.visits", about="Visits in the window."),
    ),
    key=("account_id", "custom_feed_id", "window_start", "lead_id"),
    scope=("account_id", "custom_feed_id", "window_start"),
    open="attributes",
    elsewhere=frozenset({"keywords"}),
    about="Leads of a feed in a calendar window, from export requests.",
)

FEED_LEAD_KEYWORDS = Table(
    "feed_lead_keywords",
    columns=(
        ACCOUNT_ID,
        CUSTOM_FEED_ID,
        WINDOW_START,
        Column("lead_id", "id", "relationships.lead.data.id", parent=True, read=_list_id, about="→ leads.id"),
        Column("position", "bigint", about="From 0, in the vendor's order."),
        Column("keyword", at="", about="Search term that led to the website."),
    ),
    key=("account_id", "custom_feed_id", "window_start", "lead_id", "position"),
    scope=("account_id", "custom_feed_id", "window_start"),
    each="attributes.keywords",
    about="Search terms of a feed's leads.",
)

REPORT_LEADS = Table(
    "report_leads",
    columns=(
        ACCOUNT_ID,
        Column("id", "id", "id", read=_list_id, about="The lead, in the leads list's form."),
        _attribute("name", about="Company name."),
        _attribute("industry", about="Legacy industry classification."),
        _attribute("first_visit_date", "date", "Date of the first visit."),
        _attribute("last_visit_date", "date", "Date of the last visit."),
        _attribute("status", about="new or handled."),
        _attribute("website_url", about="Company web site."),
        _attribute("linkedin_url", about="Company's LinkedIn profile."),
        _attribute("twitter_handle", about="Company's Twitter handle."),
        _attribute("facebook_url", about="Company's Facebook page."),
        _location_id(),
    ),
    key=("account_id", "id"),
    open="attributes",
    about="Leads as the last report had them; `leads` has those from here that no list has shown.",
)

REPORT_LEAD_DAYS = Table(
    LEAD_DAYS.name,
    columns=(
        ACCOUNT_ID,
        REPORT_LEAD_ID,
        Column("date", "date", about="The day that was asked for."),
        Column("visits", "bigint", "attributes.stats.visits", about="Number of visits on that day."),
        _attribute("quality", "bigint", "Lead quality by the visits of that day."),
        Column("first_visit_date", "date", "attributes.first_visit_date", about="Not in a report."),
        Column("last_visit_date", "date", "attributes.stats.last_visit", about="Date of the last visit."),
    ),
    key=LEAD_DAYS.key,
    scope=LEAD_DAYS.scope,
    about="The same table, from the report of a day that has more leads than the list shows.",
)

EXPORT_REQUESTS = Table(
    "export_requests",
    columns=(
        Column("id", "id", about="The vendor's id; ours, beginning with `unclear-`, where the answer was lost."),
        ACCOUNT_ID,
        CUSTOM_FEED_ID,
        Column("start_date", "date", about="First day asked for."),
        Column("end_date", "date", about="Last day asked for."),
        Column("status", about="pending, processed, failed; unclear or given_up where it is ours to say."),
        Column("created_at", "timestamp", about="When the vendor took it."),
        Column("submitted_at", "timestamp", about="When we sent it."),
        Column("finished_at", "timestamp", about="When its rows were loaded, or nothing more is expected of it."),
        Column("attempts", "bigint", about="Which try for its window it was, from 1."),
        Column("row_count", "bigint", about="Rows in the report."),
        Column("error", about="What went wrong."),
    ),
    key=("id",),
    about="The ledger of export requests: committed before the first poll.",
)
