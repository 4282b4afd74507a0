"""Everything that makes a set of routes answer as PostHog does, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.types import ASGIApp, ControllerRouterHandler

from hedgerow.core.clock import Clock
from hedgerow.core.http.access import Access
from hedgerow.core.http.callers import Caller
from hedgerow.core.http.handlers import EXCEPTION_HANDLERS
from hedgerow.core.http.hosts import Busy, HostAllowList
from hedgerow.core.http.limits import Counters, MemoryCounters, RateLimiter, limit_classes
from hedgerow.core.http.pagination import PageRequest, page_request
from hedgerow.core.http.redis_counters import RedisCounters
from hedgerow.core.http.request import ApiRequest
from hedgerow.core.identity.teams import Team
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings


def open_access(metadata: Metadata, settings: Settings, clock: Clock) -> Access:
    """What guards lean on: caches, and counters in memory or in the Redis that the settings name."""
    counters: Counters = RedisCounters(settings.redis_url) if settings.redis_url else MemoryCounters(clock)
    return Access(metadata, settings, clock, RateLimiter(limit_classes(settings), counters))


def http_layer(access: Access) -> dict[str, Any]:
    """Arguments for `Litestar(…)`: request class, dependencies, exception handlers, state.

    Dependencies: `caller`, `team`, `page`, `access`. Further dependencies and state are merged by the caller.
    """
    return {
        "request_class": ApiRequest,
        "exception_handlers": EXCEPTION_HANDLERS,
        "dependencies": {
            "caller": Provide(provide_caller, sync_to_thread=False),
            "team": Provide(provide_team, sync_to_thread=False),
            "page": Provide(provide_page, sync_to_thread=False),
            "access": Provide(provide_access, sync_to_thread=False),
        },
        "state": State({"access": access}),
    }


def protected(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The outermost layers: known host names only, and a bound on requests at once."""
    return HostAllowList(Busy(app, settings.request_concurrency), settings)


def rest_app(access: Access, routes: Sequence[ControllerRouterHandler]) -> ASGIApp:
    """A whole application of some routes: what tests of a room need, and the pattern for `server`."""
    layer = http_layer(access)
    return protected(Litestar([*routes], openapi_config=None, logging_config=None, **layer), access.settings)


# Litestar starts a task for each of several dependencies that could be provided side by side, which takes longer than
# all the rest of a request. So each of these asks for the one before it, and is provided in place.


def provide_access(request: ApiRequest) -> Access:
    """The dependency `access: Access`."""
    return request.app.state.access


def provide_caller(request: ApiRequest, access: NamedDependency[Any]) -> Caller:
    """The dependency `caller: Caller`: who the guard let in."""
    del access
    return cast("Caller", getattr(request, "caller", None))  # a route that asks for it has the guard that sets it


def provide_team(request: ApiRequest, caller: NamedDependency[Any]) -> Team:
    """The dependency `team: Team`: the project that the guard found."""
    del caller
    return cast("Team", getattr(request, "team", None))


def provide_page(request: ApiRequest, team: NamedDependency[Any]) -> PageRequest:
    """The dependency `page: PageRequest`."""
    del team
    return page_request(request)
