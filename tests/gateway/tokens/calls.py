"""What the tests of tokens do again and again."""

from __future__ import annotations

from typing import Any

import httpx
from tests.gateway.control.world import ControlWorld

from hedgerow.gateway.connections import connection_of
from hedgerow.gateway.credentials import Secrets, unseal_credential

HOUR = 3_600


async def secrets_of(world: ControlWorld, connection_id: str) -> Secrets:
    return unseal_credential(connection_of(await world.row(connection_id)), world.gateway.vault)


async def expired(world: ControlWorld) -> str:
    """A connection whose access token has ended, here and at the account."""
    connection_id = await world.connected()
    world.oauth.expire()
    world.clock.advance(HOUR + 1)
    return connection_id


async def call(world: ControlWorld, path: str = "/posthog/api/projects/", **more: Any) -> httpx.Response:
    return await world.call("GET", path, **more)
