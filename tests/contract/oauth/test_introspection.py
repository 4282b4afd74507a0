"""Taking tokens back, asking about them, and who their user is (gateway §6.7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
from tests.oauth.world import App, Browser, OAuthWorld
from tests.workspace.world import Person

pytestmark = pytest.mark.stores

INACTIVE = {"active": False}


# Revoke


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
async def test_revoking_either_token_takes_down_all_of_user_and_application(
    oauth: OAuthWorld, browser: Browser, app: App, bob: Person, name: str
) -> None:
    first, second = await app.tokens(browser), await app.tokens(browser)
    bobs = await app.tokens(await oauth.browser(bob))
    others = await (await oauth.app()).tokens(browser)
    answer = await app.revoke(first[name])
    assert answer.status_code == 200
    for tokens in (first, second):
        assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 401
        assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    for tokens in (bobs, others):
        assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 200


@pytest.mark.parametrize("token", ["pha_made_up", "phr_made_up", "x", "ä", "x" * 10_000])
async def test_an_unknown_token_is_fine(app: App, token: str) -> None:
    assert (await app.revoke(token)).status_code == 200


async def test_another_applications_token_stays(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    other = await oauth.app()
    mine, theirs = await app.tokens(browser), await other.tokens(browser)
    for name in ("access_token", "refresh_token"):
        assert (await other.revoke(mine[name])).status_code == 200
    for tokens in (mine, theirs):
        assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 200


async def test_only_a_known_application_revokes(oauth: OAuthWorld, confidential: App, browser: Browser) -> None:
    tokens = await confidential.tokens(browser)
    form = {"token": tokens["access_token"], "client_id": confidential.client_id, "client_secret": "wrong"}
    answer = await oauth.nobody.ask("POST", "/oauth/revoke/", data=form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 200
    form = {"client_id": confidential.client_id, "client_secret": confidential.client_secret or ""}
    assert (await oauth.nobody.ask("POST", "/oauth/revoke/", data=form)).json()["error"] == "invalid_request"


# Introspect


async def test_a_token_sees_itself(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    tokens = await app.tokens(browser, scope="project:read")
    access = tokens["access_token"]
    answer = await app.introspect(access, bearer=access)
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found.pop("exp") - oauth.world.clock.now().timestamp() == 604_800
    assert found == {
        "active": True,
        "token_type": "access_token",
        "scope": "project:read",
        "is_impersonated": False,
        "scoped_teams": [],
        "scoped_organizations": [],
        "client_id": app.client_id,
        "client_name": "Orchard",
    }


async def test_it_sees_no_other_without_the_scope(browser: Browser, app: App) -> None:
    first, second = await app.tokens(browser, scope="project:read"), await app.tokens(browser)
    answer = await app.introspect(second["access_token"], bearer=first["access_token"])
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


async def test_with_the_scope_it_sees_those_of_its_own_application(
    oauth: OAuthWorld, browser: Browser, app: App, bob: Person
) -> None:
    bearer = (await app.tokens(browser, scope="introspection"))["access_token"]
    bobs = await app.tokens(await oauth.browser(bob))
    others = await (await oauth.app()).tokens(browser)
    assert (await app.introspect(bobs["access_token"], bearer=bearer)).json()["active"] is True
    assert (await app.introspect(others["access_token"], bearer=bearer)).json() == INACTIVE


async def test_a_confidential_application_sees_its_own(
    oauth: OAuthWorld, browser: Browser, app: App, confidential: App
) -> None:
    mine, others = await confidential.tokens(browser), await app.tokens(browser)
    assert (await confidential.introspect(mine["access_token"])).json()["active"] is True
    for token in (others["access_token"], mine["refresh_token"], "pha_made_up", "x" * 9_000):
        answer = await confidential.introspect(token)
        assert (answer.status_code, answer.json()) == (200, INACTIVE)
    oauth.world.clock.advance(days=8)
    assert (await confidential.introspect(mine["access_token"])).json() == INACTIVE


async def test_a_public_application_and_nobody_see_nothing(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    tokens = await app.tokens(browser)
    assert (await app.introspect(tokens["access_token"])).status_code == 401
    assert (await oauth.nobody.post("/oauth/introspect/", {"token": tokens["access_token"]})).status_code == 401
    bearer = {"Authorization": "Bearer pha_made_up"}
    assert (await oauth.nobody.get("/oauth/introspect/?token=x", headers=bearer)).status_code == 401


async def by_form(client: App, token: str) -> httpx.Response:
    data = {"token": token}
    return await client.http.ask("POST", "/oauth/introspect/", data=data, headers={"Authorization": f"Bearer {token}"})


async def by_json(client: App, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return await client.http.post("/oauth/introspect/", {"token": token}, headers=headers)


async def by_query(client: App, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return await client.http.get(f"/oauth/introspect/?token={token}", headers=headers)


@pytest.mark.parametrize("way", [by_form, by_json, by_query])
async def test_the_token_in_form_json_or_query(
    browser: Browser, app: App, way: Callable[[App, str], Awaitable[httpx.Response]]
) -> None:
    assert (await way(app, (await app.tokens(browser))["access_token"])).json()["active"] is True


# Userinfo


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_the_user_is(oauth: OAuthWorld, browser: Browser, app: App, ada: Person, method: str) -> None:
    client = oauth.bearer((await app.tokens(browser, scope="openid"))["access_token"])
    assert (await client.ask(method, "/oauth/userinfo/")).json() == {"sub": str(ada.user.uuid)}
    client = oauth.bearer((await app.tokens(browser, scope="openid profile email"))["access_token"])
    assert (await client.ask(method, "/oauth/userinfo/")).json() == {
        "sub": str(ada.user.uuid),
        "given_name": "Ada",
        "family_name": "Lee",
        "email": ada.user.email,
        "email_verified": True,
    }


async def test_an_address_that_nobody_checked(oauth: OAuthWorld, app: App, bob: Person) -> None:
    tokens = await app.tokens(await oauth.browser(bob), scope="openid email")
    answer = await oauth.bearer(tokens["access_token"]).get("/oauth/userinfo/")
    assert answer.json()["email_verified"] is False


async def test_userinfo_is_for_tokens_with_openid(oauth: OAuthWorld, browser: Browser, app: App, ada: Person) -> None:
    client = oauth.bearer((await app.tokens(browser, scope="profile project:read"))["access_token"])
    answer = await client.get("/oauth/userinfo/")
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    for other in (browser.client, await ada.by_key(), oauth.nobody, oauth.bearer("pha_made_up")):
        answer = await other.get("/oauth/userinfo/")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
