"""Version 0: `/e`, `/batch` and their like. One bad event fails the whole request (sdk-wire §5)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hedgerow.capture import decode, properties
from hedgerow.capture.envelope import Opened, Posted
from hedgerow.capture.event import IncomingEvent, IngestionWarning
from hedgerow.capture.identifiers import LENGTH_MAX, as_id, event_uuid
from hedgerow.capture.limits import Limits
from hedgerow.capture.normalise import Door, Draft, normalise
from hedgerow.capture.refusals import bad_event, empty_body, event_too_large
from hedgerow.capture.request import Asked
from hedgerow.capture.timestamps import can_be_written, event_time_us, iso, parse_us, sent_at_of_query

ACCEPTED: Final = b'{"status":"Ok"}'


class Lane(msgspec.Struct, frozen=True):
    """What differs between the paths."""

    body_bytes: int
    event_bytes: int
    default_event: str | None = None


def lanes(limits: Limits) -> dict[str, Lane]:
    """Every version 0 path, without its trailing slash."""
    one = Lane(limits.event_body_bytes, limits.event_bytes)
    batch = Lane(limits.batch_body_bytes, limits.event_bytes)
    return {
        "/e": one,
        "/i/v0/e": one,
        "/capture": one,
        "/track": one,
        "/engage": Lane(limits.event_body_bytes, limits.event_bytes, "$identify"),
        "/batch": batch,
        "/i/v0/ai/batch": Lane(limits.ai_body_bytes, limits.ai_event_bytes),
    }


def unwrap(asked: Asked, body: bytes, lane: Lane, limits: Limits) -> bytes:
    """The JSON text of a request: from the query, a form, or the body, through whatever wraps it (§3).

    Raises:
        Refused: 400, 413.
    """
    data = asked.query.get("data")
    source = data.encode("latin-1", "replace") if data else body
    if not source:
        raise empty_body()
    hint = asked.query.get("compression", "")
    if not data:
        source = _unpack_encoding(asked, source, lane)
        is_form = asked.headers.get(b"content-type", b"").lower().startswith(b"application/x-www-form-urlencoded")
        is_plain = source.startswith(decode.GZIP_MAGIC) or decode.looks_like_json(source.lstrip())
        if not is_plain and (is_form or source.startswith(b"data=")):
            fields = decode.form_fields(source)
            source = fields.get("data", b"")
            hint = fields.get("compression", b"").decode("latin-1") or hint
    return decode.json_text(source, hint=hint.lower(), limit=lane.body_bytes, lz_limit=limits.lz_bytes)


def sent_at_of(posted: Posted, asked: Asked) -> tuple[int | None, str | None]:
    """When the client says it sent this: the moment, and the text for `$sent_at` (§5.2, §8.1)."""
    value = posted.sent_at
    moment = None if value is None else parse_us(value)
    if moment is not None and can_be_written(moment):  # else it is no time that a clock shows
        return moment, value if isinstance(value, str) else iso(moment)
    for name in ("sent_at", "_"):
        moment = sent_at_of_query(asked.query.get(name, ""))
        if moment is not None:
            return moment, iso(moment)
    return None, None


def drafts(posted: Posted, door: Door, lane: Lane) -> list[Draft]:
    """The events with their fields checked.

    Raises:
        Refused: 400, 413.
    """
    return [_draft(opened, position, door, lane) for position, opened in enumerate(posted.events)]


def finish(found: list[Draft], door: Door, warnings: list[IngestionWarning]) -> list[IncomingEvent]:
    """The events that are to be stored, in order."""
    events = [normalise(draft, door, warnings) for draft in found]
    return [event for event in events if event is not None]


def _unpack_encoding(asked: Asked, body: bytes, lane: Lane) -> bytes:
    """Undo a Content-Encoding that shows in no magic bytes; an unknown one is not looked at."""
    encoding = asked.headers.get(b"content-encoding")
    if encoding is None or body.startswith(decode.GZIP_MAGIC) or decode.looks_like_json(body):
        return body
    unpack = decode.BY_ENCODING.get(encoding.strip().lower())
    return body if unpack is None else unpack(body, lane.body_bytes)


def _draft(opened: Opened, position: int, door: Door, lane: Lane) -> Draft:
    wire, values = opened.wire, opened.values
    name = wire.event or lane.default_event
    if not name:
        raise bad_event(position, "it has no event name", "missing_event_name")
    if "\0" in name:
        name = name.replace("\0", "\ufffd")
    distinct_id = as_id(wire.distinct_id)
    if distinct_id is None:
        distinct_id = as_id(wire.dollar_distinct_id) or as_id(values.get("distinct_id"))
        if distinct_id is None:
            raise bad_event(position, "it has no distinct_id", "missing_distinct_id")
    uuid = event_uuid(wire.uuid)
    if uuid is None:
        raise bad_event(position, "its uuid is no UUID", "invalid_event_uuid")
    mode = values.get("$cookieless_mode")
    if mode is not None and type(mode) is not bool:
        raise bad_event(position, "$cookieless_mode must be a boolean", "invalid_cookieless_mode")
    top_set = _person_map(wire.set, "$set", position, lane)
    top_set_once = _person_map(wire.set_once, "$set_once", position, lane)
    if door.mended is not None:
        name, distinct_id = door.mended.readable_text(name), door.mended.readable_text(distinct_id)
    sent_at = door.sent_at_us
    if sent_at is None and wire.sent_at is not None:
        sent_at = parse_us(wire.sent_at)
    return Draft(
        name[:LENGTH_MAX],
        distinct_id,
        uuid,
        event_time_us(
            parse_us(wire.timestamp),
            now=door.now_us,
            sent_at=None if values.get("$ignore_sent_at") is True else sent_at,
            offset_ms=_offset(wire.offset),
        ),
        opened.text,
        values,
        top_set,
        top_set_once,
    )


def _person_map(raw: msgspec.Raw, key: str, position: int, lane: Lane) -> bytes:
    """A top-level `$set` or `$set_once` as an object's text, "" for none."""
    text = bytes(raw)
    if text in {b"null", b"{}"}:
        return b""
    if len(text) > lane.event_bytes:
        raise event_too_large(position, len(text), lane.event_bytes)
    try:
        return properties.read(text)[0]
    except properties.Unacceptable as error:
        raise bad_event(position, f"{key}: {error}", "malformed_event_properties") from error


def _offset(value: Any) -> int | None:
    return value if type(value) is int else None
