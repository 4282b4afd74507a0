"""rest-api §1.2: who is let in, in which order, and the words for those who are not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.workspace.world import CALLERS, Person, World

from hedgerow.core.http.sessions import CSRF_HEADER, SESSION_COOKIE, csrf_token
from hedgerow.core.identity.models import PersonalAPIKey, User

pytestmark = pytest.mark.stores

ME = "/api/users/@me/"


def envelope(kind: str, code: str, detail: str, attr: str | None = None) -> dict[str, Any]:
    return {"type": kind, "code": code, "detail": detail, "attr": attr}


def not_authenticated() -> dict[str, Any]:
    return envelope("authentication_error", "not_authenticated", "Authentication credentials were not provided.")


def bad_key(source: str) -> dict[str, Any]:
    return envelope(
        "authentication_error", "authentication_failed", f"Personal API key found in request {source} is invalid."
    )


@pytest.mark.parametrize("caller", CALLERS)
async def test_each_kind_of_caller_is_the_user(ada: Person, caller: str) -> None:
    client = await ada.asks_by(caller)
    answer = await client.get(ME)
    assert answer.status_code == 200
    assert answer.json()["email"] == ada.user.email


async def test_nobody_is_told_so(world: World) -> None:
    answer = await world.client().get(ME)
    assert answer.status_code == 401
    assert answer.json() == not_authenticated()
    document = "http://127.0.0.1:8000/.well-known/oauth-protected-resource"
    assert answer.headers["www-authenticate"] == f'Bearer resource_metadata="{document}"'


async def test_a_wrong_key_in_the_header(world: World) -> None:
    answer = await world.client({"Authorization": "Bearer phx_wrong"}).get(ME)
    assert (answer.status_code, answer.json()) == (401, bad_key("Authorization header"))


async def test_a_wrong_key_in_the_query(world: World) -> None:
    answer = await world.client().get(f"{ME}?personal_api_key=phx_wrong")
    assert (answer.status_code, answer.json()) == (401, bad_key("query string"))


@pytest.mark.parametrize("form", ["json", "data"])
async def test_a_wrong_key_in_the_body(world: World, form: str) -> None:
    answer = await world.client().ask("PATCH", ME, **{form: {"personal_api_key": "phx_wrong"}})
    assert (answer.status_code, answer.json()) == (401, bad_key("body"))


@pytest.mark.parametrize("form", ["json", "data"])
async def test_a_key_in_the_body_is_good(world: World, ada: Person, form: str) -> None:
    body = {"personal_api_key": await ada.key(), "first_name": "Augusta"}
    answer = await world.client().ask("PATCH", ME, **{form: body})
    assert (answer.status_code, answer.json()["first_name"]) == (200, "Augusta")


async def test_a_key_in_the_query_is_good(world: World, ada: Person) -> None:
    answer = await world.client().get(f"{ME}?personal_api_key={await ada.key()}")
    assert answer.status_code == 200


async def test_the_header_comes_before_body_query_and_session(world: World, ada: Person) -> None:
    headers = {"Authorization": "Bearer phx_wrong", "Cookie": f"{SESSION_COOKIE}={await ada.session()}"}
    answer = await world.client(headers).get(f"{ME}?personal_api_key={await ada.key()}")
    assert answer.json() == bad_key("Authorization header")


async def test_the_body_comes_before_the_query(world: World, ada: Person) -> None:
    answer = await world.client().patch(f"{ME}?personal_api_key={await ada.key()}", {"personal_api_key": "phx_wrong"})
    assert answer.json() == bad_key("body")


async def test_the_query_comes_before_the_session(world: World, ada: Person) -> None:
    headers = {"Cookie": f"{SESSION_COOKIE}={await ada.session()}"}
    answer = await world.client(headers).get(f"{ME}?personal_api_key=phx_wrong")
    assert answer.json() == bad_key("query string")


async def test_another_scheme_is_no_key(world: World, ada: Person) -> None:
    headers = {"Authorization": "Basic YTpi", "Cookie": f"{SESSION_COOKIE}={await ada.session()}"}
    assert (await world.client(headers).get(ME)).status_code == 200


@pytest.mark.parametrize("header", ["Bearer  {}  ", "bearer {}", "BEARER {}"])
async def test_the_header_may_be_written_loosely(world: World, ada: Person, header: str) -> None:
    answer = await world.client({"Authorization": header.format(await ada.key())}).get(ME)
    assert answer.status_code == 200


@pytest.mark.parametrize("secret", ["phx_", "", "x" * 500, "phx_\u00e9", "phc_token"])
async def test_strange_keys_are_bad_keys(world: World, secret: str) -> None:
    answer = await world.client().get(ME, headers={"Authorization": f"Bearer {secret}x".encode("latin-1")})
    assert answer.json() == bad_key("Authorization header")


async def test_a_wrong_oauth_token(world: World) -> None:
    answer = await world.client({"Authorization": "Bearer pha_wrong"}).get(ME)
    assert answer.status_code == 401
    assert answer.json() == envelope("authentication_error", "authentication_failed", "Access token is invalid.")


async def test_an_expired_oauth_token(world: World, ada: Person) -> None:
    client = world.client({"Authorization": f"Bearer {await ada.oauth_token(seconds=60)}"})
    assert (await client.get(ME)).status_code == 200
    world.clock.advance(61)
    answer = await client.get(ME)
    assert answer.json() == envelope("authentication_error", "authentication_failed", "Access token has expired.")


async def test_an_oauth_token_without_scopes(ada: Person) -> None:
    token = await ada.oauth_token()
    async with ada.world.access.metadata.write() as session:
        from hedgerow.core.identity.models import OAuthAccessToken

        await session.execute(update(OAuthAccessToken).values(scopes=[]))
    answer = await ada.world.client({"Authorization": f"Bearer {token}"}).get(ME)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "OAuth token has no scopes and cannot access this resource"


async def test_a_project_secret_is_nobody_to_a_route_that_has_not_heard_of_it(world: World, ada: Person) -> None:
    answer = await world.client({"Authorization": f"Bearer {ada.project_secret}"}).get(ME)
    assert (answer.status_code, answer.json()) == (401, bad_key("Authorization header"))


async def test_an_inactive_user_has_no_keys(world: World, ada: Person) -> None:
    key = await ada.key()
    async with world.access.metadata.write() as session:
        await session.execute(update(User).where(User.id == ada.user.id).values(is_active=False))
    answer = await world.client({"Authorization": f"Bearer {key}"}).get(ME)
    assert answer.json() == bad_key("Authorization header")


async def test_that_a_key_was_used_is_noted_at_most_once_an_hour(world: World, ada: Person) -> None:
    client = await ada.by_key()

    async def noted() -> Any:
        await world.access.credentials.close()
        async with world.access.metadata.read() as session:
            return await session.scalar(
                select(PersonalAPIKey.last_used_at).where(PersonalAPIKey.user_id == ada.user.id)
            )

    first = world.clock.now()
    await client.get(ME)
    assert await noted() == first
    world.clock.advance(3_599)
    await client.get(ME)
    assert await noted() == first
    world.clock.advance(1)
    await client.get(ME)
    assert await noted() == first + timedelta(hours=1)


# Sessions


async def test_an_expired_session_is_nobody(world: World, ada: Person) -> None:
    client = await ada.by_session()
    assert (await client.get(ME)).status_code == 200
    world.clock.advance(days=15)
    assert (await client.get(ME)).json() == not_authenticated()


async def test_a_made_up_session_is_nobody(world: World) -> None:
    assert (await world.client({"Cookie": f"{SESSION_COOKIE}=made-up"}).get(ME)).json() == not_authenticated()


async def test_a_session_reads_without_its_word_and_writes_only_with_it(world: World, ada: Person) -> None:
    secret = await ada.session()
    client = world.client({"Cookie": f"{SESSION_COOKIE}={secret}"})
    assert (await client.get(ME)).status_code == 200
    answer = await client.patch(ME, {"first_name": "Mallory"})
    assert answer.status_code == 403
    assert answer.json() == envelope("authentication_error", "permission_denied", "CSRF Failed: CSRF token missing.")
    answer = await client.patch(ME, {"first_name": "Mallory"}, headers={CSRF_HEADER: "wrong"})
    assert answer.json()["detail"] == "CSRF Failed: CSRF token incorrect."
    answer = await client.patch(ME, {"first_name": "Augusta"}, headers={CSRF_HEADER: csrf_token(secret)})
    assert answer.status_code == 200


async def test_a_form_may_say_the_word_as_a_field(world: World, ada: Person) -> None:
    secret = await ada.session()
    client = world.client({"Cookie": f"{SESSION_COOKIE}={secret}"})
    answer = await client.ask("PATCH", ME, data={"csrfmiddlewaretoken": csrf_token(secret), "first_name": "Augusta"})
    assert answer.json()["first_name"] == "Augusta"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_a_page_elsewhere_cannot_write_even_with_the_word(ada: Person, headers: dict[str, str]) -> None:
    client = await ada.by_session()
    answer = await client.patch(ME, {"first_name": "Mallory"}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("CSRF Failed: ")


async def test_our_own_page_can(ada: Person) -> None:
    client = await ada.by_session()
    headers = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert (await client.patch(ME, {"first_name": "Augusta"}, headers=headers)).status_code == 200


async def test_the_word_of_one_session_is_no_good_in_another(world: World, ada: Person, bob: Person) -> None:
    headers = {"Cookie": f"{SESSION_COOKIE}={await ada.session()}", CSRF_HEADER: csrf_token(await bob.session())}
    assert (await world.client(headers).patch(ME, {})).status_code == 403


async def test_a_key_needs_no_word(ada: Person) -> None:
    client = await ada.by_key()
    answer = await client.patch(ME, {"first_name": "Augusta"}, headers={"Origin": "https://app.example"})
    assert answer.status_code == 200


async def test_the_api_never_mirrors_an_origin(ada: Person) -> None:
    client = await ada.by_key()
    for method in ("GET", "OPTIONS"):
        answer = await client.ask(method, ME, headers={"Origin": "https://app.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]
