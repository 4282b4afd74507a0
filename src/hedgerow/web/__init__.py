"""The pages that a person opens, and what a browser needs before it can send events.

routes = web_routes(events)      # Litestar routers: pages, browser bootstrap, empty /flags
"""

from __future__ import annotations

from hedgerow.web.routes import web_routes

__all__ = ["web_routes"]
