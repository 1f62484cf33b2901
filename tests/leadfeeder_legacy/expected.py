"""What the document's samples are in the warehouse: every row, every column. An array is JSON, an absent field null."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from .documented import sample

Row = dict[str, Any]

PLAIN_LEAD = "400360f2-6131-11e5-90dc-638a476d8c19_6xeTMh2VfiAzFd86n7GNJ3"
FULL_LEAD = "40157512-6131-11e5-90dc-638a476d8c19_6xeTMh2VfiAzFd86n7GNJ3"
ONE_LEAD = "25e7ccea-611b-11e5-b180-3b69e435d91d_7xeTMh2VfiAzFd86n7GNJ3"
EMAIL_VISIT = "5b4f313e-46de-11e8-b981-05bebed8e58b"
AD_VISIT = "0977b688-46de-11e8-a510-076914c6fac2"
HOME = "Website Visitor Tracking Software - Leadfeeder"

HELSINKI: Row = {
    "country": "Finland",
    "country_code": "FI",
    "region": "Uusimaa",
    "region_code": None,
    "city": "Helsinki",
    "state_code": None,
}


def account(account_id: str, name: str, subscription: str, timezone: str, status: str) -> Row:
    return {
        "id": account_id,
        "name": name,
        "subscription": subscription,
        "timezone": timezone,
        "website_tracking_status": status,
        "on_trial": None,
        "subscription_addons": None,
    }


def criterion(feed: str, position: int, kind: str, search: str, display: str, excluded: bool) -> Row:
    return {
        "account_id": "6002",
        "custom_feed_id": feed,
        "position": position,
        "criterion_type": kind,
        "search_value": search,
        "display_value": display,
        "excluded": excluded,
    }


def lead_day(lead: str, day: date, visits: int, quality: int | None) -> Row:
    return {
        "account_id": "6002",
        "lead_id": lead,
        "date": day,
        "visits": visits,
        "quality": quality,
        "first_visit_date": date(2015, 9, 18),
        "last_visit_date": date(2015, 9, 21),
    }


def page(visit: str, position: int, day: date, path: str, previous: str, seconds: int, title: str = HOME) -> Row:
    return {
        "account_id": "6002",
        "visit_id": visit,
        "position": position,
        "visit_date": day,
        "hostname": "www.leadfeeder.com",
        "page_path": path,
        "previous_page_path": previous,
        "time_on_page": seconds,
        "page_title": title,
        "page_url": f"http://www.leadfeeder.com{path}",
        "display_page_name": path,
    }


LEADS: list[Row] = [
    {
        "account_id": "6002",
        "id": PLAIN_LEAD,
        "name": "Leadfeeder Inc.",
        "industry": "N/A",
        "first_visit_date": date(2015, 9, 18),
        "last_visit_date": date(2015, 9, 21),
        "status": "new",
        "dealfront_id": "VqNyvp8Bwz",
        "website_url": "https://www.leadfeeder.com",
        "phone": "+358504303422",
        "linkedin_url": "https://www.linkedin.com/company/leadfeeder",
        "twitter_handle": "Leadfeeder",
        "facebook_url": "https://www.facebook.com/Leadfeeder",
        "employee_count": None,
        "employees_min": None,
        "employees_max": None,
        "crm_lead_id": None,
        "crm_organization_id": None,
        "logo_url": "https://logos.leadfeeder.com/123/logo.png",
        "assignee": None,
        "business_id": None,
        "revenue": None,
        "revenue_amount": None,
        "revenue_currency": None,
        "emailed_to": None,
        "view_in_leadfeeder": "https://app.leadfeeder.com/link/9088f1ad86",
        "location_id": "6xeTMh2VfiAzFd86n7GNJ3",
    },
    {
        "account_id": "6002",
        "id": FULL_LEAD,
        "name": "Organic Mint",
        "industry": "N/A",
        "first_visit_date": date(2015, 9, 18),
        "last_visit_date": date(2015, 9, 21),
        "status": "new",
        "dealfront_id": None,
        "website_url": "https://www.organicmint.com",
        "phone": None,
        "linkedin_url": None,
        "twitter_handle": None,
        "facebook_url": None,
        "employee_count": 550,
        "employees_min": 501,
        "employees_max": 550,
        "crm_lead_id": "110",
        "crm_organization_id": None,
        "logo_url": "https://logos.leadfeeder.com/123/logo.png",
        "assignee": "user@company.com",
        "business_id": "KVK Number 123",
        "revenue": "EUR 395752792.0",
        "revenue_amount": Decimal("395752792.0"),
        "revenue_currency": "EUR",
        "emailed_to": "user@example.com,user@company.com",
        "view_in_leadfeeder": "https://app.leadfeeder.com/link/9088f1ad85",
        "location_id": "6xeTMh2VfiAzFd86n7GNJ3",
    },
    {
        "account_id": "6002",
        "id": ONE_LEAD,
        "name": "Leadfeeder Inc.",
        "industry": "Computers & Internet",
        "first_visit_date": date(2015, 9, 18),
        "last_visit_date": date(2015, 9, 21),
        "status": "new",
        "dealfront_id": "VqNyvp8Bwz",
        "website_url": "https://www.leadfeeder.com",
        "phone": None,
        "linkedin_url": "https://www.linkedin.com/company/leadfeeder",
        "twitter_handle": "Leadfeeder",
        "facebook_url": "https://www.facebook.com/Leadfeeder",
        "employee_count": 22,
        "employees_min": 1,
        "employees_max": 22,
        "crm_lead_id": "11",
        # "" in the sample
        "crm_organization_id": None,
        "logo_url": "https://logos.leadfeeder.com/123/logo.png",
        "assignee": "user@company.com",
        "business_id": "KVK Number 123",
        "revenue": "EUR 23423.0",
        "revenue_amount": Decimal("23423.0"),
        "revenue_currency": "EUR",
        "emailed_to": "user@example.com,user@company.com",
        "view_in_leadfeeder": "https://app.leadfeeder.com/link/9088f1ad85",
        "location_id": "7xeTMh2VfiAzFd86n7GNJ3",
    },
]

VISITS: list[Row] = [
    {
        "account_id": "6002",
        "id": EMAIL_VISIT,
        "lead_id": "xgLE1188E3o4T3NAs1rP2h_9xkc83iKW6BnBBGApPh2B1",
        "location_id": "6xeTMh2VfiAzFd86n7GNJ3",
        "started_at": datetime(2018, 4, 13, 6, 23, tzinfo=UTC),
        "visit_date": date(2018, 4, 12),
        "hour": 23,
        "source": "Top leads email",
        "medium": "email",
        "campaign": None,
        "referring_url": None,
        "keyword": None,
        "query_term": None,
        "country_code": "US",
        "page_depth": 1,
        "visit_length": 0,
        "device_type": "smartphone",
        "landing_page_path": None,
        "lf_client_id": "1",
        "ga_client_ids": ["123.123"],
        "adobe_cookies": None,
        "visitor_email": None,
        "visitor_first_name": None,
        "visitor_last_name": None,
    },
    {
        "account_id": "6002",
        "id": AD_VISIT,
        "lead_id": "bJurQFBGKMfJLqP4JEGFLm_p6q3nDbB2C4m9KjK9gndy",
        "location_id": "6xeTMh2VfiAzFd86n7GNJ3",
        "started_at": datetime(2018, 4, 11, 20, 22, tzinfo=UTC),
        "visit_date": date(2018, 4, 11),
        "hour": 13,
        "source": "Google",
        "medium": "cpc",
        "campaign": "HomePage Split",
        "referring_url": None,
        "keyword": "website leads",
        "query_term": "how to get fresh leads to my website",
        "country_code": "US",
        "page_depth": 4,
        "visit_length": 80,
        "device_type": "smartphone",
        "landing_page_path": None,
        "lf_client_id": "2",
        "ga_client_ids": None,
        "adobe_cookies": [{"MCMID": "681245", "MCAAMB": "RKh123Vc5", "MCAAMLH": "6"}],
        "visitor_email": None,
        "visitor_first_name": None,
        "visitor_last_name": None,
    },
]

ROWS: dict[str, list[Row]] = {
    "accounts": [
        account("6001", "Sample account", "lite", "Europe/Helsinki", "ok"),
        account("6002", "Sample website", "premium", "America/New_york", "not_installed"),
        account("6003", "Another account", "lite", "UTC", "reporting"),
    ],
    "tracking_scripts": [
        {
            "account_id": "6001",
            "id": "1",
            "script_hash": "LbMwm7E2MdOZyAVe",
            "script_html": sample("tracking_script")["data"]["attributes"]["script_html"],
            "timezone": "Asia/Calcutta",
        }
    ],
    "custom_feeds": [
        {"account_id": "6002", "id": "all_leads", "name": "All leads"},
        {"account_id": "6002", "id": "new_leads", "name": "New leads"},
        {"account_id": "6002", "id": "recommended_leads", "name": "Top leads"},
        {"account_id": "6002", "id": "followed_companies", "name": "Followed companies"},
        {"account_id": "6002", "id": "9999383", "name": "Canada"},
        {"account_id": "6002", "id": "999991535", "name": "Blog"},
    ],
    "custom_feed_criteria": [
        criterion("new_leads", 0, "assignee", "0", "Any assignee", True),
        criterion("recommended_leads", 0, "pageviews", "3", "3", False),
        criterion("recommended_leads", 1, "industry_code", "0", "Any industry", False),
        criterion("recommended_leads", 2, "industry_code", "8", "Telecommunications", True),
        criterion("recommended_leads", 3, "assignee", "0", "Any assignee", True),
        criterion("followed_companies", 0, "followed", "9999999", "Sample User", False),
        criterion("9999383", 0, "country_code", "CA", "Canada", False),
        criterion("999991535", 0, "page_url", "/blog/", "/blog/", False),
    ],
    "leads": LEADS,
    "lead_tags": [
        {"account_id": "6002", "lead_id": lead, "position": position, "tag": tag}
        for lead in (FULL_LEAD, ONE_LEAD)
        for position, tag in enumerate(("tag1", "tag2"))
    ],
    "lead_industries": [
        {"account_id": "6002", "lead_id": lead, "position": position, "name": name}
        for lead, names in (
            (PLAIN_LEAD, ("Technology, Information and Internet", "Software Development")),
            (FULL_LEAD, ("Market Research", "Public Relations and Communications Services")),
            (ONE_LEAD, ("Technology, Information and Internet", "Software Development")),
        )
        for position, name in enumerate(names)
    ],
    "lead_days": [
        lead_day(PLAIN_LEAD, date(2015, 9, 18), visits=10, quality=6),
        lead_day(FULL_LEAD, date(2015, 9, 18), visits=15, quality=4),
        # one lead's own answer has no quality: that is of an interval
        lead_day(ONE_LEAD, date(2015, 9, 19), visits=45, quality=None),
    ],
    "visits": VISITS,
    "visit_pages": [
        page(EMAIL_VISIT, 0, date(2018, 4, 12), "/", "(entrance)", 0),
        page(AD_VISIT, 0, date(2018, 4, 11), "/?campaignid=1", "(entrance)", 18),
        page(AD_VISIT, 1, date(2018, 4, 11), "/?campaignid=2", "/?campaignid=1", 40),
        page(AD_VISIT, 2, date(2018, 4, 11), "/pricing/", "/?campaignid=2", 22, "Pricing for all stages of growth"),
        page(
            AD_VISIT,
            3,
            date(2018, 4, 11),
            "/product/",
            "/pricing/",
            0,
            "Lead Generation for Marketing Teams - Leadfeeder",
        ),
    ],
    "locations": [
        {"id": "6xeTMh2VfiAzFd86n7GNJ3", **HELSINKI},
        {"id": "7xeTMh2VfiAzFd86n7GNJ3", **HELSINKI},
    ],
}
