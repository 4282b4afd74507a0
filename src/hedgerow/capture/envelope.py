"""The shapes that version 0 bodies come in, and whose project they are for (sdk-wire §2, §5.1, §5.2).

A batch envelope, a bare array and a single event become the same `Posted`. Values whose text matters (`properties`,
`$set`, `$set_once`) stay JSON text.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hedgerow.capture.limits import Limits
from hedgerow.capture.properties import Unacceptable, read
from hedgerow.capture.refusals import (
    Unreadable,
    bad_event,
    bad_token,
    empty_batch,
    event_too_large,
    too_large,
    unparsable,
)
from hedgerow.capture.tolerance import Mended

TOKEN_BYTES_MAX: Final = 64

_NOTHING: Final = msgspec.Raw(b"null")
_NO_PROPERTIES: Final = msgspec.Raw(b"{}")


class WireEvent(msgspec.Struct, gc=False):
    """One event as sent. Names and aliases: sdk-wire §5.2; what very old SDKs add is not looked at."""

    event: str | None = None
    distinct_id: Any = None
    dollar_distinct_id: Any = msgspec.field(name="$distinct_id", default=None)
    token: Any = None
    api_key: Any = None
    dollar_token: Any = msgspec.field(name="$token", default=None)
    uuid: str | None = None
    timestamp: Any = None
    offset: Any = None
    sent_at: Any = None
    set: msgspec.Raw = msgspec.field(name="$set", default=_NOTHING)
    set_once: msgspec.Raw = msgspec.field(name="$set_once", default=_NOTHING)
    properties: msgspec.Raw = _NO_PROPERTIES


class _PostedObject(WireEvent):
    """A JSON object as body: an envelope if it has a `batch`, else one event."""

    batch: list[WireEvent] | None = None
    historical_migration: Any = None


class Opened(msgspec.Struct, gc=False):
    """One event with its properties read."""

    wire: WireEvent
    text: bytes
    """The properties as JSON text that every store takes."""
    values: dict[str, Any]


class Posted(msgspec.Struct):
    """A version 0 body, whichever its shape was."""

    events: list[Opened]
    token: str
    sent_at: Any
    """The envelope's; None if it has none."""
    historical: bool
    mended: Mended | None = None
    """Set when the body was not quite JSON."""


_OBJECT = msgspec.json.Decoder(_PostedObject)
_ARRAY = msgspec.json.Decoder(list[WireEvent])


def open_body(body: bytes, limits: Limits, event_bytes: int) -> Posted:
    """Read a body of any version 0 shape.

    Args:
        body: JSON text.
        limits: bounds on the number of events and of objects.
        event_bytes: the bound on one event's properties.

    Raises:
        Refused: 400, 401 or 413; a bad event fails the whole body.
    """
    check_containers(body, limits)
    try:
        return _open(body, limits, event_bytes, None)
    except Unreadable:
        mended = Mended(body)
    try:
        return _open(mended.text, limits, event_bytes, mended)
    except Unreadable as error:
        raise unparsable(str(error)) from error


def check_containers(body: bytes, limits: Limits) -> None:
    """Refuse bodies that would cost many times their size once decoded.

    Raises:
        Refused: 413.
    """
    if body.count(b"{") > limits.containers:
        raise too_large("The number of objects in the body", limits.containers, "objects")
    if body.count(b"[") > limits.containers:
        raise too_large("The number of arrays in the body", limits.containers, "arrays")


def check_token(token: object) -> str:
    """A token that could be a project's, trimmed (sdk-wire §2).

    Raises:
        Refused: 401.
    """
    if not isinstance(token, str):
        raise bad_token("The request has no project token, or it is no text.")
    token = token.strip()
    if not token:
        raise bad_token("The request has no project token.")
    if token.startswith("phx_"):
        raise bad_token("This is a personal API key. Events are sent with the project's token, which begins with phc_.")
    if len(token) > TOKEN_BYTES_MAX or not token.isascii() or "\0" in token:
        raise bad_token("The project token is malformed.")
    return token


def _open(body: bytes, limits: Limits, event_bytes: int, mended: Mended | None) -> Posted:
    first = body.lstrip()[:1]
    token: object = None
    sent_at: Any = None
    historical = False
    try:
        if first == b"[":
            events = _ARRAY.decode(body)
        else:
            posted = _OBJECT.decode(body)
            sent_at = posted.sent_at
            historical = posted.historical_migration is True
            if posted.batch is None:
                events = [posted]
            else:
                events = posted.batch
                token = _token_on(posted)
    except msgspec.ValidationError as error:
        raise unparsable(str(error)) from error
    except RecursionError as error:
        raise unparsable("it is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from error
    if not events:
        raise empty_batch()
    if len(events) > limits.events:
        raise too_large("The batch", limits.events, "events")
    opened = [_open_event(event, position, event_bytes, mended) for position, event in enumerate(events)]
    found = check_token(token) if token is not None else _common_token(opened)
    return Posted(opened, found, sent_at, historical, mended)


def _open_event(event: WireEvent, position: int, event_bytes: int, mended: Mended | None) -> Opened:
    text = bytes(event.properties)
    if len(text) > event_bytes:
        raise event_too_large(position, len(text), event_bytes)
    if text == b"null":
        text = b"{}"
    try:
        text, values = read(text)
        if mended is not None:
            values = read(mended.readable(text))[1]
    except Unacceptable as error:
        raise bad_event(position, str(error), "malformed_event_properties") from error
    return Opened(event, text, values)


def _token_on(event: WireEvent) -> object:
    if event.token is not None:
        return event.token
    return event.api_key if event.api_key is not None else event.dollar_token


def _common_token(events: list[Opened]) -> str:
    """The one token that the events name, each on itself or in its properties."""
    common: object = None
    for opened in events:
        token = _token_on(opened.wire)
        if token is None:
            token = opened.values.get("token")
        if token is None or token == common:
            continue
        if common is not None:
            raise bad_token("The events name different project tokens.")
        common = token
    return check_token(common)
