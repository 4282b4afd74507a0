"""Gateway keys over JSON and on the settings page (gateway §1.11)."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from tests.gateway.control.world import EVERYTHING, ORIGIN, Browser, ControlWorld, text_of
from tests.gateway.fake_posthog import VALID_KEY
from tests.gateway.world import TESTER

from hedgerow.core import ids


async def made(world: ControlWorld, key: str | None = None, **body: Any) -> httpx.Response:
    return await world.call("POST", "/keys", key=key, json={"name": "new", **body})


async def test_a_key_is_shown_once_and_works(world: ControlWorld) -> None:
    answer = (await made(world, policy="agent-read")).json()
    assert re.fullmatch(r"hgk_[0-9A-Za-z]{49}", answer["key"])
    listed = (await world.call("GET", "/keys")).json()["keys"]
    assert answer["key"] not in str(listed)
    (mine,) = [one for one in listed if one["id"] == answer["id"]]
    assert (mine["name"], mine["prefix"], mine["policy"]["mode"]) == ("new", answer["key"][:8], "read_only")
    assert (await world.call("GET", "/connections", key=answer["key"])).status_code == 200
    assert (await world.call("GET", "/keys", key=answer["key"])).status_code == 403


async def test_a_rotated_key_works_until_its_grace_ends(world: ControlWorld) -> None:
    old = (await made(world)).json()
    new = (await world.call("POST", f"/keys/{old['id']}/rotate", json={"grace_seconds": 60})).json()
    for key in (old["key"], new["key"]):
        assert (await world.call("GET", "/connections", key=key)).status_code == 200
    world.clock.advance(61)
    assert (await world.call("GET", "/connections", key=old["key"])).status_code == 401
    assert (await world.call("GET", "/connections", key=new["key"])).status_code == 200
    assert (await world.call("POST", f"/keys/{old['id']}/rotate", json={})).status_code == 404


async def test_a_revoked_key_ends_at_once(world: ControlWorld) -> None:
    one = (await made(world)).json()
    assert (await world.call("GET", "/connections", key=one["key"])).status_code == 200
    assert (await world.call("DELETE", f"/keys/{one['id']}")).json() == {"id": one["id"], "revoked": True}
    assert (await world.call("GET", "/connections", key=one["key"])).status_code == 401
    assert (await world.call("DELETE", f"/keys/{one['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "attr"),
    [
        ({"name": ""}, "invalid_field", "name"),
        ({"name": "x" * 101}, "invalid_field", "name"),
        ({"name": "a\nb"}, "invalid_field", "name"),
        ({"policy": "reckless"}, "invalid_policy", "policy"),
        ({"policy": {"mode": "x"}}, "invalid_policy", "policy__mode"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "invalid_field", "expires_at"),
        ({"expires_at": "2031-01-01T00:00:00"}, "invalid_field", "expires_at"),
        ({"expires_at": "soon"}, "invalid_field", "expires_at"),
    ],
)
async def test_what_cannot_be_meant_makes_no_key(
    world: ControlWorld, body: dict[str, Any], code: str, attr: str
) -> None:
    before = len((await world.call("GET", "/keys")).json()["keys"])
    answer = await made(world, **body)
    assert (answer.status_code, answer.json()["code"], answer.json()["attr"]) == (400, code, attr)
    assert len((await world.call("GET", "/keys")).json()["keys"]) == before


LIMITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mode": ({"mode": "read_only"}, {"mode": "read_write"}),
    "projects": ({"projects": [1, 2]}, {"projects": [1, 3]}),
    "projects absent": ({"projects": [1]}, {}),
    "apps": ({"apps": ["posthog"]}, {"apps": ["posthog", "other"]}),
    "methods": ({"methods": ["GET"]}, {"methods": ["GET", "POST"]}),
    "ip_allow": ({"ip_allow": ["127.0.0.1"]}, {"ip_allow": ["0.0.0.0/0"]}),
    "paths allow": ({"paths": {"allow": ["/api/a/**"]}}, {"paths": {"allow": ["/api/**"]}}),
    "paths deny": ({"paths": {"deny": ["/api/a/**"]}}, {"paths": {"deny": []}}),
    "rate": ({"rate": {"per_second": 1000, "burst": 1000}}, {"rate": {"per_second": 1001, "burst": 1000}}),
    "budgets": ({"budgets": [{"unit": "requests", "limit": 5000}]}, {"budgets": []}),
    "expires_at": ({"expires_at": "2031-01-01T00:00:00Z"}, {}),
    "ingest": ({"ingest": False}, {"ingest": True}),
    "manage_connections": ({"manage_connections": False}, {"manage_connections": True}),
}


@pytest.mark.parametrize("name", LIMITS)
async def test_a_key_cannot_make_one_with_more_rights_than_its_own(world: ControlWorld, name: str) -> None:
    own, wider = LIMITS[name]
    maker = await world.new_key({**own, "manage_keys": True})
    refused = await made(world, key=maker, policy={**own, **wider} if wider else {})
    assert (refused.status_code, refused.json()["code"]) == (403, "policy_denied")
    assert refused.headers["hedgerow-policy"] == name.split(maxsplit=1)[0]
    same = await made(world, key=maker, policy=own)
    assert same.status_code == 200, same.text
    silent = await made(world, key=maker)
    assert silent.status_code == 200
    policy = silent.json()["policy"]
    for field, limit in own.items():
        if field != "budgets" and limit is not False:
            assert policy[field] == limit
    assert [budget["limit"] for budget in policy.get("budgets", [])] == [one["limit"] for one in own.get("budgets", [])]


async def test_a_weak_key_cannot_take_over_a_strong_one(world: ControlWorld) -> None:
    strong = (await made(world, policy="full")).json()
    weak = await world.new_key({"mode": "read_only", "manage_keys": True})
    refused = await world.call("POST", f"/keys/{strong['id']}/rotate", key=weak, json={})
    assert (refused.status_code, "key" in refused.json()) == (403, False)


async def test_keys_of_somebody_else_are_not_there(world: ControlWorld) -> None:
    bob = await world.workspace.person(first_name="Bob")
    bobs = await world.new_key(EVERYTHING, user_id=bob.user.id)
    mine = (await made(world)).json()
    assert mine["id"] not in (await world.call("GET", "/keys", key=bobs)).text
    for said in (mine["id"], str(ids.uuid4()), "x"):
        assert (await world.call("DELETE", f"/keys/{said}", key=bobs)).status_code == 404


# The page


async def signed_in(world: ControlWorld) -> tuple[Browser, httpx.Response]:
    browser = world.browser(await world.ada.session())
    page = await browser.get("/settings")
    assert page.status_code == 200
    return browser, page


def secret_on(page: httpx.Response) -> str:
    found = re.search(r"hgk_[0-9A-Za-z]{49}", page.text)
    assert found is not None
    return found[0]


async def test_who_is_not_signed_in_is_led_to_sign_in(world: ControlWorld) -> None:
    answer = await world.browser().get("/settings")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login/?next=/settings")


async def test_a_key_s_life_on_the_page(world: ControlWorld) -> None:
    browser, page = await signed_in(world)
    assert "script" not in page.headers["content-security-policy"]
    shown = await browser.send(page, "/settings/keys", name="notebook <b>", policy="agent-read", lives="30")
    secret = secret_on(shown)
    assert "<b>" not in shown.text
    assert (await world.call("GET", "/connections", key=secret)).status_code == 200
    await world.gateway.keys.close()
    again = await browser.get("/settings")
    assert secret not in again.text, "shown once"
    assert "notebook" in text_of(again)
    assert secret[:8] in again.text
    (row,) = [one for one in (await world.call("GET", "/keys")).json()["keys"] if one["prefix"] == secret[:8]]
    assert row["last_used_at"] is not None
    replaced = await browser.send(again, f"/settings/keys/{row['id']}/rotate", grace="0")
    assert (await world.call("GET", "/connections", key=secret)).status_code == 401
    newer = secret_on(replaced)
    (row,) = [one for one in (await world.call("GET", "/keys")).json()["keys"] if one["prefix"] == newer[:8]]
    revoked = await browser.send(await browser.get("/settings"), f"/settings/keys/{row['id']}/revoke")
    assert revoked.status_code == 303
    assert (await world.call("GET", "/connections", key=newer)).status_code == 401


async def test_connections_on_the_page(world: ControlWorld) -> None:
    browser, page = await signed_in(world)
    sent = await browser.send(page, "/settings/connections", app="posthog")
    assert sent.headers["location"].startswith(f"{ORIGIN}/connect/?session_token=")
    choice = await browser.open(sent.headers["location"])
    assert world.ada.user.email in text_of(choice)
    done = await browser.send(choice, "/connect/key", key=VALID_KEY, host=world.fake.url)
    assert done.status_code == 303
    (row,) = (await world.call("GET", "/connections")).json()["connections"]
    page = await browser.get("/settings")
    assert "ACTIVE" in text_of(page)
    again = await browser.send(page, f"/settings/connections/{row['connection_id']}/open")
    assert again.headers["location"].startswith(f"{ORIGIN}/connect/?session_token=")
    await browser.send(page, f"/settings/connections/{row['connection_id']}/delete")
    assert (await world.call("GET", "/connections")).json()["total"] == 0


async def test_a_write_without_the_page_s_own_word_does_nothing(world: ControlWorld) -> None:
    browser, page = await signed_in(world)
    word = re.search(r'name="word" value="([0-9a-f]{64})"', page.text)
    assert word is not None
    before = len((await world.call("GET", "/keys")).json()["keys"])
    fields = {"name": "evil", "policy": "full", "lives": "never"}
    other = await world.browser(await world.ada.session()).get("/settings")
    others = re.search(r'name="word" value="([0-9a-f]{64})"', other.text)
    assert others is not None
    attempts: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"word": "0" * 64}, {}),
        ({"word": others[1]}, {}),
        ({"word": word[1]}, {"Origin": "https://evil.example"}),
        ({"word": word[1]}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}),
        ({"word": word[1]}, {"Sec-Fetch-Site": "same-site"}),
    ]
    for extra, headers in attempts:
        answer = await browser.http.post("/settings/keys", data={**fields, **extra}, headers=headers)
        assert answer.status_code == 403, (extra, headers)
        assert "hgk_" not in answer.text
    assert len((await world.call("GET", "/keys")).json()["keys"]) == before


async def test_a_key_in_the_cookie_s_place_opens_nothing(world: ControlWorld) -> None:
    answer = await world.call("GET", "/settings")
    assert answer.status_code == 303, "the page is for people"
    session = await world.ada.session()
    for path in ("/connections", "/keys", "/posthog/api/projects/"):
        browser = world.browser(session)
        assert (await browser.get(path)).status_code == 401, "and cookies open nothing else (gateway §4.1 rule 9)"


async def test_what_somebody_else_has_cannot_be_reached_from_the_page(world: ControlWorld) -> None:
    bob = await world.workspace.person(first_name="Bob")
    theirs = await world.gateway.keys.create(TESTER, user_id=bob.user.id, name="bob's")
    browser, page = await signed_in(world)
    assert "bob's" not in page.text
    word = re.search(r'name="word" value="([0-9a-f]{64})"', page.text)
    assert word is not None
    for what in ("rotate", "revoke"):
        answer = await browser.http.post(f"/settings/keys/{theirs.row.id}/{what}", data={"word": word[1]})
        assert answer.status_code == 404
        assert not re.search(r"hgk_[0-9A-Za-z]{49}", answer.text)
    assert (await world.call("GET", "/connections", key=theirs.secret)).status_code == 200


async def test_signing_out_ends_the_session_and_leads_to_the_door(world: ControlWorld) -> None:
    browser, page = await signed_in(world)
    session = browser.cookie("hedgerow_session")
    assert session
    elsewhere, _ = await signed_in(world)
    out = await browser.send(page, "/settings/sign-out", next="https://evil.example/")
    assert (out.status_code, out.headers["location"]) == (303, "/login/?next=/settings")
    cookies = out.headers.get_list("set-cookie")
    assert {cookie.partition("=")[0] for cookie in cookies} == {"hedgerow_session", "hedgerow_csrftoken"}
    assert all("Max-Age=0" in cookie and "Path=/" in cookie for cookie in cookies)
    door = await browser.get("/settings")
    assert (door.status_code, door.headers["location"]) == (303, "/login/?next=/settings")
    again = world.browser(session)
    assert (await again.get("/settings")).status_code == 303, "what somebody kept of the cookie opens nothing more"
    assert (await elsewhere.get("/settings")).status_code == 200, "a session of another browser is another session"
    assert (await browser.send(page, "/settings/sign-out")).status_code == 403, "there is nobody to sign out"


async def test_nobody_else_signs_a_user_out(world: ControlWorld) -> None:
    browser, page = await signed_in(world)
    word = re.search(r'name="word" value="([0-9a-f]{64})"', page.text)
    assert word is not None
    forged: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"word": "0" * 64}, {}),
        ({"word": word[1]}, {"Origin": "https://evil.example"}),
        ({"word": word[1]}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}),
    ]
    for fields, headers in forged:
        assert (await browser.http.post("/settings/sign-out", data=fields, headers=headers)).status_code == 403
    assert (await browser.get("/settings/sign-out")).status_code in {404, 405}, "a picture signs nobody out"
    assert (await browser.get("/settings")).status_code == 200
