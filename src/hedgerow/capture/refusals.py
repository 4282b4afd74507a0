"""Why a whole request is turned away: one exception, made by the function named after the case.

Version 0 answers `text` as plain text (sdk-wire §5.3), version 1 answers `code` and `text` as JSON (§6).
"""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 — what happened to the request, in the words of the contract
    """The request is refused, and nothing of it is stored."""

    def __init__(self, status: int, code: str, text: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.retry_after_seconds = retry_after_seconds


class Unreadable(Exception):  # noqa: N818 — half of a pair with Refused
    """The strict decoder cannot read this text: the tolerant one shall try (`tolerance`)."""


def undecodable(why: str) -> Refused:
    """The bytes cannot be unpacked: gzip, base64, a form."""
    return Refused(400, "request_decoding_error", f"The request body cannot be decoded: {why}.")


def unparsable(why: str) -> Refused:
    """The text is no JSON of a known shape."""
    return Refused(400, "request_parsing_error", f"The request body cannot be parsed: {why}.")


def bad_event(position: int, why: str, code: str = "invalid_event") -> Refused:
    """One event is wrong, which fails the whole of a version 0 request."""
    return Refused(400, code, f"Event {position}: {why}.")


def event_too_large(position: int, size: int, limit: int) -> Refused:
    """One event's properties are larger than any store would take."""
    text = f"Event {position}: its properties have {size:,} bytes, {limit:,} are allowed."
    return Refused(413, "payload_too_large", text)


def empty_body() -> Refused:
    """Nothing was sent at all."""
    return Refused(400, "empty_body", "The request has no body.")


def empty_batch() -> Refused:
    """A batch without an event."""
    return Refused(400, "empty_batch", "The batch has no events.")


def bad_token(why: str) -> Refused:
    """No project token, several, or one that cannot be a project's."""
    return Refused(401, "invalid_api_token", why)


def too_large(what: str, limit: int, unit: str = "bytes") -> Refused:
    """More than a limit allows: SDKs halve their batch on this status."""
    return Refused(413, "payload_too_large", f"{what} is larger than the {limit:,} {unit} that are allowed.")


def too_slow(received: int) -> Refused:
    """The body stopped coming."""
    return Refused(408, "body_read_timeout", f"The body stopped after {received:,} bytes.")


def busy(why: str) -> Refused:
    """Not now: the client shall send the same again."""
    return Refused(503, "service_unavailable", f"{why} Send it again.", retry_after_seconds=1)
