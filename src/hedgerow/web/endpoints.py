"""What the API page lists: one line an endpoint family, in the order in which a newcomer meets them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Endpoint(NamedTuple):
    """A path as PostHog names it, and what it is for. `needs` is the credential."""

    method: str
    path: str
    needs: str
    does: str


ENDPOINTS: Final = (
    Endpoint("POST", "/batch/", "project token", "Store events, up to 20 MB a request. SDKs of servers send here."),
    Endpoint("POST", "/e/ · /i/v0/e/ · /capture/", "project token", "Store one event or a few. Browsers send here."),
    Endpoint("POST", "/i/v1/analytics/events", "project token", "Store events, with a verdict for each."),
    Endpoint("POST", "/flags/?v=2", "project token", "The feature flags of one person."),
    Endpoint("GET", "/array/{token}/config.js", "nothing", "What the browser SDK is told at start."),
    Endpoint("POST", "/api/projects/{id}/query/", "query:read", "Ask HogQL or another query; sync, blocking or async."),
    Endpoint(
        "GET", "/api/projects/{id}/query/{query_id}/", "query:read", "The state and the answer of an async query."
    ),
    Endpoint("GET", "/api/projects/{id}/persons/", "person:read", "Who sent events; search, filter, page."),
    Endpoint("GET", "/api/organizations/@current/", "organization:read", "The organization of the key."),
    Endpoint("GET", "/api/projects/", "project:read", "The projects of the key; create, change, reset the token."),
    Endpoint("GET", "/api/users/@me/", "user:read", "Who the key belongs to."),
    Endpoint("GET", "/api/personal_api_keys/", "signed in", "Personal API keys; create, roll, delete."),
    Endpoint("GET", "/_health · /_ready · /metrics", "nothing", "Is it up, do the stores answer, how busy is it."),
)
