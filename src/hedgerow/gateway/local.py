"""This very server as an account: a call in the same process, without a socket (gateway §2.10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol
from urllib.parse import unquote

from hedgerow.gateway.answers import GatewayError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

DEPTH: Final = "hedgerow.gateway.depth"


class LocalUpstream(Protocol):
    """What `server` gives: the application behind the gateway, and the host name that it answers to."""

    host: bytes
    """What `Host` says."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        ...


def local_scope(scope: Scope, path: bytes, headers: Headers) -> Scope:
    """The scope of a call to this server. Raises `GatewayError` 400 `loop` for a call that came out of one."""
    state = scope.get("state") or {}
    if state.get(DEPTH):
        raise GatewayError(
            400, "loop", "A call through the gateway to this server cannot go through the gateway again."
        )
    return {
        **scope,
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "root_path": "",
        "headers": headers,
        "state": {**state, DEPTH: 1},
    }
