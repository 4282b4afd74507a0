"""Connections to the servers of accounts: opened to a checked address, kept alive, given out again (gateway §2.8, §4.1).

Connections are pooled by origin *and* pinned address, so that what a name meant earlier is never used for what it means
now. Proxy variables of the environment are not read; certificates are checked against the system's store.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from hedgerow.core.clock import Clock
from hedgerow.core.telemetry import log
from hedgerow.gateway.addresses import AddressRefused, NameUnknown, Resolver
from hedgerow.gateway.channel import CannotConnect, Channel, TlsFailed

IDLE_SECONDS_MAX: Final = 30.0
"""A connection that was idle for longer is closed: many servers close theirs about then, in mid-request."""
IDLE_PER_ORIGIN_MAX: Final = 128
BREAKS_AFTER: Final = 5
"""So many connections in a row that could not be opened stop further tries for a while."""
BROKEN_SECONDS: Final = 5.0

_Key = tuple[str, str]


class Target(msgspec.Struct, frozen=True):
    """Where a connection's calls go. Made from the stored base URL alone, never from a request."""

    origin: str
    """Scheme, host and port."""
    scheme: str
    host: str
    port: int
    host_header: bytes
    base_path: bytes
    """Put before every path; "" or "/ph"."""
    is_private: bool

    @classmethod
    def of(cls, base_url: str, *, is_private: bool) -> Target:
        """The target that a base URL (`gateway.apps.plain_origin`) names."""
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        origin = f"{parts.scheme}://{parts.netloc}"
        return cls(
            origin,
            parts.scheme,
            host,
            port,
            parts.netloc.encode("idna" if not parts.netloc.isascii() else "ascii"),
            parts.path.encode(),
            is_private,
        )


class UpstreamClient:
    """The pool. One for the process; `close` it at the end."""

    def __init__(self, clock: Clock, *, connect_seconds: float = 5.0, resolver: Resolver | None = None) -> None:
        """`resolver` is the system's unless a test brings its own."""
        self._clock = clock
        self._connect_seconds = connect_seconds
        self.resolver = resolver or Resolver(clock)
        self._idle: dict[_Key, list[Channel]] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._channels: set[Channel] = set()
        self._tls: ssl.SSLContext | None = None
        self.opened = 0
        """How many connections were ever opened."""

    async def acquire(self, target: Target, *, fresh: bool = False) -> Channel:
        """A connection that waits for a request. `fresh` takes none that was used before.

        Raises `CannotConnect`, `TlsFailed`.
        """
        address = self.resolver.known(target.host, target.port, is_private=target.is_private)
        if address is None:
            address = await self._resolve(target)
        key = (target.origin, address)
        if not fresh:
            channels = self._idle.get(key)
            while channels:
                channel = channels.pop()
                if channel.is_closed or channel.transport.is_closing():
                    continue
                if self._clock.monotonic() - channel.idle_since < IDLE_SECONDS_MAX:
                    return channel
                channel.close()
        return await self._open(target, address, key)

    def release(self, channel: Channel) -> None:
        """The exchange is over: keep the connection for another, or close it."""
        if not channel.finish():
            return
        channels = self._idle.setdefault(channel.pool_key, [])
        if len(channels) >= IDLE_PER_ORIGIN_MAX:
            channel.close()
            return
        channel.idle_since = self._clock.monotonic()
        channels.append(channel)

    async def close(self) -> None:
        """Close every connection."""
        self._idle.clear()
        ended = [channel.ended for channel in self._channels]
        for channel in list(self._channels):
            channel.close()
        await asyncio.gather(*ended)

    async def _resolve(self, target: Target) -> str:
        try:
            return await self.resolver.resolve(target.host, target.port, is_private=target.is_private)
        except AddressRefused as error:
            log("gateway").warning("address_refused", host=target.host, error=str(error))
            raise CannotConnect("destination_ip_prohibited") from None
        except NameUnknown as error:
            log("gateway").warning("name_unknown", host=target.host, error=str(error))
            raise CannotConnect("dns_error") from None

    async def _open(self, target: Target, address: str, key: _Key) -> Channel:
        failures, until = self._failures.get(target.origin, (0, 0.0))
        if failures >= BREAKS_AFTER and self._clock.monotonic() < until:
            raise CannotConnect("destination_unavailable")
        try:
            channel = await self._connect(target, address)
        except (CannotConnect, TlsFailed):
            self._failures[target.origin] = (failures + 1, self._clock.monotonic() + BROKEN_SECONDS)
            self.resolver.forget(target.host, target.port, is_private=target.is_private)
            raise
        self._failures.pop(target.origin, None)
        channel.pool_key = key
        self._channels.add(channel)
        self.opened += 1
        return channel

    async def _connect(self, target: Target, address: str) -> Channel:
        loop = asyncio.get_running_loop()
        secure: dict[str, Any] = {}
        if target.scheme == "https":
            secure = {
                "ssl": self._context(),
                "server_hostname": target.host,
                "ssl_handshake_timeout": self._connect_seconds,
            }

        def make() -> Channel:
            return Channel(loop, self._lost)

        try:
            async with asyncio.timeout(self._connect_seconds * (2 if secure else 1)):
                _, channel = await loop.create_connection(make, address, target.port, **secure)
        except ssl.SSLError as error:
            log("gateway").warning("tls_failed", host=target.host, error=error.reason or "")
            raise TlsFailed("The certificate or the handshake failed.") from None
        except TimeoutError:
            raise CannotConnect("connection_timeout") from None
        except OSError as error:
            log("gateway").warning("cannot_connect", host=target.host, error=error.strerror or type(error).__name__)
            raise CannotConnect("connection_refused") from None
        peer = channel.transport.get_extra_info("peername")
        if peer is None or ipaddress.ip_address(peer[0]) != ipaddress.ip_address(address):
            channel.close()
            raise CannotConnect("destination_ip_prohibited")
        return channel

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _lost(self, channel: Channel) -> None:
        self._channels.discard(channel)
        channels = self._idle.get(channel.pool_key)
        if channels and channel in channels:
            channels.remove(channel)
        if channels is not None and not channels:
            self._idle.pop(channel.pool_key, None)
