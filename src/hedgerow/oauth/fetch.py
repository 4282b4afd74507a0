"""Reading a document that an application points to, from a host that the operator allows, without being led elsewhere.

The name is resolved once; the connection goes to the address that was looked at, with the certificate checked for the
name. Redirects are not followed, proxies of the environment are not used, nothing about us is sent, and neither size nor
time is up to the other side (gateway §4.1, §6.5).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

READ_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 10.0
ANY: Final = "*"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses. Raises `OSError`."""

_TRANSLATING = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
)
"""IPv6 networks in whose addresses an IPv4 address hides."""


class Unreadable(Exception):  # noqa: N818 — what is wrong with the document, for our own log
    """There is no document to be had; the message never goes to whoever asked."""


class Fetched(msgspec.Struct, frozen=True):
    """A document."""

    body: bytes
    media_type: str
    cache_control: str


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses that the system's resolver knows. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Reads documents."""

    def __init__(self, hosts: Sequence[str], *, ask: Resolve = resolve, trust: ssl.SSLContext | None = None) -> None:
        """`hosts` may be read from: names, `.example.com` for all below it, `*` for all that are on the internet.

        An address or `localhost` among them may be read from although it is not on the internet. `trust` is whom
        certificates must come from; None is the usual authorities.
        """
        self._hosts = frozenset(host.lower() for host in hosts if not host.startswith("."))
        self._below = tuple(host.lower() for host in hosts if host.startswith("."))
        self._ask = ask
        self._trust = trust

    @property
    def reads_anything(self) -> bool:
        """Whether any host is allowed."""
        return bool(self._hosts or self._below)

    def allows(self, host: str) -> bool:
        """Whether the settings let us read from there."""
        name = host.lower().removesuffix(".")
        return ANY in self._hosts or name in self._hosts or name.endswith(self._below)

    async def get(self, url: str, *, bytes_max: int, accept: str) -> Fetched:
        """The document at an `https` address. Raises `Unreadable`."""
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
        if parts.scheme != "https" or host is None or not self.allows(host):
            raise Unreadable("The settings do not let us read from there.")
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                address = await self._address(host, port)
                return await self._get(url, host, address, bytes_max, accept)
        except (TimeoutError, OSError, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unreadable(f"It cannot be reached: {type(error).__name__}.") from error

    async def _address(self, host: str, port: int) -> str:
        found = await self._ask(host, port)
        if not found:
            raise Unreadable("The name has no address.")
        is_named_inside = host.lower() in self._hosts and (host.lower() == "localhost" or _is_address(host))
        if not is_named_inside and not all(is_on_the_internet(ipaddress.ip_address(one)) for one in found):
            raise Unreadable("The name leads to an address that is not on the internet.")
        return found[0]

    async def _get(self, url: str, host: str, address: str, bytes_max: int, accept: str) -> Fetched:
        pinned = httpx.URL(url).copy_with(host=address)
        headers = {"Host": urlsplit(url).netloc, "Accept": accept, "Accept-Encoding": "identity", "User-Agent": "oauth"}
        trust = self._trust or ssl.create_default_context()
        async with (
            httpx.AsyncClient(verify=trust, trust_env=False, follow_redirects=False, timeout=READ_SECONDS) as client,
            client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": host}) as answer,
        ):
            if answer.status_code != 200 or answer.headers.get("content-encoding", "identity") != "identity":
                raise Unreadable(f"It answers {answer.status_code}.")
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > bytes_max:
                    raise Unreadable(f"It has more than {bytes_max} bytes.")
            media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            return Fetched(bytes(body), media_type, answer.headers.get("cache-control", ""))


def is_on_the_internet(address: Address) -> bool:
    """Whether an address is one of the public internet, whatever form it is written in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_on_the_internet(address.ipv4_mapped)
        if any(address in network for network in _TRANSLATING):
            return False
    return address.is_global and not address.is_multicast


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
