"""Which worker has an event, where several of them share the stores (DESIGN 9).

A row of `event_reservations` is written in the transaction that identifies the event, so of two workers that get the
same event one finds it taken. Taken is not stored yet, so ClickHouse is asked. If the event is not there either and the
row's worker lives, it is about to be inserted, and the client is told to come again; if that worker died, the second
one takes the event over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hedgerow.core import ids
from hedgerow.people import sql

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.capture.dedupe import Key
    from hedgerow.capture.event import IncomingEvent
    from hedgerow.core.clock import Clock
    from hedgerow.core.storage.metadata import Metadata
    from hedgerow.settings import Settings

LEASE_SECONDS: Final = 15
"""A worker that has not been heard of for so long is dead."""
BEAT_SECONDS: Final = 3
SWEEP_SECONDS: Final = 600
DAY_US: Final = 86_400_000_000

_TAKE: Final = """
INSERT INTO event_reservations (team_id, uuid, worker, reserved_at_us, token, is_stored)
VALUES (:team_id, :uuid, :worker, :now_us, :token, :is_stored)
ON CONFLICT (team_id, uuid) DO NOTHING
"""
_WHOSE: Final = """
SELECT taken.uuid, taken.worker, taken.is_stored, leases.expires_at_us
FROM event_reservations AS taken LEFT JOIN writer_leases AS leases ON leases.worker = taken.worker
WHERE taken.team_id = :team_id AND taken.token <> :token AND taken.uuid IN @uuids
"""
_TAKE_OVER: Final = """
UPDATE event_reservations SET worker = :worker, reserved_at_us = :now_us, token = :token
WHERE team_id = :team_id AND uuid = :uuid
"""
_STORED: Final = "UPDATE event_reservations SET is_stored = :is_stored WHERE token = :token"
_BEAT: Final = """
INSERT INTO writer_leases (worker, expires_at_us) VALUES (:worker, :expires_at_us)
ON CONFLICT (worker) DO UPDATE SET expires_at_us = excluded.expires_at_us
"""
_LEAVE: Final = "DELETE FROM writer_leases WHERE worker = :worker"
_SWEEP: Final = "DELETE FROM event_reservations WHERE reserved_at_us < :before_us"
_SWEEP_LEASES: Final = "DELETE FROM writer_leases WHERE expires_at_us < :before_us"


class Reservations:
    """This worker's part in the sharing."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.worker = str(ids.uuid4())
        self._clock = clock
        self._window_us = settings.dedupe_window_days * DAY_US
        self.stored: list[str] = []
        """Tokens of groups that ClickHouse has, to be noted in SQL."""
        self.suspects_outbox = False
        """A worker may have died and left rows in the outbox: somebody must replay them."""
        self._last_beat = -1e9
        self._last_sweep = clock.monotonic()
        self._last_suspicion = clock.monotonic()

    async def take(
        self,
        connection: AsyncConnection,
        events: Sequence[IncomingEvent],
        token: str,
        stored: Callable[[Sequence[IncomingEvent]], Awaitable[set[Key]]],
    ) -> tuple[set[Key], set[Key]]:
        """Reserve events for a group: which are this worker's to store, and which another worker is storing right now.

        The rest is stored already. Runs in the transaction that identifies the group, with its projects locked.
        """
        now_us = self._clock.now_us()
        by_key = {(event.team_id, event.uuid): event for event in events}
        common = {"worker": self.worker, "now_us": now_us, "token": token}
        await sql.execute_many(
            connection,
            _TAKE,
            [{"team_id": team, "uuid": uuid.hex(), "is_stored": False, **common} for team, uuid in by_key],
        )
        taken: dict[Key, tuple[str, bool, int | None]] = {}
        for team_id in {team for team, _ in by_key}:
            uuids = sql.listed(uuid.hex() for team, uuid in by_key if team == team_id)
            parameters = {"team_id": team_id, "token": token, "uuids": uuids}
            for uuid, worker, is_stored, expires_at_us in await sql.rows(connection, _WHOSE, parameters):
                taken[team_id, bytes.fromhex(uuid)] = (worker, bool(is_stored), expires_at_us)
        open_ones = [by_key[key] for key, (_, is_stored, _) in taken.items() if not is_stored]
        found = await stored(open_ones) if open_ones else set()
        undecided: set[Key] = set()
        over: list[Key] = []
        for key, (worker, is_stored, expires_at_us) in taken.items():
            if is_stored or key in found:
                continue
            if worker != self.worker and expires_at_us is not None and expires_at_us > now_us:
                undecided.add(key)
            else:
                over.append(key)
        self.suspects_outbox = self.suspects_outbox or bool(over)
        await sql.execute_many(
            connection, _TAKE_OVER, [{"team_id": team, "uuid": uuid.hex(), **common} for team, uuid in over]
        )
        return (by_key.keys() - taken.keys()) | set(over), undecided

    async def beat(self, metadata: Metadata) -> None:
        """Say that this worker lives."""
        async with metadata.connection() as connection:
            expires_at_us = self._clock.now_us() + LEASE_SECONDS * 1_000_000
            await sql.execute(connection, _BEAT, {"worker": self.worker, "expires_at_us": expires_at_us})
        self._last_beat = self._clock.monotonic()

    async def keep_house(self, metadata: Metadata) -> None:
        """Beat when it is time, note stored groups, forget what is older than the window."""
        now = self._clock.monotonic()
        if now - self._last_beat >= BEAT_SECONDS:
            await self.beat(metadata)
        if self.stored:
            tokens = list(self.stored)
            async with metadata.connection() as connection:
                await sql.execute_many(connection, _STORED, [{"token": t, "is_stored": True} for t in tokens])
            self.stored = self.stored[len(tokens) :]
        if now - self._last_suspicion >= LEASE_SECONDS:
            self.suspects_outbox = True
            self._last_suspicion = now
        if now - self._last_sweep >= SWEEP_SECONDS:
            before_us = self._clock.now_us()
            async with metadata.connection() as connection:
                await sql.execute(connection, _SWEEP, {"before_us": before_us - self._window_us})
                await sql.execute(connection, _SWEEP_LEASES, {"before_us": before_us - DAY_US})
            self._last_sweep = now

    async def leave(self, metadata: Metadata) -> None:
        """Note stored groups and go: what this worker did not store may be taken over at once."""
        self._last_beat = self._clock.monotonic()
        await self.keep_house(metadata)
        async with metadata.connection() as connection:
            await sql.execute(connection, _LEAVE, {"worker": self.worker})
