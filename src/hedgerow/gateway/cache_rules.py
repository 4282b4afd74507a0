"""What of an answer may be kept, for whom, and how it is asked for again (gateway §5.2; RFC 9111).

The caller's `Hedgerow-Cache: ttl=60` stands in for `max-age`: the account's own `max-age` does not shorten it. What the account
forbids counts: `no-store` and `Vary: *` are not kept, `no-cache` is asked about every time, and what must be revalidated is not
given when the account fails.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from hedgerow.gateway.answers import GatewayError, Headers
from hedgerow.gateway.headers import Asked
from hedgerow.gateway.policy import Policy
from hedgerow.gateway.verdict import Call

_TTL: Final = re.compile(rb"ttl=([0-9]{1,5})")
_TAG: Final = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_POLICY: Final = msgspec.json.Encoder(order="deterministic")
_OF_THIS_ANSWER: Final = frozenset(
    {b"date", b"age", b"server-timing", b"proxy-status", b"x-request-id", b"hedgerow-origin"}
    | {b"hedgerow-upstream-request-id"}
)
LIMITS: Final = (b"ratelimit", b"x-ratelimit-")
"""What headers begin with that say how many calls are left."""
_OF_THE_BODY: Final = frozenset({b"content-length", b"content-type", b"content-encoding", b"etag", b"link"})
_CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since"})
_OTHER_CONDITIONS: Final = frozenset({b"range", b"if-range", b"if-match", b"if-unmodified-since"})
_ACCEPTS: Final = frozenset({b"accept", b"accept-encoding", b"accept-language"})
_PROJECTS: Final = frozenset({"projects", "environments"})

Varies = tuple[tuple[bytes, bytes | None], ...]
"""Request headers that an answer depends on, with the values that it was made for."""


class Keeping(msgspec.Struct, frozen=True):
    """What an answer's own headers say about keeping it."""

    may_be_kept: bool
    may_be_fresh: bool
    """Whether it may be given again without asking."""
    may_be_stale: bool
    """Whether it may be given when the account fails."""
    names: tuple[bytes, ...]
    """The request headers that it varies by."""


def ttl_of(asked: Asked, call: Call, policies: tuple[Policy, ...]) -> float:
    """For how many seconds the caller takes a kept answer; 0 where nothing may be kept. Raises `GatewayError` 400."""
    said = asked.controls.get(b"hedgerow-cache")
    if said is None or said == b"no-store":
        return 0.0
    match = _TTL.fullmatch(said.replace(b" ", b""))
    if match is None:
        raise GatewayError(400, "invalid_request", "Hedgerow-Cache must be ttl=SECONDS or no-store.")
    if not call.is_read or not (call.method == "GET" or call.is_query):
        return 0.0
    if any(name in _OTHER_CONDITIONS for name, _ in asked.forward):
        return 0.0
    return float(min(int(match[1]), *(policy.cache_ttl_max for policy in policies)))


def keeping_of(headers: Headers) -> Keeping:
    """Read `Cache-Control` and `Vary` of an answer."""
    said = {token.split(b"=")[0] for token in _tokens(headers, b"cache-control")}
    names = _tokens(headers, b"vary")
    must_ask = b"no-cache" in said
    return Keeping(
        may_be_kept=b"no-store" not in said and b"*" not in names,
        may_be_fresh=not must_ask,
        may_be_stale=not must_ask and not said & {b"must-revalidate", b"proxy-revalidate"},
        names=tuple(sorted(set(names))),
    )


def varies_of(names: tuple[bytes, ...], forward: Headers) -> Varies:
    """The values that a call has for what its answer depends on. What never goes on depends on nothing."""
    found: dict[bytes, bytes] = {}
    for name, value in forward:
        if name in names:
            found[name] = found[name] + b", " + value if name in found else value
    return tuple((name, found.get(name)) for name in names)


def key_of(call: Call, asked: Asked, body: bytes, policy: Policy, at: str) -> bytes:
    """Everything else that an answer depends on; `at` is the address under which links in it lead back here."""
    connection = call.connection
    parts = [
        connection.id.bytes,
        str(connection.version).encode(),
        call.method.encode(),
        call.path.raw,
        call.query,
        _canonical(body),
        asked.controls.get(b"hedgerow-links", b""),
        at.encode(),
        b"\n".join(b"%b:%b" % pair for pair in asked.forward if pair[0] in _ACCEPTS),
        _POLICY.encode(policy),
    ]
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()


def collection_of(call: Call) -> str:
    """What a write changes: `insights` of whichever project, since `@current` and 1 may be the same one."""
    parts = call.path.plain.split("/")
    if len(parts) > 4 and parts[1] == "api" and parts[2] in _PROJECTS:
        return f"/api/projects/*/{parts[4]}"
    return "/".join(parts[:3])


def conditional(asked: Asked, tag: bytes) -> Asked:
    """The same call with the question whether `tag` is still the answer, in place of what the caller asked."""
    forward = [pair for pair in asked.forward if pair[0] not in _CONDITIONS]
    return msgspec.structs.replace(asked, forward=[*forward, (b"if-none-match", tag)])


def knows(asked: Asked, tag: bytes) -> bool:
    """Whether the caller has this answer already: weak comparison (RFC 9110 §8.8.3.2)."""
    for name, value in asked.forward:
        if name == b"if-none-match":
            opaque = {one.removeprefix(b"W/") for one in _TAG.findall(value)}
            if value.strip() == b"*" or tag.removeprefix(b"W/") in opaque:
                return True
    return False


def kept_headers(headers: Headers) -> Headers:
    """Those that belong to the answer, and not to this giving of it."""
    return [pair for pair in headers if pair[0] not in _OF_THIS_ANSWER and not pair[0].startswith(LIMITS)]


def renewed_headers(kept: Headers, said: Headers) -> Headers:
    """Kept headers with what a 304 says in place of what they said (RFC 9111 §3.2); what describes the body stays."""
    new = [pair for pair in kept_headers(said) if pair[0] not in _OF_THE_BODY]
    names = {name for name, _ in new}
    return [pair for pair in kept if pair[0] not in names] + new


def tag_of(headers: Headers) -> bytes:
    """The account's own `ETag`, if it is one."""
    found = next((value for name, value in headers if name == b"etag"), b"")
    return found if _TAG.fullmatch(found) else b""


def made_tag(body: bytes) -> bytes:
    """A weak tag for an answer that has none."""
    return b'W/"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'


def _tokens(headers: Headers, wanted: bytes) -> list[bytes]:
    values = b",".join(value for name, value in headers if name == wanted)
    return [token for token in (part.strip().lower() for part in values.split(b",")) if token]


def _canonical(body: bytes) -> bytes:
    """A JSON body in one spelling; anything else as it is."""
    if not body:
        return b""
    try:
        return msgspec.json.encode(msgspec.json.decode(body), order="deterministic")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
