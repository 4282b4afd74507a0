"""A project of the tests: its schema is a few dicts, its rows go straight into ClickHouse, its questions are HogQL."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

import msgspec

from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.schema.columns import EVENT_PROPERTY_COLUMNS
from hedgerow.hogql import Action, Cohort, CompiledQuery, HogQLContext, Modifiers, View, compile_select, parse_select

_NAMESPACE = UUID("7f2f2f0a-0000-5000-8000-000000000000")
_team_ids = itertools.count(1_000)
_tokens = itertools.count(1)


def fresh_team_id() -> int:
    """A project that no other test has rows in."""
    return next(_team_ids)


def uuid_of(name: str) -> str:
    """The same name gives the same UUID."""
    return str(uuid5(_NAMESPACE, name))


@dataclass
class Schema:
    """What the language may ask about a project."""

    team_id: int
    timezone: str = "UTC"
    week_start_day: int = 0
    has_person_overrides: bool = False
    properties: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    group_types: list[str] = field(default_factory=list[str])
    cohorts: list[Cohort] = field(default_factory=list[Cohort])
    actions: list[Action] = field(default_factory=list[Action])
    views: list[View] = field(default_factory=list[View])

    def property_type(self, owner: str, name: str, group_type_index: int | None = None) -> str | None:
        return self.properties.get((owner if group_type_index is None else f"{owner}{group_type_index}", name))

    def property_column(self, name: str) -> str | None:
        return EVENT_PROPERTY_COLUMNS.get(name)

    def group_type_index(self, group_type: str) -> int | None:
        return self.group_types.index(group_type) if group_type in self.group_types else None

    def cohort(self, key: int | str) -> Sequence[Cohort]:
        return [each for each in self.cohorts if key in (each.id, each.name)]

    def action(self, key: int | str) -> Sequence[Action]:
        return [each for each in self.actions if key in (each.id, each.name)]

    def view(self, name: str) -> Sequence[View]:
        return [each for each in self.views if each.name == name]


class Project:
    """One project's rows and questions."""

    def __init__(self, store: EventStore, team_id: int) -> None:
        self.store = store
        self.schema = Schema(team_id)
        self.modifiers = Modifiers()
        self.paged = False
        self._events = itertools.count(1)

    def sends(
        self,
        event: str,
        *,
        by: str = "ann",
        at: str = "2026-01-05 10:00:00",
        person: str | None = None,
        properties: dict[str, Any] | str | None = None,
        person_properties: dict[str, Any] | None = None,
        **columns: Any,
    ) -> None:
        """One event, stored with the person known when it came."""
        text = properties if isinstance(properties, str) else msgspec.json.encode(properties or {}).decode()
        row = {
            "team_id": self.schema.team_id,
            "uuid": uuid_of(f"{self.schema.team_id} {next(self._events)}"),
            "event": event,
            "timestamp": at,
            "created_at": at,
            "distinct_id": by,
            "person_id": uuid_of(person or by),
            "person_mode": "full",
            "person_created_at": "2026-01-01 00:00:00",
            "properties": text,
            **columns,
        }
        if person_properties is not None:
            row["person_properties_id"] = self._version(person_properties)
        self.stores("events", row)

    def _version(self, properties: dict[str, Any]) -> int:
        text = msgspec.json.encode(properties).decode()
        number = UUID(uuid_of(text)).int >> 65
        self.stores("person_properties_versions", {"id": number, "properties": text})
        return number

    def has_person(self, name: str, *, version: int = 1, deleted: bool = False, **properties: Any) -> None:
        """A person as `persons` has them, and their distinct id of the same name."""
        text = msgspec.json.encode(properties).decode()
        person = uuid_of(name)
        row = {"id": person, "created_at": "2026-01-01 00:00:00", "properties": text, "is_identified": True}
        self.stores("persons", {**row, "is_deleted": deleted, "version": version})
        self.stores(
            "person_distinct_ids", {"distinct_id": name, "person_id": person, "is_deleted": deleted, "version": version}
        )

    def moves(self, distinct_id: str, to: str, *, version: int = 2) -> None:
        """A merge: the distinct id belongs to somebody else from now on."""
        row = {"distinct_id": distinct_id, "person_id": uuid_of(to), "is_deleted": False, "version": version}
        self.stores("person_overrides", row)
        self.stores("person_distinct_ids", row)
        self.schema.has_person_overrides = True

    def has_group(self, key: str, *, index: int = 0, version: int = 1, **properties: Any) -> None:
        """A group of a type."""
        text = msgspec.json.encode(properties).decode()
        moment = "2026-01-01 00:00:00"
        row = {"group_type_index": index, "group_key": key, "created_at": moment, "updated_at": moment}
        self.stores("groups", {**row, "properties": text, "version": version, "is_deleted": False})

    def stores(self, table: str, *rows: dict[str, Any]) -> None:
        """Rows as they are, of this project where they do not say."""
        lines = b"".join(msgspec.json.encode({"team_id": self.schema.team_id, **row}) + b"\n" for row in rows)
        asyncio.run(self.store.insert(table, lines, token=f"{table} {next(_tokens)}"))

    def context(self, **changes: Any) -> HogQLContext:
        return replace(HogQLContext(schema=self.schema, modifiers=self.modifiers, page=self.paged), **changes)

    def compiles(self, hogql: str, **placeholders: Any) -> CompiledQuery:
        return compile_select(parse_select(hogql, placeholders), self.context())

    def answer(self, hogql: str, **placeholders: Any) -> dict[str, Any]:
        """What ClickHouse says: `data` and `meta`."""
        query = self.compiles(hogql, **placeholders)
        settings = {**query.settings, "readonly": 2}
        body = asyncio.run(self.store.query(query.sql, query.parameters, settings=settings))
        return msgspec.json.decode(body)

    def asks(self, hogql: str, **placeholders: Any) -> list[list[Any]]:
        """The rows."""
        return self.answer(hogql, **placeholders)["data"]

    def types(self, hogql: str) -> list[str]:
        """ClickHouse's types of the columns."""
        return [column["type"] for column in self.answer(hogql)["meta"]]
