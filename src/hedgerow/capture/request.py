"""One HTTP request as the capture routes see it, and its body, read within bounds."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from hedgerow.capture.limits import Limits
from hedgerow.capture.refusals import busy, too_large, too_slow, undecodable

Receive = Callable[[], Awaitable[Any]]

_QUERY_FIELDS_MAX: Final = 64
_OVERFLOW_FACTOR: Final = 4
"""A body that is too large is read up to this many times the limit, so that the client hears the answer."""


class ClientGone(Exception):  # noqa: N818 — nobody is left to answer
    """The client hung up before its body was complete."""


class Asked(msgspec.Struct, frozen=True):
    """What was asked, without the body."""

    method: str
    path: str
    """Without a trailing slash."""
    query: dict[str, str]
    headers: dict[bytes, bytes]
    """By lower-case name; of a name that comes twice, the last."""
    address: str
    """The client's, "" if unknown."""

    def header(self, name: bytes) -> str:
        """A header as text, "" if absent."""
        return self.headers.get(name, b"").decode("latin-1")


class Budget:
    """How many bytes of bodies may be in memory at once."""

    def __init__(self, limit: int) -> None:
        """Allow `limit` bytes, all requests together."""
        self.limit = limit
        self.taken = 0


class Lease:
    """One request's part of a `Budget`. Leave it by `release`, whatever happens."""

    def __init__(self, budget: Budget) -> None:
        """Begin with nothing."""
        self._budget = budget
        self._size = 0

    def resize(self, size: int) -> None:
        """Hold `size` bytes.

        Raises:
            Refused: 503 when others hold too many.
        """
        taken = self._budget.taken + size - self._size
        if taken > self._budget.limit and size > self._size and self._budget.taken > self._size:
            raise busy("The server holds as many events as it can.")
        self._budget.taken = taken
        self._size = size

    def release(self) -> None:
        """Give everything back."""
        self._budget.taken -= self._size
        self._size = 0


class Proxies:
    """Whose word about the client's address is taken."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """Trust peers with these addresses or in these networks."""
        self._networks = [ipaddress.ip_network(name, strict=False) for name in trusted]
        self._trusts = lru_cache(10_000)(self._is_trusted)

    def client(self, scope: Any, forwarded: bytes | None) -> str:
        """The client's address: the peer's, or behind trusted peers the last in `X-Forwarded-For` that is not one."""
        peer = scope.get("client")
        address = plain_address(peer[0]) if peer else ""
        if forwarded is None or not self._networks or not self._trusts(address):
            return address
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            found = plain_address(hop)
            if not found:
                return address
            address = found
            if not self._trusts(address):
                break
        return address

    def _is_trusted(self, address: str) -> bool:
        return bool(address) and any(ipaddress.ip_address(address) in network for network in self._networks)


@lru_cache(10_000)
def plain_address(text: str) -> str:
    """An IPv4 or IPv6 address in its usual form, or "". An IPv4 address in IPv6's clothes becomes itself."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def asked_of(scope: Any, proxies: Proxies) -> Asked:
    """The request of an ASGI scope.

    Raises:
        Refused: 400 for a query string that is out of bounds.
    """
    headers = dict(_pairs(scope["headers"]))
    raw_query: bytes = scope["query_string"]
    query: dict[str, str] = {}
    if raw_query:
        try:
            fields = _QUERY_FIELDS_MAX
            pairs = parse_qsl(
                raw_query.decode("latin-1"), keep_blank_values=True, encoding="latin-1", max_num_fields=fields
            )
        except ValueError as error:
            raise undecodable(f"the query has more than {_QUERY_FIELDS_MAX} fields") from error
        query = dict(reversed(pairs))
    path: str = scope["path"]
    address = proxies.client(scope, headers.get(b"x-forwarded-for"))
    return Asked(scope["method"], path.removesuffix("/"), query, headers, address)


async def read_body(receive: Receive, limit: int, limits: Limits, lease: Lease) -> bytes:
    """The whole body, chunked or not.

    Raises:
        Refused: 408 when it stalls, 413 when it is larger than `limit`, 503 when there is no room for it now.
        ClientGone: the client hung up.
    """
    message = await _next(receive, limits.idle_seconds, 0)
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        pieces = [body]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limits.body_seconds
        size = len(body)
        while message.get("more_body", False):
            message = await _next(receive, min(limits.idle_seconds, deadline - loop.time()), size)
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > limit * _OVERFLOW_FACTOR:
                break
            if size <= limit:
                lease.resize(size)
                pieces.append(piece)
        if size > limit:
            raise too_large("The body", limit)
        body = b"".join(pieces)
    if len(body) > limit:
        raise too_large("The body", limit)
    lease.resize(len(body))
    return body


async def _next(receive: Receive, seconds: float, received: int) -> Any:
    try:
        async with asyncio.timeout(max(seconds, 0)):
            message = await receive()
    except TimeoutError:
        raise too_slow(received) from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _pairs(headers: Iterable[Iterable[bytes]]) -> Iterable[tuple[bytes, bytes]]:
    for name, value in headers:
        yield bytes(name), bytes(value)
