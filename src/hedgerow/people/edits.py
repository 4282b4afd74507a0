"""What people and programs do to persons over the REST API, through the same door as events (`store.People`)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from hedgerow.core.storage.events import StoreUnavailable
from hedgerow.people import deletion, load, sql
from hedgerow.people.identity import new_person

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hedgerow.core.jobs import Jobs
    from hedgerow.people.identity import PersonState, TeamView
    from hedgerow.people.store import Change, People

_IDS: Final = "SELECT distinct_id FROM person_distinct_ids WHERE team_id = :team_id AND person_uuid = :uuid"
_OWNERS: Final = """
SELECT DISTINCT person_uuid FROM person_distinct_ids WHERE team_id = :team_id AND distinct_id IN @ids
"""


async def change_properties(
    people: People, team_id: int, uuid: str, *, set_: Mapping[str, Any] | None = None, unset: Iterable[str] = ()
) -> bool:
    """Lay properties over a person's and remove some; False if there is no such person."""
    async with people.change([team_id]) as change:
        view, person = await _person(people, change, team_id, uuid)
        if person is None:
            return False
        gone = set(unset)
        after = {key: value for key, value in {**person.properties, **(set_ or {})}.items() if key not in gone}
        view.set_properties(person, after, "")
    await _deliver(people, change, team_id)
    return True


async def delete_persons(people: People, jobs: Jobs, team_id: int, uuids: Collection[str], *, with_events: bool) -> int:
    """Delete persons and free their distinct ids; how many there were. Their events stay unless `with_events`.

    Those are deleted by a job a moment later, as far as they arrived before this.
    """
    freed: list[str] = []
    count = 0
    async with people.change([team_id]) as change:
        for uuid in uuids:
            view, person = await _person(people, change, team_id, uuid)
            if person is not None:
                freed += person.distinct_ids or ()
                view.remove(person)
                count += 1
        if with_events and freed:
            await deletion.ask_for(jobs, await change.connection(), team_id, freed, people.clock.now_us())
    people.forget(team_id, freed)
    await _deliver(people, change, team_id)
    if with_events and freed:
        jobs.look()
    return count


async def split_person(people: People, team_id: int, uuid: str, main: str | None) -> bool:
    """Make a person of each distinct id; the old one keeps its properties and `main`. False if there is none.

    Without `main` the old person keeps the distinct id that its uuid comes from, or else its first.
    Stored events follow their distinct ids.
    """
    async with people.change([team_id]) as change:
        view, person = await _person(people, change, team_id, uuid)
        if person is None:
            return False
        owned = sorted(person.distinct_ids or ())
        own = {view.ids[distinct_id].own_uuid: distinct_id for distinct_id in owned}
        view.taken.update(await load.load_persons(await change.connection(), view, own.keys()))
        kept = main if main in owned else own.get(uuid, owned[0])
        for distinct_id in owned:
            if distinct_id != kept:
                alone = new_person(view.free_uuid(distinct_id), person.created_at_us)
                view.taken.add(alone.uuid)
                view.attach(distinct_id, alone)
        person.distinct_ids = {kept}
    await _deliver(people, change, team_id)
    return True


async def owners(people: People, team_id: int, distinct_ids: Collection[str]) -> list[str]:
    """The uuids of the persons that have these distinct ids."""
    async with people.metadata.connection(read_only=True) as connection:
        found = await sql.rows(connection, _OWNERS, {"team_id": team_id, "ids": sql.listed(distinct_ids)})
    return [row[0] for row in found]


async def _person(people: People, change: Change, team_id: int, uuid: str) -> tuple[TeamView, PersonState | None]:
    """A person with all its distinct ids, read from SQL, in the change's view."""
    connection = await change.connection()
    view = await change.view(team_id)
    ids = [row[0] for row in await sql.rows(connection, _IDS, {"team_id": team_id, "uuid": uuid})]
    if not ids:
        return view, None
    people.forget(team_id, ids)
    await load.load_ids(connection, view, ids)
    person = view.ids[ids[0]].person
    if person is not None and person.distinct_ids is None:
        person.distinct_ids = set(ids)
    return view, person


async def _deliver(people: People, change: Change, team_id: int) -> None:
    """Bring ClickHouse up to date now if it can; else the outbox does it later."""
    with suppress(StoreUnavailable):
        await people.outbox.deliver(change.deliveries)
    _tell(people, team_id)


def _tell(people: People, team_id: int) -> None:
    """Answers that were calculated before this edit are out of date."""
    if people.edited is not None:
        people.edited(team_id)
