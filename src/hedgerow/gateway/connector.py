"""Connecting by a pasted key, testing, and letting go (gateway §1.6, §1.8, §1.9, §3.6). OAuth has modules of its own."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest
from hedgerow.core.identity.models import OAuthAccessToken
from hedgerow.gateway.accounts import Probed, Prober
from hedgerow.gateway.answers import GatewayError, bad_gateway
from hedgerow.gateway.apps import App, Apps
from hedgerow.gateway.audit import Actor
from hedgerow.gateway.connections import connection_of
from hedgerow.gateway.credentials import (
    ConnectionLost,
    Credentials,
    CredentialUnavailable,
    Secrets,
    unseal_credential,
)
from hedgerow.gateway.lifecycle import Grown, Lifecycle
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.places import Place, Places
from hedgerow.gateway.revocation import Revocations
from hedgerow.gateway.vault import Vault

KEY_CHARACTERS_MAX: Final = 500
NOT_PERSONAL: Final = {
    "phc_": "This is a project token: it can only send events. A personal API key begins with phx_.",
    "phs_": "This is a project secret. A personal API key begins with phx_.",
    "hgk_": "This is a key of this gateway. A personal API key of PostHog begins with phx_.",
    "pha_": "This is an access token of OAuth, which ends by itself. A personal API key begins with phx_.",
    "phr_": "This is a refresh token of OAuth. A personal API key begins with phx_.",
}


class KeyRefused(Exception):  # noqa: N818 — told to a person
    """The pasted key cannot be used: why, and what each place said."""

    def __init__(self, detail: str, tried: list[Probed]) -> None:
        """`detail` never holds the key."""
        super().__init__(detail)
        self.detail = detail
        self.tried = tried

    @property
    def is_unreachable(self) -> bool:
        """Whether no place answered at all."""
        return bool(self.tried) and all(probed.status == 0 for probed in self.tried)


class Connector:
    """One for the process."""

    def __init__(
        self,
        *,
        apps: Apps,
        places: Places,
        lifecycle: Lifecycle,
        prober: Prober,
        credentials: Credentials,
        revocations: Revocations,
        vault: Vault,
        clock: Clock,
    ) -> None:
        """Stand on the parts of the control plane."""
        self._apps = apps
        self._places = places
        self._lifecycle = lifecycle
        self._prober = prober
        self._credentials = credentials
        self._revocations = revocations
        self._vault = vault
        self._clock = clock

    async def verified(self, app: App, key: str, place: Place | None) -> Grown:
        """What a pasted key gives, once an account has taken it. Raises `KeyRefused`."""
        key = key.strip()
        if not (8 <= len(key) <= KEY_CHARACTERS_MAX and key.isascii() and key.isprintable() and " " not in key):
            raise KeyRefused("This is no API key: it is too short or too long, or holds a space.", [])
        if app.name == "posthog" and key[:4] in NOT_PERSONAL:
            raise KeyRefused(NOT_PERSONAL[key[:4]], [])
        tried = await self._prober.first(app, self._places.of(app) if place is None else [place], key)
        if not tried or not tried[-1].is_accepted:
            raise KeyRefused("The key was not accepted.", tried)
        found = tried[-1]
        return Grown(
            method="LOCAL" if found.place.is_here else "API_KEY",
            base_url="" if found.place.is_here else found.place.origin,
            facts={**found.facts, "scopes": []},
            secrets=Secrets(api_key=key),
        )

    async def verified_or_refused(self, app: App, key: str, place: Place | None) -> Grown:
        """The same for a request. Raises `GatewayError` 400 `key_rejected`, 502 `upstream_unreachable`."""
        try:
            return await self.verified(app, key, place)
        except KeyRefused as error:
            if error.is_unreachable:
                raise bad_gateway(
                    "upstream_unreachable", "No host answered to the key.", "destination_unavailable"
                ) from None
            more = {"hosts": {probed.place.name: probed.words for probed in error.tried}}
            raise GatewayError(400, "key_rejected", error.detail, "api_key", more=more) from None

    async def delete(self, actor: Actor, user_id: int, connection_id: UUID) -> bool:
        """Erase a connection; what its account gave is taken back afterwards. False if there is none."""

        async def before(session: AsyncSession, row: ConnectionRow) -> dict[str, Any]:
            try:
                secrets = unseal_credential(connection_of(row), self._vault)
            except CredentialUnavailable:
                return {"revocation": "nothing to revoke"}
            if row.method == "LOCAL" and secrets.access_token:
                made_here = OAuthAccessToken.digest == digest(secrets.access_token)
                await session.execute(delete_rows(OAuthAccessToken).where(made_here))
            return {"revocation": await self._revocations.plan(session, row, secrets)}

        deleted = await self._lifecycle.delete(actor, user_id, connection_id, before)
        self._revocations.look()
        return deleted

    async def test(self, row: ConnectionRow) -> dict[str, Any]:
        """Probe now. Nothing is changed by what comes out."""
        connection = connection_of(row)
        told: dict[str, Any] = {"ok": False, "status": row.status, "reason": row.reason, "latency_ms": None}
        told["scopes"] = row.facts.get("scopes", [])
        app = self._apps.get(row.app)
        place = app and (self._places.here if row.method == "LOCAL" else self._places.at(app, row.base_url))
        if app is None or place is None or row.status != "ACTIVE":
            return told
        try:
            credential = await self._credentials.for_connection(connection)
        except (CredentialUnavailable, ConnectionLost):
            return {**told, "reason": "credential_unavailable"}
        bearer = dict(credential.headers)[b"authorization"].decode("latin-1").removeprefix("Bearer ")
        started = self._clock.monotonic()
        probed = await self._prober.probe(app, place, bearer)
        latency = round((self._clock.monotonic() - started) * 1000, 1)
        return {**told, "ok": probed.is_accepted, "latency_ms": latency, "upstream_status": probed.status}


def described(tried: list[Probed]) -> list[tuple[str, str]]:
    """Each place's title, and what it said."""
    return [(probed.place.title, probed.words) for probed in tried]
