"""The lines (JSONEachRow) of the table `events`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from hedgerow.core.clock import from_us

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hedgerow.capture.event import IncomingEvent
    from hedgerow.people.identity import Who

MODES: Final = ("full", "propertyless", "force_upgrade")
"""Names of the person modes 0, 1 and 2 in the column `person_mode`."""

TEN_DIGITS_US: Final = range(1_000_000_000_000_000, 10_000_000_000_000_000)
"""Times (µs) whose seconds have ten digits: ClickHouse reads only those as a number of seconds in a text."""


class EventRow(msgspec.Struct, omit_defaults=True, gc=False):
    """A row of `events`; what is left out is empty there too."""

    team_id: int
    uuid: str
    event: str
    timestamp: str
    created_at: str
    distinct_id: str
    person_id: str
    properties: str
    person_mode: str = "full"
    person_created_at: str = ""
    person_properties_id: int = 0
    indexed_properties: str = ""
    elements_chain: str = ""
    group_0: str = msgspec.field(default="", name="$group_0")
    group_1: str = msgspec.field(default="", name="$group_1")
    group_2: str = msgspec.field(default="", name="$group_2")
    group_3: str = msgspec.field(default="", name="$group_3")
    group_4: str = msgspec.field(default="", name="$group_4")
    session_id: str = msgspec.field(default="", name="$session_id")
    window_id: str = msgspec.field(default="", name="$window_id")


def moment(time_us: int) -> str:
    """A time in µs since 1970 as the text that ClickHouse reads into a `DateTime64(6)`."""
    if time_us in TEN_DIGITS_US:
        text = str(time_us)
        return f"{text[:10]}.{text[10:]}"
    return from_us(time_us).strftime("%Y-%m-%d %H:%M:%S.%f")


_moment_again: Final = lru_cache(maxsize=16_384)(moment)
"""For times that repeat: of a request's arrival, of a person's creation."""


def uuid_text(uuid: bytes) -> str:
    """A UUID of 16 bytes as text."""
    text = uuid.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event_row(event: IncomingEvent, who: Who) -> EventRow:
    """The row of one event."""
    mode, person_id, created_at_us, version, groups = who
    return EventRow(
        event.team_id,
        uuid_text(event.uuid),
        event.event,
        moment(event.timestamp_us),
        _moment_again(event.created_at_us),
        event.distinct_id,
        person_id,
        event.properties.decode(),
        MODES[mode],
        _moment_again(created_at_us) if created_at_us else "",
        version,
        event.indexed_properties.decode() if event.indexed_properties is not None else "",
        event.elements_chain,
        groups[0],
        groups[1],
        groups[2],
        groups[3],
        groups[4],
        event.session_id,
        event.window_id,
    )


def lines(rows: Iterable[EventRow]) -> bytes:
    """The rows as lines."""
    return _ENCODER.encode_lines(rows)


_ENCODER: Final = msgspec.json.Encoder()
