"""Kept answers (gateway §5.2): for whom they are, when the account is asked again, and what a write ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.gateway.fake_posthog import VALID_KEY, FakePostHog, Received, respond
from tests.gateway.world import World, a_world, until
from tests.stores.databases import database_url

from hedgerow.core.clock import ManualClock
from hedgerow.gateway.cache import ENTRY_OVERHEAD
from hedgerow.gateway.credentials import Secrets, seal_credential
from hedgerow.settings import Settings

QUERY = "/posthog/api/projects/1/query/"
CACHED = {"Hedgerow-Cache": "ttl=60"}


@pytest.fixture(scope="module")
async def timed_house(tmp_path_factory: pytest.TempPathFactory, cloud: FakePostHog) -> AsyncIterator[World]:
    """A gateway whose clock the tests move."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("timed"),
        database_url=database_url(),
        gateway_hosts=(f"{cloud.url};private",),
        gateway_rate_per_second=0,
        gateway_first_byte_seconds=2,
    )
    async with a_world(settings, ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), cloud) as made:
        yield made


@pytest.fixture
async def timed(timed_house: World, fake: FakePostHog) -> World:
    """With an account of the test's own, and one connection."""
    assert timed_house.fake is fake
    made = await timed_house.for_one_test()
    await made.connect()
    return made


def advance(world: World, seconds: float) -> None:
    assert isinstance(world.clock, ManualClock)
    world.clock.advance(seconds)


class Versioned:
    """A path of the FAKE cloud that has versions: it answers 304 to who knows the present one."""

    def __init__(self, world: World, path: str = "/api/projects/1/insights/") -> None:
        self.path = f"/posthog{path}"
        self.version = 1
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked: list[str | None] = []
        """What each request had as `If-None-Match`."""
        world.fake.handlers[path] = self._answer

    @property
    def tag(self) -> str:
        return f'"v{self.version}"'

    async def _answer(
        self, _fake: FakePostHog, request: Received, _reader: object, writer: asyncio.StreamWriter
    ) -> None:
        known = request.header("if-none-match")
        self.asked.append(known)
        headers = {"ETag": self.tag, **self.headers}
        if self.status != 200:
            respond(writer, self.status, b"no", self.headers)
        elif known is not None and self.tag in known:
            respond(writer, 304, b"", headers)
        else:
            respond(writer, 200, b'{"version": %d}' % self.version, headers)


async def how(world: World, path: str, **more: Any) -> tuple[int, str, Any]:
    """Status, what the cache did, and the body."""
    answer = await world.get(path, headers={**CACHED, **more.pop("headers", {})}, **more)
    body = answer.json() if answer.content.startswith(b"{") else answer.content
    return answer.status_code, answer.headers.get("hedgerow-cache", ""), body


def counting(world: World, path: str) -> list[int]:
    """A path of the FAKE cloud that counts; its answers say how often it was asked, or have the status it is told."""
    told = [200, 0]

    async def count(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        told[1] += 1
        respond(writer, told[0], b'{"asked": %d}' % told[1])

    world.fake.handlers[path] = count
    return told


async def test_nothing_is_kept_unless_the_caller_says_so(world: World) -> None:
    await world.connect()
    told = counting(world, "/api/projects/1/insights/")
    for asked in (1, 2):
        assert (await world.get("/posthog/api/projects/1/insights/")).json() == {"asked": asked}
    first = await world.get("/posthog/api/projects/1/insights/", headers=CACHED)
    again = await world.get("/posthog/api/projects/1/insights/", headers=CACHED)
    assert (first.json(), again.json(), told[1]) == ({"asked": 3}, {"asked": 3}, 3)
    assert (first.headers["hedgerow-origin"], first.headers["hedgerow-cache"]) == ("upstream", "miss")
    assert (again.headers["hedgerow-origin"], again.headers["hedgerow-cache"]) == ("cache", "hit")
    assert int(again.headers["age"]) >= 0
    known = await world.get(
        "/posthog/api/projects/1/insights/", headers={**CACHED, "If-None-Match": again.headers["etag"]}
    )
    assert (known.status_code, known.content) == (304, b"")
    await world.get("/posthog/api/projects/1/insights/?limit=1", headers=CACHED)
    assert told[1] == 4


async def test_a_query_is_kept_by_what_it_asks(world: World) -> None:
    await world.connect()
    told = counting(world, "/api/projects/1/query/")
    headers = {**CACHED, "Content-Type": "application/json"}
    for content in (b'{"query":{"a":1,"b":2}}', b'{ "query": {"b":2, "a":1}}'):
        assert (await world.call("POST", QUERY, content=content, headers=headers)).json() == {"asked": 1}
    assert (await world.call("POST", QUERY, content=b'{"query":{"a":2}}', headers=headers)).json() == {"asked": 2}
    await world.call("POST", "/posthog/api/projects/1/insights/", headers=CACHED)
    await world.call("POST", "/posthog/api/projects/1/insights/", headers=CACHED)
    assert len([one for one in world.fake.received if one.path.endswith("/insights/")]) == 2, "a write is never kept"
    assert told[1] == 2


async def test_a_kept_answer_is_not_another_s(world: World) -> None:
    await world.connect()
    second = await world.connect()
    told = counting(world, "/api/x/")
    await world.get("/posthog/api/x/", headers=CACHED)
    await world.get("/posthog/api/x/", headers={**CACHED, "Maton-Connection": str(second.id)})
    await world.get("/posthog/api/x/", headers=CACHED, key=await world.new_key({"mode": "read_only"}))
    denied = await world.get("/posthog/api/x/", headers=CACHED, key=await world.new_key({"apps": []}))
    assert denied.status_code == 403
    other_user = await world.new_user()
    await world.connect(user_id=other_user)
    await world.get("/posthog/api/x/", headers=CACHED, key=await world.new_key(user_id=other_user))
    assert told[1] == 4


async def test_a_write_ends_what_was_read_before_it(world: World) -> None:
    await world.connect()
    told = counting(world, "/api/projects/1/insights/")
    path = "/posthog/api/projects/1/insights/"
    await world.get(path, headers=CACHED)
    await world.call("PATCH", path + "7/", json={"name": "x"})
    assert (await world.get(path, headers=CACHED)).json() == {"asked": 2}
    assert told[1] == 2


async def test_identical_reads_at_once_are_one_call(world: World) -> None:
    await world.connect()

    async def slow(fake: FakePostHog, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        await fake.gate.wait()
        respond(writer, 200, b"{}")

    world.fake.handlers["/api/slow/"] = slow
    reads = [asyncio.create_task(world.get("/posthog/api/slow/", headers=CACHED)) for _ in range(10)]
    await until(lambda: world.fake.received)
    world.fake.gate.set()
    assert {answer.status_code for answer in await asyncio.gather(*reads)} == {200}
    assert len(world.fake.received) == 1


async def test_stale_is_better_than_refused(timed: World) -> None:
    told = counting(timed, "/api/x/")
    await timed.get("/posthog/api/x/", headers=CACHED)
    advance(timed, 61)
    for told[0] in (429, 503):
        answer = await timed.get("/posthog/api/x/", headers=CACHED)
        assert (answer.status_code, answer.json(), answer.headers["hedgerow-cache"]) == (200, {"asked": 1}, "stale")
    advance(timed, 301)
    assert (await timed.get("/posthog/api/x/", headers=CACHED)).status_code == 503


@pytest.mark.parametrize("value", ["yes", "ttl=", "ttl=-1", "ttl=1000000"])
async def test_a_cache_header_that_is_none(world: World, value: str) -> None:
    await world.connect()
    answer = await world.get("/posthog/api/", headers={"Hedgerow-Cache": value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_policy_may_forbid_kept_answers(world: World) -> None:
    await world.connect(policy={"cache_ttl_max": 0})
    told = counting(world, "/api/x/")
    for _ in range(2):
        await world.get("/posthog/api/x/", headers=CACHED)
    assert told[1] == 2


# Asking again


async def test_what_is_over_is_asked_about_by_its_tag_and_renewed_by_a_304(timed: World) -> None:
    told = Versioned(timed)
    assert await how(timed, told.path) == (200, "miss", {"version": 1})
    advance(timed, 59)
    assert await how(timed, told.path) == (200, "hit", {"version": 1})
    advance(timed, 2)
    told.headers = {"X-Said": "again", "X-RateLimit-Remaining": "7"}
    answer = await timed.get(told.path, headers=CACHED)
    assert (answer.status_code, answer.json()) == (200, {"version": 1})
    assert (answer.headers["hedgerow-origin"], answer.headers["hedgerow-cache"]) == ("cache", "revalidated")
    assert (answer.headers["x-said"], answer.headers["age"], answer.headers["etag"]) == ("again", "0", '"v1"')
    assert answer.headers["x-ratelimit-remaining"] == "7"
    assert answer.headers["content-type"] == "application/json"
    assert told.asked == [None, '"v1"']
    advance(timed, 59)
    answer = await timed.get(told.path, headers=CACHED)
    assert (answer.headers["hedgerow-cache"], answer.headers["x-said"]) == ("hit", "again")
    assert "x-ratelimit-remaining" not in answer.headers, "how many calls were left then says nothing now"
    advance(timed, 3_600)
    assert await how(timed, told.path) == (200, "revalidated", {"version": 1}), "a tag does not age"
    told.version = 2
    advance(timed, 61)
    assert await how(timed, told.path) == (200, "miss", {"version": 2})
    assert await how(timed, told.path) == (200, "hit", {"version": 2})
    assert len(told.asked) == 4


async def test_the_caller_s_own_tag_is_answered_by_the_gateway(timed: World) -> None:
    told = Versioned(timed)
    await timed.get(told.path, headers=CACHED)
    for value in ('"v1"', 'W/"v1"', '"v0", "v1"', "*"):
        advance(timed, 61)
        assert await how(timed, told.path, headers={"If-None-Match": value}) == (304, "revalidated", b"")
        assert await how(timed, told.path, headers={"If-None-Match": value}) == (304, "hit", b"")
    for value in ('"v"', '"v11"', "v1", '""'):
        advance(timed, 61)
        assert await how(timed, told.path, headers={"If-None-Match": value}) == (200, "revalidated", {"version": 1})
    assert set(told.asked[1:]) == {'"v1"'}


async def test_an_account_without_tags_is_asked_for_the_whole(timed: World) -> None:
    counting(timed, "/api/x/")
    assert await how(timed, "/posthog/api/x/") == (200, "miss", {"asked": 1})
    advance(timed, 61)
    assert await how(timed, "/posthog/api/x/") == (200, "miss", {"asked": 2})
    assert timed.fake.last.header("if-none-match") is None


async def test_a_query_is_never_asked_about_by_its_tag(timed: World) -> None:
    """`If-None-Match` on a POST would mean something else: do not do it (RFC 9110 §13.1.2)."""
    told = Versioned(timed, "/api/projects/1/query/")
    for _ in range(2):
        assert (await timed.call("POST", QUERY, json={"query": 1}, headers=CACHED)).status_code == 200
        advance(timed, 61)
    assert told.asked == [None, None]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_an_answer_that_there_is_no_more_is_forgotten(timed: World, status: int) -> None:
    told = Versioned(timed)
    await timed.get(told.path, headers=CACHED)
    advance(timed, 61)
    told.status = status
    answer = await timed.get(told.path, headers=CACHED)
    assert (answer.status_code, answer.content) == (status, b"no")
    told.status = 503
    assert (await timed.get(told.path, headers=CACHED)).status_code == 503, "nothing is left that would be better"


@pytest.mark.parametrize("path", ["/hang-up", "/bad/no-http", "/silence"])
async def test_stale_is_better_than_no_answer(timed: World, path: str) -> None:
    told = Versioned(timed, path)
    await timed.get(told.path, headers=CACHED)
    del timed.fake.handlers[path]
    advance(timed, 61)
    assert await how(timed, told.path) == (200, "stale", {"version": 1})


async def test_stale_is_better_than_half_a_refusal(timed: World) -> None:
    told = Versioned(timed)
    await timed.get(told.path, headers=CACHED)

    async def cut(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\n<html>")
        return False

    timed.fake.handlers["/api/projects/1/insights/"] = cut
    advance(timed, 61)
    assert await how(timed, told.path) == (200, "stale", {"version": 1})


# What the account forbids


@pytest.mark.parametrize("header", [{"Cache-Control": "private, no-store"}, {"Vary": "*"}])
async def test_what_must_not_be_kept_is_not(timed: World, header: dict[str, str]) -> None:
    told = Versioned(timed)
    told.headers = header
    for _ in range(2):
        assert await how(timed, told.path) == (200, "miss", {"version": 1})
    assert told.asked == [None, None]


async def test_a_304_that_forbids_keeping_ends_it(timed: World) -> None:
    told = Versioned(timed)
    await timed.get(told.path, headers=CACHED)
    told.headers = {"Cache-Control": "no-store"}
    advance(timed, 61)
    assert await how(timed, told.path) == (200, "revalidated", {"version": 1})
    assert await how(timed, told.path) == (200, "miss", {"version": 1})


async def test_no_cache_is_asked_about_every_time(timed: World) -> None:
    told = Versioned(timed)
    told.headers = {"Cache-Control": 'private, no-cache="set-cookie"'}
    assert await how(timed, told.path) == (200, "miss", {"version": 1})
    assert await how(timed, told.path) == (200, "revalidated", {"version": 1})
    told.status = 503
    assert (await timed.get(told.path, headers=CACHED)).status_code == 503


async def test_must_revalidate_is_not_given_when_the_account_fails(timed: World) -> None:
    told = Versioned(timed)
    told.headers = {"Cache-Control": "max-age=1, must-revalidate"}
    await timed.get(told.path, headers=CACHED)
    assert await how(timed, told.path) == (200, "hit", {"version": 1})
    advance(timed, 61)
    told.status = 503
    assert (await timed.get(told.path, headers=CACHED)).status_code == 503


async def test_an_answer_is_for_the_headers_that_it_varies_by(timed: World) -> None:
    told = Versioned(timed)
    told.headers = {"Vary": "X-Flavour, Cookie, Accept-Encoding"}
    await timed.get(told.path, headers={**CACHED, "X-Flavour": "mint"})
    assert (await how(timed, told.path, headers={"X-Flavour": "mint", "Cookie": "a=b"}))[1] == "hit"
    assert (await how(timed, told.path, headers={"X-Flavour": "plum"}))[1] == "miss"
    assert (await how(timed, told.path))[1] == "miss"
    assert (await how(timed, told.path))[1] == "hit"
    assert told.asked == [None, None, None], "another form of the answer has another tag"


async def test_a_body_with_changed_links_is_for_those_who_asked_for_it(timed: World) -> None:
    path = "/posthog/api/projects/1/persons/"
    plain = await timed.get(path, headers=CACHED)
    changed = await timed.get(path, headers={**CACHED, "Hedgerow-Links": "rewrite"})
    assert plain.json()["next"].startswith(timed.fake.url)
    assert "/posthog/api/" in changed.json()["next"]
    assert (await timed.get(path, headers=CACHED)).content == plain.content
    advance(timed, 61)
    again = await timed.get(path, headers={**CACHED, "Hedgerow-Links": "rewrite"})
    assert (again.content, again.headers["link"]) == (changed.content, changed.headers["link"])


async def test_a_part_is_never_kept_nor_given(timed: World) -> None:
    told = Versioned(timed)
    await timed.get(told.path, headers=CACHED)
    for condition in ({"Range": "bytes=0-3"}, {"If-Match": '"v0"'}, {"If-Unmodified-Since": "x"}):
        answer = await timed.get(told.path, headers={**CACHED, **condition})
        assert answer.headers["hedgerow-origin"] == "upstream"
    assert len(told.asked) == 4


async def test_a_get_that_tells_a_secret_is_never_kept(timed: World) -> None:
    told = counting(timed, "/api/personal_api_keys/")
    for _ in range(2):
        await timed.get("/posthog/api/personal_api_keys/", headers=CACHED)
    assert told[1] == 2


# Writes, and others


@pytest.mark.parametrize(
    "path",
    [
        "/posthog/api/projects/1/insights/",
        "/posthog/api/projects/@current/insights/7/",
        "/posthog/api/environments/1/insights/7/",
    ],
)
@pytest.mark.parametrize("how_it_ends", [200, 500, "hang-up"])
async def test_a_write_ends_the_collection_under_each_of_its_names(
    timed: World, path: str, how_it_ends: int | str
) -> None:
    told = Versioned(timed)
    await timed.get(told.path, headers=CACHED)

    async def write(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> bool:
        if isinstance(how_it_ends, int):
            respond(writer, how_it_ends, b"{}")
        return isinstance(how_it_ends, int)

    if path != told.path:
        timed.fake.handlers[path.removeprefix("/posthog")] = write
    await timed.call("PATCH", path, json={})
    assert (await how(timed, told.path))[1] == "miss", "nobody knows what came of it: it may have been done"


async def test_a_write_to_another_collection_or_account_ends_nothing(timed: World) -> None:
    advance(timed, 1)  # the default is the oldest
    other = await timed.connect()
    told = Versioned(timed)
    await timed.get(told.path, headers=CACHED)
    await timed.call("PATCH", "/posthog/api/projects/1/dashboards/7/", json={})
    await timed.call("PATCH", told.path, json={}, headers={"Maton-Connection": str(other.id)})
    assert (await how(timed, told.path))[1] == "hit"


async def test_a_read_that_a_write_overtook_is_not_kept_nor_shared(timed: World) -> None:
    came = []

    async def old(fake: FakePostHog, request: Received, _reader: object, writer: asyncio.StreamWriter) -> None:
        came.append(request.method)
        if request.method == "GET" and len(came) == 1:
            await fake.gate.wait()
            respond(writer, 200, b'{"is": "old"}')
        else:
            respond(writer, 200, b'{"is": "new"}')

    path = "/posthog/api/projects/1/insights/"
    timed.fake.handlers["/api/projects/1/insights/"] = old
    first = asyncio.create_task(timed.get(path, headers=CACHED))
    await until(lambda: came)
    await timed.call("PATCH", path, json={})
    second = asyncio.create_task(timed.get(path, headers=CACHED))
    timed.fake.gate.set()
    assert (await first).json() == {"is": "old"}
    assert (await second).json() == {"is": "new"}
    assert (await timed.get(path, headers=CACHED)).json() == {"is": "new"}


async def test_reads_of_what_cannot_be_kept_do_not_queue(timed: World) -> None:
    """Ten at once of an answer that nobody may share: one after the other they would never be ten at the account."""
    at_once = []

    async def slow(fake: FakePostHog, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        at_once.append(1)
        if len(at_once) in {1, 10}:
            await fake.gate.wait() if len(at_once) == 1 else fake.gate.set()
        if len(at_once) > 1:
            await everyone.wait() if len(at_once) < 10 else everyone.set()
        respond(writer, 200, b"{}", {"Cache-Control": "no-store"})

    everyone = asyncio.Event()
    timed.fake.handlers["/api/slow/"] = slow
    reads = [asyncio.create_task(timed.get("/posthog/api/slow/", headers=CACHED)) for _ in range(10)]
    await until(lambda: at_once)
    timed.fake.gate.set()
    assert {answer.status_code for answer in await asyncio.gather(*reads)} == {200}


async def test_who_waited_gets_the_stale_answer_too(timed: World) -> None:
    told = Versioned(timed)
    await timed.get(told.path, headers=CACHED)
    advance(timed, 61)
    asked = []

    async def refuses(fake: FakePostHog, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        await fake.gate.wait()
        respond(writer, 429, b"{}", {"Retry-After": "3600"})

    timed.fake.handlers["/api/projects/1/insights/"] = refuses
    reads = [asyncio.create_task(how(timed, told.path)) for _ in range(5)]
    await until(lambda: asked)
    timed.fake.gate.set()
    assert await asyncio.gather(*reads) == [(200, "stale", {"version": 1})] * 5


async def test_a_new_credential_starts_anew(timed: World) -> None:
    advance(timed, 1)  # the default is the oldest
    other = await timed.connect()
    mine = {"headers": {"Maton-Connection": str(other.id)}}
    told = Versioned(timed)
    assert (await how(timed, told.path, **mine))[1] == "miss"
    vault = timed.gateway.vault
    await timed.change(other.id, lambda row: seal_credential(row, vault, Secrets(api_key=VALID_KEY)))
    mine = {"headers": {"Maton-Connection": str(other.id)}}
    assert (await how(timed, told.path, **mine))[1] != "hit"
    assert told.asked == [None, None], "the tag of an earlier credential's answer is not asked about"


async def test_what_is_over_for_long_is_forgotten(timed: World) -> None:
    """What an account said does not stay in the memory of a process for ever."""
    told = Versioned(timed)
    await timed.get(told.path, headers=CACHED)
    assert timed.gateway.cache._bytes > 0
    advance(timed, 60 + 3_599)
    await timed.gateway.accounting.forget_old()
    assert timed.gateway.cache._bytes > 0
    advance(timed, 1)
    assert (await how(timed, told.path))[1] == "miss", "and it is not asked about any more"
    advance(timed, 60 + 3_600)
    await timed.gateway.accounting.forget_old()
    assert timed.gateway.cache._bytes == 0
    assert told.asked == [None, None]


async def test_a_dry_run_says_what_the_cache_would_do(timed: World) -> None:
    told = Versioned(timed)

    async def would(**headers: str) -> str:
        answer = await timed.get(told.path, headers={"Hedgerow-Dry-Run": "1", **headers})
        return answer.json()["cache"]

    assert await would(**CACHED) == "miss"
    await timed.get(told.path, headers=CACHED)
    assert (await would(**CACHED), await would()) == ("hit", "miss")
    advance(timed, 61)
    assert await would(**CACHED) == "revalidate"
    assert told.asked == [None], "nothing is sent"


async def test_the_memory_is_bounded_and_the_oldest_go_first(timed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(b'{"version": 1}') + ENTRY_OVERHEAD
    monkeypatch.setattr(timed.gateway.cache, "_bytes_max", 3 * size)
    tolds = [Versioned(timed, f"/api/things/{n}/") for n in range(4)]
    for told in tolds:
        await timed.get(told.path, headers=CACHED)
    assert [(await how(timed, told.path))[1] for told in reversed(tolds)] == ["hit"] * 3 + ["miss"]


async def test_links_lead_back_to_where_the_call_came_in(timed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same account, by the gateway's address and by this server's own: two answers."""
    advance(timed, 1)
    here = await timed.connect(method="LOCAL")
    origin, path = timed.settings.origin, "/api/projects/1/persons/"
    page = f'{{"next": "{origin}{path}?offset=1", "results": []}}'
    monkeypatch.setattr(timed.inner, "says", page.encode())
    headers = {**CACHED, "Maton-Connection": str(here.id)}
    answers = [await timed.get(before + path, headers=headers) for before in ("/posthog", "", "/posthog", "")]
    for before, answer in zip(("/posthog", "", "/posthog", ""), answers, strict=True):
        assert f"<{origin}{before}{path}?offset=1>" in answer.headers["link"]
    assert [answer.headers["hedgerow-cache"] for answer in answers] == ["miss", "miss", "hit", "hit"]
