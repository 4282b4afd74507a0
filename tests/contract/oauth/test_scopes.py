"""What is granted of what is asked for, and what it opens (gateway §6.3, §6.6)."""

from __future__ import annotations

import pytest
from tests.oauth.world import App, Browser, OAuthWorld

pytestmark = pytest.mark.stores


@pytest.mark.parametrize(
    ("ceiling", "asked", "granted"),
    [
        (None, "project:read made:up *", "project:read"),
        (None, "query:read project:read query:read", "project:read query:read"),
        ("project:read query:read", "project:read insight:write", "project:read"),
        ("project:write", "project:read", "project:read"),
        ("project:read", "project:write project:read", "project:read"),
        ("project:read", "openid project:read", "openid project:read"),
        ("project:read query:read", None, "openid profile email project:read query:read"),
    ],
)
async def test_the_granted_part_is_kept(
    oauth: OAuthWorld, browser: Browser, ceiling: str | None, asked: str | None, granted: str
) -> None:
    app = await oauth.app(scope=ceiling)
    assert (await app.tokens(browser, scope=asked))["scope"] == granted


async def test_without_a_ceiling_and_without_a_scope_it_is_everything_but_a_star(browser: Browser, app: App) -> None:
    scopes = (await app.tokens(browser, scope=None))["scope"].split()
    assert {"openid", "query:write", "access_control:read"} <= set(scopes)
    assert "*" not in scopes


async def test_writing_brings_reading(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    client = oauth.bearer((await app.tokens(browser, scope="project:write"))["access_token"])
    assert (await client.get("/api/projects/@current/")).status_code == 200
    assert (await client.patch("/api/projects/@current/", {"name": "By a token"})).status_code == 200


async def test_a_scope_that_was_not_granted(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    client = oauth.bearer((await app.tokens(browser, scope="project:read"))["access_token"])
    answer = await client.patch("/api/projects/@current/", {"name": "By a token"})
    assert answer.status_code == 403
    assert answer.json()["detail"] == "API key missing required scope 'project:write'"


async def test_who_the_user_is_opens_nothing(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    client = oauth.bearer((await app.tokens(browser, scope="openid profile email"))["access_token"])
    assert (await client.get("/api/projects/")).status_code == 403
    assert (await client.get("/oauth/userinfo/")).status_code == 200


async def test_a_token_makes_no_keys_and_lets_nobody_in(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    client = oauth.bearer((await app.tokens(browser, scope=None))["access_token"])
    assert (await client.post("/api/personal_api_keys/", {"label": "x", "scopes": ["*"]})).status_code == 403
    answer = await client.post("/oauth/authorize/", {**app.asks(), "allow": True, "access_level": "all"})
    assert answer.status_code == 403
