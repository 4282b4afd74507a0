"""A world whose overrides can be squashed, or left half squashed, and what its project's events look like meanwhile."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from tests.hogql.project import Schema
from tests.writer.world import World

from hedgerow.core.storage.events import EventStore, StoreUnavailable
from hedgerow.hogql import HogQLContext, compile_select
from hedgerow.people import edits, sql
from hedgerow.people.settlement import Settlement
from hedgerow.people.squash import PREFIX, Squash
from hedgerow.people.standing import PeopleStanding

PERSONS = "SELECT toString(uuid), distinct_id, toString(person_id) FROM events LIMIT 10000"
SQL_OWNERS = "SELECT distinct_id, person_uuid FROM person_distinct_ids WHERE team_id = :team_id"
SQL_OVERRIDES = "SELECT count(*) FROM person_overrides WHERE team_id = :team_id"


class Interrupted:
    """The event store, of which one step fails as if the process or the server died there: before it, or just after."""

    def __init__(self, events: EventStore) -> None:
        self._events = events
        self.fails_at = 0
        self.after = False
        self.taken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)

    async def _step(self, name: str, *args: Any, **named: Any) -> Any:
        self.taken += 1
        fails = self.taken == self.fails_at
        if fails and not self.after:
            raise StoreUnavailable("gone before")
        found = await getattr(self._events, name)(*args, **named)
        if fails:
            raise StoreUnavailable("gone after")
        return found

    async def rows(self, *args: Any, **named: Any) -> Any:
        return await self._step("rows", *args, **named)

    async def query(self, *args: Any, **named: Any) -> Any:
        return await self._step("query", *args, **named)

    async def command(self, *args: Any, **named: Any) -> Any:
        return await self._step("command", *args, **named)


async def no_progress(_share: float) -> None:
    pass


async def squash(world: World, *, fails_at: int = 0, after: bool = False) -> bool:
    """Squash all overrides of all projects; with `fails_at` only until that step. Whether it came to its end."""
    events = Interrupted(world.stores.events)
    events.fails_at, events.after = fails_at, after
    work = Squash(world.people, cast("EventStore", events), Settlement(world.people, world.writer))
    try:
        await work.run({}, no_progress)
    except StoreUnavailable:
        assert fails_at
        return False
    return True


async def persons(world: World, *, joined: bool | None = None) -> dict[str, tuple[str, str]]:
    """Event → distinct id and person, through HogQL; `joined` says whether with overrides, else what queries do."""
    if joined is None:
        joined = await PeopleStanding(world.people).has_person_overrides(world.team_id)
    context = HogQLContext(schema=Schema(world.team_id, has_person_overrides=joined))
    compiled = compile_select(PERSONS, context)
    body = await world.stores.events.query(compiled.sql, compiled.parameters, settings=compiled.settings)
    return {uuid: (distinct_id, person) for uuid, distinct_id, person in msgspec.json.decode(body)["data"]}


async def owners(world: World) -> dict[str, str]:
    """Distinct id → person, as SQL has them."""
    async with world.stores.metadata.connection(read_only=True) as connection:
        return dict(map(tuple, await sql.rows(connection, SQL_OWNERS, {"team_id": world.team_id})))  # pyright: ignore[reportArgumentType]


async def overrides(world: World) -> tuple[int, int]:
    """How many overrides of the project wait in SQL, and in ClickHouse."""
    async with world.stores.metadata.connection(read_only=True) as connection:
        in_sql = (await sql.rows(connection, SQL_OVERRIDES, {"team_id": world.team_id}))[0][0]
    in_clickhouse = (await world.rows("SELECT count() FROM person_overrides FINAL WHERE team_id = TEAM"))[0][0]
    return in_sql, in_clickhouse


async def agree(world: World) -> None:
    """Every event of a distinct id that has a person belongs to that person, in queries and without doubles."""
    found = await persons(world)
    assert len(found) == await world.count()
    owned = await owners(world)
    assert {event: said for event, said in found.items() if said[0] in owned and said[1] != owned[said[0]]} == {}


async def delete(world: World, distinct_id: str) -> None:
    """Delete the person of a distinct id; its events stay."""
    uuids = await edits.owners(world.people, world.team_id, [distinct_id])
    await edits.delete_persons(world.people, cast("Any", None), world.team_id, uuids, with_events=False)


async def split(world: World, distinct_id: str) -> None:
    """Split the person of a distinct id."""
    for uuid in await edits.owners(world.people, world.team_id, [distinct_id]):
        await edits.split_person(world.people, world.team_id, uuid, None)


async def leftovers(world: World) -> list[Any]:
    """Tables of squashes."""
    return await world.rows(
        f"SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '{PREFIX}')"
    )
