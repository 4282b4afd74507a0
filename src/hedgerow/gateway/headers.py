"""Which headers go on, and which do not (gateway §2.3, §2.5).

What belongs to the hop, to the caller's network or to the gateway's own origin stays here; everything else passes as it
came. Names are lower case, as ASGI gives them.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

import msgspec

from hedgerow.core import ids
from hedgerow.gateway.answers import invalid_request

Headers = list[tuple[bytes, bytes]]

COUNT_MAX: Final = 100
TOTAL_BYTES_MAX: Final = 32 << 10
AUTHORIZATION_BYTES_MAX: Final = 4 << 10
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_DIGITS: Final = re.compile(rb"[0-9]{1,15}")
_KNOWN_MAX: Final = 2_000


class _Rule(Enum):
    PASS = 1
    DROP = 2
    READ = 3


_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authorization",
        b"proxy-authenticate",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
_NOT_SENT: Final = _HOP | {
    b"host",
    b"cookie",
    b"forwarded",
    b"x-real-ip",
    b"via",
    b"x-original-url",
    b"x-rewrite-url",
    b"x-http-method-override",
    b"x-http-method",
    b"x-method-override",
    b"origin",
    b"referer",
    b"x-csrftoken",
    b"expect",
    b"true-client-ip",
    b"cf-connecting-ip",
}
_NOT_SENT_PREFIXES: Final = (b"maton-", b"hedgerow-", b"x-maton-", b"x-forwarded-", b"sec-", b"proxy-")
_READ: Final = frozenset(
    {
        b"authorization",
        b"connection",
        b"upgrade",
        b"transfer-encoding",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"accept-encoding",
        b"user-agent",
        b"x-request-id",
        b"idempotency-key",
        b"maton-connection",
        b"hedgerow-connection",
        b"x-maton-connection",
        b"hedgerow-timeout",
        b"hedgerow-retries",
        b"hedgerow-wait",
        b"hedgerow-links",
        b"hedgerow-dry-run",
        b"hedgerow-cache",
    }
)
CONNECTION_NAMES: Final = (b"hedgerow-connection", b"maton-connection", b"x-maton-connection")
_NEVER_NAMED: Final = frozenset({b"authorization", b"host", b"content-length", b"cookie", b"content-type"})
"""What a `Connection` header must not take away (gateway §4.2 row 19)."""
_NOT_ANSWERED: Final = _HOP | {
    b"set-cookie",
    b"set-cookie2",
    b"refresh",
    b"strict-transport-security",
    b"public-key-pins",
    b"alt-svc",
    b"clear-site-data",
    b"server",
    b"date",  # the server that the caller speaks to writes its own
    b"service-worker-allowed",
}
_NOT_ANSWERED_PREFIXES: Final = (b"access-control-", b"hedgerow-", b"proxy-status")
_READ_OF_ANSWER: Final = frozenset(
    {b"x-request-id", b"cache-control", b"connection", b"content-type", b"content-length", b"content-encoding"}
)
_NEVER_UNSAID: Final = frozenset({b"content-length", b"content-type", b"content-encoding", b"close", b"keep-alive"})
_ACTIVE_CONTENT: Final = (b"text/html", b"image/svg+xml", b"application/xhtml+xml", b"text/xml", b"application/xml")

_rules: dict[bytes, _Rule] = {}
_answer_rules: dict[bytes, _Rule] = {}


class Asked(msgspec.Struct, kw_only=True):
    """What the headers of a call say."""

    forward: Headers
    """What goes on, without credential, `Host` and length."""
    authorization: bytes | None
    connections: list[bytes]
    """What the headers that name a connection say."""
    request_id: bytes
    made_id: str
    """The id that was made, where the caller sent none."""
    content_length: int | None
    is_chunked: bool
    content_type: bytes
    content_encoding: bytes
    upgrade: bytes
    controls: dict[bytes, bytes]
    """`hedgerow-timeout` and its like."""
    idempotency_key: bytes | None

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return self.is_chunked or bool(self.content_length)


def read_headers(headers: Headers) -> Asked:
    """Read and filter a call's headers. Raises `GatewayError` 400 for what nobody means well with."""
    forward: Headers = []
    read: dict[bytes, bytes] = {}
    connections: list[bytes] = []
    for pair in headers:
        name = pair[0]
        rule = _rules.get(name) or _classify(name)
        if rule is _Rule.PASS:
            forward.append(pair)
        elif rule is _Rule.READ:
            if name in CONNECTION_NAMES:
                connections.append(pair[1])
            elif name in read:
                read[name] = _joined(name, read[name], pair[1])
            else:
                read[name] = pair[1]
    if b"connection" in read:
        forward = _without_named(forward, read)
    return _asked(forward, read, connections)


def _asked(forward: Headers, read: dict[bytes, bytes], connections: list[bytes]) -> Asked:
    take = read.get
    length = take(b"content-length")
    if length is not None and not _DIGITS.fullmatch(length):
        raise invalid_request("Content-Length is no number.", closes=True)
    if length is not None and b"transfer-encoding" in read:
        raise invalid_request("Content-Length and Transfer-Encoding exclude each other.", closes=True)
    made_id = ""
    request_id = take(b"x-request-id")
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        made_id = str(ids.uuid7())
        request_id = made_id.encode()
    for name in (b"content-type", b"content-encoding", b"idempotency-key"):
        if name in read:
            forward.append((name, read[name]))
    forward.append((b"accept-encoding", take(b"accept-encoding", b"identity")))
    forward.append((b"user-agent", take(b"user-agent", b"hedgerow")))
    forward.append((b"x-request-id", request_id))
    forward.append((b"via", b"1.1 hedgerow"))
    return Asked(
        forward=forward,
        authorization=take(b"authorization"),
        connections=connections,
        request_id=request_id,
        made_id=made_id,
        content_length=None if length is None else int(length),
        is_chunked=b"transfer-encoding" in read,
        content_type=take(b"content-type", b""),
        content_encoding=take(b"content-encoding", b"").strip().lower(),
        upgrade=take(b"upgrade", b"").strip().lower(),
        controls={name: value for name, value in read.items() if name.startswith(b"hedgerow-")},
        idempotency_key=take(b"idempotency-key"),
    )


def bearer_of(asked: Asked) -> str | None:
    """The key that the call carries; None if there is none, or it is in a form that holds none."""
    value = asked.authorization
    if value is None or len(value) > AUTHORIZATION_BYTES_MAX:
        return None
    parts = value.split(b" ")
    if len(parts) != 2 or parts[0].lower() != b"bearer" or not parts[1].isascii():
        return None
    return parts[1].decode("ascii")


def _joined(name: bytes, first: bytes, second: bytes) -> bytes:
    """A header that came twice. Raises `GatewayError` where that cannot be meant."""
    if name in {b"authorization", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding"}:
        raise invalid_request(f"The header {name.decode()} was sent twice.", closes=True)
    if name.startswith(b"hedgerow-") or name in {b"x-request-id", b"idempotency-key", b"user-agent"}:
        if first != second:
            raise invalid_request(f"The header {name.decode()} was sent twice, with different values.")
        return first
    return first + b", " + second


def _without_named(forward: Headers, read: dict[bytes, bytes]) -> Headers:
    named = {token.strip().lower() for token in read[b"connection"].split(b",")} - {b"", b"close", b"keep-alive"}
    if not named:
        return forward
    if named & _NEVER_NAMED or any(name.startswith((b"hedgerow-", b"maton-", b"x-maton-")) for name in named):
        raise invalid_request("The Connection header names a header that must arrive.", closes=True)
    for name in named & {b"idempotency-key", b"user-agent", b"accept-encoding", b"x-request-id", b"content-encoding"}:
        read.pop(name, None)
    return [pair for pair in forward if pair[0] not in named]


def _classify(name: bytes) -> _Rule:
    if name in _READ:
        rule = _Rule.READ
    elif name in _NOT_SENT or name.startswith(_NOT_SENT_PREFIXES):
        rule = _Rule.DROP
    else:
        rule = _Rule.PASS
    if len(_rules) < _KNOWN_MAX:
        _rules[name] = rule
    return rule


class Said(msgspec.Struct):
    """What an account's response headers say that matters on the way."""

    content_type: bytes = b""
    encoding: bytes = b""
    length: bytes = b""


def answer_headers(headers: Headers, request_id: bytes) -> tuple[Headers, Said]:
    """An account's response headers as the caller gets them, the gateway's own come on top; and what they say."""
    kept: Headers = []
    said = Said()
    has_cache_control = False
    named: set[bytes] = set()
    for pair in headers:
        name = pair[0]
        rule = _answer_rules.get(name) or _classify_answer(name)
        if rule is _Rule.PASS:
            kept.append(pair)
        elif rule is _Rule.READ:
            if name == b"x-request-id":
                kept.append((b"hedgerow-upstream-request-id", pair[1]))
            elif name == b"connection":
                named |= {token.strip().lower() for token in pair[1].split(b",")} - _NEVER_UNSAID
            elif name == b"cache-control":
                has_cache_control = True
                kept.append(pair)
            else:
                kept.append(pair)
                if name == b"content-type":
                    said.content_type = pair[1].lower().lstrip()
                elif name == b"content-length":
                    said.length = pair[1]
                else:
                    said.encoding = pair[1].strip().lower()
    if named:
        kept = [pair for pair in kept if pair[0] not in named]
    if not has_cache_control:
        kept.append((b"cache-control", b"private"))
    if said.content_type.startswith(_ACTIVE_CONTENT):
        kept.append((b"content-security-policy", b"sandbox"))
    kept += (
        (b"vary", b"Authorization, Maton-Connection"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id),
    )
    return kept, said


def _classify_answer(name: bytes) -> _Rule:
    if name in _READ_OF_ANSWER:
        rule = _Rule.READ
    elif name == b"x-content-type-options" or name in _NOT_ANSWERED or name.startswith(_NOT_ANSWERED_PREFIXES):
        rule = _Rule.DROP
    else:
        rule = _Rule.PASS
    if len(_answer_rules) < _KNOWN_MAX:
        _answer_rules[name] = rule
    return rule
