"""Signing in and out: cookies, wrong passwords, tries, and what an attacker would do with the form."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from tests.workspace.world import Person, World

from hedgerow.core.crypto import hash_password, verify_password
from hedgerow.core.http.sessions import CSRF_COOKIE, CSRF_HEADER, SESSION_COOKIE, csrf_token
from hedgerow.core.identity.models import UserSession
from hedgerow.workspace.sign_in import same_site_path

pytestmark = pytest.mark.stores

PASSWORD = "a long enough password"


@pytest.fixture
async def ada(world: World) -> Person:
    return await world.person(password_hash=await hash_password(PASSWORD))


def cookies(answer: httpx.Response) -> SimpleCookie:
    found = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        found.load(header)
    return found


async def sign_in(person: Person, **more: Any) -> httpx.Response:
    body = {"email": person.user.email, "password": PASSWORD}
    return await person.world.client().post("/api/login/", body, **more)


async def test_the_answer_sets_a_cookie_that_is_the_user(ada: Person) -> None:
    answer = await sign_in(ada)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    found = cookies(answer)
    session, word = found[SESSION_COOKIE], found[CSRF_COOKIE]
    assert (session["httponly"], session["samesite"].lower(), session["path"]) == (True, "lax", "/")
    assert not word["httponly"]
    assert word.value == csrf_token(session.value)
    client = ada.world.client({"Cookie": f"{SESSION_COOKIE}={session.value}", CSRF_HEADER: word.value})
    body = (await client.patch("/api/users/@me/", {"first_name": "Augusta"})).json()
    assert (body["email"], body["first_name"]) == (ada.user.email, "Augusta")


async def test_signing_out_ends_the_session(ada: Person) -> None:
    client = await ada.by_session()
    answer = await client.post("/logout/")
    assert answer.status_code == 200
    assert [cookie.value for cookie in cookies(answer).values()] == ["", ""]
    assert (await client.get("/api/users/@me/")).status_code == 401


async def test_signing_out_needs_the_word(ada: Person) -> None:
    client = ada.world.client({"Cookie": f"{SESSION_COOKIE}={await ada.session()}"})
    assert (await client.post("/logout/")).status_code == 403


@pytest.mark.parametrize("password", ["wrong", "x" * 100_000, PASSWORD + " ", "🦔"])
async def test_a_wrong_password(ada: Person, password: str) -> None:
    answer = await ada.world.client().post("/api/login/", {"email": ada.user.email, "password": password})
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "validation_error",
        "code": "invalid_credentials",
        "detail": "Invalid email or password.",
        "attr": None,
    }
    assert "set-cookie" not in answer.headers


async def test_nobody_and_a_wrong_password_look_the_same(world: World, ada: Person) -> None:
    loner = await world.loner()  # has no password at all
    bodies = [
        (await world.client().post("/api/login/", {"email": email, "password": "x"})).json()
        for email in (ada.user.email, loner.user.email, "nobody@example.test")
    ]
    assert bodies[0] == bodies[1] == bodies[2]


async def test_ten_tries_a_minute(ada: Person) -> None:
    client = ada.world.client()
    for _ in range(10):
        assert (await client.post("/api/login/", {"email": ada.user.email, "password": "x"})).status_code == 400
    answer = await client.post("/api/login/", {"email": ada.user.email.upper(), "password": PASSWORD})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "61"
    ada.world.clock.advance(61)
    assert (await sign_in(ada)).status_code == 200


async def test_every_sign_in_is_a_new_session_and_ends_the_browsers_old_one(ada: Person) -> None:
    planted = "planted-by-somebody-else"
    first = cookies(await sign_in(ada, headers={"Cookie": f"{SESSION_COOKIE}={planted}"}))[SESSION_COOKIE].value
    assert first != planted
    second = cookies(await sign_in(ada, headers={"Cookie": f"{SESSION_COOKIE}={first}"}))[SESSION_COOKIE].value
    assert second != first
    client = ada.world.client({"Cookie": f"{SESSION_COOKIE}={first}"})
    assert (await client.get("/api/users/@me/")).status_code == 401


async def test_expired_sessions_are_swept_away(ada: Person) -> None:
    await ada.session()
    ada.world.clock.advance(days=15)
    await sign_in(ada)
    async with ada.world.access.metadata.read() as session:
        mine = select(func.count()).select_from(UserSession).where(UserSession.user_id == ada.user.id)
        assert await session.scalar(mine) == 1


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_page_elsewhere_cannot_sign_somebody_in(ada: Person, headers: dict[str, str]) -> None:
    assert (await sign_in(ada, headers=headers)).status_code == 403


async def test_a_form_goes_on_to_where_it_came_from(ada: Person) -> None:
    form = {"email": ada.user.email, "password": PASSWORD, "next": "/insights?x=1"}
    answer = await ada.world.client().ask("POST", "/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/insights?x=1")
    assert SESSION_COOKIE in cookies(answer)


async def test_a_form_that_fails_goes_back_to_its_page(ada: Person) -> None:
    client = ada.world.client()
    form = {"email": ada.user.email, "password": "wrong", "next": "/insights?x=1"}
    answer = await client.ask("POST", "/login", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login/?problem=invalid_credentials&next=%2Finsights%3Fx%3D1"
    assert "set-cookie" not in answer.headers
    for _ in range(10):
        answer = await client.ask("POST", "/login", data={**form, "next": "//evil.example"})
    assert answer.headers["location"] == "/login/?problem=throttled&next=%2F"


@pytest.mark.parametrize(
    "said",
    [
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/x\r\nSet-Cookie: a=b",
        "/x\ty",
        "/ä",
        "",
        "evil",
        "/" + "x" * 20_000,
    ],
)
def test_a_form_never_leads_elsewhere(said: str) -> None:
    assert same_site_path(said) == "/"


async def test_a_new_password_needs_the_old_one_and_ends_other_sessions(ada: Person) -> None:
    mine, other = await ada.by_session(), await ada.by_session()
    new = "another good password"
    for body, code, attr in (
        ({"password": new}, "required", "current_password"),
        ({"password": new, "current_password": "wrong"}, "incorrect_password", "current_password"),
        ({"password": "short", "current_password": PASSWORD}, "password_too_short", "password"),
        ({"password": "x" * 129, "current_password": PASSWORD}, "max_length", "password"),
    ):
        answer = (await mine.patch("/api/users/@me/", body)).json()
        assert (answer["code"], answer["attr"]) == (code, attr)
    answer = await mine.patch("/api/users/@me/", {"password": new, "current_password": PASSWORD})
    assert answer.status_code == 200
    assert "password" not in answer.json()
    assert (await mine.get("/api/users/@me/")).status_code == 200
    assert (await other.get("/api/users/@me/")).status_code == 401
    assert (await sign_in(ada)).status_code == 400
    assert (await ada.world.client().post("/login/", {"email": ada.user.email, "password": new})).status_code == 200


async def test_nobody_has_no_password() -> None:
    assert not await verify_password("x", None)
    assert not await verify_password(PASSWORD, "no hash at all")
