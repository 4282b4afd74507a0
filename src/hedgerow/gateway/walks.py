"""A person's walk through the consent page of an account, from the connect page and back (gateway §1.10, RFC 9700).

The state is random, works once and for ten minutes, and only in the browser that began: it is stored as a digest beside the
digest of a cookie. What must be known at the end (issuer, client, verifier) is sealed beside them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, cast

import msgspec
from sqlalchemy import CursorResult, select, update

from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest, same
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import log
from hedgerow.gateway.accounts import Prober
from hedgerow.gateway.ageing import due_at
from hedgerow.gateway.apps import App, Apps
from hedgerow.gateway.audit import Actor
from hedgerow.gateway.credentials import Secrets
from hedgerow.gateway.discovery import Discovery
from hedgerow.gateway.lifecycle import Grown, Lifecycle
from hedgerow.gateway.models import ConnectSession
from hedgerow.gateway.oauth_client import (
    TokenEndpoint,
    TokenRefused,
    Tokens,
    TokenUnavailable,
    authorization_request,
    new_verifier,
)
from hedgerow.gateway.own_client import OwnClient
from hedgerow.gateway.places import Place, Places
from hedgerow.gateway.sessions import Link, Links
from hedgerow.gateway.vault import CannotUnseal, Sealed, Vault

WALK_LIVES: Final = timedelta(minutes=10)
SECRET_CHARACTERS: Final = 43
CODE_CHARACTERS_MAX: Final = 4_096


class Walk(msgspec.Struct, frozen=True):
    """What is sealed."""

    app: str
    place: str
    """The name of the place that was chosen; "" where the account's home is found out later."""
    issuers: tuple[str, ...]
    says_iss: bool
    client_id: str
    verifier: str
    redirect_uri: str
    token_path: str

    def __repr__(self) -> str:
        return f"Walk({self.app}, {self.place})"


class Begun(msgspec.Struct, frozen=True):
    """Where the browser goes, and the cookie that it takes along."""

    url: str
    browser: str

    def __repr__(self) -> str:
        return "Begun(…)"


class Strayed(Exception):  # noqa: N818 — a state
    """Nobody began this walk in this browser, or it is over: nothing is changed."""


class Failed(Exception):  # noqa: N818 — a state
    """The walk ended without a connection; `reason` stands in the connection now (gateway §1.4)."""

    def __init__(self, reason: str) -> None:
        """A machine code."""
        super().__init__(reason)
        self.reason = reason


class Walks:
    """Begins and ends walks. One for the process."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        clock: Clock,
        vault: Vault,
        apps: Apps,
        places: Places,
        links: Links,
        lifecycle: Lifecycle,
        discovery: Discovery,
        own_client: OwnClient,
        tokens: TokenEndpoint,
        prober: Prober,
    ) -> None:
        """Stand on the parts of the control plane."""
        self._metadata = metadata
        self._clock = clock
        self._vault = vault
        self._apps = apps
        self._places = places
        self._links = links
        self._lifecycle = lifecycle
        self._discovery = discovery
        self._own_client = own_client
        self._tokens = tokens
        self._prober = prober

    async def begin(self, link: Link, app: App, place: Place | None, scopes: tuple[str, ...]) -> Begun:
        """Note a new walk, in place of an earlier one of the link. Raises `NoOAuth`, `MetadataUnavailable`."""
        server = await self._discovery.server_of(app, place)
        client_id = await self._own_client.id_at(server)
        walk = Walk(
            app=app.name,
            place="" if place is None else place.name,
            issuers=server.issuers,
            says_iss=server.says_iss,
            client_id=client_id,
            verifier=new_verifier(),
            redirect_uri=self._own_client.redirect_uri,
            token_path=server.token_path,
        )
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        sealed = self._vault.seal(_owner(link.digest), 1, msgspec.json.encode(walk))
        async with self._metadata.write() as session:
            await session.execute(
                update(ConnectSession)
                .where(ConnectSession.digest == link.digest)
                .values(
                    browser_digest=digest(browser),
                    state_digest=digest(state),
                    state_expires_at=self._clock.now() + WALK_LIVES,
                    walk=sealed.ciphertext,
                    walk_data_key=sealed.data_key,
                    walk_master_key_id=sealed.master_key_id,
                )
            )
        url = authorization_request(
            server.authorize_url,
            client_id=client_id,
            redirect_uri=walk.redirect_uri,
            scopes=scopes,
            state=state,
            verifier=walk.verifier,
            access_level=link.asked.access_level,
        )
        return Begun(url, browser)

    async def end(self, said: Mapping[str, str], browser: str) -> Link:
        """The browser is back. The connection is ACTIVE then. Raises `Strayed`, `Failed`, `MetadataUnavailable`."""
        link, walk = await self._taken(said.get("state", ""), browser)
        actor = Actor("system", "connect page")
        try:
            await self._arrive(link, walk, said, actor)
        except Failed as error:
            await self._lifecycle.fail(actor, link.connection.id, error.reason)
            raise
        return link

    async def _taken(self, state: str, browser: str) -> tuple[Link, Walk]:
        """The walk, which cannot be taken again. Raises `Strayed`."""
        if len(state) != SECRET_CHARACTERS or len(browser) != SECRET_CHARACTERS:
            raise Strayed
        async with self._metadata.read() as session:
            row = await session.scalar(select(ConnectSession).where(ConnectSession.state_digest == digest(state)))
        if (
            row is None
            or row.completed_at is not None
            or row.state_expires_at is None
            or row.state_expires_at <= self._clock.now()
            or row.browser_digest is None
            or not same(row.browser_digest, digest(browser))
            or row.walk is None
            or row.walk_data_key is None
        ):
            raise Strayed
        sealed = Sealed(row.walk, row.walk_data_key, row.walk_master_key_id or "")
        async with self._metadata.write() as session:
            taken = cast(
                "CursorResult[Any]",
                await session.execute(
                    update(ConnectSession)
                    .where(ConnectSession.digest == row.digest, ConnectSession.state_digest == digest(state))
                    .values(
                        state_digest=None, state_expires_at=None, browser_digest=None, walk=None, walk_data_key=None
                    )
                ),
            )
        link = await self._links.of_walk(row.digest)
        if taken.rowcount != 1 or link is None:
            raise Strayed
        try:
            walk = msgspec.json.decode(self._vault.unseal(_owner(row.digest), 1, sealed), type=Walk)
        except CannotUnseal:
            raise Strayed from None
        return link, walk

    async def _arrive(self, link: Link, walk: Walk, said: Mapping[str, str], actor: Actor) -> None:
        issuer = said.get("iss")
        if (issuer is None and walk.says_iss) or (issuer is not None and issuer not in walk.issuers):
            log("gateway").warning("issuer_mismatch", connection=str(link.connection.id))
            raise Failed("state_mismatch")
        if "error" in said:
            raise Failed("access_denied" if said["error"] == "access_denied" else "exchange_failed")
        app = self._apps.get(walk.app)
        code = said.get("code", "")
        if app is None or not 0 < len(code) <= CODE_CHARACTERS_MAX:
            raise Failed("exchange_failed")
        place = self._places.named(app, walk.place) if walk.place else None
        host = self._places.authorization_server(app) if place is None else place.host
        received = self._clock.now()
        try:
            tokens = await self._tokens.redeem(
                host,
                walk.token_path,
                client_id=walk.client_id,
                code=code,
                redirect_uri=walk.redirect_uri,
                verifier=walk.verifier,
            )
        except TokenRefused as error:
            if error.is_about_client:
                await self._own_client.forget(walk.client_id)
            raise Failed("exchange_failed") from None
        except TokenUnavailable as error:
            log("gateway").warning("exchange_failed", connection=str(link.connection.id), why=str(error))
            raise Failed("exchange_failed") from None
        await self._settle(link, app, walk, tokens, place=place, actor=actor, received=received)

    async def _settle(
        self, link: Link, app: App, walk: Walk, tokens: Tokens, *, place: Place | None, actor: Actor, received: Any
    ) -> None:
        """Find out where the account lives and whose it is, and make the connection ACTIVE. Raises `Failed`."""
        home = self._places.at(app, tokens.base_url) if tokens.base_url and place is None else place
        places = [home] if home is not None else [one for one in self._places.of(app) if one.host in app.hosts]
        tried = await self._prober.first(app, places, tokens.access_token)
        if not tried or not tried[-1].is_accepted:
            raise Failed("probe_failed" if home is not None else "exchange_failed")
        found = tried[-1]
        scopes = list(tokens.scopes) if tokens.scopes is not None else []
        grown = Grown(
            method="LOCAL" if found.place.is_here else "OAUTH2",
            base_url="" if found.place.is_here else found.place.origin,
            facts={**found.facts, "scopes": scopes},
            secrets=Secrets(access_token=tokens.access_token, refresh_token=tokens.refresh_token),
            client_id=walk.client_id,
            token_url=("" if found.place.is_here else found.place.origin) + walk.token_path,
            expires_at=received + timedelta(seconds=tokens.expires_in),
            next_refresh_at=due_at(received, tokens.expires_in) if tokens.refresh_token else None,
        )
        if not await self._lifecycle.activate(actor, link.connection.id, grown, link=link.digest):
            raise Strayed


def _owner(name: str) -> str:
    return f"walk:{name}"
