"""Every bound of the capture routes, in one place (sdk-wire §3; what has no number there is ours)."""

from __future__ import annotations

from typing import Self

import msgspec

from hedgerow.settings import Settings

MIB = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what one request, one event and all requests together may cost."""

    event_body_bytes: int = 2 * MIB
    """`/e`-style bodies, as sent and inflated."""
    batch_body_bytes: int = 20 * MIB
    """`/batch` bodies, as sent and inflated."""
    v1_body_bytes: int = 10 * MIB
    """Version 1 bodies as sent; inflated they may have `batch_body_bytes`."""
    ai_body_bytes: int = 20 * MIB
    """`/i/v0/ai/batch` bodies, as sent and inflated."""
    event_bytes: int = MIB
    """The properties of one event."""
    ai_event_bytes: int = 8 * MIB
    """The properties of one event on the AI lane."""
    lz_bytes: int = 512 * 1024
    """An LZ-string body as sent: it is unpacked by Python, and only clients of years ago send it."""
    events: int = 20_000
    """Events of one request."""
    containers: int = 200_000
    """JSON objects, and JSON arrays, of one request: each costs some hundred bytes once decoded."""
    in_flight_bytes: int = 96 * MIB
    """Bodies, sent and inflated, of all requests that are not answered yet: what bounds the queue's memory too."""
    idle_seconds: float = 10.0
    """The longest pause within a body."""
    body_seconds: float = 60.0
    """The longest time that a body may take."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The bounds that the settings name; the others stay."""
        return cls(
            event_body_bytes=settings.capture_max_event_bytes,
            batch_body_bytes=settings.capture_max_batch_bytes,
            v1_body_bytes=settings.capture_max_v1_bytes,
            ai_body_bytes=settings.capture_max_batch_bytes,
            ai_event_bytes=settings.capture_max_ai_event_bytes,
            events=settings.capture_max_batch_events,
            in_flight_bytes=settings.capture_inflight_bytes,
            body_seconds=settings.capture_body_timeout_seconds,
        )
