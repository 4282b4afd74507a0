"""What an application may ask for (gateway §6.6): objects to read or write, and who the user is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hedgerow.core.identity.scopes import RESOURCES, granted

IDENTITY = ("openid", "profile", "email", "introspection")
"""Not about objects: `introspection` lets a service of the application ask about the application's tokens."""
OBJECTS = tuple(f"{resource}:{action}" for resource in RESOURCES for action in ("read", "write"))
SUPPORTED = (*IDENTITY, *OBJECTS)
"""In the order in which they are announced and shown. `*` is never among them."""
_SUPPORTED = frozenset(SUPPORTED)

WORDS = {
    "openid": "Sign you in: it learns your user id",
    "profile": "See your name",
    "email": "See your e-mail address",
    "introspection": "Ask whether its own tokens are still valid",
}


class Asked(msgspec.Struct, frozen=True):
    """One object on the consent page: which of its two scopes are asked for."""

    name: str
    read: str | None
    write: str | None


def known(scopes: Iterable[str]) -> list[str]:
    """Those that exist, each once, in our order; unknown ones are dropped, not refused."""
    wanted = set(scopes) & _SUPPORTED
    return [scope for scope in SUPPORTED if scope in wanted]


def kept(asked: str | None, ceiling: Sequence[str] | None) -> list[str]:
    """What of a `scope` parameter an application may have. Absent, it is everything that it may have and who the user is."""
    most = _SUPPORTED if ceiling is None else {*granted(ceiling), *IDENTITY}
    if asked is None:
        return [scope for scope in SUPPORTED if scope in most and scope != "introspection"]
    return [scope for scope in known(asked.split()) if scope in most]


def narrowed(asked: str, given: Sequence[str]) -> list[str] | None:
    """A smaller set than was given, for a refresh; None if `asked` has anything more (RFC 6749 §6)."""
    wanted = asked.split()
    held = granted(given)
    return known(wanted) if all(scope in held for scope in wanted) else None


def objects_of(scopes: Sequence[str]) -> list[Asked]:
    """The objects among the scopes, one line each."""
    held = set(scopes)
    found: list[Asked] = []
    for resource in RESOURCES:
        read, write = f"{resource}:read", f"{resource}:write"
        if held & {read, write}:
            found.append(
                Asked(resource.replace("_", " "), read if read in held else None, write if write in held else None)
            )
    return found
