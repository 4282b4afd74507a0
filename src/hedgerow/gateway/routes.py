"""Everything of the gateway that is routed by Litestar; the data plane stands before it (`gateway.proxy`).

`server` registers `routes` and puts the `Gateway` into the application's state as `gateway`.
"""

from __future__ import annotations

from litestar import Request, Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from hedgerow.gateway import connect_pages, control_routes, key_routes, settings_pages, usage_routes
from hedgerow.gateway.asking import EXCEPTION_HANDLERS
from hedgerow.gateway.control import Control


def _control(request: Request) -> Control:  # type: ignore[type-arg]
    return request.app.state.gateway.control


routes: list[ControllerRouterHandler] = [
    Router(
        "/",
        route_handlers=[
            *control_routes.routes,
            *key_routes.routes,
            *connect_pages.routes,
            *settings_pages.routes,
            *usage_routes.routes,
        ],
        dependencies={"control": Provide(_control, sync_to_thread=False)},
        exception_handlers=EXCEPTION_HANDLERS,
    )
]
