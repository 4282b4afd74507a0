"""What identity reads of an event. `capture` builds such events; this room does not know how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

FULL: Final = 0
"""The event has a person (the column `person_mode` of `events`)."""
PERSONLESS: Final = 1
"""The event has none; it carries the deterministic person id of its distinct id."""
FORCED: Final = 2
"""Sent as personless, but the person existed by then, so it has one."""


class Merge(Protocol):
    """Two distinct ids said to be one person (sdk-wire §8.6)."""

    @property
    def other_distinct_id(self) -> str:
        """The side that is absorbed."""
        ...

    @property
    def dangerously(self) -> bool:
        """Whether an identified other side may be absorbed too."""
        ...


class GroupUpdate(Protocol):
    """What a `$groupidentify` says (sdk-wire §8.7)."""

    @property
    def type(self) -> str:
        """The group type's name."""
        ...

    @property
    def key(self) -> str:
        """The group's key."""
        ...

    @property
    def set(self) -> dict[str, Any]:
        """Properties to lay over the group's."""
        ...


class PersonEvent(Protocol):
    """The part of an event that decides whose it is."""

    @property
    def team_id(self) -> int:
        """The project."""
        ...

    @property
    def event(self) -> str:
        """The event's name."""
        ...

    @property
    def distinct_id(self) -> str:
        """Who did it, in the client's words."""
        ...

    @property
    def timestamp_us(self) -> int:
        """When it happened, µs since 1970 UTC."""
        ...

    @property
    def keys(self) -> Mapping[str, Any]:
        """The event's properties."""
        ...

    @property
    def person_mode(self) -> int:
        """FULL or PERSONLESS, as the client asked."""
        ...

    @property
    def set(self) -> dict[str, Any] | None:
        """Person properties to overwrite."""
        ...

    @property
    def set_once(self) -> dict[str, Any] | None:
        """Person properties to set where absent."""
        ...

    @property
    def unset(self) -> list[str] | None:
        """Person properties to remove."""
        ...

    @property
    def merge(self) -> Merge | None:
        """The other distinct id, if this event merges."""
        ...

    @property
    def groups(self) -> dict[str, str] | None:
        """Group type to group key."""
        ...

    @property
    def group_identify(self) -> GroupUpdate | None:
        """The group that this event describes."""
        ...
