"""Which of this server's resources a token is for (RFC 8707): the API, or one that has a path of its own.

`resource={B}/mcp` gives a token that opens `/mcp` alone (gateway §6.7). Everything else below this origin is the API.
"""

from __future__ import annotations

from hedgerow.oauth.errors import SentBack

APART = ("/mcp",)
"""Resources of their own."""
OF_THE_API = ("", "/", "/api")


def audience(resource: str | None, origin: str) -> str | None:
    """The path of the resource that is meant; None is the API. Raises `SentBack` for one that is not here."""
    if resource is None:
        return None
    path = resource.removeprefix(origin)
    if path == resource or any(sign in path for sign in "?#\\%") or ".." in path:
        raise _unknown(origin)
    if path.removesuffix("/") in APART:
        return path.removesuffix("/")
    if path in OF_THE_API or path.startswith("/api/"):
        return None
    raise _unknown(origin)


def described(path: str) -> bool:
    """Whether a protected resource lies at this path, with a slash before it, so that it has a document (RFC 9728)."""
    return path in APART or path == "/api" or path.startswith("/api/")


def _unknown(origin: str) -> SentBack:
    return SentBack("invalid_target", f"The resource is not one of {origin}.")
