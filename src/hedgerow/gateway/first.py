"""What the gateway has from the first day: a key that may do everything, and a connection to this very server (gateway §2.10).

So the first call of a newcomer works with no browser and no consent page.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest
from hedgerow.core.identity.models import OAuthAccessToken, Organization, Project, User
from hedgerow.core.identity.scopes import EVERYTHING
from hedgerow.gateway import policy
from hedgerow.gateway.audit import Actor, Subject, audit
from hedgerow.gateway.credentials import Secrets, seal_credential
from hedgerow.gateway.keys import add_key
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.vault import Vault
from hedgerow.settings import Settings

SETUP: Final = Actor("system", "first set-up")
TOKEN_LIVES: Final = timedelta(days=36_500)
"""The token never leaves the server; deleting the connection or the user ends it."""


class FirstGateway:
    """Adds both to the transaction of the first set-up, and gives the key."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Open the vault of the settings. Raises `StartupError`."""
        self._settings = settings
        self._clock = clock
        self._vault = Vault.open(settings)

    def __call__(self, session: AsyncSession, user: User, organization: Organization, project: Project) -> str:
        """The new gateway key."""
        token = ids.secret("pha_")
        now = self._clock.now()
        session.add(
            OAuthAccessToken(
                id=ids.uuid7(),
                user_id=user.id,
                grant_id=None,
                digest=digest(token),
                client_name="The gateway of this server",
                scopes=[EVERYTHING],
                scoped_teams=None,
                scoped_organizations=None,
                resource=None,
                created_at=now,
                expires_at=now + TOKEN_LIVES,
                last_used_at=None,
            )
        )
        facts = {
            "region": "local",
            "base_url": self._settings.origin,
            "email": user.email,
            "organization": {"id": str(organization.id), "name": organization.name},
            "projects": [{"id": project.id, "name": project.name}],
            "scopes": [EVERYTHING],
        }
        row = local_connection(self._clock, self._vault, user_id=user.id, token=token, facts=facts)
        session.add(row)
        subject = Subject("connection", str(row.id), user.id)
        audit(session, SETUP, "connection.created", clock=self._clock, subject=subject, details={"method": "LOCAL"})
        made = add_key(
            session, self._clock, SETUP, user_id=user.id, name="Made by hedgerow init", policy=policy.EVERYTHING
        )
        return made.secret


def local_connection(clock: Clock, vault: Vault, *, user_id: int, token: str, facts: dict[str, Any]) -> ConnectionRow:
    """An ACTIVE connection to this very server that calls with `token`; the caller adds it to a session."""
    now = clock.now()
    row = ConnectionRow(
        id=ids.uuid4(),
        user_id=user_id,
        app="posthog",
        method="LOCAL",
        status="ACTIVE",
        reason=None,
        name="This server",
        base_url="",
        facts=facts,
        policy={},
        enabled=True,
        is_pinned=False,
        created_by_key_id=None,
        created_at=now,
        updated_at=now,
        credential=None,
        data_key=None,
        master_key_id=None,
        version=0,
        client_id=None,
        token_url=None,
        expires_at=None,
        refresh_lease_until=None,
        refresh_failures=0,
        next_refresh_at=None,
        rejected_at=None,
    )
    seal_credential(row, vault, Secrets(access_token=token))
    return row
