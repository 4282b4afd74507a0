"""From a view into SQL, and into the lines that ClickHouse shall get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hedgerow.people import properties as rules
from hedgerow.people import rows, sql, versions

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.people.identity import PersonState, TeamView
    from hedgerow.people.versions import KnownVersions

_PERSON: Final = """
INSERT INTO persons (team_id, uuid, created_at_us, properties, email, is_identified, version)
VALUES (:team_id, :uuid, :created_at_us, :properties, :email, :is_identified, :version)
ON CONFLICT (team_id, uuid) DO UPDATE SET created_at_us = excluded.created_at_us, properties = excluded.properties,
    email = excluded.email, is_identified = excluded.is_identified, version = excluded.version
"""
_NO_PERSON: Final = "DELETE FROM persons WHERE team_id = :team_id AND uuid = :uuid"
_ID: Final = """
INSERT INTO person_distinct_ids (team_id, distinct_id, person_uuid, version)
VALUES (:team_id, :distinct_id, :person_uuid, :version)
ON CONFLICT (team_id, distinct_id) DO UPDATE SET person_uuid = excluded.person_uuid, version = excluded.version
"""
_NO_ID: Final = "DELETE FROM person_distinct_ids WHERE team_id = :team_id AND distinct_id = :distinct_id"
_OVERRIDE: Final = """
INSERT INTO person_overrides (team_id, distinct_id, person_uuid, version)
VALUES (:team_id, :distinct_id, :person_uuid, :version)
ON CONFLICT (team_id, distinct_id) DO UPDATE SET person_uuid = excluded.person_uuid, version = excluded.version
"""
_PERSONLESS: Final = """
INSERT INTO personless_distinct_ids (team_id, distinct_id, is_scattered) VALUES (:team_id, :distinct_id, :is_scattered)
ON CONFLICT (team_id, distinct_id) DO UPDATE SET is_scattered = excluded.is_scattered
"""
_GROUP_TYPE: Final = """
INSERT INTO group_type_mappings (team_id, group_type_index, group_type, created_at_us)
VALUES (:team_id, :group_type_index, :group_type, :created_at_us)
"""
_GROUP: Final = """
INSERT INTO groups (team_id, group_type_index, group_key, created_at_us, updated_at_us, properties, version)
VALUES (:team_id, :group_type_index, :group_key, :created_at_us, :updated_at_us, :properties, :version)
ON CONFLICT (team_id, group_type_index, group_key) DO UPDATE SET created_at_us = excluded.created_at_us,
    updated_at_us = excluded.updated_at_us, properties = excluded.properties, version = excluded.version
"""

PERSONS: Final = "persons"
IDS: Final = "person_distinct_ids"
OVERRIDES: Final = "person_overrides"
GROUPS: Final = "groups"
VERSIONS: Final = "person_properties_versions"


class Changes:
    """What a batch changed in all its projects: SQL parameters by statement, lines by ClickHouse table."""

    def __init__(self) -> None:
        self.lines: dict[str, list[bytes]] = {}
        self.parameters: dict[str, list[dict[str, Any]]] = {}
        self.new_versions: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        return bool(self.parameters or self.lines)

    def line(self, table: str, line: bytes) -> None:
        """Add a line for a ClickHouse table."""
        self.lines.setdefault(table, []).append(line)

    def run(self, statement: str, **parameters: Any) -> None:
        """Add a run of an SQL statement."""
        self.parameters.setdefault(statement, []).append(parameters)

    @property
    def teams_with_new_overrides(self) -> set[int]:
        """Projects that get overrides."""
        return {row["team_id"] for row in self.parameters.get(_OVERRIDE, ())}

    @property
    def teams_with_new_group_types(self) -> set[int]:
        """Projects that get group types."""
        return {row["team_id"] for row in self.parameters.get(_GROUP_TYPE, ())}

    async def save(self, connection: AsyncConnection) -> None:
        """Run the SQL: what is deleted goes first."""
        for statement in sorted(self.parameters, key=lambda sql_text: not sql_text.startswith("DELETE")):
            await sql.execute_many(connection, statement, self.parameters[statement])


def has_changes(view: TeamView, known: KnownVersions) -> bool:
    """Whether anything about a view is not in the stores yet."""
    if view.absorbed or view.freed or view.new_group_types or any(group.touched for group in view.groups.values()):
        return True
    if any((view.team_id, version) not in known for version in view.versions):
        return True
    return any(
        state.was_moved or state.was_used or state.was_overridden or (state.person is not None and state.person.touched)
        for state in view.ids.values()
    )


def collect(view: TeamView, version: int, now_us: int, known: KnownVersions, changes: Changes) -> None:
    """Add what changed in a view to `changes`, under the number of their commit, and mark the view as saved."""
    team_id = view.team_id
    for person in view.absorbed:
        remove_person(team_id, person, version, changes)
    view.absorbed.clear()
    for distinct_id, person_uuid in view.freed:
        changes.run(_NO_ID, team_id=team_id, distinct_id=distinct_id)
        changes.line(IDS, rows.distinct_id(team_id, distinct_id, person_uuid, version, is_deleted=True))
    view.freed.clear()
    for distinct_id, state in view.ids.items():
        person = state.person
        if person is not None and person.touched:
            _put_person(team_id, person, version, changes)
        if state.was_moved:
            assert person is not None
            changes.run(_ID, team_id=team_id, distinct_id=distinct_id, person_uuid=person.uuid, version=version)
            changes.line(IDS, rows.distinct_id(team_id, distinct_id, person.uuid, version))
            state.was_moved = False
        if state.was_used:
            changes.run(_PERSONLESS, team_id=team_id, distinct_id=distinct_id, is_scattered=state.is_scattered)
            state.was_used = False
        if state.was_overridden:
            uuid = state.override
            assert uuid is not None
            changes.run(_OVERRIDE, team_id=team_id, distinct_id=distinct_id, person_uuid=uuid, version=version)
            changes.line(OVERRIDES, rows.distinct_id(team_id, distinct_id, uuid, version))
            state.was_overridden = False
    for number, text in view.versions.items():
        if (team_id, number) not in known:
            changes.new_versions.append((team_id, number))
            changes.line(VERSIONS, versions.row(team_id, number, text))
    view.versions.clear()
    _collect_groups(view, version, now_us, changes)


def _put_person(team_id: int, person: PersonState, version: int, changes: Changes) -> None:
    changes.run(
        _PERSON,
        team_id=team_id,
        uuid=person.uuid,
        created_at_us=person.created_at_us,
        properties=person.text.decode(),
        email=rules.email_of(person.properties),
        is_identified=person.is_identified,
        version=version,
    )
    changes.line(
        PERSONS,
        rows.person(
            team_id,
            person.uuid,
            person.created_at_us,
            person.text,
            is_identified=person.is_identified,
            is_deleted=False,
            version=version,
        ),
    )
    person.touched = False
    person.exists = True


def remove_person(team_id: int, person: PersonState, version: int, changes: Changes) -> None:
    """Delete a person's row; ClickHouse gets one that says so, without its properties."""
    if not person.exists:
        return
    changes.run(_NO_PERSON, team_id=team_id, uuid=person.uuid)
    changes.line(
        PERSONS,
        rows.person(
            team_id, person.uuid, person.created_at_us, b"{}", is_identified=False, is_deleted=True, version=version
        ),
    )
    person.exists = False


def _collect_groups(view: TeamView, version: int, now_us: int, changes: Changes) -> None:
    for group_type in view.new_group_types:
        index = view.group_types[group_type]
        changes.run(
            _GROUP_TYPE, team_id=view.team_id, group_type_index=index, group_type=group_type, created_at_us=now_us
        )
    view.new_group_types.clear()
    for (index, key), group in view.groups.items():
        if not group.touched:
            continue
        changes.run(
            _GROUP,
            team_id=view.team_id,
            group_type_index=index,
            group_key=key,
            created_at_us=group.created_at_us,
            updated_at_us=now_us,
            properties=group.text.decode(),
            version=version,
        )
        changes.line(
            GROUPS,
            rows.group(
                view.team_id,
                index,
                key,
                created_at_us=group.created_at_us,
                updated_at_us=now_us,
                properties=group.text,
                version=version,
            ),
        )
        group.touched = False
