"""`Idempotency-Key` of the control plane (gateway §5.2): a create that is sent again answers with the first one's connection."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete

from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.models import IdempotentCall

KEPT: Final = timedelta(hours=24)
RUNS_AT_MOST: Final = timedelta(minutes=2)
"""A create that is said to run for longer was killed."""
NO_CONNECTION: Final = UUID(int=0)


class Repeats:
    """Remembers creates by key and `Idempotency-Key`. Only the id is kept, never the link."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        """Keep them in the table that calls have, under no connection."""
        self._metadata = metadata
        self._clock = clock

    async def begin(self, key_id: UUID, said: str | None, fingerprint: str) -> UUID | None:
        """The connection that the same request made before; None if this is the first. Raises `GatewayError` 409, 422."""
        if said is None:
            return None
        if not (0 < len(said) <= 255 and said.isascii() and said.isprintable()):
            raise GatewayError(400, "invalid_request", "Idempotency-Key has 1 to 255 visible characters.")
        now = self._clock.now()
        async with self._metadata.write() as session:
            row = await session.get(IdempotentCall, (key_id, NO_CONNECTION, said), with_for_update=True)
            is_over = row is not None and (
                row.expires_at <= now or (row.state == "running" and row.created_at + RUNS_AT_MOST <= now)
            )
            if row is not None and is_over:
                await session.delete(row)
                await session.flush()
                row = None
            if row is None:
                session.add(
                    IdempotentCall(
                        key_id=key_id,
                        connection_id=NO_CONNECTION,
                        idempotency_key=said,
                        request_digest=fingerprint,
                        state="running",
                        status=None,
                        headers=None,
                        body=None,
                        created_at=now,
                        expires_at=now + KEPT,
                    )
                )
                return None
        if row.request_digest != fingerprint:
            raise GatewayError(422, "idempotency_mismatch", "This Idempotency-Key was used for another request.")
        if row.state == "running" or row.body is None:
            raise GatewayError(
                409,
                "idempotency_in_flight",
                "The first request with this Idempotency-Key still runs.",
                headers=[(b"retry-after", b"1")],
            )
        return UUID(bytes=row.body)

    async def done(self, key_id: UUID, said: str | None, made_id: UUID) -> None:
        """The first one made this."""
        if said is None:
            return
        async with self._metadata.write() as session:
            row = await session.get(IdempotentCall, (key_id, NO_CONNECTION, said), with_for_update=True)
            if row is not None:
                row.state, row.status, row.body = "done", 200, made_id.bytes

    async def forget(self, key_id: UUID, said: str | None) -> None:
        """The first one made nothing: it may be sent again."""
        if said is None:
            return
        async with self._metadata.write() as session:
            await session.execute(
                delete(IdempotentCall).where(
                    IdempotentCall.key_id == key_id,
                    IdempotentCall.connection_id == NO_CONNECTION,
                    IdempotentCall.idempotency_key == said,
                )
            )
