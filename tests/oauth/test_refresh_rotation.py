"""Refresh tokens that are replaced: the grace time, what a second use means, and many at once (gateway §6.4)."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select
from tests.oauth.world import ISSUER, App, Browser, OAuthWorld

from hedgerow.core.crypto import digest
from hedgerow.core.identity.models import OAuthAccessToken, OAuthGrant, OAuthRefreshToken
from hedgerow.oauth import OAuthProvider
from hedgerow.oauth.successors import new_salt, successor

pytestmark = pytest.mark.stores


@pytest.fixture
def gateway(oauth: OAuthWorld) -> App:
    """The application that is not self-made: this server's own gateway."""
    return App(oauth, "hedgerow-gateway", redirect_uri=f"{ISSUER}/connect/callback")


async def test_each_refresh_gives_a_new_one(oauth: OAuthWorld, browser: Browser, gateway: App) -> None:
    tokens = await gateway.tokens(browser)
    assert tokens["expires_in"] == 3_600
    seen = {tokens["refresh_token"]}
    for _ in range(3):
        tokens = (await gateway.refresh(tokens["refresh_token"])).json()
        seen.add(tokens["refresh_token"])
        assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 200
    assert len(seen) == 4


async def test_in_the_grace_time_the_same_pair_comes_again(oauth: OAuthWorld, browser: Browser, gateway: App) -> None:
    old = (await gateway.tokens(browser))["refresh_token"]
    first = (await gateway.refresh(old)).json()
    oauth.world.clock.advance(119)
    again = (await gateway.refresh(old)).json()
    assert (again["access_token"], again["refresh_token"]) == (first["access_token"], first["refresh_token"])
    assert again["expires_in"] == first["expires_in"] - 119
    assert (await gateway.refresh(first["refresh_token"])).status_code == 200


async def test_after_it_a_second_use_ends_the_family(oauth: OAuthWorld, browser: Browser, gateway: App) -> None:
    old = (await gateway.tokens(browser))["refresh_token"]
    new = (await gateway.refresh(old)).json()
    client = oauth.bearer(new["access_token"])
    assert (await client.get("/api/projects/")).status_code == 200
    oauth.world.clock.advance(120)
    assert (await gateway.refresh(old)).json()["error"] == "invalid_grant"
    assert (await client.get("/api/projects/")).status_code == 401
    assert (await gateway.refresh(new["refresh_token"])).json()["error"] == "invalid_grant"


async def test_once_the_successor_was_used_there_is_no_grace(oauth: OAuthWorld, browser: Browser, gateway: App) -> None:
    old = (await gateway.tokens(browser))["refresh_token"]
    new = (await gateway.refresh(old)).json()
    newest = (await gateway.refresh(new["refresh_token"])).json()
    assert (await gateway.refresh(old)).json()["error"] == "invalid_grant"
    assert (await gateway.refresh(newest["refresh_token"])).json()["error"] == "invalid_grant"


async def test_another_family_of_the_same_user_lives_on(oauth: OAuthWorld, browser: Browser, gateway: App) -> None:
    old = (await gateway.tokens(browser))["refresh_token"]
    other = await gateway.tokens(browser)
    await gateway.refresh(old)
    oauth.world.clock.advance(200)
    await gateway.refresh(old)
    assert (await gateway.refresh(other["refresh_token"])).status_code == 200


async def test_many_at_once_get_one_pair(browser: Browser, gateway: App) -> None:
    old = (await gateway.tokens(browser))["refresh_token"]
    answers = await asyncio.gather(*(gateway.refresh(old) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({(answer.json()["access_token"], answer.json()["refresh_token"]) for answer in answers}) == 1


async def test_one_code_many_times_at_once_gives_tokens_once_and_takes_them_back(
    oauth: OAuthWorld, browser: Browser, app: App
) -> None:
    code = await app.code(browser)
    answers = await asyncio.gather(*(app.redeem(code) for _ in range(10)))
    given = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(given) == 1
    assert (await oauth.bearer(given[0]["access_token"]).get("/api/projects/")).status_code == 401


async def test_self_made_ones_rotate_when_the_operator_says_so(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    access = oauth.world.access
    grants = OAuthProvider(access, lambda _scope: "").grants
    grants._rotate_self_made = True
    oauth.provider.grants = grants
    old = (await app.tokens(browser))["refresh_token"]
    new = (await app.refresh(old)).json()["refresh_token"]
    assert new != old
    oauth.world.clock.advance(121)
    assert (await app.refresh(old)).json()["error"] == "invalid_grant"
    assert (await app.refresh(new)).json()["error"] == "invalid_grant"


async def test_a_grant_has_at_most_fifty_access_tokens(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    tokens = await app.tokens(browser)
    newest = ""
    for _ in range(50):
        oauth.world.clock.advance(1)
        newest = (await app.refresh(tokens["refresh_token"])).json()["access_token"]
    metadata = oauth.world.access.metadata
    async with metadata.read() as session:
        grant_id = await session.scalar(
            select(OAuthAccessToken.grant_id).where(OAuthAccessToken.digest == digest(newest))
        )
        rows = await session.scalars(select(OAuthAccessToken.id).where(OAuthAccessToken.grant_id == grant_id))
        assert len(rows.all()) == 50
    assert (await oauth.bearer(newest).get("/api/projects/")).status_code == 200


async def test_what_is_over_is_swept_away(oauth: OAuthWorld, browser: Browser, app: App, gateway: App) -> None:
    await app.code(browser)
    await app.tokens(browser)
    await gateway.tokens(browser)
    kept = (await app.tokens(browser))["refresh_token"]
    for _ in range(3):
        oauth.world.clock.advance(days=20)
        assert (await app.refresh(kept)).status_code == 200
    browser = await oauth.browser(await oauth.world.person())
    await app.code(browser)
    async with oauth.world.access.metadata.read() as session:
        alive = set(await session.scalars(select(OAuthRefreshToken.digest)))
        grants = set(await session.scalars(select(OAuthGrant.id)))
        bound = set(await session.scalars(select(OAuthRefreshToken.grant_id)))
    assert digest(kept) in alive
    assert len(grants) == len(bound) + 1, "and the code that still waits"


def test_a_pair_follows_from_both_its_parents() -> None:
    salt, other = new_salt(), new_salt()
    assert successor("phr_a", salt) == successor("phr_a", salt)
    made = {*successor("phr_a", salt), *successor("phr_b", salt), *successor("phr_a", other)}
    assert len(made) == 6
    assert all(len(token) == 47 for token in made)
