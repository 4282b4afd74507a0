"""`/connections` as the seed document and gateway §1 have it."""

from __future__ import annotations

import asyncio
import re
from uuid import UUID

import pytest
from tests.gateway.control.world import EVERYTHING, ORIGIN, ControlWorld, token_in
from tests.gateway.fake_posthog import VALID_KEY

from hedgerow.core import ids

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_a_new_connection_is_shown_in_every_shape_that_clients_read(world: ControlWorld) -> None:
    made = await world.create(name="Ours")
    shown = made["connection"]
    assert made["connection_id"] == shown["connection_id"]
    assert made["url"] == shown["url"]
    assert made["status"] == shown["status"] == "PENDING"
    assert UUID(made["connection_id"]).version == 4
    assert MOMENT.fullmatch(shown["creation_time"])
    assert shown["creation_time"] == shown["last_updated_time"]
    assert (shown["app"], shown["method"], shown["metadata"], shown["name"]) == ("posthog", "OAUTH2", {}, "Ours")
    assert made["url"].startswith(f"{ORIGIN}/connect/?session_token=")
    assert len(token_in(made["url"])) >= 43
    assert await world.connection(made["connection_id"]) == shown


@pytest.mark.parametrize("path", ["/connections", "/connections/"])
async def test_both_spellings_of_the_list_answer(world: ControlWorld, path: str) -> None:
    made = await world.create()
    listed = (await world.call("GET", f"{path}?app=posthog")).json()
    assert [one["connection_id"] for one in listed["connections"]] == [made["connection_id"]]
    assert (listed["cursor"], listed["next_token"], listed["total"]) == (None, None, 1)


async def test_the_list_is_filtered_and_paged(world: ControlWorld) -> None:
    first = await world.create(api_key=VALID_KEY, host=world.fake.url)
    world.clock.advance(1)
    second = await world.create()
    world.clock.advance(1)
    third = await world.create()

    async def listed_ids(query: str) -> list[str]:
        answer = await world.call("GET", f"/connections?{query}")
        return [one["connection_id"] for one in answer.json()["connections"]]

    assert await listed_ids("status=ACTIVE") == [first["connection_id"]]
    assert await listed_ids("status=PENDING") == [second["connection_id"], third["connection_id"]]
    assert await listed_ids("status=FAILED") == []
    assert await listed_ids("method=API_KEY") == [first["connection_id"]]
    assert await listed_ids("order=-creation_time") == [made["connection_id"] for made in (third, second, first)]
    page = (await world.call("GET", "/connections?limit=2")).json()
    assert [one["connection_id"] for one in page["connections"]] == [first["connection_id"], second["connection_id"]]
    assert page["total"] == 3
    assert page["cursor"] == page["next_token"]
    assert await listed_ids(f"limit=2&cursor={page['cursor']}") == [third["connection_id"]]
    back = (await world.call("GET", "/connections?limit=2&order=-creation_time")).json()
    assert await listed_ids(f"limit=2&order=-creation_time&next_token={back['next_token']}") == [first["connection_id"]]


@pytest.mark.parametrize(
    ("query", "code", "attr"),
    [
        ("status=active", "unknown_status", "status"),
        ("method=COOKIE", "unknown_method", "method"),
        ("app=nothing", "unknown_app", "app"),
        ("limit=0", "invalid_field", "limit"),
        ("limit=x", "invalid_field", "limit"),
        ("cursor=%00", "invalid_field", "cursor"),
        ("cursor=AAAA", "invalid_field", "cursor"),
        ("order=name", "invalid_field", "order"),
        ("wait=-1", "invalid_field", "wait"),
    ],
)
async def test_a_list_that_cannot_be_meant_says_why(world: ControlWorld, query: str, code: str, attr: str) -> None:
    answer = await world.call("GET", f"/connections?{query}")
    assert (answer.status_code, answer.json()["code"], answer.json()["attr"]) == (400, code, attr)


@pytest.mark.parametrize(
    ("body", "code", "attr"),
    [
        ("[]", "invalid_json", None),
        ("{", "invalid_json", None),
        ("{}", "missing_field", "app"),
        ('{"app": 1}', "invalid_field", "app"),
        ('{"app": "nothing"}', "unknown_app", "app"),
        ('{"app": "posthog", "method": "COOKIE"}', "unknown_method", "method"),
        ('{"app": "posthog", "method": "BASIC"}', "unknown_method", "method"),
        ('{"app": "posthog", "name": ""}', "invalid_field", "name"),
        ('{"app": "posthog", "name": "a\\u0000b"}', "invalid_field", None),
        ('{"app": "posthog", "scopes": ["a b"]}', "invalid_field", "scopes"),
        ('{"app": "posthog", "access_level": "galaxy"}', "invalid_field", "access_level"),
        ('{"app": "posthog", "host": "mars"}', "host_not_allowed", "host"),
    ],
)
async def test_a_create_that_cannot_be_meant_makes_nothing(
    world: ControlWorld, body: str, code: str, attr: str | None
) -> None:
    answer = await world.call("POST", "/connections", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"], answer.json()["attr"]) == (400, code, attr)
    assert (await world.call("GET", "/connections")).json()["total"] == 0


@pytest.mark.parametrize(
    "host",
    [
        "http://[::ffff:169.254.169.254]",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://us.posthog.com.evil.example",
        "https://us.posthog.com@evil.example",
        "https://us.posthog.com:8443",
        "http://us.posthog.com",
        "https://us.posthog.com/../evil",
        "https://us.posthog.com\\.evil.example",
        "javascript:alert(1)",
        "//evil.example",
        "http://127.0.0.1:1",
        "x" * 10_000,
    ],
)
async def test_rows_44_and_45_a_host_that_is_not_on_the_list_is_refused(world: ControlWorld, host: str) -> None:
    answer = await world.call("POST", "/connections", json={"app": "posthog", "host": host})
    assert (answer.status_code, answer.json()["code"]) == (400, "host_not_allowed")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://evil.example/",
        "//evil.example/",
        "https://app.example.com@evil.example/",
        "https://app.example.com.evil.example/",
        "http://app.example.com/",
        "https://app.example.com:444/",
        "https://app.example.com/\\evil",
        "data:text/html,x",
        "",
    ],
)
async def test_row_46_people_are_led_back_to_listed_origins_alone(world: ControlWorld, url: str) -> None:
    answer = await world.call("POST", "/connections", json={"app": "posthog", "return_url": url})
    assert (answer.status_code, answer.json()["code"]) == (400, "return_url_not_allowed")


async def test_keys_that_are_none_and_keys_that_may_not(world: ControlWorld) -> None:
    bare = await world.call("GET", "/connections", headers={"Authorization": ""})
    assert bare.status_code == 401
    for secret in ("hgk_x", world.key[:-1] + ("y" if world.key.endswith("x") else "x"), "phx_not_ours"):
        answer = await world.call("GET", "/connections", key=secret)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == 'Bearer realm="hedgerow", error="invalid_token"'
    reader = await world.new_key({"mode": "read_only"})
    made = await world.create()
    shown = (await world.call("GET", f"/connections/{made['connection_id']}", key=reader)).json()["connection"]
    assert shown["url"] == f"{ORIGIN}/settings", "a key that may not manage must not hold a link that may"
    for method, path in (
        ("POST", "/connections"),
        ("DELETE", f"/connections/{made['connection_id']}"),
        ("PATCH", f"/connections/{made['connection_id']}"),
        ("POST", f"/connections/{made['connection_id']}/reconnect"),
    ):
        body = {"app": "posthog"} if method == "POST" else {}
        answer = await world.call(method, path, key=reader, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "policy_denied"), (method, path)
        assert answer.headers["hedgerow-policy"] == "manage_connections"


async def test_an_id_of_somebody_else_an_unknown_one_and_none_at_all_look_the_same(world: ControlWorld) -> None:
    bob = await world.workspace.person(first_name="Bob")
    bobs = await world.new_key(EVERYTHING, user_id=bob.user.id)
    made = await world.create()
    answers = [
        await world.call("GET", f"/connections/{said}", key=bobs)
        for said in (made["connection_id"], str(ids.uuid4()), "no-uuid", made["connection_id"].upper())
    ]
    assert {answer.status_code for answer in answers} == {404}
    bodies = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in answers]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["code"] == "connection_not_found"
    assert (await world.call("DELETE", f"/connections/{made['connection_id']}", key=bobs)).status_code == 404
    assert (await world.call("GET", "/connections", key=bobs)).json()["connections"] == []


async def test_a_key_limited_to_connections_sees_no_others(world: ControlWorld) -> None:
    seen, hidden = await world.create(), await world.create()
    narrow = await world.new_key({**EVERYTHING, "connections": [seen["connection_id"]]})
    listed = (await world.call("GET", "/connections", key=narrow)).json()
    assert [one["connection_id"] for one in listed["connections"]] == [seen["connection_id"]]
    assert (await world.call("DELETE", f"/connections/{hidden['connection_id']}", key=narrow)).status_code == 404


async def test_deleting_answers_with_json_and_only_once(world: ControlWorld) -> None:
    made = await world.create(api_key=VALID_KEY, host=world.fake.url)
    path = f"/connections/{made['connection_id']}"
    answer = await world.call("DELETE", path)
    assert (answer.status_code, answer.json()) == (200, {"connection_id": made["connection_id"], "deleted": True})
    assert (await world.call("DELETE", path)).status_code == 404
    assert (await world.call("GET", path)).status_code == 404
    call = await world.call("GET", "/posthog/api/projects/")
    assert (call.status_code, call.json()["code"]) == (400, "connection_missing")
    assert [entry.action for entry in await world.audit(made["connection_id"])] == [
        "connection.created",
        "connection.activated",
        "connection.deleted",
    ]


async def test_the_next_oldest_becomes_the_default_when_the_first_goes(world: ControlWorld) -> None:
    made = []
    for _ in range(3):
        made.append(await world.create(api_key=VALID_KEY, host=world.fake.url))
        world.clock.advance(1)

    async def default() -> list[str]:
        listed = (await world.call("GET", "/connections")).json()["connections"]
        return [one["connection_id"] for one in listed if one["is_default"]]

    assert await default() == [made[0]["connection_id"]]
    await world.call("DELETE", f"/connections/{made[0]['connection_id']}")
    assert await default() == [made[1]["connection_id"]]
    used = await world.call("GET", "/posthog/api/projects/")
    assert used.headers["hedgerow-connection"] == made[1]["connection_id"]
    await world.call("PATCH", f"/connections/{made[2]['connection_id']}", json={"default": True})
    assert await default() == [made[2]["connection_id"]]
    await world.call("PATCH", f"/connections/{made[2]['connection_id']}", json={"enabled": False})
    assert await default() == [made[1]["connection_id"]]


async def test_changing_the_policy_of_a_connection_needs_the_right_to_manage_keys(world: ControlWorld) -> None:
    made = await world.create(api_key=VALID_KEY, host=world.fake.url)
    path = f"/connections/{made['connection_id']}"
    answer = await world.call("PATCH", path, json={"name": "Shop", "policy": {"mode": "read_only"}})
    assert answer.json()["connection"]["name"] == "Shop"
    refused = await world.call("POST", "/posthog/api/projects/", json={})
    assert (refused.status_code, refused.headers["hedgerow-policy"]) == (403, "read_only")
    lesser = await world.new_key({"manage_connections": True})
    assert (await world.call("PATCH", path, key=lesser, json={"policy": {}})).status_code == 403
    bad = await world.call("PATCH", path, json={"policy": {"mode": "reckless"}})
    assert (bad.status_code, bad.json()["code"], bad.json()["attr"]) == (400, "invalid_policy", "policy__mode")


async def test_the_same_link_is_shown_until_it_is_old(world: ControlWorld) -> None:
    made = await world.create()
    assert (await world.connection(made["connection_id"]))["url"] == made["url"]
    world.clock.advance(46 * 60)
    fresh = (await world.connection(made["connection_id"]))["url"]
    assert fresh != made["url"]


async def test_a_connection_whose_link_nobody_used_has_failed_and_can_still_be_connected(world: ControlWorld) -> None:
    made = await world.create()
    world.clock.advance(61 * 60)
    shown = await world.connection(made["connection_id"])
    assert (shown["status"], shown["reason"]) == ("FAILED", "link_expired")
    page = await world.browser().open(shown["url"])
    assert page.status_code == 200


async def test_what_is_unchanged_is_told_by_its_tag(world: ControlWorld) -> None:
    made = await world.create()
    path = f"/connections/{made['connection_id']}"
    tag = (await world.call("GET", path)).headers["etag"]
    assert (await world.call("GET", path, headers={"If-None-Match": tag})).status_code == 304
    await world.call("PATCH", path, json={"name": "Other"})
    assert (await world.call("GET", path, headers={"If-None-Match": tag})).status_code == 200


async def test_waiting_ends_when_the_connection_works(world: ControlWorld) -> None:
    made = await world.create(method="API_KEY")
    waiting = asyncio.create_task(world.call("GET", f"/connections/{made['connection_id']}?wait=59"))
    browser = world.browser()
    page = await browser.open(made["url"])
    assert not waiting.done()
    await browser.send(page, "/connect/key", key=VALID_KEY, host=world.fake.url)
    async with asyncio.timeout(10):
        answer = await waiting
    assert answer.json()["connection"]["status"] == "ACTIVE"


async def test_too_many_that_wait_are_refused(world: ControlWorld) -> None:
    for _ in range(20):
        await world.create()
    answer = await world.call("POST", "/connections", json={"app": "posthog"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_pending")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_create_that_is_repeated_makes_one_connection(world: ControlWorld) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await world.call("POST", "/connections", json={"app": "posthog"}, headers=headers)
    again = await world.call("POST", "/connections", json={"app": "posthog"}, headers=headers)
    assert again.json()["connection_id"] == first.json()["connection_id"]
    assert again.headers["hedgerow-origin"] == "replay"
    other = await world.call("POST", "/connections", json={"app": "posthog", "name": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    refused = await world.call("POST", "/connections", json={"app": "no"}, headers={"Idempotency-Key": "bad"})
    right = await world.call("POST", "/connections", json={"app": "posthog"}, headers={"Idempotency-Key": "bad"})
    assert (refused.status_code, right.status_code) == (400, 200), "a refusal is not remembered"


async def test_a_pasted_key_counts_once_the_account_has_taken_it(world: ControlWorld) -> None:
    made = await world.create(api_key=VALID_KEY, host=world.fake.url, metadata={"team": "shop"})
    shown = made["connection"]
    assert (shown["status"], shown["method"]) == ("ACTIVE", "API_KEY")
    assert shown["metadata"] == {
        "region": world.fake.url.removeprefix("http://"),
        "base_url": world.fake.url,
        "email": "fake@example.com",
        "organization": {"id": "0190bbbb-0000-0000-0000-000000000000", "name": "Fake & Sons"},
        "projects": [{"id": 7, "name": "Fake project"}],
        "scopes": [],
        "custom": {"team": "shop"},
    }
    assert shown["name"] == "PostHog fake@example.com"
    assert VALID_KEY not in str(made)
    row = await world.row(made["connection_id"])
    assert row.credential is not None
    assert VALID_KEY.encode() not in row.credential
    call = await world.call("GET", "/posthog/api/projects/")
    assert call.json()["results"] == [{"id": 7, "name": "Fake project"}]
    assert world.fake.last.header("authorization") == f"Bearer {VALID_KEY}"


async def test_a_key_that_the_account_refuses_makes_no_connection(world: ControlWorld) -> None:
    wrong = "phx_wrong_but_long_enough"
    body = {"app": "posthog", "api_key": wrong, "host": world.fake.url}
    answer = await world.call("POST", "/connections", json=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["attr"]) == (400, "key_rejected", "api_key")
    assert wrong not in answer.text
    assert (await world.call("GET", "/connections")).json()["total"] == 0
    for token in ("phc_project_token_of_mine", "hgk_" + "a" * 49, "phx_with space", "qx7", "phx_line\r\nbreak"):
        answer = await world.call("POST", "/connections", json={**body, "api_key": token})
        assert (answer.status_code, answer.json()["code"]) == (400, "key_rejected")
        assert token not in answer.text


async def test_an_account_that_does_not_answer_is_a_502(world: ControlWorld) -> None:
    await world.fake.stop()
    try:
        body = {"app": "posthog", "api_key": VALID_KEY, "host": world.fake.url}
        answer = await world.call("POST", "/connections", json=body)
    finally:
        await world.fake.start()
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_unreachable")
    assert (await world.call("GET", "/connections")).json()["total"] == 0


async def test_methods_that_there_are_none_of_say_which_there_are(world: ControlWorld) -> None:
    answer = await world.call("PUT", "/connections", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"
    answer = await world.call("POST", f"/connections/{ids.uuid4()}", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH, DELETE")


async def test_a_test_asks_the_account_now(world: ControlWorld) -> None:
    made = await world.create(api_key=VALID_KEY, host=world.fake.url)
    path = f"/connections/{made['connection_id']}/test"
    good = (await world.call("POST", path)).json()
    assert (good["ok"], good["upstream_status"]) == (True, 200)
    world.fake.valid_keys.clear()
    bad = (await world.call("POST", path)).json()
    assert (bad["ok"], bad["upstream_status"], bad["status"]) == (False, 401, "ACTIVE")


async def test_the_apps_are_told(world: ControlWorld) -> None:
    (posthog,) = (await world.call("GET", "/apps")).json()["apps"]
    assert posthog["app"] == "posthog"
    assert [host["name"] for host in posthog["hosts"]] == ["us", "eu", world.fake.url.removeprefix("http://"), "local"]


async def test_creation_time_never_changes_and_updates_always_move_on(world: ControlWorld) -> None:
    made = await world.create()
    seen = [made["connection"]["last_updated_time"]]
    for name in ("a", "b"):
        answer = await world.call("PATCH", f"/connections/{made['connection_id']}", json={"name": name})
        seen.append(answer.json()["connection"]["last_updated_time"])
        assert answer.json()["connection"]["creation_time"] == made["connection"]["creation_time"]
    assert seen == sorted(set(seen)), "also where the clock stands still"
