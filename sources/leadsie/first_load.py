"""What a load of Leadsie takes."""

from ..first_load import FirstLoad, Load
from ..meter import Meter
from ..runs import Run
from ..settings import listed
from .api import Api
from .source import Settings


def first_load(found: Settings, run: Run) -> FirstLoad:
    """A request for each customer that is named, or for each client."""
    if found.clients:
        client = Api(run.session, found.api_key or "", found.clients_path, found.client_path)
        calls = len(client.clients(Meter()))
    else:
        calls = len(listed(found.custom_user_ids) or ())
    return FirstLoad(Load(once=1 + calls), found.requests_per_minute / 60, "a call for each customer")
