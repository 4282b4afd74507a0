"""What somebody with an account of their own, or with words of their own, can do to others on the control plane: nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from tests.gateway.control.world import EVERYTHING, Browser, ControlWorld, text_of
from tests.gateway.fake_posthog import VALID_KEY
from tests.gateway.world import TESTER

from hedgerow.core.crypto import hash_password
from hedgerow.core.http.sessions import SESSION_COOKIE

PASSWORD = "a long enough password"
MARKUP = "<img src=x onerror=alert(1)>\"'{{7*7}}"
HUGE = b"x" * (1 << 20)


class Attributes(HTMLParser):
    """The names of all attributes, as a browser reads a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attrs}


async def settings_of(world: ControlWorld, person: Any) -> tuple[Browser, str]:
    """A signed-in browser, and the word of its forms."""
    browser = world.browser(await person.session())
    word = re.search(r'name="word" value="([0-9a-f]{64})"', (await browser.get("/settings")).text)
    assert word is not None
    return browser, word[1]


# Ids of others


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/connections/{connection}", None),
        ("GET", "/connections/{connection}?wait=1", None),
        ("PATCH", "/connections/{connection}", {"name": "mine now"}),
        ("PATCH", "/connections/{connection}", {"enabled": False}),
        ("PATCH", "/connections/{connection}", {"policy": {"mode": "read_only"}}),
        ("POST", "/connections/{connection}/reconnect", None),
        ("POST", "/connections/{connection}/test", None),
        ("GET", "/connections/{connection}/usage", None),
        ("DELETE", "/connections/{connection}", None),
        ("POST", "/keys/{key}/rotate", {}),
        ("DELETE", "/keys/{key}", None),
    ],
)
async def test_what_others_have_is_as_if_it_were_not_there(
    world: ControlWorld, method: str, path: str, body: Any
) -> None:
    made = await world.create(api_key=VALID_KEY, host=world.fake.url)
    key = await world.gateway.keys.create(TESTER, user_id=world.ada.user.id, name="ada's", policy=EVERYTHING)
    before = await world.connection(made["connection_id"])
    bob = await world.workspace.person(first_name="Bob")
    bobs = await world.new_key(EVERYTHING, user_id=bob.user.id)
    named = path.format(connection=made["connection_id"], key=key.row.id)
    unknown = path.format(connection=UUID(int=7, version=4), key=UUID(int=7))
    asked = len(world.fake.received)
    theirs = await world.call(method, named, key=bobs, **({} if body is None else {"json": body}))
    nobodys = await world.call(method, unknown, key=bobs, **({} if body is None else {"json": body}))
    assert theirs.status_code == 404
    assert {**theirs.json(), "request_id": ""} == {**nobodys.json(), "request_id": ""}
    assert len(world.fake.received) == asked
    assert await world.connection(made["connection_id"]) == before
    assert (await world.call("GET", "/connections", key=key.secret)).status_code == 200


@pytest.mark.parametrize("what", ["open", "delete"])
async def test_nor_from_the_page(world: ControlWorld, what: str) -> None:
    made = await world.create(api_key=VALID_KEY, host=world.fake.url)
    bob = await world.workspace.person(first_name="Bob")
    browser, word = await settings_of(world, bob)
    answer = await browser.http.post(f"/settings/connections/{made['connection_id']}/{what}", data={"word": word})
    assert answer.status_code == 404
    assert "session_token" not in answer.text + str(answer.headers)
    assert (await world.connection(made["connection_id"]))["status"] == "ACTIVE"


# Words of others


async def test_names_are_text_on_every_page(world: ControlWorld) -> None:
    key = await world.gateway.keys.create(TESTER, user_id=world.ada.user.id, name=MARKUP, policy=EVERYTHING)
    created = await world.call("POST", "/connections", key=key.secret, json={"app": "posthog", "name": MARKUP})
    pages = [await world.browser().open(created.json()["url"])]
    browser = world.browser(await world.ada.session())
    pages.append(await browser.get("/settings"))
    for page in pages:
        assert "<img src=x" not in page.text
        assert "{{7*7}}" in text_of(page), "shown as it is, not run"
        found = Attributes()
        found.feed(page.text)
        assert "onerror" not in found.names


@pytest.mark.parametrize("odd", ["a\r\nSet-Cookie: x=y", "a\nb", "a\0b", "\u2028", "a\u202eb", "\x7f"])
async def test_what_could_be_another_line_is_no_name(world: ControlWorld, odd: str) -> None:
    for method, path, body in (
        ("POST", "/connections", {"app": "posthog", "name": odd}),
        ("POST", "/keys", {"name": odd}),
        ("POST", "/connections", {"app": "posthog", "return_url": f"https://app.example.com/{odd}"}),
    ):
        answer = await world.call(method, path, json=body)
        assert answer.status_code == 400, (path, body)
    made = await world.create()
    answer = await world.call("PATCH", f"/connections/{made['connection_id']}", json={"name": odd})
    assert answer.status_code == 400


async def test_what_a_caller_notes_of_a_connection_is_kept_and_is_nothing_else(world: ControlWorld) -> None:
    custom = {"email": "evil@example.com", "\r\nX-Evil": "1", "a": {"b": [MARKUP, "\r\n", None, 1e300]}}
    answer = await world.call("POST", "/connections", json={"app": "posthog", "metadata": custom})
    assert not any("evil" in name.lower() + value.lower() for name, value in answer.headers.items())
    shown = await world.connection(answer.json()["connection_id"])
    assert shown["metadata"] == {"custom": custom}
    page = await world.browser().open(answer.json()["url"])
    assert "evil" not in page.text
    for most in ({"a": "x" * 5_000}, {"a": [[[]]] * 3_000}):
        assert (await world.call("POST", "/connections", json={"app": "posthog", "metadata": most})).status_code == 400


async def test_an_account_that_says_too_much_fills_nothing(world: ControlWorld) -> None:
    world.oauth.email = "a\r\nX-Evil: 1\u202e" + "x" * 50_000
    world.oauth.extra = {"scope": " ".join(f"made:up{n}" for n in range(50_000))}
    shown = await world.connection(await world.connected())
    assert len(shown["metadata"]["email"]) <= 200
    assert len(shown["name"]) <= 100
    assert not set("\r\n\u202e") & set(shown["metadata"]["email"] + shown["name"])
    assert len(shown["metadata"]["scopes"]) <= 500


# Bodies and sessions


@pytest.mark.parametrize(
    "path",
    [
        "/connections",
        "/keys",
        "/settings/keys",
        "/settings/sign-out",
        "/settings/connections",
        "/connect/start",
        "/connect/key",
        "/keys/0190aaaa-0000-7000-8000-000000000000/rotate",
    ],
)
async def test_no_route_reads_a_body_of_any_size(world: ControlWorld, path: str) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded"):
        answer = await world.call("POST", path, content=HUGE, headers={"Content-Type": kind})
        assert answer.status_code in {404, 413}
        assert answer.status_code == 413 or b"x" * 100 not in answer.content


async def test_a_session_that_was_there_before_is_not_the_one_after(world: ControlWorld) -> None:
    """Session fixation: what somebody else put into the browser opens nothing once its user has signed in."""
    ada = await world.workspace.person(password_hash=await hash_password(PASSWORD))
    mallory = await world.workspace.person(first_name="Mallory")
    planted = await mallory.session()
    browser = world.browser(planted)
    fields = {"email": ada.user.email, "password": PASSWORD, "next": "/settings"}
    answer = await browser.http.post("/login/", data=fields, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303
    fresh = re.search(rf"{SESSION_COOKIE}=([A-Za-z0-9]+)", str(answer.headers.get_list("set-cookie")))
    assert fresh is not None
    assert fresh[1] != planted
    for secret, status in ((planted, 303), (fresh[1], 200)):
        assert (await world.browser(secret).get("/settings")).status_code == status


@pytest.mark.parametrize(
    "said", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\tevil"]
)
async def test_signing_in_leads_nowhere_else(world: ControlWorld, said: str) -> None:
    ada = await world.workspace.person(password_hash=await hash_password(PASSWORD))
    browser = world.browser()
    for password, where in ((PASSWORD, "/"), ("wrong", "/login/?problem=invalid_credentials&next=%2F")):
        fields = {"email": ada.user.email, "password": password, "next": said}
        answer = await browser.http.post("/login/", data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, where)
