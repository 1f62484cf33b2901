"""All four vendors, loaded once into a warehouse of each kind, with models, on the sixth of a month."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from sandbox import Sandbox, World
from tests.conftest import FakeClock, database
from tests.models.conftest import House

NOW = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)
HOSTILE = ("<script>alert('&amp;')</script>", "{{ ref('leads') }} <b>%s</b> '; drop table leads; --")


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """A story that begins before the last month did."""
    clock = FakeClock(NOW)
    world = World(days=35, accounts=2, visits_per_day=8, clock=clock.epoch)
    # those that come most are called what means something to a page, to dbt and to a database
    came = Counter(visit.lead.company.number for visit in world.history("6001").visits)
    for (number, _), name in zip(came.most_common(), HOSTILE, strict=False):
        world.rename_company(number, name)
    with Sandbox(world, clock=clock.epoch, limits=False) as started:
        started.leadfeeder_legacy.options.exports.pending_polls = 0
        yield started


@pytest.fixture(scope="package")
def in_duckdb(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> House:
    return _loaded(House("duckdb", tmp_path_factory.mktemp("duckdb"), FakeClock(NOW), sandbox))


@pytest.fixture(scope="package")
def in_postgres(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> House:
    more = {"DESTINATION__POSTGRES__CREDENTIALS": database(postgres_server)}
    return _loaded(House("postgres", tmp_path_factory.mktemp("postgres"), FakeClock(NOW), sandbox, more))


@pytest.fixture(params=["duckdb", "postgres"])
def loaded(request: pytest.FixtureRequest) -> Iterator[House]:
    """Each warehouse in turn, which the settings of the test lead to."""
    found: House = request.getfixturevalue(f"in_{request.param}")
    with found.at_home():
        yield found


def _loaded(empty: House) -> House:
    empty.sync()
    assert empty.transform().exit_code == 0
    return empty
