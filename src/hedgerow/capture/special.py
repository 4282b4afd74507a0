"""Events that are not stored as events (sdk-wire §8.1, §8.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hedgerow.capture.normalise import Door, Draft

_NOT_STORED: Final = {
    "$$client_ingestion_warning": "client_ingestion_warning",
    "$$heatmap": "heatmap_not_stored",
    "$snapshot": "snapshot_outside_replay",
    "$performance_event": "performance_event_not_supported",
}


def refused_kind(draft: Draft, door: Door) -> str | None:
    """The warning instead of which this event is not stored, or None for one that is."""
    kind = _NOT_STORED.get(draft.event)
    if kind is None and door.age_us_max is not None and draft.timestamp_us < door.now_us - door.age_us_max:
        return "event_dropped_too_old"
    return kind
