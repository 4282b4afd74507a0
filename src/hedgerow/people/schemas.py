"""Persons as they go over the wire (rest-api §5)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class PersonOut(msgspec.Struct, frozen=True, kw_only=True):
    """A person; the list and the single one look the same."""

    type: str = "person"
    id: str
    uuid: str
    name: str
    created_at: str
    is_identified: bool
    distinct_ids: list[str]
    properties: msgspec.Raw
    matched_recordings: tuple[()] = ()
    value_at_data_point: None = None


class PersonPage(msgspec.Struct, frozen=True):
    """A page of the list."""

    count: int
    next: str | None
    previous: str | None
    results: list[PersonOut]


class ValueOut(msgspec.Struct, frozen=True):
    """A value of a property, and how many persons have it."""

    name: str
    count: int


class PersonPatch(msgspec.Struct, frozen=True):
    """Properties to lay over the person's."""

    properties: dict[str, Any] | UnsetType = UNSET


class PropertyUpdate(msgspec.Struct, frozen=True):
    """One property to set."""

    key: str | None = None
    value: Any = None


class PropertyDelete(msgspec.Struct, frozen=True):
    """One property to remove."""

    unset: str | UnsetType = msgspec.field(default=UNSET, name="$unset")


class Split(msgspec.Struct, frozen=True):
    """The distinct id that stays with the person."""

    main_distinct_id: str | None = None


class BulkDelete(msgspec.Struct, frozen=True):
    """Persons to delete, by uuid or by distinct id."""

    ids: list[str] | None = None
    distinct_ids: list[str] | None = None
    delete_events: bool = False


class BulkDeleted(msgspec.Struct, frozen=True):
    """What a bulk delete did."""

    persons_found: int
    persons_deleted: int
    events_queued_for_deletion: bool
    recordings_queued_for_deletion: bool = False


class DistinctIds(msgspec.Struct, frozen=True):
    """Distinct ids to look persons up by."""

    distinct_ids: list[str]


class Done(msgspec.Struct, frozen=True):
    """It is done."""

    success: bool = True


class PersonsById(msgspec.Struct, frozen=True):
    """Persons by distinct id."""

    results: dict[str, PersonOut]
