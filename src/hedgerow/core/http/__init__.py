"""The rules that every HTTP route of the REST API shares: who asks, errors, pages, bodies, limits, host names.

A room writes

    from hedgerow.core.http import Caller, JSONBody, NamedDependency, NotFound, Page, PageRequest, Team, needs

    @get("/api/projects/{project_id:str}/things/", guards=[needs("thing:read")])
    async def list_things(team: NamedDependency[Team], page: NamedDependency[PageRequest]) -> Page[Thing]: ...

    NOTHING = ThingPatch()        # frozen; what an empty body means

    @patch("/api/projects/{project_id:str}/things/{thing_id:str}/", guards=[needs("thing:write")])
    async def change_thing(
        team: NamedDependency[Team], thing_id: FromPath[str], data: JSONBody[ThingPatch] = NOTHING
    ) -> Thing: ...

and exports `routes`, a list of such handlers. `data` may come as JSON, form or multipart; a struct field that may be left
out is `UNSET`, so absent and null are two things; what does not fit answers in PostHog's words. Trailing slashes do not
matter. Ids in paths are `str` and become numbers or UUIDs by `integer_id`, `uuid_id` (a wrong one is 404).

`server` builds the application:

    access = open_access(metadata, settings, clock)
    app = Litestar(routes, **http_layer(access))          # dependencies caller, team, page, access; state.access
    app = protected(app, settings)                        # ASGI: host names (421), requests at once (503)
    ...; await access.close()                             # before metadata.close()

`access.forget()` must follow every write to users, memberships, projects, keys or sessions.
"""

from __future__ import annotations

from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from hedgerow.core.http.access import Access
from hedgerow.core.http.callers import Caller
from hedgerow.core.http.errors import (
    ApiError,
    AuthenticationFailed,
    BodyTooLarge,
    Conflict,
    Envelope,
    MethodNotAllowed,
    NotAcceptable,
    NotAuthenticated,
    NotFound,
    ParseFailed,
    PermissionDenied,
    ProtectedError,
    ServerError,
    ServiceUnavailable,
    Throttled,
    UnsupportedMediaType,
    ValidationFailed,
    WrongHost,
)
from hedgerow.core.http.fields import at_most, integer_id, parse_moment, row_number, uuid_id
from hedgerow.core.http.guards import needs, proven
from hedgerow.core.http.layer import http_layer, open_access, protected, rest_app
from hedgerow.core.http.pagination import Page, PageRequest, page_request
from hedgerow.core.http.request import ApiRequest
from hedgerow.core.identity.teams import Team

__all__ = [
    "Access",
    "ApiError",
    "ApiRequest",
    "AuthenticationFailed",
    "BodyTooLarge",
    "Caller",
    "Conflict",
    "Envelope",
    "FromPath",
    "FromQuery",
    "JSONBody",
    "MethodNotAllowed",
    "NamedDependency",
    "NotAcceptable",
    "NotAuthenticated",
    "NotFound",
    "Page",
    "PageRequest",
    "ParseFailed",
    "PermissionDenied",
    "ProtectedError",
    "ServerError",
    "ServiceUnavailable",
    "Team",
    "Throttled",
    "UnsupportedMediaType",
    "ValidationFailed",
    "WrongHost",
    "at_most",
    "http_layer",
    "integer_id",
    "needs",
    "open_access",
    "page_request",
    "parse_moment",
    "protected",
    "proven",
    "rest_app",
    "row_number",
    "uuid_id",
]
