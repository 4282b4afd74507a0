"""The composition root: stores are opened, rooms are wired to each other, and become one ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self
from urllib.parse import urlsplit

from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.types import Receive, Scope, Send

from hedgerow.capture import CaptureApp, send_batch
from hedgerow.capture.request import Proxies
from hedgerow.capture.warning_routes import routes as warning_routes
from hedgerow.capture.warnings import keep as keep_warnings
from hedgerow.capture.writer import Writer
from hedgerow.core import telemetry
from hedgerow.core.clock import Clock, from_us
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.http import Access, ServiceUnavailable, http_layer, open_access, protected
from hedgerow.core.jobs import Jobs
from hedgerow.core.storage.events import EventStore, StoreUnavailable
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.storage.promoted import property_columns
from hedgerow.flags.cohort_usage import flags_using
from hedgerow.flags.flag_routes import routes as flag_routes
from hedgerow.gateway import Gateway, GatewayCall, event_of
from hedgerow.gateway.routes import routes as gateway_routes
from hedgerow.hogql import Cohort
from hedgerow.insights.action_references import action_references
from hedgerow.insights.annotation_routes import routes as annotation_routes
from hedgerow.insights.dashboard_routes import routes as dashboard_routes
from hedgerow.insights.insight_routes import routes as insight_routes
from hedgerow.oauth import OAuthProvider
from hedgerow.oauth import routes as oauth_routes
from hedgerow.people.cohort_calculation import CohortCalculations
from hedgerow.people.cohort_member_routes import routes as cohort_member_routes
from hedgerow.people.cohort_members import CohortMembers
from hedgerow.people.cohort_names import CohortNames
from hedgerow.people.cohort_routes import routes as cohort_routes
from hedgerow.people.cohorts import Cohorts
from hedgerow.people.routes import routes as people_routes
from hedgerow.people.standing import PeopleStanding
from hedgerow.people.store import People
from hedgerow.people.upkeep import Upkeep
from hedgerow.queries import LocalWrites, Queries, StoreRows
from hedgerow.queries import routes as query_routes
from hedgerow.settings import Settings
from hedgerow.taxonomy import Actions, SavedQueries, Schemas, Taxonomy
from hedgerow.taxonomy.action_routes import routes as action_routes
from hedgerow.taxonomy.event_definition_routes import routes as event_definition_routes
from hedgerow.taxonomy.named import Shelf
from hedgerow.taxonomy.property_definition_routes import routes as property_definition_routes
from hedgerow.taxonomy.saved_query_routes import routes as saved_query_routes
from hedgerow.web import web_routes
from hedgerow.workspace import GroupType, gateway_project
from hedgerow.workspace import routes as workspace_routes

Close = Callable[[], Awaitable[None]]


class ProjectGroupTypes:
    """What `workspace` shows of a project's group types, out of what `people` knows."""

    def __init__(self, standing: PeopleStanding) -> None:
        self._standing = standing

    async def group_types(self, team_id: int) -> list[GroupType]:
        return [
            GroupType(
                group_type=row.group_type,
                group_type_index=row.group_type_index,
                name_singular=row.name_singular,
                name_plural=row.name_plural,
                created_at=from_us(row.created_at_us),
            )
            for row in await self._standing.group_type_rows(team_id)
        ]


class OwnApplication:
    """What the gateway calls when a connection leads to this very server: the rooms, without a socket."""

    def __init__(self, app: Any, origin: str) -> None:
        self._app = app
        self.host = urlsplit(origin).netloc.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


class CallsAsEvents:
    """Calls through the gateway as events of the server's own project."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._token = ""
        self.capture: CaptureApp | None = None
        """Set once the rooms are wired."""

    async def store(self, calls: Sequence[GatewayCall]) -> None:
        if not self._token:
            project = await gateway_project(self._access.metadata, self._access.clock)
            self._access.forget()
            self._token = "" if project is None else project.api_token
        if self._token and self.capture is not None:
            token, self._token = self._token, ""  # asked for anew where the project is gone
            await send_batch(self.capture, token, [event_of(call) for call in calls])
            self._token = token


class Hedgerow:
    """One running server: `await Hedgerow.open(settings)`, then an ASGI application, then `await close()`."""

    def __init__(self, settings: Settings, clock: Clock, stack: AsyncExitStack) -> None:
        self.settings = settings
        self.clock = clock
        self._stack = stack
        self.metadata: Metadata
        self.events: EventStore
        self.access: Access
        self.people: People
        self.writer: Writer
        self.jobs: Jobs
        self.upkeep: Upkeep
        self.cohorts: Cohorts
        self.taxonomy: Taxonomy
        self.saved_queries: SavedQueries
        self.actions: Actions
        self.schemas: Schemas
        self.queries: Queries
        self.gateway: Gateway
        self.oauth: OAuthProvider
        self.standing: PeopleStanding
        self.app: Any

    @classmethod
    async def open(cls, settings: Settings, clock: Clock | None = None) -> Self:
        """Open the stores, replay what an earlier process left, and wire the rooms. Raises StartupError."""
        async with AsyncExitStack() as stack:
            house = cls(settings, clock or Clock(), stack)
            await house._open_stores()
            await house._wire()
            house._stack = stack.pop_all()
            return house

    async def close(self) -> None:
        """Store what waits, then let go of everything, in the opposite order."""
        await self._stack.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    async def _open_stores(self) -> None:
        self.metadata = await Metadata.open(self.settings)
        self._later(self.metadata.close)
        self.events = await EventStore.open(self.settings)
        self._later(self.events.close)

    async def _wire(self) -> None:
        settings, clock = self.settings, self.clock
        self.access = open_access(self.metadata, settings, clock)
        self._later(self.access.close)
        address_of = client_addresses(settings)
        self.oauth = OAuthProvider(self.access, address_of)
        self._later(self.oauth.close)
        await self.oauth.start()
        writes = LocalWrites()
        self.people = People(self.metadata, self.events, clock, edited=writes.changed)
        standing = self.standing = PeopleStanding(self.people)
        self.taxonomy = Taxonomy(
            self.metadata,
            clock,
            standing.group_types,
            properties_max=settings.taxonomy_max_properties,
            has_other_workers=not self.events.embedded,
        )
        await self.taxonomy.start()
        self._later(self.taxonomy.stop)
        data = writes if self.events.embedded else StoreRows(self.events)
        self.saved_queries = SavedQueries(self.metadata, self.events, settings, clock, changed=writes.changed)
        self.actions = Actions(self.metadata, clock, changed=writes.changed, has_other_workers=not self.events.embedded)
        columns = await property_columns(self.events)
        cohorts: Shelf[Cohort] = Shelf(
            CohortNames(self.metadata).load,
            clock,
            changed=writes.changed,
            has_other_workers=not self.events.embedded,
        )
        self.schemas = Schemas(
            self.taxonomy,
            standing,
            columns,
            cohorts=cohorts,
            actions=self.actions.shelf,
            views=self.saved_queries.shelf,
        )
        self.queries = Queries(self.events, settings, clock, schema_of=self.schemas.of, data=data)
        self._later(self.queries.close)
        observers = (self.taxonomy, writes)
        self.writer = Writer(
            self.people, self.events, settings, clock, observers=observers, keep_warnings=keep_warnings
        )
        await self.writer.start()
        self._later(self.writer.stop)
        self.jobs = Jobs(self.metadata, clock, is_alone=self.people.is_alone)
        members = CohortMembers(self.metadata, self.events, clock, self.jobs, forget=cohorts.forget)
        self.cohorts = Cohorts(self.jobs, members, forget=cohorts.forget, flags_using=flags_using)
        calculations = CohortCalculations(
            self.metadata,
            self.events,
            clock,
            settings,
            self.jobs,
            team_of=self.access.teams.by_id,
            schema_of=self.schemas.of,
            forget=cohorts.forget,
        )
        self.upkeep = Upkeep(self.people, self.events, self.jobs, self.writer, settings)
        await self.jobs.start()
        self._later(self.jobs.stop)
        await self.upkeep.start()
        self._later(self.upkeep.stop)
        await calculations.start()
        self._later(calculations.stop)
        calls = CallsAsEvents(self.access)
        self.gateway = await Gateway.open(self.metadata, settings, clock, sink=calls)
        self._later(self.gateway.close)
        self.gateway.control.revocations.forget = self.access.credentials.forget
        capture = CaptureApp(self._rest(), self.access.teams, self.writer, self.metadata, settings, clock)
        await capture.start()
        self._later(capture.stop)
        calls.capture = capture
        own = OwnApplication(capture, settings.origin)
        self.app = protected(self.gateway.layer(capture, own, address_of=address_of), settings)

    def _rest(self) -> Any:
        layer = http_layer(self.access)
        layer["state"].update(
            {
                "oauth": self.oauth,
                "gateway": self.gateway,
                "queries": self.queries,
                "schema_of": self.schemas.of,
                "saved_queries": self.saved_queries,
                "taxonomy": self.taxonomy,
                "actions": self.actions,
                "action_references": action_references,
                "people": self.people,
                "cohorts": self.cohorts,
                "jobs": self.jobs,
                "events": self.events,
                "metadata": self.metadata,
                "group_types": ProjectGroupTypes(self.standing),
            }
        )
        routes = [
            health,
            ready,
            metrics,
            *workspace_routes,
            *oauth_routes,
            *gateway_routes,
            *people_routes,
            *cohort_routes,
            *cohort_member_routes,
            *warning_routes,
            *query_routes,
            *saved_query_routes,
            *action_routes,
            *event_definition_routes,
            *property_definition_routes,
            *flag_routes,
            *insight_routes,
            *dashboard_routes,
            *annotation_routes,
            *web_routes(self.events),
        ]
        return Litestar(routes, openapi_config=None, logging_config=None, **layer)

    def _later(self, close: Close) -> None:
        self._stack.push_async_callback(close)


def client_addresses(settings: Settings) -> Callable[[Any], str]:
    """From an ASGI scope to the address of whoever asks; a trusted proxy's word counts."""
    proxies = Proxies(settings.trusted_proxies)

    def address(scope: Any) -> str:
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        return proxies.client(scope, b",".join(forwarded) if forwarded else None)

    return address


@get("/_health", media_type="text/plain")
async def health() -> str:
    """The process is up."""
    return "ok"


@get("/_ready", media_type="text/plain")
async def ready(state: State) -> str:
    """Both stores answer; else 503."""
    try:
        await state["events"].alive()
        await state["metadata"].ping()
    except (StoreUnavailable, MetadataUnavailable) as error:
        raise ServiceUnavailable(str(error)) from None
    return "ok"


@get("/metrics")
async def metrics() -> Response[bytes]:
    """Figures in Prometheus' text format."""
    return Response(telemetry.metrics(), media_type=telemetry.METRICS_CONTENT_TYPE)
