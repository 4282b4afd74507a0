"""This server as an OAuth 2.1 provider, as PostHog is one (gateway §6): an application gets tokens instead of a key.

    application → /oauth/authorize/ → the user signs in and consents → code → /oauth/token/ → `pha_`, `phr_`

`server` makes one `OAuthProvider`, puts it into the application's state as `oauth`, and registers `routes`. The tables stand in `core.identity.models`, and
the tokens are proven in `core.identity.credentials`, because every room must know who asks.

    authorization           what an application asks for, checked           consent, pages, page_routes
    clients                 the applications · registration (RFC 7591) · client_documents, fetch (their own URLs)
    client_authentication   which of them speaks
    grants                  consent, codes, tokens in SQL: issued, refreshed, taken back
    exchange                the token endpoint · introspection: asking about tokens · id_tokens: who the user is
    redirect_uris, scopes, resources, pkce, names, parameters               the rules, each by itself
"""

from __future__ import annotations

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from hedgerow.core.http import ApiRequest
from hedgerow.oauth import page_routes
from hedgerow.oauth import routes as endpoint_routes
from hedgerow.oauth.errors import EXCEPTION_HANDLERS
from hedgerow.oauth.provider import OAuthProvider

__all__ = ["OAuthProvider", "routes"]


def _provider(request: ApiRequest) -> OAuthProvider:
    return request.app.state.oauth


routes: list[ControllerRouterHandler] = [
    page_routes.sign_in,  # shares its path with the form's target, which Litestar wants at the same level
    Router(
        "/",
        route_handlers=[*endpoint_routes.routes, *page_routes.routes],
        dependencies={"oauth": Provide(_provider, sync_to_thread=False)},
        exception_handlers=EXCEPTION_HANDLERS,
    ),
]
"""All endpoints and pages of the provider; they ask `app.state.oauth`."""
