"""The web room's routes, put together."""

from __future__ import annotations

from litestar import Router

from hedgerow.core.storage.events import EventStore
from hedgerow.web.bootstrap import bootstrap_router
from hedgerow.web.flags import flags_router
from hedgerow.web.pages import pages_router
from hedgerow.web.scripts import SdkScripts


def web_routes(events: EventStore) -> list[Router]:
    """Everything under `/`, `/demo`, `/docs`, `/web`, `/static`, `/array`, `/flags`, `/decide`, and four public `/api` lists.

    The application must have been made with `core.http.http_layer`. Raises StartupError when the installation lacks
    the browser SDK's scripts.
    """
    return [pages_router(events), bootstrap_router(SdkScripts.packaged()), flags_router()]
