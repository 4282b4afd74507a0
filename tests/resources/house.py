"""The whole server in this process, over real stores, with people on it: what tests of REST resources stand on."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.stores.opened import anyio_backend, settings
from tests.workspace.world import NOW, Client, Person, World

from hedgerow.core.clock import ManualClock, to_us
from hedgerow.server import Hedgerow
from hedgerow.settings import Settings

__all__ = ["Project", "ada", "anyio_backend", "bob", "house", "settings", "world"]


class RunningClock(ManualClock):
    """Begins at a fixed moment, runs, and can be moved ahead."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._began = time.monotonic()
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began) + self._ahead

    def now_us(self) -> int:
        return to_us(self.now())

    def monotonic(self) -> float:
        return (self.now() - self._start).total_seconds()

    def advance(self, seconds: float = 0, *, days: float = 0) -> None:
        self._ahead += timedelta(days=days, seconds=seconds)


class Project(Client):
    """A person's project, asked with their key. `path("cohorts/")` is where its resources stand."""

    def __init__(self, person: Person, secret: str) -> None:
        super().__init__(person.world.app, {"Authorization": f"Bearer {secret}"})
        person.world.clients.append(self)
        self.person = person
        self.id = person.project_id

    def path(self, tail: str) -> str:
        return f"/api/projects/{self.id}/{tail}"

    async def made(self, tail: str, body: Any, status: int = 201) -> dict[str, Any]:
        """What a POST answers that must be a success."""
        response = await self.post(self.path(tail), body)
        assert response.status_code == status, response.text
        return response.json()

    async def changed(self, tail: str, body: Any, status: int = 200) -> dict[str, Any]:
        """What a PATCH answers that must be a success."""
        response = await self.patch(self.path(tail), body)
        assert response.status_code == status, response.text
        return response.json()

    async def found(self, tail: str, status: int = 200) -> Any:
        """What a GET answers that must be a success."""
        response = await self.get(self.path(tail))
        assert response.status_code == status, response.text
        return response.json()

    async def refused(self, method: str, tail: str, body: Any = None, status: int = 400) -> dict[str, Any]:
        """The envelope of a request that must be refused."""
        response = await self.ask(method, self.path(tail), body)
        assert response.status_code == status, response.text
        return response.json()

    async def sends(self, event: str, distinct_id: str, properties: dict[str, Any] | None = None, **more: Any) -> None:
        """One event, by the way that SDKs take; stored when this returns. `timestamp` is ISO text."""
        item = {"event": event, "distinct_id": distinct_id, "properties": properties or {}, **more}
        response = await self.post("/batch/", {"api_key": self.person.project_token, "batch": [item]})
        assert response.status_code == 200, response.text

    async def rows(self, hogql: str) -> list[list[Any]]:
        """The rows of a query, calculated now."""
        query = {"kind": "HogQLQuery", "query": hogql}
        response = await self.post(self.path("query/"), {"query": query, "refresh": "force_blocking"})
        assert response.status_code == 200, response.text
        return json.loads(response.content)["results"]


@pytest.fixture(scope="module")
async def house(settings: Settings) -> AsyncIterator[Hedgerow]:
    """One server for a module."""
    opened = await Hedgerow.open(settings, RunningClock(NOW))
    yield opened
    await opened.close()


@pytest.fixture
async def world(house: Hedgerow) -> AsyncIterator[World]:
    assert isinstance(house.clock, ManualClock)
    made = World(house.app, house.access, house.clock)
    yield made
    await made.close()


@pytest.fixture
async def ada(world: World) -> Project:
    """She owns an organization with a project, and asks with a key that may do everything."""
    person = await world.person(first_name="Ada")
    return Project(person, await person.key())


@pytest.fixture
async def bob(world: World) -> Project:
    """He owns another."""
    person = await world.person(first_name="Bob")
    return Project(person, await person.key())
