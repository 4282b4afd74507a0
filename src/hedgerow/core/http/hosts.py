"""What stands before every route: the host names that are answered to, and how many requests may run at once.

A page on the internet can make a browser resolve the page's own name to 127.0.0.1 and then talk to a server there as if
it were the page's (DNS rebinding). The browser still sends the page's name as `Host`, so a server that only answers to
names it knows is safe.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from hedgerow.core.http.errors import ApiError, ServiceUnavailable, WrongHost
from hedgerow.settings import Settings

WILDCARDS = {"", "0.0.0.0", "::", "*"}  # noqa: S104 — names that are compared, nothing is bound


class HostAllowList:
    """Passes on requests for known host names; answers 421 to others.

    Known are loopback names and addresses, the host that the server binds to, the host of the public URL, and
    `HEDGEROW_ALLOWED_HOSTS`: exact names, or `.example.com` for every name below it. The port does not matter.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Stand before `app`."""
        self._app = app
        public = urlsplit(settings.public_url).hostname or ""
        named = {
            _plain(name) for name in (*settings.allowed_hosts, settings.host, settings.gateway_host, public)
        } - WILDCARDS
        self._suffixes = tuple(name for name in named if name.startswith("."))
        self._names = named - set(self._suffixes)
        self._known: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if str(scope["type"]) != "lifespan" and not self._answers_to(scope["headers"]):
            if scope["type"] == "http":
                await refuse(WrongHost(), send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": "unknown host"})
            return
        await self._app(scope, receive, send)

    def _answers_to(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1:
            return False
        if hosts[0] in self._known:
            return True
        allowed = self.allows(hosts[0].decode("latin-1"))
        if allowed and len(self._known) < 1_000:
            self._known.add(hosts[0])
        return allowed

    def allows(self, host: str) -> bool:
        """Whether a `Host` header, port included, is one of ours."""
        try:
            parts = urlsplit(f"//{host}")
            name = _plain(parts.hostname or "")
            _ = parts.port  # raises for a port that is none
        except ValueError:
            return False
        if not name or parts.netloc != host or "@" in host:
            return False
        return _is_loopback(name) or name in self._names or name.endswith(self._suffixes)


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(".").removeprefix("[").removesuffix("]")


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Busy:
    """At most so many requests at once; one more is answered 503 with `Retry-After` instead of waiting in memory."""

    def __init__(self, app: ASGIApp, requests_max: int) -> None:
        """Stand before `app`."""
        self._app = app
        self._requests_max = requests_max
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self.running >= self._requests_max:
            await refuse(ServiceUnavailable("The server is busy. Try again.", code="too_many_requests_at_once"), send)
            return
        self.running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.running -= 1


async def refuse(error: ApiError, send: Send) -> None:
    """Answer with an error from outside of Litestar."""
    body = msgspec.json.encode(error.envelope)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.answer_headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
