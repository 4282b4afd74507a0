"""`hedgerow gateway`: the gateway alone, over a SQL database of its own or one that it shares with a server."""

from __future__ import annotations

import contextlib
from typing import Any

import click
from litestar import Litestar

from hedgerow.commands.serving import calm_the_collector, leave_no_core, listen, server_of
from hedgerow.commands.setup import set_up
from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.http import Access, http_layer, open_access, protected
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import METRICS_CONTENT_TYPE, metrics, set_up_logging
from hedgerow.gateway import Gateway
from hedgerow.gateway.routes import routes as gateway_routes
from hedgerow.oauth import page_routes
from hedgerow.server import client_addresses
from hedgerow.settings import Settings
from hedgerow.web import pages
from hedgerow.workspace import sign_in_routes

CONTROL = (
    "/connect",
    "/connections",
    "/keys",
    "/apps",
    "/settings",
    "/login",
    "/logout",
    "/api/login",
    "/api/logout",
    "/oauth/gateway-client.json",
    "/oauth/static",
    "/static/pages",
)
"""What is answered by the control plane, by signing in to its pages, and by what those look like."""
HOME = "/settings"
"""Where somebody is led who opens the gateway's bare address."""


def control_plane(access: Access, room: Gateway) -> Any:
    """Connections, keys and their pages, and the door to those; nothing of the API."""
    layer = http_layer(access)
    layer["state"].update({"gateway": room})
    routes = [*gateway_routes, *sign_in_routes.routes, page_routes.sign_in, page_routes.style, pages.asset]
    return Litestar(routes, openapi_config=None, logging_config=None, **layer)


class Beside:
    """What a gateway that runs alone answers beside its calls: the control plane, health, figures; the rest is 404."""

    def __init__(self, metadata: Metadata, control: Any) -> None:
        self._metadata = metadata
        self._control = control

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if any(path == prefix or path.startswith(f"{prefix}/") for prefix in CONTROL):
            await self._control(scope, receive, send)
            return
        status, body, kind = (
            404,
            b'{"type":"gateway_error","code":"unknown_app","detail":"No such app."}',
            "application/json",
        )
        if scope["path"] == "/_health":
            status, body, kind = 200, b"ok", "text/plain"
        elif scope["path"] == "/_ready":
            status, body, kind = await self._ready(), b"", "text/plain"
        elif scope["path"] == "/metrics":
            status, body, kind = 200, metrics(), METRICS_CONTENT_TYPE
        elif scope["path"] == "/":
            status, body, kind = 303, b"", "text/plain"
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        if status == 303:
            headers.append((b"location", HOME.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _ready(self) -> int:
        try:
            await self._metadata.ping()
        except MetadataUnavailable:
            return 503
        return 200


async def gateway_forever(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises StartupError with one sentence."""
    leave_no_core()
    set_up_logging(settings.log_level)
    clock = Clock()
    async with contextlib.AsyncExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(listen(settings)))
        made = await set_up(settings)
        metadata = await Metadata.open(settings)
        stack.push_async_callback(metadata.close)
        room = await Gateway.open(metadata, settings, clock)
        stack.push_async_callback(room.close)
        access = open_access(metadata, settings, clock)
        stack.push_async_callback(access.close)
        beside = Beside(metadata, control_plane(access, room))
        click.echo(f"\nHedgerow's gateway serves {settings.origin}/posthog/  (data in {settings.data_dir})")
        if made.get("gateway_key"):
            click.echo(f"\n  gateway key        {made['gateway_key']}   (secret, shown this once)\n")
        calm_the_collector()
        layer = room.layer(beside, address_of=client_addresses(settings))
        await server_of(protected(layer, settings)).serve(sockets=[listener])
