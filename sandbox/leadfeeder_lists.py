"""Tags and lists of an account, and their mutators: `GET /tags`, `/lists`, `/lists/{id}/items`.

The tags are those of the story, with every name that `World.retag` gave to a lead. A list holds companies
or contacts; its items are ids and types only.
"""

import zlib
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from . import leadfeeder_rows as rows
from .leadfeeder_answers import Answers
from .leadfeeder_contacts import contacts_of
from .vendor import RefusalError
from .words import TAGS
from .world import Account

MUTATORS = ("add_tag", "rename_tag", "remove_tag", "add_list", "change_list", "remove_list")
SCOPES = ("company", "contact")


@dataclass
class ItemList:
    id: str
    name: str
    scope: str
    created: float
    updated: float
    items: list[str]


@dataclass
class Shelf:
    """What an account's users have made."""

    tags: dict[str, str] = field(default_factory=dict)
    lists: dict[str, ItemList] = field(default_factory=dict)
    made: int = 0


class Lists:
    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.world = answers.world
        self._shelves: dict[str, Shelf] = {}

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            Route("/tags", self.tags),
            Route("/lists", self.lists),
            Route("/lists/{list_id}/items", self.items),
        ]

    async def tags(self, request: Request) -> Response:
        account = self.answers.account(request)
        named = self.tags_of(account.id)
        return self.answers.numbered(
            request, list(named.items()), lambda tag: rows.row("tag", tag[0], {"name": tag[1]})
        )

    async def lists(self, request: Request) -> Response:
        account = self.answers.account(request)
        scope = request.query_params.get("filter[scope]")
        if scope is not None and scope not in SCOPES:
            raise RefusalError(400, "filter[scope] must be company or contact")
        found = [each for each in self.shelf(account).lists.values() if scope in (None, each.scope)]

        def row(each: ItemList) -> dict[str, object]:
            return rows.row("list", each.id, attributes(each))

        return self.answers.numbered(request, found, row)

    async def items(self, request: Request) -> Response:
        account = self.answers.account(request)
        if (found := self.shelf(account).lists.get(unquote(request.path_params["list_id"]))) is None:
            raise RefusalError(404)
        return self.answers.cursored(request, found.items, lambda item: {"id": item, "type": found.scope})

    def tags_of(self, account_id: str) -> dict[str, str]:
        """Names by id."""
        account = self.world.account(account_id)
        tags = self.shelf(account).tags
        given = {name for lead in account.leads.values() for name in lead.tags}
        return tags | {_tag_id(name): name for name in sorted(given.difference(TAGS, tags.values()))}

    def shelf(self, account: Account) -> Shelf:
        if account.id not in self._shelves:
            self._shelves[account.id] = shelf = Shelf({_tag_id(name): name for name in TAGS})
            numbers = [account.first_lead + place for place in range(150)]
            # every tenth lead is a branch of the company before it
            numbers = [number for number in numbers if number % 10 != 9]
            people = [
                contact.id for number in numbers for contact in contacts_of(self.world.seed, self.world.company(number))
            ]
            self._add(account, shelf, "Target accounts", "company", [rows.company_id(each) for each in numbers])
            self._add(account, shelf, "Do not contact", "company", [])
            self._add(account, shelf, "Event 2024 attendees", "contact", people[:30])
        return self._shelves[account.id]

    def connected(self, account: Account) -> ItemList | None:
        """The list that the feed of followed companies fills."""
        return next((each for each in self.shelf(account).lists.values() if each.scope == "company"), None)

    # what tests do

    def add_tag(self, account_id: str, name: str) -> str:
        self.shelf(self.world.account(account_id)).tags[_tag_id(name)] = name
        return _tag_id(name)

    def rename_tag(self, account_id: str, tag_id: str, name: str) -> None:
        tags = self.shelf(self.world.account(account_id)).tags
        if tag_id not in tags:
            raise ValueError(f"no such tag: {tag_id!r}")
        tags[tag_id] = name

    def remove_tag(self, account_id: str, tag_id: str) -> None:
        del self.shelf(self.world.account(account_id)).tags[tag_id]

    def add_list(self, account_id: str, name: str, scope: str = "company", items: list[str] | None = None) -> str:
        if scope not in SCOPES:
            raise ValueError(f"no such scope: {scope!r}; there are company and contact")
        account = self.world.account(account_id)
        return self._add(account, self.shelf(account), name, scope, items or [], self.world.clock())

    def change_list(
        self,
        account_id: str,
        list_id: str,
        *,
        name: str | None = None,
        add: list[str] | None = None,
        remove: list[str] | None = None,
    ) -> None:
        """`name` renames it; `add` and `remove` are ids of items."""
        changed = self.shelf(self.world.account(account_id)).lists[list_id]
        changed.name = name or changed.name
        changed.items = [each for each in changed.items if each not in (remove or ())] + (add or [])
        changed.updated = self.world.clock()

    def remove_list(self, account_id: str, list_id: str) -> None:
        del self.shelf(self.world.account(account_id)).lists[list_id]

    def _add(
        self, account: Account, shelf: Shelf, name: str, scope: str, items: list[str], now: float | None = None
    ) -> str:
        if now is None:
            now = (self.world.first_day.toordinal() - 719_163) * 86_400
        shelf.made += 1
        list_id = f"{account.id}{shelf.made}"
        shelf.lists[list_id] = ItemList(list_id, name, scope, now, now, list(items))
        return list_id


def attributes(each: ItemList) -> dict[str, object]:
    return {
        "name": each.name,
        "scope": each.scope,
        "items_count": len(each.items),
        "created_at": rows.instant(each.created),
        "updated_at": rows.instant(each.updated),
    }


def _tag_id(name: str) -> str:
    return str(10_000 + zlib.crc32(name.encode()) % 1_000_000)
