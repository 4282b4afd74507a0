"""Ten minutes as somebody who means ill, on each route of the control plane."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import msgspec
import pytest
from tests.gateway.control.world import EVERYTHING, ORIGIN, ControlWorld, a_control_world, text_of, token_in
from tests.gateway.fake_posthog import VALID_KEY, FakePostHog
from tests.gateway.world import TESTER

from hedgerow.core.clock import ManualClock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings

ODD: list[dict[str, Any]] = [
    {"content": b"\xff\xfe\x00{", "headers": {"Content-Type": "application/json"}},
    {"content": b"a=%ff&" * 200, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    {"params": {"session_token": "\x00\ud83d\ude00".encode("utf-16", "surrogatepass").decode("latin-1")}},
    {"params": {"state": "%00", "code": "\r\nX: y", "cursor": "////", "wait": "1e9", "limit": "9" * 50}},
    {"content": b"[" * 5_000, "headers": {"Content-Type": "application/json"}},
    {"headers": {"Cookie": b"hedgerow_connect=\xff; hedgerow_walk=; hedgerow_session=\xfe"}},
    {"headers": {"Idempotency-Key": "x" * 300}},
    {"headers": {"If-None-Match": '"' * 2_000}},
]


async def test_a_link_says_whose_it_is_whatever_its_key_is_called(world: ControlWorld) -> None:
    """Who is sent a link must see who would get in, and not only what they call themselves."""
    made = await world.gateway.keys.create(
        TESTER,
        user_id=world.ada.user.id,
        name="PostHog Support (official)",
        policy=EVERYTHING,
    )
    answer = await world.call("POST", "/connections", key=made.secret, json={"app": "posthog"})
    page = await world.browser().open(answer.json()["url"])
    assert text_of(page).index(world.ada.user.email) < text_of(page).index("PostHog Support")


@pytest.mark.parametrize(
    "path",
    [
        "/connections",
        "/connections/x",
        "/keys",
        "/keys/x",
        "/keys/x/rotate",
        "/apps",
        "/settings",
        "/settings/keys",
        "/settings/keys/x/rotate",
        "/settings/connections/x/open",
        "/connect/",
        "/connect/start",
        "/connect/key",
        "/connect/callback",
        "/oauth/gateway-client.json",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_no_route_falls_over(world: ControlWorld, path: str, method: str) -> None:
    for more in ODD:
        answer = await world.call(method, path, **more)
        assert answer.status_code < 500, (method, path, more, answer.text)
        assert "Traceback" not in answer.text
        for header in answer.headers:
            assert "\n" not in answer.headers[header]


async def test_bodies_that_are_too_large_are_refused(world: ControlWorld) -> None:
    answer = await world.call("POST", "/connections", content=b'{"app":"' + b"x" * (1 << 20) + b'"}')
    assert answer.status_code == 413
    browser = world.browser()
    made = await world.create()
    await browser.open(made["url"])
    sent = await browser.http.post("/connect/key", data={"word": "x", "key": "y" * (1 << 20)})
    assert sent.status_code == 413


async def test_cross_origin_scripts_get_no_leave(world: ControlWorld) -> None:
    for path in ("/connections", "/keys", "/connect/", "/settings"):
        answer = await world.call("GET", path, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


async def test_a_name_of_another_host_is_not_answered_to(world: ControlWorld) -> None:
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
        made = await world.create()
        answer = await client.get(f"/connect/?session_token={token_in(made['url'])}")
    assert answer.status_code == 421


async def test_a_connection_that_is_waited_for_holds_few_places(world: ControlWorld) -> None:
    made = await world.create()
    path = f"/connections/{made['connection_id']}?wait=59"
    waiting = [asyncio.create_task(world.call("GET", path)) for _ in range(20)]
    async with asyncio.timeout(10):
        done, still = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 12:
            done, still = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.gather(*done)
            done = {task for task in waiting if task.done()}
            still = {task for task in waiting if not task.done()}
            await asyncio.sleep(0)
    assert len(still) == 8
    await world.call("DELETE", f"/connections/{made['connection_id']}")
    answers = await asyncio.gather(*still)
    assert {answer.status_code for answer in answers} == {404}


async def test_links_of_one_browser_do_not_help_another(world: ControlWorld) -> None:
    """The word of a page is bound to the secret of its own link."""
    bob = await world.workspace.person(first_name="Bob")
    bobs = await world.new_key(EVERYTHING, user_id=bob.user.id)
    mine = await world.create()
    theirs = (await world.call("POST", "/connections", key=bobs, json={"app": "posthog"})).json()
    attacker = world.browser()
    page = await attacker.open(theirs["url"])
    victim = world.browser()
    await victim.open(mine["url"])
    word = re.search(r'name="word" value="([0-9a-f]{64})"', page.text)
    assert word is not None
    fields = {"word": word[1], "key": VALID_KEY, "host": world.fake.url}
    forged = await victim.http.post("/connect/key", data=fields, headers={"Origin": ORIGIN})
    assert forged.status_code == 404
    assert (await world.connection(mine["connection_id"]))["status"] == "PENDING"


async def test_many_at_once_complete_a_link_once(world: ControlWorld) -> None:
    made = await world.create(method="API_KEY")
    browser = world.browser()
    page = await browser.open(made["url"])
    sent = await asyncio.gather(
        *(browser.send(page, "/connect/key", key=VALID_KEY, host=world.fake.url) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in sent) == [303] + [404] * 9
    assert (await world.row(made["connection_id"])).version == 1


async def test_many_at_once_use_a_state_once(world: ControlWorld) -> None:
    made = await world.create()
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    url = world.oauth.answer_to(asked)
    cookie = browser.cookie("hedgerow_walk")
    headers = {"Cookie": f"hedgerow_walk={cookie}"}
    answers = await asyncio.gather(*(world.call("GET", url.removeprefix(ORIGIN), headers=headers) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [303] + [400] * 9
    assert len(world.oauth.token_requests) == 1


@pytest.mark.parametrize(
    ("trusted", "forwarded", "status"),
    [
        ((), "10.1.2.3", 403),  # nobody's word counts
        (("127.0.0.1",), "10.1.2.3", 200),
        (("127.0.0.1",), "192.0.2.9", 403),
        (("127.0.0.1",), "10.1.2.3, 192.0.2.9", 403),  # the first is what the caller says of themselves
        (("127.0.0.1", "192.0.2.9"), "10.1.2.3, 192.0.2.9", 200),
        (("127.0.0.1",), "nonsense", 403),
        (("127.0.0.1",), None, 403),
    ],
)
async def test_both_planes_see_the_same_address(
    metadata: Metadata,
    settings: Settings,
    clock: ManualClock,
    fake: FakePostHog,
    *,
    trusted: tuple[str, ...],
    forwarded: str | None,
    status: int,
) -> None:
    behind = msgspec.structs.replace(settings, trusted_proxies=trusted)
    async with a_control_world(metadata, behind, clock, fake) as world:
        key = await world.new_key({**EVERYTHING, "ip_allow": ["10.0.0.0/8"]})
        await world.create(api_key=VALID_KEY, host=world.fake.url)
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        for path in ("/connections", "/keys", "/apps", "/usage", "/audit", "/posthog/api/projects/"):
            answer = await world.call("GET", path, key=key, headers=headers)
            assert answer.status_code == status, path
            assert status == 200 or answer.json()["code"] == "policy_denied"


async def test_who_guesses_links_behind_a_proxy_is_counted_alone(
    metadata: Metadata, settings: Settings, clock: ManualClock, fake: FakePostHog
) -> None:
    behind = msgspec.structs.replace(settings, trusted_proxies=("127.0.0.1",))
    async with a_control_world(metadata, behind, clock, fake) as world:
        url = f"/connect/?session_token={'A' * 43}"
        for _ in range(10):
            assert (await world.call("GET", url, headers={"X-Forwarded-For": "192.0.2.1"})).status_code == 404
        assert (await world.call("GET", url, headers={"X-Forwarded-For": "192.0.2.1"})).status_code == 429
        assert (await world.call("GET", url, headers={"X-Forwarded-For": "192.0.2.2"})).status_code == 404
