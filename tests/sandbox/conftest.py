"""A sandbox with a clock of its own, and a client that knows the token."""

from collections.abc import Iterator

import pytest

from sandbox import Sandbox, World
from tests.sandbox.client import Api, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(World(days=28, clock=clock), sleep=clock.sleep, limits=False) as served:
        yield served


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Api]:
    client = Api(sandbox)
    yield client
    client.session.close()
