"""The words the story is told with: cities, trades, pages and the ways a visitor finds the site. Tables only."""

from typing import NamedTuple


class City(NamedTuple):
    name: str
    region: str
    country: str
    country_code: str
    state_code: str | None
    tld: str
    dial: str
    legal: str
    currency: str
    weight: int


CITIES = (
    City("Helsinki", "Uusimaa", "Finland", "FI", None, "fi", "+3589", "Oy", "EUR", 9),
    City("Tampere", "Pirkanmaa", "Finland", "FI", None, "fi", "+3583", "Oy", "EUR", 4),
    City("Stockholm", "Stockholm", "Sweden", "SE", None, "se", "+468", "AB", "SEK", 7),
    City("Gothenburg", "Västra Götaland", "Sweden", "SE", None, "se", "+4631", "AB", "SEK", 3),
    City("Copenhagen", "Capital Region", "Denmark", "DK", None, "dk", "+4533", "A/S", "DKK", 4),
    City("Oslo", "Oslo", "Norway", "NO", None, "no", "+4722", "AS", "NOK", 4),
    City("Tallinn", "Harju", "Estonia", "EE", None, "ee", "+3726", "OÜ", "EUR", 2),
    City("Berlin", "Berlin", "Germany", "DE", None, "de", "+4930", "GmbH", "EUR", 8),
    City("Munich", "Bavaria", "Germany", "DE", None, "de", "+4989", "GmbH", "EUR", 6),
    City("Hamburg", "Hamburg", "Germany", "DE", None, "de", "+4940", "GmbH", "EUR", 4),
    City("Karlsruhe", "Baden-Württemberg", "Germany", "DE", None, "de", "+49721", "GmbH", "EUR", 2),
    City("Vienna", "Vienna", "Austria", "AT", None, "at", "+431", "GmbH", "EUR", 3),
    City("Zürich", "Zürich", "Switzerland", "CH", None, "ch", "+4144", "AG", "CHF", 3),
    City("Amsterdam", "North Holland", "Netherlands", "NL", None, "nl", "+3120", "B.V.", "EUR", 5),
    City("Antwerp", "Flanders", "Belgium", "BE", None, "be", "+323", "NV", "EUR", 2),
    City("Paris", "Île-de-France", "France", "FR", None, "fr", "+331", "SAS", "EUR", 5),
    City("Lyon", "Auvergne-Rhône-Alpes", "France", "FR", None, "fr", "+334", "SAS", "EUR", 2),
    City("Madrid", "Madrid", "Spain", "ES", None, "es", "+3491", "S.L.", "EUR", 3),
    City("Milan", "Lombardy", "Italy", "IT", None, "it", "+3902", "S.r.l.", "EUR", 3),
    City("Warsaw", "Mazovia", "Poland", "PL", None, "pl", "+4822", "Sp. z o.o.", "PLN", 2),
    City("London", "England", "United Kingdom", "GB", None, "co.uk", "+4420", "Ltd", "GBP", 8),
    City("Manchester", "England", "United Kingdom", "GB", None, "co.uk", "+44161", "Ltd", "GBP", 3),
    City("Dublin", "Leinster", "Ireland", "IE", None, "ie", "+3531", "Ltd", "EUR", 2),
    City("New York", "New York", "United States", "US", "NY", "com", "+1212", "Inc.", "USD", 9),
    City("Boston", "Massachusetts", "United States", "US", "MA", "com", "+1617", "Inc.", "USD", 4),
    City("Austin", "Texas", "United States", "US", "TX", "com", "+1512", "Inc.", "USD", 4),
    City("San Francisco", "California", "United States", "US", "CA", "com", "+1415", "Inc.", "USD", 7),
    City("Chicago", "Illinois", "United States", "US", "IL", "com", "+1312", "LLC", "USD", 4),
    City("Toronto", "Ontario", "Canada", "CA", None, "ca", "+1416", "Inc.", "CAD", 4),
    City("Bengaluru", "Karnataka", "India", "IN", None, "in", "+9180", "Pvt. Ltd.", "INR", 4),
    City("Mumbai", "Maharashtra", "India", "IN", None, "in", "+9122", "Pvt. Ltd.", "INR", 3),
    City("Singapore", "Singapore", "Singapore", "SG", None, "sg", "+65", "Pte. Ltd.", "SGD", 2),
)


def _words(text: str) -> list[str]:
    return text.split()


# a company's name is one of each; the middle word only when the pairs have run out
FIRSTS = _words(
    "Alder Amber Arctic Aspen Baltic Basalt Beacon Birch Blue Bright Cedar Cinder Clear Cobalt Copper Coral Crest"
    " Delta Drift Ember Fable Falcon Fern Field Flint Fjord Garnet Glade Granite Harbor Hazel Heron Indigo Iron"
    " Juniper Karst Kestrel Lark Linden Lumen Maple Marble Meadow Mercury Merit Nimbus North Oak Onyx Opal Orchid"
    " Otter Pebble Pine Polar Quartz Raven Ridge River Saffron Sage Silver Slate Spruce"
)
SECONDS = _words(
    "works labs soft data tech metrics logic forge mill craft path point gate bridge stack grid flow wave cast yard"
    " press mark line house field port desk loop shift sense scale wise hub source signal route ware mint trade"
    " leaf stone hill lake ways crew cloud motion"
)
MIDDLES = _words("True Open Next Prime Swift Deep High Far New Pure Bold Long Fair Grand Inner Upper Vital Whole")

# legacy industry, its code in feed criteria, and the names of the newer classification
INDUSTRIES = (
    ("Computers & Internet", 3, ("Technology, Information and Internet", "Software Development")),
    ("Telecommunications", 8, ("Telecommunications",)),
    ("Business Services", 2, ("Business Consulting and Services", "Market Research")),
    ("Advertising & Marketing", 1, ("Advertising Services", "Public Relations and Communications Services")),
    ("Financial Services", 5, ("Financial Services", "Insurance")),
    ("Manufacturing", 7, ("Industrial Machinery Manufacturing", "Automation Machinery Manufacturing")),
    ("Logistics", 12, ("Transportation, Logistics, Supply Chain and Storage",)),
    ("Healthcare", 6, ("Hospitals and Health Care", "Medical Equipment Manufacturing")),
    ("Education", 4, ("Higher Education", "E-Learning Providers")),
    ("Construction", 9, ("Construction", "Civil Engineering")),
    ("Energy", 10, ("Renewable Energy Semiconductor Manufacturing", "Utilities")),
    ("N/A", 0, ("Retail",)),
)

EMPLOYEE_BANDS = ((1, 10), (11, 50), (51, 200), (201, 500), (501, 1000), (1001, 5000), (5001, 10000))
TAGS = (
    "hot",
    "partner",
    "customer",
    "competitor",
    "nurture",
    "event-2024",
    "follow up",
    "agency",
    "ICP",
    "tier 1",
)
SELLERS = ("aino", "ben", "carla", "dev")
DEVICES = (("desktop", 70), ("smartphone", 24), ("tablet", 6))

PAGES = {
    "/": "Analytics that sales teams read",
    "/pricing/": "Pricing for all stages of growth",
    "/product/": "Product tour",
    "/product/integrations/": "Integrations",
    "/product/security/": "Security and privacy",
    "/customers/": "Customer stories",
    "/customers/granite-works/": "How Granite Works doubled its pipeline",
    "/blog/": "Blog",
    "/blog/first-party-data/": "First-party data, explained",
    "/blog/website-visitors-to-leads/": "From website visitors to leads",
    "/blog/we-open-sourced-our-tracker/": "We open-sourced our tracker",
    "/blog/b2b-attribution/": "B2B attribution without the guesswork",
    "/demo/": "Book a demo",
    "/docs/": "Documentation",
    "/docs/api/": "API reference",
    "/about/": "About us",
    "/careers/": "Careers",
    "/contact/": "Contact",
}
PAGE_WEIGHTS = (18, 14, 13, 7, 4, 7, 3, 8, 5, 6, 2, 5, 6, 6, 4, 4, 3, 3)


class Channel(NamedTuple):
    """A way to the site: where the visitor came from and where he lands."""

    source: str
    medium: str
    campaign: str | None
    referring_url: str | None
    landing: str
    weight: int


CHANNELS = (
    Channel("Google", "organic", None, "https://www.google.com/", "/", 26),
    Channel("(direct)", "(none)", None, None, "/", 24),
    Channel("Google", "cpc", "HomePage Split", "https://www.google.com/", "/?campaignid=1", 9),
    Channel("Google", "cpc", "Brand", "https://www.google.com/", "/pricing/?campaignid=2", 5),
    Channel("LinkedIn", "social", None, "https://www.linkedin.com/", "/blog/b2b-attribution/", 7),
    Channel("LinkedIn", "cpc", "ABM Nordics", "https://www.linkedin.com/", "/customers/granite-works/", 4),
    Channel("Bing", "organic", None, "https://www.bing.com/", "/", 4),
    Channel("Top leads email", "email", None, None, "/", 3),
    Channel("g2.com", "referral", None, "https://www.g2.com/products/", "/product/", 3),
    Channel("newsletter", "email", "Partner newsletter", None, "/product/integrations/", 2),
)
# two channels with a story of their own: see visits.py
NEWSLETTER = CHANNELS[-1]
LAUNCH = Channel(
    "news.ycombinator.com",
    "referral",
    None,
    "https://news.ycombinator.com/",
    "/blog/we-open-sourced-our-tracker/",
    0,
)

KEYWORDS = (
    "website leads",
    "b2b visitor tracking",
    "who visits my website",
    "lead generation",
    "intent data",
)
QUERY_TERMS = (
    "how to get fresh leads to my website",
    "visitor identification software",
    "b2b analytics pricing",
)
