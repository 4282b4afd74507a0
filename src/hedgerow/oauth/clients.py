"""The applications that are known here (gateway §6.5), and the gateway of this very server, which is one from the start.

built-in   `hedgerow-gateway`: this server's own gateway; where its answers go follows from the settings
dynamic    registered itself (RFC 7591)
document   its `client_id` is the URL of its description
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from hedgerow.core.identity.models import OAuthApplication, OAuthGrant
from hedgerow.core.storage.metadata import Metadata
from hedgerow.oauth.redirect_uris import is_registered
from hedgerow.settings import Settings

BUILT_IN: Final = "hedgerow-gateway"
OWN_DOCUMENT: Final = "/oauth/gateway-client.json"
"""Below the public origin: what the gateway calls itself towards other servers. Here it is known, and never fetched."""
CALLBACK: Final = "/connect/callback"
CLIENT_ID_CHARACTERS_MAX: Final = 1_000
HOUR: Final = 3_600
WEEK: Final = 604_800
FORGOTTEN_AFTER: Final = timedelta(days=90)
"""When an application that made itself known was never let in by anybody."""
SWEPT_EVERY: Final = timedelta(hours=1)
SELF_MADE: Final = frozenset({"dynamic", "document"})
"""Kinds that nobody here has looked at."""


class Client(msgspec.Struct, frozen=True):
    """An application."""

    id: UUID
    client_id: str
    kind: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    auth_method: str
    secret_digest: str | None
    public_keys: dict[str, Any] | None
    scopes: tuple[str, ...] | None
    """The most that it may ask for; None is everything."""
    logo_type: str | None
    fresh_until: datetime | None

    @property
    def is_self_made(self) -> bool:
        """Whether nobody here has looked at it."""
        return self.kind in SELF_MADE

    @property
    def access_seconds(self) -> int:
        """How long its access tokens live (gateway §6.4)."""
        return WEEK if self.is_self_made else HOUR

    def answers_at(self, redirect_uri: str) -> bool:
        """Whether answers to it may go there. Ours listens at one port, so there the port counts."""
        if self.kind == "built-in":
            return redirect_uri in self.redirect_uris
        return is_registered(redirect_uri, self.redirect_uris)

    @property
    def shown_origin(self) -> str | None:
        """The host that its description was read from."""
        return urlsplit(self.client_id).netloc if self.kind == "document" else None


class NewClient(msgspec.Struct, frozen=True):
    """What is written of an application."""

    client_id: str
    kind: str
    name: str
    redirect_uris: list[str]
    grant_types: list[str]
    auth_method: str = "none"
    secret_digest: str | None = None
    public_keys: dict[str, Any] | None = None
    scopes: list[str] | None = None
    logo: bytes | None = None
    logo_type: str | None = None
    fresh_until: datetime | None = None


class Clients:
    """The table of applications."""

    def __init__(self, metadata: Metadata, settings: Settings) -> None:
        """Look up in `metadata`."""
        self._metadata = metadata
        self._own_document = settings.origin + OWN_DOCUMENT
        self._swept_at: datetime | None = None
        self._own_redirect_uris = own_redirect_uris(settings)

    async def find(self, client_id: str) -> Client | None:
        """The application that calls itself so; None if it is not known. Raises `MetadataUnavailable`."""
        if not 0 < len(client_id) <= CLIENT_ID_CHARACTERS_MAX or not client_id.isascii() or "\0" in client_id:
            return None
        wanted = BUILT_IN if client_id == self._own_document else client_id
        async with self._metadata.read() as session:
            row = await session.scalar(select(OAuthApplication).where(OAuthApplication.client_id == wanted))
        return row and self._client(row, client_id)

    async def logo(self, client_id: UUID) -> tuple[bytes, str] | None:
        """The picture of an application and its media type."""
        async with self._metadata.read() as session:
            row = await session.get(OAuthApplication, client_id)
        return None if row is None or row.logo is None or row.logo_type is None else (row.logo, row.logo_type)

    async def put(self, new: NewClient, made_id: UUID, moment: datetime) -> Client:
        """Write an application; one of that name is written over, and keeps its id. Raises `MetadataUnavailable`."""
        try:
            return await self._put(new, made_id, moment)
        except IntegrityError:  # another request wrote it first
            return await self._put(new, made_id, moment)

    async def _put(self, new: NewClient, made_id: UUID, moment: datetime) -> Client:
        async with self._metadata.write() as session:
            row = await session.scalar(
                select(OAuthApplication).where(OAuthApplication.client_id == new.client_id).with_for_update()
            )
            fields = msgspec.structs.asdict(new)
            if row is None:
                row = OAuthApplication(id=made_id, created_at=moment, **fields)
                session.add(row)
            else:
                for name, value in fields.items():
                    setattr(row, name, value)
        return self._client(row, new.client_id)

    async def forget_unused(self, now: datetime) -> None:
        """Drop what made itself known long ago and was never let in by anybody. Looks at most once an hour."""
        if self._swept_at is not None and now < self._swept_at + SWEPT_EVERY:
            return
        self._swept_at = now
        used = select(OAuthGrant.application_id)
        async with self._metadata.write() as session:
            await session.execute(
                delete(OAuthApplication).where(
                    OAuthApplication.kind.in_(SELF_MADE),
                    OAuthApplication.created_at < now - FORGOTTEN_AFTER,
                    OAuthApplication.id.not_in(used),
                )
            )

    def _client(self, row: OAuthApplication, said: str) -> Client:
        is_own = row.kind == "built-in"
        return Client(
            id=row.id,
            client_id=said if is_own else row.client_id,
            kind=row.kind,
            name=row.name,
            redirect_uris=self._own_redirect_uris if is_own else tuple(row.redirect_uris),
            grant_types=tuple(row.grant_types),
            auth_method=row.auth_method,
            secret_digest=row.secret_digest,
            public_keys=row.public_keys,
            scopes=None if row.scopes is None else tuple(row.scopes),
            logo_type=row.logo_type,
            fresh_until=row.fresh_until,
        )


def own_redirect_uris(settings: Settings) -> tuple[str, ...]:
    """Where the built-in gateway listens: at the public origin, or on this machine under any of its own names."""
    origins = [settings.origin]
    if not settings.public_url:
        origins += [f"http://{host}:{settings.port}" for host in ("127.0.0.1", "localhost", "[::1]")]
    return tuple(dict.fromkeys(origin + CALLBACK for origin in origins))


def answer_of(client: NewClient, made_at: int, secret: str | None) -> Mapping[str, Any]:
    """What a new application is told about itself (RFC 7591 §3.2.1)."""
    answer: dict[str, Any] = {
        "client_id": client.client_id,
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": client.grant_types,
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth_method,
        "client_id_issued_at": made_at,
    }
    if client.scopes is not None:
        answer["scope"] = " ".join(client.scopes)
    if secret is not None:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return answer
