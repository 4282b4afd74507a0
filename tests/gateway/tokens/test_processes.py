"""Several processes on one database refresh one connection once, also when the one that does it is killed (gateway §3.3)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from tests.gateway.fake_oauth import FakeOAuth
from tests.gateway.fake_posthog import FakePostHog
from tests.gateway.world import World, a_world, until
from tests.stores.databases import database_url, empty_postgresql, on_postgresql

from hedgerow.core.clock import Clock
from hedgerow.gateway.ageing import due_at
from hedgerow.gateway.connections import connection_of
from hedgerow.gateway.credentials import Secrets, seal_credential, unseal_credential
from hedgerow.gateway.models import ConnectionRow
from hedgerow.settings import Settings

CALLS = 200
LIVES = 1_000 if os.environ.get("HEDGEROW_TEST_TIER") == "all" else 25
"""How often a token ends."""
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["sqlite", "postgresql"])
async def shared(
    request: pytest.FixtureRequest, tmp_path: Path, fake: FakePostHog
) -> AsyncIterator[tuple[World, FakeOAuth]]:
    """A database that several processes may open, and who looks into it."""
    where = database_url() if on_postgresql() else empty_postgresql() if request.param == "postgresql" else ""
    if on_postgresql() and request.param == "sqlite":
        pytest.skip("this run is on PostgreSQL")
    settings = Settings(data_dir=tmp_path, database_url=where, gateway_hosts=(f"{fake.url};private",))
    async with a_world(settings, Clock(), fake) as world:
        yield world, FakeOAuth(fake).install()


class Worker:
    """A process, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(
        cls,
        world: World,
        connection_id: str,
        *,
        lease_seconds: float = 30,
        rounds: int = 0,
        calls: int = CALLS,
        began_at: str = "",
    ) -> Worker:
        asked = {
            "data_dir": str(world.settings.data_dir),
            "database_url": world.settings.database_url,
            "hosts": list(world.settings.gateway_hosts),
            "connection": connection_id,
            "calls": calls,
            "began_at": began_at,
            "lease_seconds": lease_seconds,
            "rounds": rounds,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.gateway.tokens.worker",
            json.dumps(asked),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        made = cls(process)
        assert (await made.said())["ready"]
        return made

    async def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self.process.stdout.readline():
                if line.startswith(b"{"):
                    return json.loads(line)
        raise AssertionError("the worker has ended")

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def end_of_input(self) -> None:
        """Nothing more will be asked."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.end()

    async def end(self, how: Literal["wait", "kill"] = "wait") -> None:
        if how == "kill":
            self.process.kill()
        async with asyncio.timeout(30):
            await self.process.wait()


async def expired_connection(world: World, oauth: FakeOAuth) -> str:
    access, refresh = oauth.consent()
    now = world.clock.now()
    connection = await world.connect(
        method="OAUTH2",
        client_id="client-1",
        token_url=f"{world.fake.url}/oauth/token/",
        expires_at=now - timedelta(seconds=1),
        next_refresh_at=due_at(now - timedelta(hours=1), 3600),
    )

    def seal(row: ConnectionRow) -> None:
        seal_credential(row, world.gateway.vault, Secrets(access_token=access, refresh_token=refresh))

    await world.change(connection.id, seal)
    oauth.expire()
    return str(connection.id)


async def stored(world: World, connection_id: str) -> tuple[ConnectionRow, str]:
    async with world.metadata.read() as session:
        row = await session.get(ConnectionRow, UUID(connection_id))
    assert row is not None
    secrets = unseal_credential(connection_of(row), world.gateway.vault)
    return row, hashlib.sha256(secrets.access_token.encode()).hexdigest()


async def test_two_processes_refresh_once_and_all_calls_succeed(shared: tuple[World, FakeOAuth]) -> None:
    world, oauth = shared
    connection_id = await expired_connection(world, oauth)
    workers = [await Worker.start(world, connection_id) for _ in range(2)]
    oauth.next_answers.append("wait")
    for worker in workers:
        worker.go()
    await until(lambda: oauth.refreshes, seconds=30)
    oauth.gate.set()
    outcomes = [await worker.said() for worker in workers]
    _, token = await stored(world, connection_id)
    assert outcomes == [{"outcomes": [token], "count": CALLS}] * 2
    assert len(oauth.refreshes) == 1
    assert oauth.families[0].rotations == 1
    for worker in workers:
        await worker.end()


@pytest.mark.parametrize("had_rotated", [False, True], ids=["before the account rotates", "after it has"])
async def test_who_is_killed_in_the_middle_is_followed_by_the_next(
    shared: tuple[World, FakeOAuth], had_rotated: bool
) -> None:
    world, oauth = shared
    connection_id = await expired_connection(world, oauth)
    first, second = [await Worker.start(world, connection_id, lease_seconds=3) for _ in range(2)]
    oauth.next_answers.append("wait")
    first.go()
    await until(lambda: oauth.refreshes, seconds=30)
    row, _ = await stored(world, connection_id)
    assert row.refresh_lease_until is not None
    if had_rotated:
        family = oauth.families[0]
        lost = family.refresh
        family.earlier[lost] = oauth._pair(family)  # the answer is on its way to nobody
        family.rotations += 1
    second.go()
    await first.end("kill")
    told = await second.said()
    row, token = await stored(world, connection_id)
    assert told == {"outcomes": [token], "count": CALLS}
    assert (row.status, row.refresh_lease_until) == ("ACTIVE", None)
    assert oauth.families[0].rotations == 1
    assert not oauth.families[0].revoked
    oauth.gate.set()
    await second.end()


async def test_four_processes_refresh_again_and_again_and_no_family_is_revoked(
    shared: tuple[World, FakeOAuth],
) -> None:
    """An account that takes a rotated token for theft at once: a single double refresh would end the family."""
    world, oauth = shared
    oauth.in_grace = False
    connection_id = await expired_connection(world, oauth)
    workers = [await Worker.start(world, connection_id, rounds=25) for _ in range(4)]
    for worker in workers:
        worker.go()
    outcomes = [await worker.said() for worker in workers]
    row, _ = await stored(world, connection_id)
    assert [outcome["count"] for outcome in outcomes] == [CALLS] * 4
    assert not any(name.endswith(("Unavailable", "Lost")) for outcome in outcomes for name in outcome["outcomes"])
    assert 25 <= oauth.families[0].rotations <= 100
    assert row.version == oauth.families[0].rotations + 2, "each was stored: one pasted, one consent, then rotations"
    assert not oauth.families[0].revoked
    assert row.status == "ACTIVE"
    for worker in workers:
        await worker.end()


@pytest.mark.timeout(900)
async def test_a_token_that_ends_again_and_again_is_refreshed_once_each_time(shared: tuple[World, FakeOAuth]) -> None:
    """Four processes, each with several calls, every hour for as long as it takes; no second use of a token is forgiven."""
    world, oauth = shared
    oauth.in_grace = False
    connection_id = await expired_connection(world, oauth)
    began_at = world.clock.now().isoformat()
    workers = [await Worker.start(world, connection_id, calls=5, began_at=began_at) for _ in range(4)]
    for life in range(1, LIVES + 1):
        for worker in workers:
            worker.go()
        told = await asyncio.gather(*(worker.said() for worker in workers))
        _, token = await stored(world, connection_id)
        assert told == [{"outcomes": [token], "count": 5}] * 4, f"in life {life}"
        assert len(oauth.refreshes) == life
        oauth.expire()
    (family,) = oauth.families
    assert (family.rotations, family.revoked) == (LIVES, False)
    assert len({one["refresh_token"] for one in oauth.refreshes}) == LIVES, "none was sent twice"
    row, _ = await stored(world, connection_id)
    assert (row.status, row.refresh_lease_until, row.version) == ("ACTIVE", None, LIVES + 2)
    for worker in workers:
        await worker.end_of_input()
