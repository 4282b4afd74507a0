"""Version 1: `/i/v1/analytics/events`. Each event has its own verdict (sdk-wire §6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hedgerow.capture import decode, properties
from hedgerow.capture.envelope import check_containers, check_token
from hedgerow.capture.event import IncomingEvent, IngestionWarning
from hedgerow.capture.identifiers import LENGTH_MAX, as_id, is_malformed_in_v1, uuid_bytes
from hedgerow.capture.limits import Limits
from hedgerow.capture.normalise import Door, Draft, normalise
from hedgerow.capture.refusals import (
    Refused,
    Unreadable,
    bad_token,
    empty_batch,
    empty_body,
    too_large,
    unparsable,
)
from hedgerow.capture.request import Asked
from hedgerow.capture.timestamps import event_time_us, parse_rfc3339_us
from hedgerow.capture.tolerance import Mended

PATH: Final = "/i/v1/analytics/events"
ERROR_URI: Final = "https://posthog.com/docs/api"

_REQUIRED: Final = ("PostHog-Sdk-Info", "PostHog-Attempt", "PostHog-Request-Id", "PostHog-Request-Timestamp")
_SDK_INFO_MAX: Final = 200
_OPTIONS: Final = {
    "process_person_profile": ("$process_person_profile", bool),
    "cookieless_mode": ("$cookieless_mode", bool),
    "disable_skew_correction": ("$ignore_sent_at", bool),
    "disable_skew_adjustment": ("$ignore_sent_at", bool),
    "product_tour_id": ("$product_tour_id", str),
}


class Heads(msgspec.Struct, frozen=True):
    """What the headers say."""

    token: str
    sent_at_us: int
    sent_at: str
    library: dict[str, str]
    """`$lib` and `$lib_version`, which the client leaves out."""


class _WireEvent(msgspec.Struct, gc=False):
    event: Any = None
    uuid: Any = None
    distinct_id: Any = None
    timestamp: Any = None
    session_id: Any = None
    window_id: Any = None
    options: Any = None
    properties: msgspec.Raw = msgspec.Raw(b"{}")


class _WireBatch(msgspec.Struct):
    batch: list[_WireEvent]
    created_at: str
    historical_migration: bool = False


class Batch(msgspec.Struct):
    """A body whose uuids are sound: every event can be given a verdict."""

    events: list[_WireEvent]
    uuids: list[bytes]
    historical: bool
    mended: Mended | None


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one event."""

    result: str
    details: str | None = None


Verdicts = dict[str, Verdict]
OK: Final = Verdict("ok")

_BATCH = msgspec.json.Decoder(_WireBatch)


class _Dropped(Exception):  # noqa: N818 — carries the word of the verdict
    pass


def read_heads(asked: Asked) -> Heads:
    """Check the headers (§6).

    Raises:
        Refused: 400, 401, 415.
    """
    if not asked.headers.get(b"authorization"):
        raise bad_token("The request has no Authorization header.")
    if missing := [name for name in _REQUIRED if name.lower().encode() not in asked.headers]:
        raise Refused(400, "missing_required_headers", f"The request is missing headers: {', '.join(missing)}.")
    scheme, _, credential = asked.header(b"authorization").partition(" ")
    if scheme.lower() != "bearer":
        raise _bad_header("Authorization", "it must be Bearer and the project's token")
    token = check_token(credential)
    if asked.header(b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "unsupported_content_type", "The Content-Type must be application/json.")
    if uuid_bytes(asked.header(b"posthog-request-id").strip()) is None:
        raise _bad_header("PostHog-Request-Id", "it must be a UUID")
    attempt = asked.header(b"posthog-attempt").strip()
    if not attempt.isascii() or not attempt.isdigit() or len(attempt) > 9 or int(attempt) < 1:
        raise _bad_header("PostHog-Attempt", "it must be a positive number")
    sent_at = asked.header(b"posthog-request-timestamp").strip()
    sent_at_us = parse_rfc3339_us(sent_at)
    if sent_at_us is None:
        raise _bad_header("PostHog-Request-Timestamp", "it must be an RFC 3339 time")
    return Heads(token, sent_at_us, sent_at, _library(asked.header(b"posthog-sdk-info")))


def unwrap(asked: Asked, body: bytes, limits: Limits) -> bytes:
    """The JSON text, as the Content-Encoding says.

    Raises:
        Refused: 400, 413, 415.
    """
    if not body:
        raise empty_body()
    encoding = asked.headers.get(b"content-encoding", b"").strip().lower()
    if encoding in {b"", b"identity"}:
        return body
    unpack = decode.BY_ENCODING.get(encoding)
    if unpack is None:
        known = ", ".join(name.decode() for name in decode.BY_ENCODING)
        raise Refused(415, "unsupported_encoding", f"The Content-Encoding must be one of {known}, or absent.")
    return unpack(body, limits.batch_body_bytes)


def open_body(text: bytes, limits: Limits) -> Batch:
    """Read the batch.

    Raises:
        Refused: 400, 413: what leaves no event that could be given a verdict.
    """
    check_containers(text, limits)
    mended: Mended | None = None
    try:
        batch = _decode(text)
    except Unreadable:
        mended = Mended(text)
        try:
            batch = _decode(mended.text)
        except Unreadable as error:
            raise unparsable(str(error)) from error
    if not batch.batch:
        raise empty_batch()
    if len(batch.batch) > limits.events:
        raise too_large("The batch", limits.events, "events")
    if parse_rfc3339_us(batch.created_at) is None:
        raise Refused(400, "invalid_batch", "created_at must be an RFC 3339 time.")
    return Batch(batch.batch, _sound_uuids(batch.batch), batch.historical_migration, mended)


def drafts(batch: Batch, door: Door, heads: Heads, limits: Limits) -> tuple[list[Draft], Verdicts]:
    """The events that are sound, and the verdicts over those that are not."""
    found: list[Draft] = []
    verdicts: Verdicts = {}
    for event, uuid in zip(batch.events, batch.uuids, strict=True):
        try:
            found.append(_draft(event, uuid, door, heads, limits))
        except _Dropped as error:
            verdicts[_uuid_text(event)] = Verdict("drop", str(error))
    return found, verdicts


def finish(
    batch: Batch,
    kept: list[Draft],
    door: Door,
    warnings: list[IngestionWarning],
    verdicts: Verdicts,
) -> list[IncomingEvent]:
    """The events that are to be stored; every event has its verdict afterwards.

    Args:
        batch: all events.
        kept: those that are still in the race; for the others, `verdicts` or `warnings` say why not.
        door: as for `normalise`.
        warnings: those so far; more are added.
        verdicts: those so far; the rest is added.
    """
    events: list[IncomingEvent] = []
    accepted: set[bytes] = set()
    for draft in kept:
        event = normalise(draft, door, warnings)
        if event is not None:
            events.append(event)
            accepted.add(draft.uuid)
    said: Mapping[str, str] = {str(found.details.get("eventUuid")): found.type for found in warnings}
    for wire, uuid in zip(batch.events, batch.uuids, strict=True):
        text = _uuid_text(wire)
        if text in verdicts:
            continue
        kind = said.get(_hyphened(uuid))
        if uuid in accepted:
            verdicts[text] = OK if kind is None else Verdict("warning", kind)
        else:
            verdicts[text] = OK if kind == "client_ingestion_warning" else Verdict("drop", kind)
    return events


def answer(verdicts: Verdicts) -> bytes:
    """The body of a 200."""
    return msgspec.json.encode({"results": verdicts})


def error_body(error: Refused) -> bytes:
    """The body of a refusal."""
    return msgspec.json.encode({"error": error.code, "error_description": error.text, "error_uri": ERROR_URI})


def _decode(text: bytes) -> _WireBatch:
    try:
        batch = _BATCH.decode(text)
    except msgspec.ValidationError as error:
        raise unparsable(str(error)) from error
    except RecursionError as error:
        raise unparsable("it is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from error
    for event in batch.batch:  # bytes that are no UTF-8 show only when text is made of them
        properties.check_encoding(bytes(event.properties))
    return batch


def _sound_uuids(events: list[_WireEvent]) -> list[bytes]:
    found: list[bytes] = []
    for position, event in enumerate(events):
        text = _uuid_text(event)
        if not text:
            raise Refused(400, "missing_event_uuid", f"Event {position}: it has no uuid.")
        uuid = uuid_bytes(text)
        if uuid is None:
            raise Refused(400, "invalid_event_uuid", f"Event {position}: its uuid is no UUID.")
        found.append(uuid)
    if len(set(found)) != len(found):
        raise Refused(400, "duplicate_event_uuid", "Two events of the batch have the same uuid.")
    return found


def _uuid_text(event: _WireEvent) -> str:
    return event.uuid.strip() if isinstance(event.uuid, str) else ""


def _hyphened(uuid: bytes) -> str:
    text = uuid.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _draft(event: _WireEvent, uuid: bytes, door: Door, heads: Heads, limits: Limits) -> Draft:
    name, distinct_id = event.event, event.distinct_id
    if name == "$performance_event":
        raise _Dropped("performance_event_not_supported")
    if not isinstance(name, str) or not name:
        raise _Dropped("missing_event_name")
    if len(name) > LENGTH_MAX:
        raise _Dropped("event_name_too_long")
    if not isinstance(distinct_id, str) or not distinct_id.strip():
        raise _Dropped("missing_distinct_id")
    distinct_id = distinct_id.strip()
    if len(distinct_id) > LENGTH_MAX:
        raise _Dropped("distinct_id_too_large")
    if is_malformed_in_v1(distinct_id):
        raise _Dropped("malformed_distinct_id")
    moment = parse_rfc3339_us(event.timestamp)
    if moment is None:
        raise _Dropped("invalid_event_timestamp")
    text, values = _properties_of(event, limits, door.mended)
    text = _inject(text, values, _injections(event, heads))
    ignore = values.get("$ignore_sent_at") is True
    timestamp = event_time_us(moment, now=door.now_us, sent_at=None if ignore else heads.sent_at_us)
    if door.mended is not None:
        name, distinct_id = door.mended.readable_text(name), door.mended.readable_text(distinct_id)
    name = name.replace("\0", "\ufffd")
    return Draft(name, as_id(distinct_id) or distinct_id, uuid, timestamp, text, values)


def _properties_of(event: _WireEvent, limits: Limits, mended: Mended | None) -> tuple[bytes, dict[str, Any]]:
    text = bytes(event.properties)
    if len(text) > limits.event_bytes:
        raise _Dropped("event_too_big")
    if text == b"null":
        text = b"{}"
    try:
        text, values = properties.read(text)
        if mended is not None:
            values = properties.read(mended.readable(text))[1]
    except properties.Unacceptable as error:
        raise _Dropped("malformed_event_properties") from error
    mode = values.get("$cookieless_mode")
    if mode is not None and type(mode) is not bool:
        raise _Dropped("invalid_options")
    return text, values


def _injections(event: _WireEvent, heads: Heads) -> dict[str, Any]:
    """What version 1 says beside the properties and stores within them."""
    found: dict[str, Any] = {}
    for key, value in (("$session_id", event.session_id), ("$window_id", event.window_id)):
        if isinstance(value, str) and value:
            found[key] = value.replace("\0", "\ufffd")
    options = event.options
    if options is not None and not isinstance(options, dict):
        raise _Dropped("invalid_options")
    for name, value in (options or {}).items():
        if name in _OPTIONS and value is not None:
            key, kind = _OPTIONS[name]
            if type(value) is not kind:
                raise _Dropped("invalid_options")
            found[key] = value
    found.update(heads.library)
    return found


def _inject(text: bytes, values: dict[str, Any], found: dict[str, Any]) -> bytes:
    """Put these into the properties; what the client has there under the same name gives way."""
    if any(key in values and values[key] != value for key, value in found.items()):
        text = properties.without(text, [key for key in found if key in values])
        for key in found:
            values.pop(key, None)
    added = {key: value for key, value in found.items() if key not in values}
    values.update(added)
    return properties.append(text, b"".join([properties.member(*pair) for pair in added.items()])) if added else text


def _library(info: str) -> dict[str, str]:
    name, slash, version = info.rpartition("/")
    name, version = name.strip(), version.strip()
    if not slash or not name or not version or len(info) > _SDK_INFO_MAX or not info.isprintable():
        return {}
    return {"$lib": name, "$lib_version": version}


def _bad_header(name: str, why: str) -> Refused:
    return Refused(400, "invalid_header_value", f"The header {name} is invalid: {why}.")
