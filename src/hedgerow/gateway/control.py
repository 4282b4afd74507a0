"""The control plane put together: what its routes and pages lean on (gateway §1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from sqlalchemy import select

from hedgerow.core.clock import Clock
from hedgerow.core.identity.models import User
from hedgerow.core.jobs import Jobs
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.accounts import Prober
from hedgerow.gateway.admission import AddressOf, peer_of
from hedgerow.gateway.answers import GatewayError, policy_denied
from hedgerow.gateway.apps import App, Apps, plain_origin
from hedgerow.gateway.asking import AnyRequest, Asker, asker_of
from hedgerow.gateway.audit import Actor
from hedgerow.gateway.connections import Connections
from hedgerow.gateway.connector import Connector
from hedgerow.gateway.discovery import Discovery
from hedgerow.gateway.enquiry import Enquirer
from hedgerow.gateway.guesses import Guesses
from hedgerow.gateway.keys import GatewayKeys, KeyGrant
from hedgerow.gateway.lifecycle import Lifecycle
from hedgerow.gateway.local import LocalUpstream
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.oauth_client import TokenEndpoint
from hedgerow.gateway.own_client import OwnClient
from hedgerow.gateway.places import Places
from hedgerow.gateway.policy import Rate
from hedgerow.gateway.rates import Rates
from hedgerow.gateway.refresh import Refresher
from hedgerow.gateway.revocation import Revocations
from hedgerow.gateway.rewrap import refuse_wrong_ring
from hedgerow.gateway.sessions import Asked, Links
from hedgerow.gateway.shown import connection_object, defaults
from hedgerow.gateway.tokens import Tokens
from hedgerow.gateway.upstream import UpstreamClient
from hedgerow.gateway.vault import Vault
from hedgerow.gateway.walks import Walks
from hedgerow.settings import Settings

CUSTOM_BYTES_MAX: Final = 4 << 10
METHODS: Final = ("OAUTH2", "API_KEY", "LOCAL")
KNOWN_ELSEWHERE: Final = ("BASIC", "OAUTH1", "JWT", "MCP")
ACCESS_LEVELS: Final = ("all", "organization", "team")
SCOPES_MAX: Final = 200
WAITING_MAX: Final = 8
"""Requests of one account that wait for a change; each holds a place of the server's."""


class NewConnection(msgspec.Struct, frozen=True):
    """The body of `POST /connections` (gateway §1.6)."""

    app: str
    method: str | None = None
    name: str | None = None
    host: str | None = None
    scopes: list[str] | None = None
    access_level: str | None = None
    return_url: str | None = None
    api_key: str | None = None
    metadata: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"NewConnection({self.app!r})"


class Control:
    """One for the process; at `app.state.gateway.control`."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        settings: Settings,
        clock: Clock,
        vault: Vault,
        apps: Apps,
        keys: GatewayKeys,
        connections: Connections,
        client: UpstreamClient,
    ) -> None:
        """Stand on the same parts as the data plane."""
        self.metadata = metadata
        self.settings = settings
        self.clock = clock
        self.vault = vault
        self.apps = apps
        self.keys = keys
        self.origin = settings.origin
        self.links = Links(metadata, vault, clock, self.origin)
        self.lifecycle = Lifecycle(metadata, vault, clock, connections, self.links)
        self.places = Places(apps, self.origin)
        self.address_of: AddressOf = peer_of
        """Whose address counts: as on the data plane."""
        self._waiting: dict[int, int] = {}
        self.enquirer = Enquirer(client)
        self.prober = Prober(self.enquirer)
        self.jobs = Jobs(metadata, clock, is_alone=False)
        self.revocations = Revocations(self.jobs, apps, vault, self.enquirer)
        self.guesses = Guesses(clock)
        self.own_client = OwnClient(metadata, clock, self.enquirer, apps, self.origin)
        endpoint = TokenEndpoint(self.enquirer)
        self.refresher = Refresher(
            metadata=metadata,
            clock=clock,
            vault=vault,
            apps=apps,
            places=self.places,
            lifecycle=self.lifecycle,
            tokens=endpoint,
        )
        self.credentials = Tokens(
            metadata=metadata,
            clock=clock,
            vault=vault,
            refresher=self.refresher,
            lifecycle=self.lifecycle,
            links=self.links,
        )
        self.walks = Walks(
            metadata=metadata,
            clock=clock,
            vault=vault,
            apps=apps,
            places=self.places,
            links=self.links,
            lifecycle=self.lifecycle,
            discovery=Discovery(self.enquirer, self.places),
            own_client=self.own_client,
            tokens=endpoint,
            prober=self.prober,
        )
        self.connector = Connector(
            apps=apps,
            places=self.places,
            lifecycle=self.lifecycle,
            prober=self.prober,
            credentials=self.credentials,
            revocations=self.revocations,
            vault=vault,
            clock=clock,
        )
        rate = settings.gateway_rate_per_second
        self._rates = Rates(clock, Rate(rate, max(1, settings.gateway_rate_burst)) if rate > 0 else None)

    async def start(self) -> None:
        """Begin what runs beside the requests. Raises `MetadataUnavailable`, `StartupError` for the wrong secret keys."""
        await refuse_wrong_ring(self.metadata, self.vault)
        await self.jobs.start()
        await self.credentials.start()

    async def stop(self) -> None:
        """End it; the stores still answer."""
        await self.credentials.stop()
        await self.jobs.stop()

    def serve(self, local: LocalUpstream | None) -> None:
        """Say whether this very server is an account's home too, and how to ask it."""
        self.enquirer.local = local
        self.places.has_here = local is not None

    async def asker(self, request: AnyRequest) -> Asker:
        """Whoever asks, counted. Raises `GatewayError` 401, 400, 403, 429; `MetadataUnavailable`."""
        asker = await asker_of(request, self.keys, self.address_of(request.scope))
        self._rates.take(asker.grant.id, asker.grant.policy.rate)
        return asker

    def app(self, name: str) -> App:
        """The app of that name. Raises `GatewayError` 400 `unknown_app`."""
        found = self.apps.get(name)
        if found is None:
            names = ", ".join(app.name for app in self.apps.all())
            raise GatewayError(400, "unknown_app", "There is no app of this name.", "app", hint=f"Apps: {names}.")
        return found

    def examined(self, new: NewConnection, by: KeyGrant) -> tuple[App, Asked]:
        """What a new connection asks for, checked. Raises `GatewayError` 400."""
        app = self.app(new.app)
        if new.method is not None and (new.method not in METHODS or new.method not in app.methods):
            known = new.method in (*METHODS, *KNOWN_ELSEWHERE)
            text = f"{app.title} cannot be connected by {new.method}." if known else "There is no such method."
            raise GatewayError(400, "unknown_method", text, "method", hint=f"Methods: {', '.join(app.methods)}.")
        place = self.places.named(app, new.host or "")
        if new.access_level is not None and new.access_level not in ACCESS_LEVELS:
            raise GatewayError(400, "invalid_field", f"One of {', '.join(ACCESS_LEVELS)}.", "access_level")
        scopes = tuple(new.scopes or ())
        if len(scopes) > SCOPES_MAX or not all(_is_scope(scope) for scope in scopes):
            raise GatewayError(400, "invalid_field", "A list of scopes such as query:read.", "scopes")
        if new.name is not None and not (0 < len(new.name.strip()) <= 100 and new.name.isprintable()):
            raise GatewayError(400, "invalid_field", "A name has 1 to 100 visible characters.", "name")
        if new.metadata is not None and len(msgspec.json.encode(new.metadata)) > CUSTOM_BYTES_MAX:
            raise GatewayError(400, "invalid_field", f"At most {CUSTOM_BYTES_MAX} bytes.", "metadata")
        if new.return_url is not None:
            self._examine_return(new.return_url)
        asked = Asked(
            host="" if place is None else place.name,
            method=new.method or "",
            scopes=scopes,
            access_level=new.access_level or "",
            by=by.name,
            key=by.shown,
        )
        return app, asked

    async def create(self, asker: Asker, new: NewConnection) -> ConnectionRow:
        """A connection that waits for a person; with `api_key` one that is ACTIVE at once, or none at all.

        Raises `GatewayError`, `MetadataUnavailable`.
        """
        app, asked = self.examined(new, asker.grant)
        if asker.grant.policy.apps is not None and app.name not in asker.grant.policy.apps:
            raise policy_denied("app", f"The app {app.name} is not allowed.")
        grown = None
        if new.api_key is not None:
            place = self.places.named(app, new.host or "")
            grown = await self.connector.verified_or_refused(app, new.api_key, place)
        made = await self.lifecycle.create(
            asker.actor,
            app,
            user_id=asker.user_id,
            asked=asked,
            name=(new.name or "").strip(),
            key_id=asker.grant.id,
            return_url=new.return_url,
            custom=new.metadata,
        )
        if grown is not None:
            await self.lifecycle.activate(asker.actor, made.row.id, grown, link=None)
        return made.row

    async def shown(self, asker: Asker, rows: list[ConnectionRow], wanted: list[ConnectionRow]) -> list[dict[str, Any]]:
        """`wanted` of all the account's `rows` as objects. A key that may not manage gets no connect links."""
        urls: Mapping[UUID, str] = {}
        if asker.grant.policy.manage_connections:
            urls = await self.links.urls(wanted, Asked(by=asker.grant.name, key=asker.grant.shown))
        chosen = defaults(rows, asker.grant.pinned_connection_id)
        page = f"{self.origin}/settings"
        return [
            connection_object(row, url=urls.get(row.id, page), is_default=row.id in chosen, origin=self.origin)
            for row in wanted
        ]

    @asynccontextmanager
    async def waiting(self, asker: Asker, seconds: float) -> AsyncGenerator[float]:
        """How long the request may wait for a change: 0 where too many of the account's wait already."""
        waiting = self._waiting.get(asker.user_id, 0)
        if not seconds or waiting >= WAITING_MAX:
            yield 0.0
            return
        self._waiting[asker.user_id] = waiting + 1
        try:
            yield seconds
        finally:
            self._waiting[asker.user_id] -= 1
            if not self._waiting[asker.user_id]:
                del self._waiting[asker.user_id]

    async def owner(self, row: ConnectionRow) -> str:
        """The e-mail address of the account that a connection belongs to."""
        async with self.metadata.read() as session:
            return await session.scalar(select(User.email).where(User.id == row.user_id)) or ""

    def _examine_return(self, said: str) -> None:
        """Raise `GatewayError` 400 for an address that people must not be led to (gateway §4.2 row 46)."""
        parts = urlsplit(said) if _is_plain_url(said) else None
        origin = None if parts is None else plain_origin(f"{parts.scheme}://{parts.netloc}")
        allowed = {self.origin, *self.settings.gateway_return_origins}
        if origin is None or origin not in allowed:
            raise GatewayError(
                400,
                "return_url_not_allowed",
                "The settings of this gateway do not allow this address.",
                "return_url",
                hint="HEDGEROW_GATEWAY_RETURN_ORIGINS names the origins that people may be led back to.",
            )


def user_actor(user_id: int) -> Actor:
    """A signed-in user, for the audit."""
    return Actor("user", str(user_id))


def _is_scope(text: str) -> bool:
    return 0 < len(text) <= 100 and text.isascii() and all(c.isalnum() or c in ":_*-." for c in text)


def _is_plain_url(text: str) -> bool:
    return len(text) <= 2_000 and text.isascii() and text.isprintable() and not set(text) & set(' \\"<>')
