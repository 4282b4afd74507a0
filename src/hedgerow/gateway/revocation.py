"""Taking back, at the account, what it gave to a connection that is deleted here (gateway §3.6).

The connection is erased at once. What is left is a job with the sealed token, which tells the account, for a day if it does
not answer. PostHog takes back every token of the same user and application, so nothing is sent while another connection
lives on those.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.jobs import Jobs, Progress
from hedgerow.core.telemetry import log
from hedgerow.gateway.apps import Apps
from hedgerow.gateway.credentials import Secrets
from hedgerow.gateway.enquiry import Enquirer
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.vault import CannotUnseal, Sealed, Vault

KIND: Final = "gateway_revoke"
ATTEMPTS_MAX: Final = 58
"""With the waits of jobs: about a day."""
ENDS: Final = frozenset({200, 204, 400, 401, 403, 404})
"""Answers after which there is nothing more to do."""


class StillThere(Exception):  # noqa: N818 — tried again
    """The account did not take the token back yet."""


class Revocations:
    """Plans and does it. One for the process."""

    def __init__(
        self, jobs: Jobs, apps: Apps, vault: Vault, enquirer: Enquirer, *, forget: Callable[[], None] | None = None
    ) -> None:
        """`forget` drops what this server remembers of its own tokens, of which one may be gone."""
        self._jobs = jobs
        self._apps = apps
        self._vault = vault
        self._enquirer = enquirer
        self.forget = forget
        jobs.register(KIND, self._work, attempts=ATTEMPTS_MAX)

    async def plan(self, session: AsyncSession, row: ConnectionRow, secrets: Secrets) -> str:
        """In the transaction that deletes the connection; what the audit says about it."""
        token = secrets.refresh_token or secrets.access_token
        if secrets.api_key:
            return "left to the user: a pasted key"
        if not token or row.client_id is None:
            return "nothing to revoke"
        if await self._is_shared(session, row):
            return "skipped: another connection lives on the same grant"
        owner = _owner(str(row.id))
        sealed = self._vault.seal(owner, 1, token.encode())
        payload = {
            "connection": str(row.id),
            "app": row.app,
            "base_url": row.base_url,
            "client_id": row.client_id,
            "hint": "refresh_token" if secrets.refresh_token else "access_token",
            "token": [
                base64.b64encode(sealed.ciphertext).decode(),
                base64.b64encode(sealed.data_key).decode(),
                sealed.master_key_id,
            ],
        }
        await self._jobs.add(KIND, payload, key=str(row.id), connection=await session.connection())
        return "planned"

    def look(self) -> None:
        """A transaction with a plan was committed."""
        self._jobs.look()
        if self.forget is not None:
            self.forget()

    async def _is_shared(self, session: AsyncSession, row: ConnectionRow) -> bool:
        same = select(ConnectionRow).where(
            ConnectionRow.id != row.id,
            ConnectionRow.client_id == row.client_id,
            ConnectionRow.base_url == row.base_url,
            ConnectionRow.status == "ACTIVE",
        )
        email = row.facts.get("email")
        others = [other.facts.get("email") for other in await session.scalars(same)]
        return any(email is None or other is None or other == email for other in others)

    async def _work(self, payload: Any, progress: Progress) -> None:
        del progress
        app = self._apps.get(payload["app"])
        host = None if app is None or not payload["base_url"] else self._apps.host_of(app, payload["base_url"])
        path = app.oauth.revoke if app is not None and app.oauth is not None else ""
        if app is None or not path or (payload["base_url"] and host is None):
            return  # the settings do not allow the host any more
        ciphertext, data_key, master_key_id = payload["token"]
        sealed = Sealed(base64.b64decode(ciphertext), base64.b64decode(data_key), master_key_id)
        try:
            token = self._vault.unseal(_owner(payload["connection"]), 1, sealed).decode()
        except CannotUnseal:
            log("gateway").error("revocation_unreadable", connection=payload["connection"])
            return
        fields = {"token": token, "token_type_hint": payload["hint"], "client_id": payload["client_id"]}
        reply = await self._enquirer.post_form(host, path, fields)
        if self.forget is not None:
            self.forget()
        if reply.status not in ENDS:
            raise StillThere(f"The account answered {reply.status}.")
        log("gateway").info("revoked", connection=payload["connection"], status=reply.status)


def _owner(connection_id: str) -> str:
    return f"revocation:{connection_id}"
