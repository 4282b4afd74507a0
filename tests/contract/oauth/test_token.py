"""The token endpoint: codes, refreshing, errors (gateway §6.4)."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.oauth.world import CALLBACK, ISSUER, App, Browser, OAuthWorld
from tests.workspace.world import Person

from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.identity.models import User

pytestmark = pytest.mark.stores

HOUR, WEEK = 3_600, 604_800


async def test_a_code_becomes_tokens(browser: Browser, app: App) -> None:
    answer = await app.redeem(await app.code(browser, scope="query:read project:read"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    access, refresh = found.pop("access_token"), found.pop("refresh_token")
    assert (access[:4], refresh[:4]) == ("pha_", "phr_")
    assert len(access) == len(refresh) == 47
    assert found == {
        "expires_in": WEEK,
        "token_type": "Bearer",
        "scope": "project:read query:read",
        "scoped_teams": [],
        "scoped_organizations": [],
    }


async def test_json_is_taken_too(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    body = {
        "grant_type": "authorization_code",
        "code": await app.code(browser),
        "client_id": app.client_id,
        "redirect_uri": CALLBACK,
        "code_verifier": app.verifier,
        "client_secret": None,
    }
    assert (await oauth.nobody.post("/oauth/token/", body)).status_code == 200


@pytest.mark.parametrize(
    ("body", "description"),
    [
        (b"{", "Invalid JSON payload"),
        (b"\xff", "Invalid JSON payload"),
        (b"[" * 2_000, "Invalid JSON payload"),
        (b"[]", "JSON payload must be an object"),
        (b'"code"', "JSON payload must be an object"),
        (b'{"code": {"a": 1}}', "Parameter 'code' must be a string"),
        (b'{"code": [1]}', "Parameter 'code' must be a string"),
        (b'{"code": 1}', "Parameter 'code' must be a string"),
        (b'{"code": "a\\u0000b"}', "Parameter 'code' is not a text that can be used."),
        (b"{}", "grant_type is required."),
    ],
)
async def test_json_that_is_none(oauth: OAuthWorld, body: bytes, description: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await oauth.nobody.ask("POST", "/oauth/token/", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_request", "error_description": description}


@pytest.mark.parametrize("body", [b"\xff=1", b"a=%FF", b"grant_type=a&grant_type=b", b"&".join([b"a=1"] * 200)])
async def test_a_form_that_is_none(oauth: OAuthWorld, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await oauth.nobody.ask("POST", "/oauth/token/", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_body_without_end(oauth: OAuthWorld) -> None:
    answer = await oauth.nobody.ask("POST", "/oauth/token/", content=b"a" * 200_000)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_secret": "made up"}, 401, "invalid_client"),
        ({"code": None}, 400, "invalid_request"),
        ({"code": "made-up"}, 400, "invalid_grant"),
        ({"code": "x" * 10_000}, 400, "invalid_grant"),
        ({"code_verifier": None}, 400, "invalid_request"),
        ({"code_verifier": "short"}, 400, "invalid_request"),
        ({"code_verifier": "x" * 129}, 400, "invalid_request"),
        ({"code_verifier": "x" * 42 + "!"}, 400, "invalid_request"),
        ({"code_verifier": "x" * 43}, 400, "invalid_grant"),
        ({"redirect_uri": None}, 400, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:4568/callback"}, 400, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "/"}, 400, "invalid_grant"),
    ],
)
async def test_what_is_wrong_with_it(
    browser: Browser, app: App, changes: dict[str, Any], status: int, error: str
) -> None:
    code = await app.code(browser)
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": app.verifier}
    answer = await app.token(**{**fields, **changes})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"
    assert (await app.token(**fields)).status_code == 200, "a mistake does not cost the code"


async def test_the_challenge_itself_is_no_verifier(browser: Browser, app: App) -> None:
    code = await app.code(browser)
    challenge = app.asks()["code_challenge"]
    assert (await app.redeem(code, code_verifier=challenge)).json()["error"] == "invalid_grant"


async def test_a_code_lives_five_minutes(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    in_time, late = await app.code(browser), await app.code(browser)
    oauth.world.clock.advance(299)
    assert (await app.redeem(in_time)).status_code == 200
    oauth.world.clock.advance(1)
    assert (await app.redeem(late)).json() == {
        "error": "invalid_grant",
        "error_description": "The code has expired.",
    }


async def test_another_applications_code(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    other = await oauth.app()
    other.verifier = app.verifier
    code = await app.code(browser)
    assert (await other.redeem(code)).json()["error"] == "invalid_grant"
    assert (await app.redeem(code)).status_code == 200


async def test_a_second_use_takes_back_what_the_first_gave(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    code = await app.code(browser)
    tokens = (await app.redeem(code)).json()
    client = oauth.bearer(tokens["access_token"])
    assert (await client.get("/api/projects/")).status_code == 200
    assert (await app.redeem(code)).json()["error"] == "invalid_grant"
    assert (await client.get("/api/projects/")).status_code == 401
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_second_use_leaves_other_consents_alone(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    kept = await app.tokens(browser)
    code = await app.code(browser)
    await app.redeem(code)
    await app.redeem(code)
    assert (await oauth.bearer(kept["access_token"]).get("/api/projects/")).status_code == 200


async def test_the_only_redirect_uri_need_not_be_named(browser: Browser, app: App) -> None:
    code = await app.code(browser, redirect_uri=None)
    assert (await app.redeem(code, redirect_uri="https://evil.example")).json()["error"] == "invalid_grant"
    assert (await app.redeem(code, redirect_uri=None)).status_code == 200


# Who asks


async def test_a_secret_in_the_body_or_in_the_header(oauth: OAuthWorld, browser: Browser, confidential: App) -> None:
    assert (await confidential.redeem(await confidential.code(browser))).status_code == 200
    assert confidential.client_secret is not None
    code = await confidential.code(browser)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": confidential.verifier,
    }
    auth = (confidential.client_id, confidential.client_secret)
    answer = await oauth.nobody.ask("POST", "/oauth/token/", data=form, auth=(auth[0], "wrong"))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert (await oauth.nobody.ask("POST", "/oauth/token/", data=form, auth=auth)).status_code == 200


@pytest.mark.parametrize("secret", [None, "", "wrong"])
async def test_a_confidential_application_needs_its_secret(
    browser: Browser, confidential: App, secret: str | None
) -> None:
    code = await confidential.code(browser)
    answer = await confidential.redeem(code, client_secret=secret)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (await confidential.redeem(code)).status_code == 200


async def test_pkce_is_for_confidential_applications_too(browser: Browser, confidential: App) -> None:
    code = await confidential.code(browser)
    assert (await confidential.redeem(code, code_verifier=None)).status_code == 400
    assert (await confidential.redeem(code, code_verifier="y" * 50)).status_code == 400


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic /////w=="])
async def test_basic_that_is_none(oauth: OAuthWorld, header: str) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "phr_x"}
    answer = await oauth.nobody.ask("POST", "/oauth/token/", data=form, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_an_application_that_does_not_refresh(oauth: OAuthWorld, browser: Browser) -> None:
    app = await oauth.app(grant_types=["authorization_code"])
    tokens = await app.tokens(browser)
    assert "refresh_token" not in tokens
    assert (await app.refresh("phr_x")).json()["error"] == "unauthorized_client"


# Refreshing


async def test_an_application_that_registered_itself_keeps_its_refresh_token(browser: Browser, app: App) -> None:
    tokens = await app.tokens(browser)
    for _ in range(3):
        again = (await app.refresh(tokens["refresh_token"])).json()
        assert again["refresh_token"] == tokens["refresh_token"]
        assert again["access_token"] != tokens["access_token"]
        assert again["expires_in"] == WEEK


async def test_a_refresh_may_narrow_and_never_widen(browser: Browser, app: App) -> None:
    tokens = await app.tokens(browser, scope="project:read insight:write")
    refresh = tokens["refresh_token"]
    assert (await app.refresh(refresh, scope="insight:read")).json()["scope"] == "insight:read"
    assert (await app.refresh(refresh)).json()["scope"] == "insight:write project:read"
    for wider in ("project:write", "query:read", "*", "project:read query:read"):
        answer = await app.refresh(refresh, scope=wider)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("secret", ["phr_made_up", "pha_x", "x", "phr_" + "x" * 5_000, "phr_ä"])
async def test_a_refresh_token_that_is_none(app: App, secret: str) -> None:
    answer = await app.refresh(secret)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_an_access_token_does_not_refresh(browser: Browser, app: App) -> None:
    tokens = await app.tokens(browser)
    assert (await app.refresh(tokens["access_token"])).json()["error"] == "invalid_grant"


async def test_a_refresh_token_opens_nothing(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    tokens = await app.tokens(browser)
    assert (await oauth.bearer(tokens["refresh_token"]).get("/api/projects/")).status_code == 401


async def test_another_applications_refresh_token(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    other = await oauth.app()
    tokens = await app.tokens(browser)
    assert (await other.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_refresh_token_dies_after_thirty_idle_days(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    refresh = (await app.tokens(browser))["refresh_token"]
    oauth.world.clock.advance(days=29)
    assert (await app.refresh(refresh)).status_code == 200
    oauth.world.clock.advance(days=29)
    assert (await app.refresh(refresh)).status_code == 200
    oauth.world.clock.advance(days=30)
    assert (await app.refresh(refresh)).json()["error"] == "invalid_grant"


async def test_an_access_token_expires(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    tokens = await app.tokens(browser)
    client = oauth.bearer(tokens["access_token"])
    oauth.world.clock.advance(WEEK - 1)
    assert (await client.get("/api/projects/")).status_code == 200
    oauth.world.clock.advance(1)
    answer = await client.get("/api/projects/")
    assert (answer.status_code, answer.json()["detail"]) == (401, "Access token has expired.")


async def test_a_user_who_left_has_no_tokens(oauth: OAuthWorld, browser: Browser, app: App, ada: Person) -> None:
    tokens = await app.tokens(browser)
    code = await app.code(browser)
    async with oauth.world.access.metadata.write() as session:
        (await session.get_one(User, ada.user.id)).is_active = False
    oauth.world.access.forget()
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await app.redeem(code)).json()["error"] == "invalid_grant"
    assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 401


async def test_a_member_who_left_an_organization_reaches_nothing_there(
    oauth: OAuthWorld, app: App, ada: Person, bob: Person
) -> None:
    await bob.joins(ada)
    choices = {"access_level": "team", "scoped_teams": str(ada.project_id)}
    browser = await oauth.browser(bob)
    tokens = (await app.redeem(await app.code(browser, choices=choices))).json()
    client = oauth.bearer(tokens["access_token"])
    assert (await client.get(f"/api/projects/{ada.project_id}/")).status_code == 200
    owner = await ada.by_session()
    members = (await owner.get(f"/api/organizations/{ada.organization_id}/members/")).json()["results"]
    member = next(row for row in members if row["user"]["id"] == bob.user.id)
    left = await owner.delete(f"/api/organizations/{ada.organization_id}/members/{member['user']['uuid']}/")
    assert left.status_code == 204
    assert (await client.get(f"/api/projects/{ada.project_id}/")).status_code in {403, 404}


# Who the user is


async def test_an_id_token_is_signed_and_says_what_may_be_said(
    oauth: OAuthWorld, browser: Browser, app: App, ada: Person
) -> None:
    keys = KeySet.import_key_set((await oauth.nobody.get("/.well-known/jwks.json")).json())
    tokens = await app.tokens(browser, scope="openid email profile project:read", nonce="n-1")
    payload = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    assert len(payload.pop("at_hash")) == 22
    assert payload.pop("exp") - payload.pop("iat") == HOUR
    assert payload == {
        "iss": ISSUER,
        "aud": app.client_id,
        "sub": str(ada.user.uuid),
        "nonce": "n-1",
        "given_name": "Ada",
        "family_name": "Lee",
        "email": ada.user.email,
        "email_verified": True,
    }
    bare = jwt.decode((await app.tokens(browser, scope="openid"))["id_token"], keys, algorithms=["RS256"]).claims
    assert {"nonce", "email", "given_name"}.isdisjoint(bare)
    assert "id_token" not in await app.tokens(browser, scope="project:read")


# Tokens for one resource


async def test_a_token_for_a_resource_of_its_own_is_refused_elsewhere(
    oauth: OAuthWorld, browser: Browser, app: App
) -> None:
    tokens = await app.tokens(browser, resource=f"{ISSUER}/mcp")
    access = tokens["access_token"]
    assert (await oauth.bearer(access).get("/api/projects/")).status_code == 401
    grant = await oauth.provider.access.credentials.oauth_token(access, resource="/mcp")
    assert grant is not None
    refreshed = (await app.refresh(tokens["refresh_token"])).json()["access_token"]
    assert (await oauth.bearer(refreshed).get("/api/projects/")).status_code == 401


async def test_a_token_request_cannot_turn_to_another_resource(browser: Browser, app: App) -> None:
    code = await app.code(browser, resource=f"{ISSUER}/mcp")
    for other in (ISSUER, f"{ISSUER}/api/projects/", "https://elsewhere.example"):
        answer = await app.redeem(code, resource=other)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    tokens = (await app.redeem(code, resource=f"{ISSUER}/mcp")).json()
    assert (await app.refresh(tokens["refresh_token"], resource=ISSUER)).json()["error"] == "invalid_target"
    assert (await app.refresh(tokens["refresh_token"], resource=f"{ISSUER}/mcp/")).status_code == 200


@pytest.mark.parametrize("path", ["", "/", "/api/", "/api/users/@me/"])
async def test_a_token_for_the_api(oauth: OAuthWorld, browser: Browser, app: App, path: str) -> None:
    tokens = await app.tokens(browser, resource=ISSUER + path)
    assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 200


async def test_when_the_database_does_not_answer(
    oauth: OAuthWorld, browser: Browser, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = await app.tokens(browser)

    def unavailable() -> Any:
        raise MetadataUnavailable("The database is away.")

    monkeypatch.setattr(oauth.world.access.metadata, "read", unavailable)
    answer = await app.refresh(tokens["refresh_token"])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {
        "error": "temporarily_unavailable",
        "error_description": "The authorization server is temporarily unable to handle the request. Please retry.",
    }
