"""A call as it goes to an account's server, and to where that sends it (gateway §2.6, §2.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

import msgspec

from hedgerow.gateway.apps import HostChoice, plain_origin
from hedgerow.gateway.channel import Channel
from hedgerow.gateway.connections import Connection
from hedgerow.gateway.headers import Headers
from hedgerow.gateway.redirects import STATUSES
from hedgerow.gateway.upstream import Target

_GO_ALONG: Final = frozenset({b"accept", b"accept-encoding", b"accept-language", b"range", b"user-agent", b"if-range"})
"""What a server that is not the account's may know of a call."""


class Patience(msgspec.Struct, frozen=True):
    """How long things may take, in seconds (gateway §2.8)."""

    first_byte: float
    idle: float
    stream_idle: float
    total: float


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it goes to the account."""

    connection: Connection
    target: Target
    method: str
    path: bytes
    """With what stands before it at a self-hosted host, and the query."""
    headers: Headers
    length: int | None
    """Of the body, as the caller said; None for chunks."""
    needs_credential: bool
    is_repeatable: bool
    """Whether it may be sent again when nobody knows if it arrived."""
    patience: Patience
    retries: int
    """How often a 502, 503 or 504 of the account may be tried again."""
    wait: float
    """How many seconds a 429 may be waited for."""


def followed_order(order: Order, channel: Channel, followed: Mapping[str, HostChoice]) -> Order | None:
    """The call that a redirect to an allowed other origin asks for, without credential; None where it is not followed."""
    if not followed or channel.status not in STATUSES or order.method not in {"GET", "HEAD"}:
        return None
    said = next((value for name, value in channel.headers if name == b"location"), b"").decode("latin-1").strip()
    if not said.isascii() or not said.isprintable() or any(character in said for character in "\\ #"):
        return None
    asked = order.target.origin + order.path.decode("latin-1")
    try:
        parts = urlsplit(urljoin(asked, said))
        host = followed.get(plain_origin(f"{parts.scheme}://{parts.netloc}") or "")
    except ValueError:
        return None
    if host is None or parts.username is not None:
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return msgspec.structs.replace(
        order,
        target=Target.of(host.origin, is_private=host.is_private),
        path=path.encode("ascii"),
        headers=[pair for pair in order.headers if pair[0] in _GO_ALONG],
        length=0,
        needs_credential=False,
    )
