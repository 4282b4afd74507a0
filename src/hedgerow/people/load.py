"""From SQL into a view: what a batch of one project touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hedgerow.core import ids as core_ids
from hedgerow.people import properties as rules
from hedgerow.people import sql, versions
from hedgerow.people.facts import PERSONLESS
from hedgerow.people.identity import GroupState, IdState, PersonState, TeamView

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.people.facts import PersonEvent

_IDS: Final = """
SELECT asked.value, ids.person_uuid, personless.is_scattered, overrides.person_uuid
FROM @ids AS asked
LEFT JOIN person_distinct_ids AS ids ON ids.team_id = :team_id AND ids.distinct_id = asked.value
LEFT JOIN personless_distinct_ids AS personless
    ON personless.team_id = :team_id AND personless.distinct_id = asked.value
LEFT JOIN person_overrides AS overrides ON overrides.team_id = :team_id AND overrides.distinct_id = asked.value
"""
_IDS_OF_PERSONS: Final = """
SELECT ids.distinct_id, ids.person_uuid, personless.is_scattered, overrides.person_uuid
FROM person_distinct_ids AS ids
LEFT JOIN personless_distinct_ids AS personless
    ON personless.team_id = ids.team_id AND personless.distinct_id = ids.distinct_id
LEFT JOIN person_overrides AS overrides
    ON overrides.team_id = ids.team_id AND overrides.distinct_id = ids.distinct_id
WHERE ids.team_id = :team_id AND ids.person_uuid IN @uuids
"""
_PERSONS: Final = """
SELECT uuid, created_at_us, properties, is_identified FROM persons WHERE team_id = :team_id AND uuid IN @uuids
"""
_GROUP_TYPES: Final = "SELECT group_type, group_type_index FROM group_type_mappings WHERE team_id = :team_id"
_GROUPS: Final = """
SELECT group_type_index, group_key, created_at_us, properties FROM groups
WHERE team_id = :team_id AND group_key IN @keys
"""


def named(events: Iterable[PersonEvent]) -> set[str]:
    """Every distinct id that these events speak of."""
    found: set[str] = set()
    for event in events:
        found.add(event.distinct_id)
        if event.merge is not None:
            found.add(event.merge.other_distinct_id)
    return found


def needs_groups(events: Iterable[PersonEvent]) -> bool:
    """Whether any of these events belongs to a group or describes one."""
    return any(event.groups or event.group_identify is not None for event in events)


async def load_group_types(connection: AsyncConnection, team_id: int) -> dict[str, int]:
    """The project's group types and their numbers."""
    return {row[0]: row[1] for row in await sql.rows(connection, _GROUP_TYPES, {"team_id": team_id})}


async def load_ids(connection: AsyncConnection, view: TeamView, distinct_ids: Collection[str]) -> None:
    """Put distinct ids that the view lacks into it, with their persons, and note which uuids are taken."""
    asked = [one for one in distinct_ids if one not in view.ids and not take_remembered(view, one)]
    if not asked:
        return
    found = await sql.rows(connection, _IDS, {"team_id": view.team_id, "ids": sql.listed(asked)})
    own = {distinct_id: str(core_ids.person_uuid(view.team_id, distinct_id)) for distinct_id in asked}
    # A person that lost its first distinct id in a split still has that id's uuid: it must not be chosen again.
    wanted = {row[1] for row in found if row[1] is not None} | {own[row[0]] for row in found if row[1] is None}
    persons = await load_persons(connection, view, wanted)
    _put(view, found, own, persons)
    view.taken.update(persons)


def take_remembered(view: TeamView, distinct_id: str) -> bool:
    """Put a distinct id that memory holds into the view; False if memory does not."""
    state = view.remembered.get(distinct_id)
    if state is None:
        return False
    view.ids[distinct_id] = state
    return True


async def load_ids_of(connection: AsyncConnection, view: TeamView, persons: Iterable[PersonState]) -> None:
    """Put all distinct ids of these persons into the view: it may have to move them."""
    asked = {person.uuid: person for person in persons if person.distinct_ids is None}
    if not asked:
        return
    found = await sql.rows(connection, _IDS_OF_PERSONS, {"team_id": view.team_id, "uuids": sql.listed(asked)})
    for person in asked.values():
        person.distinct_ids = set()
    for distinct_id, uuid, *_ in found:
        owned = asked[uuid].distinct_ids
        assert owned is not None
        owned.add(distinct_id)
    new = [row for row in found if row[0] not in view.ids]
    own = {row[0]: str(core_ids.person_uuid(view.team_id, row[0])) for row in new}
    _put(view, new, own, asked)


async def load_persons(connection: AsyncConnection, view: TeamView, uuids: Collection[str]) -> dict[str, PersonState]:
    """The persons of these uuids, as far as they exist; those that the view or memory has are the same objects."""
    known = {
        state.person.uuid: state.person
        for state in view.ids.values()
        if state.person is not None and state.person.uuid in uuids
    }
    for uuid in uuids:
        person = view.remembered_persons.get((view.team_id, uuid))
        if person is not None and uuid not in known and person.exists and not person.gone:
            known[uuid] = person
    missing = [uuid for uuid in uuids if uuid not in known]
    if missing:
        found = await sql.rows(connection, _PERSONS, {"team_id": view.team_id, "uuids": sql.listed(missing)})
        for uuid, created_at_us, properties, is_identified in found:
            known[uuid] = person_of(view.team_id, uuid, created_at_us, properties, is_identified=bool(is_identified))
    return known


def person_of(team_id: int, uuid: str, created_at_us: int, properties: str, *, is_identified: bool) -> PersonState:
    """A person as its SQL row has it."""
    written = properties.encode()
    return PersonState(
        uuid,
        created_at_us,
        rules.decode(written),
        written,
        versions.version_of(team_id, written),
        is_identified=is_identified,
        exists=True,
    )


def _put(
    view: TeamView,
    found: Sequence[tuple[str, str | None, bool | None, str | None]],
    own: dict[str, str],
    persons: dict[str, PersonState],
) -> None:
    for distinct_id, uuid, is_scattered, override in found:
        if take_remembered(view, distinct_id):
            continue
        state = view.ids[distinct_id] = IdState(
            own[distinct_id],
            None if uuid is None else persons[uuid],
            is_personless=is_scattered is not None,
            is_scattered=bool(is_scattered),
            override=override,
        )
        state.own_is_taken = uuid is None and own[distinct_id] in persons


async def load_for(connection: AsyncConnection, view: TeamView, events: Sequence[PersonEvent]) -> None:
    """Put all that `view.resolve` will need for these events into the view."""
    await load_ids(connection, view, named(events))
    absorbed = may_be_absorbed(view, events)
    await load_ids_of(connection, view, absorbed)
    await load_ids(connection, view, {distinct_id for person in absorbed for distinct_id in person.distinct_ids or ()})
    keys = {event.group_identify.key for event in events if event.group_identify is not None}
    if keys:
        await _load_groups(connection, view, keys)


def may_be_absorbed(view: TeamView, events: Sequence[PersonEvent]) -> list[PersonState]:
    """The persons whose distinct ids may have to move.

    The other side of each merge; its target too where a later `$merge_dangerously` could absorb what was merged before.
    """
    merges = [event for event in events if event.merge is not None and event.person_mode != PERSONLESS]
    if not merges:
        return []
    sides = {event.merge.other_distinct_id for event in merges if event.merge is not None}
    if any(event.merge is not None and event.merge.dangerously for event in merges):
        sides.update(event.distinct_id for event in merges)
    found: dict[str, PersonState] = {}
    for side in sides:
        person = view.ids[side].person
        if person is not None:
            found[person.uuid] = person
    return list(found.values())


async def _load_groups(connection: AsyncConnection, view: TeamView, keys: set[str]) -> None:
    found = await sql.rows(connection, _GROUPS, {"team_id": view.team_id, "keys": sql.listed(keys)})
    for index, key, created_at_us, properties in found:
        written = properties.encode()
        view.groups[index, key] = GroupState(created_at_us, rules.decode(written), written, exists=True)
