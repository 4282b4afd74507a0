"""Jobs in SQL: adding, claiming, renewing and ending them. One statement each, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from sqlalchemy import bindparam, text

from hedgerow.core import ids

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.core.storage.metadata import Metadata

State = Literal["waiting", "running", "done", "failed"]
Progress = Callable[[float], Awaitable[None]]
"""Says how much is done, 0 to 1, and makes sure that nobody else runs the job by now. Raises `LeaseLost`."""
Work = Callable[[Any, Progress], Awaitable[None]]
"""What a kind of job does, given its payload. Must be safe to run again after any part of it was done."""

_COLUMNS: Final = "id, kind, team_id, payload, state, progress, error, attempts, claim, created_at_us, updated_at_us"
_ADD = text("""
INSERT INTO jobs (kind, team_id, key, payload, state, progress, attempts, due_at_us, created_at_us, updated_at_us)
VALUES (:kind, :team_id, :key, :payload, 'waiting', 0, 0, :now_us, :now_us, :now_us)
ON CONFLICT DO NOTHING RETURNING id
""")
_KEYED = text("SELECT id FROM jobs WHERE kind = :kind AND key = :key AND state IN ('waiting', 'running')")
_GET = text(f"SELECT {_COLUMNS} FROM jobs WHERE id = :id")
_OF_PROJECT = text(
    f"SELECT {_COLUMNS} FROM jobs WHERE team_id = :team_id ORDER BY created_at_us DESC, id DESC LIMIT :limit"
)
_UNFINISHED = text(f"SELECT {_COLUMNS} FROM jobs WHERE state <> 'done' ORDER BY id")
_CLAIMABLE: Final = """
SELECT id FROM jobs WHERE kind IN :kinds
AND ((state = 'waiting' AND due_at_us <= :now_us) OR (state = 'running' AND lease_until_us <= :now_us))
ORDER BY due_at_us, id LIMIT 1
"""
_LOOK = text(_CLAIMABLE).bindparams(bindparam("kinds", expanding=True))
_CLAIM = {
    dialect: text(f"""
UPDATE jobs SET state = 'running', claim = :claim, lease_until_us = :lease_until_us, updated_at_us = :now_us,
    attempts = attempts + 1
WHERE id = ({_CLAIMABLE}{lock}) RETURNING {_COLUMNS}
""").bindparams(bindparam("kinds", expanding=True))
    for dialect, lock in (("sqlite", ""), ("postgresql", "FOR UPDATE SKIP LOCKED"))
}
_MINE: Final = "WHERE id = :id AND state = 'running' AND claim = :claim"
_RENEW = text(f"UPDATE jobs SET lease_until_us = :lease_until_us, updated_at_us = :now_us {_MINE}")
_PROGRESS = text(
    f"UPDATE jobs SET progress = :progress, lease_until_us = :lease_until_us, updated_at_us = :now_us {_MINE}"
)
_DONE = text(
    f"UPDATE jobs SET state = 'done', progress = 1, error = NULL, lease_until_us = NULL, updated_at_us = :now_us {_MINE}"
)
_AGAIN = text(f"""
UPDATE jobs SET state = :state, error = COALESCE(:error, error), due_at_us = :due_at_us, lease_until_us = NULL,
    attempts = attempts - :forgiven, updated_at_us = :now_us {_MINE}
""")
_ABANDON = text("UPDATE jobs SET lease_until_us = 0 WHERE state = 'running'")
_SWEEP = text("DELETE FROM jobs WHERE state = 'done' AND updated_at_us < :before_us")
_WAITING = text("SELECT count(*) FROM jobs WHERE state = 'waiting'")


class LeaseLost(Exception):  # noqa: N818 — a state of the job, not a fault of the work
    """Somebody else has taken the job over, because this run was not heard of in time."""


class Job(msgspec.Struct, frozen=True):
    """A job as SQL has it; times are µs since 1970 UTC."""

    id: int
    kind: str
    team_id: int | None
    payload: Any
    state: State
    progress: float
    error: str | None
    attempts: int
    claim: str | None
    """Of the run that this is about."""
    created_at_us: int
    updated_at_us: int


class JobStore:
    """The table. Every method raises `MetadataUnavailable`."""

    def __init__(self, metadata: Metadata) -> None:
        """The table of this database."""
        self.metadata = metadata

    async def add(
        self, connection: AsyncConnection, kind: str, payload: Any, *, team_id: int | None, key: str | None, now_us: int
    ) -> int:
        """Add a job in the caller's transaction, unless one of the kind and key is unfinished; its number."""
        said = {
            "kind": kind,
            "team_id": team_id,
            "key": key,
            "payload": msgspec.json.encode(payload).decode(),
            "now_us": now_us,
        }
        while True:
            number = (await connection.execute(_ADD, said)).scalar()
            if number is None:  # there is one; unless it was finished since
                number = (await connection.execute(_KEYED, {"kind": kind, "key": key})).scalar()
            if number is not None:
                return int(number)

    async def get(self, number: int) -> Job | None:
        """One job."""
        async with self.metadata.connection(read_only=True) as connection:
            row = (await connection.execute(_GET, {"id": number})).fetchone()
        return None if row is None else _job(row)

    async def of_project(self, team_id: int, limit: int) -> list[Job]:
        """A project's jobs, newest first."""
        async with self.metadata.connection(read_only=True) as connection:
            rows = (await connection.execute(_OF_PROJECT, {"team_id": team_id, "limit": limit})).fetchall()
        return [_job(row) for row in rows]

    async def unfinished(self) -> list[Job]:
        """Jobs that wait, run or were given up, oldest first."""
        async with self.metadata.connection(read_only=True) as connection:
            rows = (await connection.execute(_UNFINISHED)).fetchall()
        return [_job(row) for row in rows]

    async def claim(self, kinds: Collection[str], now_us: int, lease_until_us: int) -> Job | None:
        """Take the job that is due longest, or one whose run died; None if there is none.

        Looks before it writes, so that an idle worker never holds the database's one writer up.
        """
        said = {"kinds": list(kinds), "now_us": now_us}
        async with self.metadata.connection(read_only=True) as connection:
            if (await connection.execute(_LOOK, said)).fetchone() is None:
                return None
        claim = {**said, "claim": str(ids.uuid4()), "lease_until_us": lease_until_us}
        async with self.metadata.connection() as connection:
            row = (await connection.execute(_CLAIM[self.metadata.dialect], claim)).fetchone()
        return None if row is None else _job(row)

    async def renew(self, job: Job, now_us: int, lease_until_us: int, progress: float | None = None) -> None:
        """Live on, and note progress if there is some. Raises `LeaseLost`."""
        said: dict[str, Any] = {"id": job.id, "claim": job.claim, "now_us": now_us, "lease_until_us": lease_until_us}
        statement = _RENEW
        if progress is not None:
            statement, said["progress"] = _PROGRESS, progress
        async with self.metadata.connection() as connection:
            if not (await connection.execute(statement, said)).rowcount:
                raise LeaseLost

    async def done(self, job: Job, now_us: int) -> None:
        """The job came to its end; nothing if somebody else runs it by now."""
        async with self.metadata.connection() as connection:
            await connection.execute(_DONE, {"id": job.id, "claim": job.claim, "now_us": now_us})

    async def put_back(
        self, job: Job, state: State, error: str | None, now_us: int, due_at_us: int, *, forgiven: bool
    ) -> None:
        """Let a job wait for its next attempt, or give it up; `forgiven`: this one does not count."""
        said = {"id": job.id, "claim": job.claim, "state": state, "error": error, "now_us": now_us}
        async with self.metadata.connection() as connection:
            await connection.execute(_AGAIN, {**said, "due_at_us": due_at_us, "forgiven": int(forgiven)})

    async def abandon_all(self) -> None:
        """Nobody runs any job: those that a killed process left may be claimed at once."""
        async with self.metadata.connection() as connection:
            await connection.execute(_ABANDON)

    async def sweep(self, before_us: int) -> None:
        """Forget jobs that were done before then."""
        async with self.metadata.connection() as connection:
            await connection.execute(_SWEEP, {"before_us": before_us})

    async def count_waiting(self) -> int:
        """How many jobs wait."""
        async with self.metadata.connection(read_only=True) as connection:
            return int((await connection.execute(_WAITING)).scalar_one())


def _job(row: Any) -> Job:
    fields = row._asdict()
    return Job(**{**fields, "payload": msgspec.json.decode(fields["payload"])})
