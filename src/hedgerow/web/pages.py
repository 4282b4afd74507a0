"""The pages: `/`, `/demo/`, `/docs/keys/`, `/docs/api/`, their own assets, and the line that is live.

    GET /web/live?since={ms}&distinct_id=…     what was stored since then, for the project that the visitor may see

All are rendered here, without a build step. They run no inline script and no inline style, so that their content
security policy can forbid both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, Router, get
from litestar.di import NamedDependency, Provide

from hedgerow.core.http import Access, FromPath, NotFound, PermissionDenied, ValidationFailed
from hedgerow.core.identity.teams import Team
from hedgerow.core.storage.events import EventStore
from hedgerow.web.endpoints import ENDPOINTS
from hedgerow.web.files import IMMUTABLE, REVALIDATE, Folder
from hedgerow.web.live import DISTINCT_IDS_MAX, LiveEvents, live_events
from hedgerow.web.products import PRODUCTS
from hedgerow.web.visitor import visible_project

AnyRequest = Request[Any, Any, Any]

_HERE: Final = Path(__file__).parent
_ASSETS: Final = Folder(_HERE / "static" / "pages")
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_PLACEHOLDER_TOKEN: Final = "phc_your_project_token"  # noqa: S105 — what stands in a snippet that nobody's token is shown in
_TEXT_MAX: Final = 200


def pages_router(events: EventStore) -> Router:
    """The routes below, over the store that the live line reads."""
    return Router(
        "/",
        route_handlers=[start_page, demo_page, keys_page, api_page, live, asset],
        dependencies={"events": Provide(lambda: events, sync_to_thread=False)},
    )


@get("/", media_type=MediaType.HTML, include_in_schema=False)
async def start_page(request: AnyRequest) -> Response[str]:
    """What this is, what to paste, and whether something has arrived."""
    return _page("start.html", request, await visible_project(request))


@get("/demo/", media_type=MediaType.HTML, include_in_schema=False)
async def demo_page(request: AnyRequest) -> Response[str]:
    """A small shop that runs the real browser SDK against this server."""
    return _page("demo.html", request, await visible_project(request), products=PRODUCTS)


@get("/docs/keys/", media_type=MediaType.HTML, include_in_schema=False)
async def keys_page(request: AnyRequest) -> Response[str]:
    """Which keys there are, and how to make one."""
    return _page("keys.html", request, await visible_project(request))


@get("/docs/api/", media_type=MediaType.HTML, include_in_schema=False)
async def api_page(request: AnyRequest) -> Response[str]:
    """Where SDKs send, and what can be asked."""
    return _page("api.html", request, await visible_project(request), endpoints=ENDPOINTS)


@get("/web/live", include_in_schema=False)
async def live(request: AnyRequest, events: NamedDependency[EventStore]) -> Response[LiveEvents]:
    """Events that were stored since `since`, of `distinct_id` if that is given (it may be repeated)."""
    team = await visible_project(request)
    if team is None:
        raise PermissionDenied("Sign in, or open the page on the machine itself, to see what arrives.")
    access: Access = request.app.state.access
    distinct_ids = request.query_params.getall("distinct_id", [])[:DISTINCT_IDS_MAX]
    found = await live_events(
        events,
        access.clock,
        team,
        since_ms=_milliseconds(request.query_params.get("since")),
        distinct_ids=[text[:_TEXT_MAX].replace("\0", "\ufffd") for text in distinct_ids],
    )
    return Response(found, headers={"Cache-Control": "no-store"})


@get("/static/pages/{name:str}", include_in_schema=False)
async def asset(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A style sheet, script or picture of the pages; for ever under the hash that the pages link."""
    content = _ASSETS.get(name)
    if content is None:
        raise NotFound
    is_pinned = request.query_params.get("v") == content.hash
    return await content.response(request.headers, cache=IMMUTABLE if is_pinned else REVALIDATE)


def _page(template: str, request: AnyRequest, team: Team | None, **values: Any) -> Response[str]:
    text = _TEMPLATES.get_template(template).render(
        path=request.url.path,
        origin=_origin(request),
        team=team,
        token=team.api_token if team else _PLACEHOLDER_TOKEN,
        project=team.id if team else "@current",
        asset=_asset_url,
        **values,
    )
    return Response(text, media_type=MediaType.HTML, headers=_HEADERS)


def _origin(request: AnyRequest) -> str:
    """What to put into a snippet: the public address if one is set, else the one that the visitor used."""
    access: Access = request.app.state.access
    if access.settings.public_url:
        return access.settings.origin
    return str(request.base_url).rstrip("/")


def _asset_url(name: str) -> str:
    content = _ASSETS.get(name)
    if content is None:
        raise LookupError(f"no asset {name}")
    return f"/static/pages/{name}?v={content.hash}"


def _milliseconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 13):
        raise ValidationFailed("A moment is given in milliseconds since 1970.", attr="since")
    return int(text)
