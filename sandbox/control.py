"""The sandbox's own routes, below `/_sandbox`: what a test in another process does with the objects at hand.

`POST /_sandbox/<mutator>` with the mutator's arguments as a JSON object; `POST …/fault`, `…/clear_faults`,
`…/clear_requests`; `POST …/options` with `{"vendor": …, <option>: <value>, …}`; `GET …/requests` and
`…/settings`.
"""

from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import crm, grants, leadfeeder_lists, leadfeeder_paid, leedo
from .vendor import Json

if TYPE_CHECKING:
    from .app import Sandbox

MUTATORS = (
    "add_account",
    "add_feed",
    "add_field",
    "add_visits",
    "advance",
    "crowd_day",
    "empty_day",
    "grow_visit",
    "move_visit",
    "remove_account",
    "remove_feed",
    "remove_visits",
    "rename_company",
    "retag",
)


def set_options(options: Any, changes: dict[str, Any]) -> None:
    """Nested options take a nested object; an unknown name raises."""
    for name, value in changes.items():
        if name not in vars(options):
            raise ValueError(f"no such option: {name!r}; there are {', '.join(vars(options))}")
        if is_dataclass(old := getattr(options, name)):
            set_options(old, value)
        else:
            setattr(options, name, value)


def routes(sandbox: "Sandbox") -> list[Route]:
    async def act(request: Request) -> Response:
        action = request.path_params["action"]
        try:
            return Json({"result": _act(sandbox, action, orjson.loads(await request.body() or b"{}"))})
        except (KeyError, TypeError, ValueError) as error:
            return Json({"error": str(error)}, 400)

    async def read(request: Request) -> Response:
        if request.path_params["what"] == "requests":
            return Json(list(sandbox.requests))
        if request.path_params["what"] == "settings":
            return Json(sandbox.settings())
        return Json({"error": "requests or settings?"}, 404)

    return [Route("/{action}", act, methods=["POST"]), Route("/{what}", read)]


def _act(sandbox: "Sandbox", action: str, arguments: dict[str, Any]) -> Any:
    owners = {
        MUTATORS: sandbox.world,
        leadfeeder_lists.MUTATORS: sandbox.leadfeeder.lists,
        leadfeeder_paid.MUTATORS: sandbox.leadfeeder.paid,
        crm.MUTATORS: sandbox.leedo.crm,
        leedo.MUTATORS: sandbox.leedo,
        grants.MUTATORS: sandbox.leadsie.grants,
    }
    for mutators, owner in owners.items():
        if action in mutators:
            return getattr(owner, action)(**arguments)
    match action:
        case "fault":
            return sandbox.faults.add(**arguments)
        case "clear_faults":
            return sandbox.faults.clear()
        case "clear_requests":
            return sandbox.requests.clear()
        case "options":
            return set_options(sandbox.vendors[arguments.pop("vendor")].options, arguments)
    known = [name for mutators in owners for name in mutators]
    raise ValueError(f"no such action: {action!r}; there are {', '.join(known)}, fault, clear_faults, options")
