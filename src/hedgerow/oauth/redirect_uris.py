"""Where an answer may be sent: what can be registered, what is the same, and the address with the answer in it.

A redirect URI is compared as text, character by character (RFC 9700 §2.1), with one exception: a program on the user's
own machine listens on a port that it cannot know beforehand, so the port of a loopback address does not count (RFC 8252
§7.3). That of the name `localhost` does, unless it was registered without one (gateway §6.5).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

CHARACTERS_MAX: Final = 2_000
FORBIDDEN_SCHEMES: Final = frozenset(
    {"javascript", "data", "file", "blob", "vbscript", "about", "view-source", "filesystem", "ws", "wss", "ftp"}
)
"""Schemes that a browser itself does something with."""

_TEXT = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~#]+")
"""What a URI is written with (RFC 3986); without the backslash, which browsers take for a slash."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_NAME = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?")
_PORT = re.compile(r"[0-9]{1,5}")
_LOOPBACK = re.compile(r"http://(localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::([0-9]{1,5}))?((?:[/?].*)?)")


class RedirectUriError(ValueError):
    """Not an address that answers may be sent to; the message says why, in PostHog's words where it has some."""


def check(uri: str) -> None:
    """Whether an application may register this. Raises `RedirectUriError`."""
    shown = uri[:200].encode("ascii", "replace").decode()
    if not 0 < len(uri) <= CHARACTERS_MAX or not _TEXT.fullmatch(uri):
        raise RedirectUriError(f"Redirect URI {shown} has characters that no URI has")
    if "#" in uri:
        raise RedirectUriError(f"Redirect URI {shown} cannot contain fragments")
    scheme = _SCHEME.match(uri)
    if scheme is None or len(uri) == scheme.end():
        raise RedirectUriError(f"Redirect URI {shown} must be absolute")
    name = scheme[1].lower()
    if name in FORBIDDEN_SCHEMES:
        raise RedirectUriError(f"Redirect URI {shown} has a scheme that is not allowed")
    if name in {"http", "https"}:
        if not uri.startswith(f"{name}://"):
            raise RedirectUriError(f"Redirect URI {shown} must be absolute")
        _check_host(uri, shown, is_plain=name == "http")


def _check_host(uri: str, shown: str, *, is_plain: bool) -> None:
    authority = re.split("[/?]", uri.partition("://")[2], maxsplit=1)[0]
    host, port = _host_and_port(authority)
    if "@" in authority or host is None or (port is not None and not 0 < int(port) < 65_536):
        raise RedirectUriError(f"Redirect URI {shown} has no host that is plain to see")
    if is_plain and not is_loopback(host):
        raise RedirectUriError(f"Redirect URI {shown} must use https (http is only allowed for loopback addresses)")


def _host_and_port(authority: str) -> tuple[str | None, str | None]:
    """The two parts of an authority; no host if it is not written plainly."""
    if authority.startswith("["):
        address, bracket, rest = authority[1:].partition("]")
        host = address if bracket and _is_address(address) else None
    else:
        host, colon, rest = authority.partition(":")
        rest = colon + rest
        if not _NAME.fullmatch(host) or (host.rpartition(".")[2].isdecimal() and not _is_address(host)):
            host = None
    if not rest:
        return host, None
    return (host, rest[1:]) if rest[0] == ":" and _PORT.fullmatch(rest[1:]) else (None, None)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    return host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_registered(said: str, registered: Iterable[str]) -> bool:
    """Whether answers may go to `said`."""
    return any(said == uri or _differ_in_port_alone(said, uri) for uri in registered)


def _differ_in_port_alone(said: str, registered: str) -> bool:
    left, right = _LOOPBACK.fullmatch(said), _LOOPBACK.fullmatch(registered)
    if left is None or right is None or left[1] != right[1] or left[3] != right[3]:
        return False
    if left[2] is not None and not 0 < int(left[2]) < 65_536:
        return False
    return right[1] != "localhost" or right[2] is None


def with_answer(uri: str, answer: Mapping[str, str]) -> str:
    """The redirect URI with the answer's parameters added to its query."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer, quote_via=quote, safe='')}"


def shown_host(uri: str) -> str:
    """What a person is told about where they will be sent: the host, or for a program's own scheme, that."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in {"http", "https"} else f"{parts.scheme}:"


def policy_source(uri: str) -> str:
    """The address as a source of a content security policy, which a form must name to be sent on there."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or "[" in parts.netloc:  # the policy's grammar has no IPv6 address
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"
