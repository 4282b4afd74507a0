"""From a host name to one address that may be connected to (gateway §4.1 rule 4).

A name is resolved once and the answer kept for 30 seconds. If any address of the answer is of this machine, a private
network or otherwise special, the name is refused as a whole; else one address is pinned, and the connection is made to
that address and to no other, whatever the name says by then. An operator may allow private addresses for one host.
"""

# ruff: noqa: N818 — these names are states, and say so themselves

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from hedgerow.core.clock import Clock

KEPT_SECONDS: Final = 30.0
RESOLVE_SECONDS_MAX: Final = 5.0
NAMES_MAX: Final = 1_000

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""A host name and a port to all of its addresses. Raises OSError."""

_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier NAT; also Alibaba's metadata
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "192.0.0.0/24",  # IETF; Oracle's metadata
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "255.255.255.255/32",
        "::/96",
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo, ORCHID …
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "fd00:ec2::254/128",
        "ff00::/8",
    )
)
_ALWAYS_REFUSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "fe80::/10",
        "ff00::/8",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "fd00:ec2::254/128",
    )
)
"""Not even a host that the operator lets be private may be here."""


class AddressRefused(OSError):
    """The name has no address that may be connected to. The text names no address."""


class NameUnknown(OSError):
    """The name does not resolve."""


class Resolver:
    """Resolves, checks and remembers. One for the process."""

    def __init__(self, clock: Clock, lookup: Lookup | None = None) -> None:
        """`lookup` is the system's resolver unless a test brings its own."""
        self._clock = clock
        self._lookup = lookup or _system_lookup
        self._kept: dict[tuple[str, int, bool], tuple[float, str]] = {}
        self._turns: dict[tuple[str, int, bool], int] = {}

    def known(self, host: str, port: int, *, is_private: bool) -> str | None:
        """The pinned address, if it was resolved in the last 30 seconds."""
        kept = self._kept.get((host, port, is_private))
        if kept is None or self._clock.monotonic() - kept[0] >= KEPT_SECONDS:
            return None
        return kept[1]

    async def resolve(self, host: str, port: int, *, is_private: bool) -> str:
        """An address of the host that may be connected to. Raises `NameUnknown`, `AddressRefused`."""
        known = self.known(host, port, is_private=is_private)
        if known is not None:
            return known
        literal = _literal(host)
        addresses = [literal] if literal is not None else await self._ask(host, port)
        for address in addresses:
            if not may_connect(address, is_private=is_private):
                raise AddressRefused("The host has an address that must not be connected to.")
        if not addresses:
            raise NameUnknown("The host has no address.")
        if len(self._kept) >= NAMES_MAX:
            self._kept.pop(next(iter(self._kept)))
        chosen = self._choose((host, port, is_private), addresses)
        self._kept[host, port, is_private] = (self._clock.monotonic(), chosen)
        return chosen

    def forget(self, host: str, port: int, *, is_private: bool) -> None:
        """The address did not answer: the next connection tries the next one."""
        if self._kept.pop((host, port, is_private), None) is not None:
            key = (host, port, is_private)
            self._turns[key] = self._turns.get(key, 0) + 1

    def _choose(self, key: tuple[str, int, bool], addresses: list[str]) -> str:
        ordered = sorted(set(addresses), key=lambda address: (":" in address, address))
        return ordered[self._turns.get(key, 0) % len(ordered)]

    async def _ask(self, host: str, port: int) -> list[str]:
        try:
            async with asyncio.timeout(RESOLVE_SECONDS_MAX):
                return await self._lookup(host, port)
        except TimeoutError:
            raise NameUnknown("The host's name was not resolved in time.") from None
        except (OSError, UnicodeError) as error:
            raise NameUnknown("The host's name cannot be resolved.") from error


def may_connect(address: str, *, is_private: bool) -> bool:
    """Whether an address may be connected to; `is_private` for a host that the operator allows to be in a private network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and (found.ipv4_mapped is not None or "%" in address):
        return False
    if any(found in network for network in _ALWAYS_REFUSED if network.version == found.version):
        return False
    if is_private:
        return True
    if any(found in network for network in _NEVER if network.version == found.version):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


async def _system_lookup(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
