"""Tokens of connections that are deleted (gateway §3.6), and that no token is anywhere but at its place."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.gateway.control.world import ControlWorld, token_in
from tests.gateway.tokens.calls import HOUR, call, expired, secrets_of
from tests.gateway.world import until

from hedgerow.core.storage.tables import Base


async def test_deleting_takes_the_tokens_back_at_the_account(world: ControlWorld) -> None:
    connection_id = await world.connected()
    secrets = await secrets_of(world, connection_id)
    client_id = (await world.row(connection_id)).client_id
    await world.call("DELETE", f"/connections/{connection_id}")
    await until(lambda: world.oauth.revocations)
    assert world.oauth.revocations == [
        {"token": secrets.refresh_token, "token_type_hint": "refresh_token", "client_id": client_id}
    ]
    (entry,) = [one for one in await world.audit(connection_id) if one.action == "connection.deleted"]
    assert entry.details["revocation"] == "planned"


async def test_tokens_that_another_connection_lives_on_are_not_taken_back(world: ControlWorld) -> None:
    first, second = await world.connected(), await world.connected()
    await world.call("DELETE", f"/connections/{first}")
    (entry,) = [one for one in await world.audit(first) if one.action == "connection.deleted"]
    assert entry.details["revocation"].startswith("skipped")
    assert (await call(world)).status_code == 200
    await world.call("DELETE", f"/connections/{second}")
    await until(lambda: world.oauth.revocations)
    assert len(world.oauth.revocations) == 1


async def test_no_token_stands_in_the_database_or_in_the_log(
    world: ControlWorld, capfd: pytest.CaptureFixture[str]
) -> None:
    connection_id = await expired(world)
    world.oauth.next_answers.extend(["500", "invalid_grant"])
    await call(world)
    world.clock.advance(8)
    await call(world)
    made = await world.connected()
    world.clock.advance(HOUR + 1)
    await call(world)
    await world.call("DELETE", f"/connections/{made}")
    link = token_in((await world.create())["url"])
    browser = world.browser()
    asked = await world.to_consent((await world.create())["url"], browser, world.fake.url)
    walk = browser.cookie("hedgerow_walk")
    assert walk
    printed = "".join(capfd.readouterr())
    async with world.metadata.connection(read_only=True) as connection:
        dump = ""
        for table in Base.metadata.tables:
            rows = (await connection.execute(text(f'SELECT * FROM "{table}"'))).all()
            dump += repr(rows)
    assert connection_id.replace("-", "") in dump.replace("-", "")
    for secret in world.oauth.made | {world.key, link, walk, asked["state"]}:
        assert secret not in printed
        assert secret not in dump
