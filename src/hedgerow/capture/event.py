"""One event on its way from the wire to the stores, and who takes it there.

Everything here is plain data. `normalise` builds it, `writer` consumes it, observers look at it in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

PERSON_FULL: Final = 0
"""The event has a person, which is made if it is missing."""
PERSON_NONE: Final = 1
"""The client sent `$process_person_profile: false`: no person is made (sdk-wire §8.5)."""
PERSON_FORCED: Final = 2
"""Sent as personless, stored with the person that existed by then. Only the writer decides this."""


class MergeRequest(msgspec.Struct, frozen=True, gc=False):
    """Two distinct ids said to be one person (sdk-wire §8.6). The target is the event's own distinct id.

    Neither side is illegal, and they differ: what breaks either rule became a warning or nothing before.
    """

    other_distinct_id: str
    dangerously: bool
    """True for `$merge_dangerously`: an identified `other` is no reason to refuse."""


class GroupIdentify(msgspec.Struct, frozen=True):
    """What a `$groupidentify` says about one group (sdk-wire §8.7)."""

    type: str
    key: str
    set: dict[str, Any]
    """Merged over what the group has, key by key."""


class IncomingEvent(msgspec.Struct):
    """A checked and normalised event: all that the writer needs, nothing that it must look at twice."""

    team_id: int
    uuid: bytes
    """16 bytes, the client's own or a new version 7."""
    event: str
    """1 to 200 characters."""
    distinct_id: str
    """1 to 200 characters, no NUL."""
    timestamp_us: int
    """When it happened, in µs since 1970 UTC, after the rules of sdk-wire §8.1. Between the years 1900 and 2299."""
    created_at_us: int
    """When this server received it, in µs since 1970 UTC."""
    properties: bytes
    """One JSON object as UTF-8 text: what `select properties` returns. May hold white space and line ends between
    tokens, as sent, and lone surrogates as escapes; never a NUL, a duplicate key, a fraction beyond a double, bytes
    that are not UTF-8, or more than 64 levels. Integers may be of any size up to 4,300 digits."""
    keys: dict[str, Any]
    """The same properties decoded, for observers. Not to be changed. Lone surrogates are U+FFFD here."""
    person_mode: int
    """PERSON_FULL or PERSON_NONE."""
    set: dict[str, Any] | None
    """Person properties to overwrite, mapped keys and GeoIP included; None when there are none."""
    set_once: dict[str, Any] | None
    """Person properties to set where absent, `$initial_…` included; None when there are none."""
    unset: list[str] | None
    """Person properties to remove; None when there are none."""
    merge: MergeRequest | None
    groups: dict[str, str] | None
    """Group type to group key, from `$groups`, in the order sent; None for personless events."""
    group_identify: GroupIdentify | None
    elements_chain: str
    session_id: str
    window_id: str
    historical: bool
    """The client marked the batch `historical_migration`: same data, but nothing real-time may come of it."""
    indexed_properties: bytes | None = None
    """What the column `properties_json` must be filled from where it differs from `properties`, else None.

    ClickHouse's JSON type refuses a lone surrogate, which real browsers send: here it is U+FFFD."""


class IngestionWarning(msgspec.Struct, frozen=True):
    """Something about an event that its project should know: kept in SQL by `capture.warnings.keep`."""

    team_id: int
    type: str
    """A word such as `cannot_merge_already_identified`."""
    details: dict[str, Any]
    """What a person needs to find the cause: small JSON values, strings cut at 1,000 characters."""
    timestamp_us: int
    """When this server noticed, in µs since 1970 UTC."""


class QueueFull(Exception):  # noqa: N818 — a state that the client waits out, and the name the routes know
    """As many events wait as the settings allow: the client shall come again."""


class Submitter(Protocol):
    """The writer, as the routes see it."""

    async def submit(self, events: list[IncomingEvent], warnings: Sequence[IngestionWarning] = ()) -> None:
        """Return when every event is stored, doubles included, in the order given.

        Raises `QueueFull`, `StoreUnavailable` or `MetadataUnavailable`; then the route answers 503.
        """
        ...


class EventObserver(Protocol):
    """Somebody who watches the events that were stored, such as the taxonomy."""

    def saw(self, events: Sequence[IncomingEvent]) -> None:
        """Take note. Cheap, never raises, changes nothing."""
        ...
