"""What goes through unchanged, and what becomes of an account's server that misbehaves (gateway §2)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.gateway.fake_posthog import ODD_BODY, UNAUTHORISED, VALID_KEY, FakePostHog, respond
from tests.gateway.world import World, until

BLOCK = bytes(range(256)) * 256


async def test_the_caller_s_key_stays_here_and_the_account_s_goes_on(world: World) -> None:
    connection = await world.connect()
    answer = await world.get("/posthog/api/projects/@current/?a=%20b&a=c", headers={"X-Mine": "1", "Accept": "x/y"})
    assert answer.status_code == 200
    received = world.fake.last
    assert received.target == "/api/projects/@current/?a=%20b&a=c"
    assert received.header("authorization") == f"Bearer {VALID_KEY}"
    assert world.key not in str(received.headers)
    assert (received.header("x-mine"), received.header("accept")) == ("1", "x/y")
    assert received.header("via") == "1.1 hedgerow"
    assert answer.headers["hedgerow-connection"] == str(connection.id)
    assert answer.headers["hedgerow-origin"] == "upstream"
    assert answer.headers["proxy-status"] == "hedgerow; received-status=200"
    assert answer.headers["etag"] == '"abc"'
    assert answer.headers["x-request-id"] == received.header("x-request-id")


async def test_without_accept_encoding_nothing_is_compressed(world: World) -> None:
    await world.connect()
    await world.ask("/posthog/api/")
    assert world.fake.last.header("accept-encoding") == "identity"
    await world.ask("/posthog/api/", "Accept-Encoding: gzip;q=0.5, br", "User-Agent: mine/1")
    assert world.fake.last.header("accept-encoding") == "gzip;q=0.5, br"
    assert world.fake.last.header("user-agent") == "mine/1"


@pytest.mark.parametrize("code", [200, 201, 202, 400, 402, 403, 404, 405, 409, 418, 422, 429, 500, 502, 503, 599])
async def test_any_status_passes_with_its_body_byte_for_byte(world: World, code: int) -> None:
    await world.connect()
    answer = await world.ask(f"/posthog/status?code={code}")
    assert (answer.status, answer.body) == (code, ODD_BODY)
    assert answer.headers["hedgerow-origin"] == "upstream"
    assert (answer.headers["retry-after"], answer.headers["x-ratelimit-remaining"]) == ("17", "3")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_passes(world: World, method: str) -> None:
    await world.connect()
    answer = await world.call(method, "/posthog/api/things/")
    assert (answer.status_code, world.fake.last.method) == (200, method)
    assert (method == "HEAD") is (answer.content == b"")
    assert (await world.get("/posthog/api/again/")).status_code == 200


@pytest.mark.parametrize("code", [204, 304])
async def test_answers_without_a_body(world: World, code: int) -> None:
    await world.connect()

    async def nothing(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        length = "Content-Length: 5\r\n" if code == 304 else ""
        writer.write(f'HTTP/1.1 {code} Nothing\r\nETag: "x"\r\n{length}\r\n'.encode())

    world.fake.handlers["/nothing"] = nothing
    for _ in range(2):
        answer = await world.get("/posthog/nothing", headers={"If-None-Match": '"x"'})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (code, b"", '"x"')
    assert world.fake.last.header("if-none-match") == '"x"'


async def test_trailers_end_the_body_and_go_no_further(world: World) -> None:
    await world.connect()
    answer = await world.ask("/posthog/chunks")
    assert (answer.body, answer.status) == (b"one,two\n", 200)
    assert not {"x-sum", "set-cookie", "trailer"} & answer.headers.keys()


async def test_a_body_that_ends_with_the_connection(world: World) -> None:
    await world.connect()
    assert (await world.get("/posthog/until-close")).content == b"all,that\n"


async def test_early_hints_are_not_the_answer(world: World) -> None:
    await world.connect()
    answer = await world.get("/posthog/hint-first")
    assert (answer.status_code, answer.content) == (200, b"ok")


async def test_a_large_body_streams_up_with_its_length(world: World) -> None:
    await world.connect()
    body = BLOCK * 100
    answer = await world.call("POST", "/posthog/api/upload/", content=body)
    assert answer.json()["sha256"] == hashlib.sha256(body).hexdigest()
    assert world.fake.last.header("content-length") == str(len(body))
    assert world.fake.last.header("transfer-encoding") is None


async def test_a_body_in_chunks_streams_up_in_chunks(world: World) -> None:
    await world.connect()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield BLOCK
            await asyncio.sleep(0)

    answer = await world.call("POST", "/posthog/api/upload/", content=pieces(), headers={"Content-Encoding": "gzip"})
    assert answer.json()["sha256"] == hashlib.sha256(BLOCK * 40).hexdigest()
    assert world.fake.last.header("transfer-encoding") == "chunked"
    assert world.fake.last.header("content-encoding") == "gzip"


@pytest.mark.parametrize("how", ["length", "chunks"])
async def test_a_body_beyond_the_limit_is_refused(world: World, how: str) -> None:
    await world.connect()
    body = bytes(world.settings.gateway_body_max_bytes + 1)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 1 << 16):
            yield body[at : at + (1 << 16)]

    answer = await world.call("POST", "/posthog/api/", content=body if how == "length" else pieces())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_get_may_have_a_body(world: World) -> None:
    await world.connect()
    answer = await world.call("GET", "/posthog/api/", content=b'{"a":1}')
    assert (answer.status_code, world.fake.last.body) == (200, b'{"a":1}')


async def test_a_large_answer_waits_for_a_slow_caller(world: World) -> None:
    """The account's server is not read further than a few buffers ahead of the caller."""
    await world.connect()
    size = 64 << 20
    sent = 0

    async def pour(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: {size}\r\n\r\n".encode())
        while sent < size:
            writer.write(BLOCK)
            sent += len(BLOCK)
            await writer.drain()

    world.fake.handlers["/pour"] = pour
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1 << 16)
    writer.write(f"GET /posthog/pour HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {world.key}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    last = -1
    while last != sent:  # until nothing moves any more
        last = sent
        await asyncio.sleep(0.1)
    assert sent < 24 << 20
    got = 0
    while got < size:
        got += len(await reader.read(1 << 20))
    assert (got, sent) == (size, size)
    writer.close()


async def test_events_arrive_one_by_one(world: World) -> None:
    await world.connect()
    async with world.client.stream(
        "GET", f"{world.url}/posthog/events", headers={"Authorization": f"Bearer {world.key}"}
    ) as answer:
        pieces = answer.aiter_raw()
        assert await anext(pieces) == b"data: first\n\n"
        world.fake.gate.set()
        assert await anext(pieces) == b"data: second\n\n"
        assert not world.fake.hung_up
    await until(lambda: world.fake.hung_up)


@pytest.mark.parametrize("path", ["/silence", "/events"])
async def test_a_caller_that_hangs_up_ends_the_call(world: World, path: str) -> None:
    await world.connect()
    world.fake.gate.set()
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(
        f"GET /posthog{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {world.key}\r\n\r\n".encode()
    )
    await until(lambda: world.fake.received)
    writer.close()
    await until(lambda: world.fake.hung_up, seconds=1.0)
    await until(lambda: [call for call in world.sink.calls if call.ended == "client gone"])


async def test_a_caller_that_hangs_up_in_its_body_ends_the_call(world: World) -> None:
    await world.connect()
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    head = f"POST /posthog/api/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {world.key}\r\n"
    writer.write(f"{head}Content-Length: 1000000\r\n\r\n".encode() + BLOCK)
    opened = world.fake.connections
    await until(lambda: world.fake.connections > opened or world.gateway.client.opened)
    writer.close()
    await until(lambda: [call for call in world.sink.calls if call.ended == "client gone"])


# The account's server misbehaves


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/hang-up", "upstream_protocol"),
        ("/bad/both-lengths", "upstream_protocol"),
        ("/bad/two-lengths", "upstream_protocol"),
        ("/bad/no-http", "upstream_protocol"),
        ("/bad/upgrade", "upstream_protocol"),
        ("/bad/head", "upstream_protocol"),
        ("/bad/status", "upstream_protocol"),
    ],
)
async def test_an_answer_that_is_none_is_a_502(world: World, path: str, code: str) -> None:
    await world.connect()
    answer = await world.ask(f"/posthog{path}", method="POST")
    assert (answer.status, answer.json()["code"]) == (502, code)
    assert answer.headers["hedgerow-origin"] == "gateway"
    assert "hedgerow; error=" in answer.headers["proxy-status"]
    assert "127.0.0.1" not in answer.body.decode()
    assert (await world.get("/posthog/api/")).status_code == 200


async def test_no_answer_is_a_504(world: World) -> None:
    await world.connect()
    answer = await world.get("/posthog/silence", headers={"Hedgerow-Timeout": "0.2"})
    assert (answer.status_code, answer.json()["code"]) == (504, "upstream_timeout")
    await until(lambda: world.fake.hung_up)


@pytest.mark.parametrize("path", ["/cut?how=length", "/cut?how=chunks", "/stall"])
async def test_half_an_answer_never_looks_whole(world: World, path: str) -> None:
    await world.connect()
    with pytest.raises(httpx.RemoteProtocolError):
        await world.get(f"/posthog{path}", headers={"Hedgerow-Timeout": "0.3"})
    await until(lambda: [call for call in world.sink.calls if call.ended == "cut"])
    assert (await world.get("/posthog/api/")).status_code == 200


async def test_half_a_json_list_is_a_502(world: World) -> None:
    """What is held back for its links can still be told apart."""
    await world.connect()

    async def half(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> bool:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"next":')
        return False

    world.fake.handlers["/half"] = half
    assert (await world.get("/posthog/half")).status_code == 502


async def test_an_answer_before_the_body_was_sent(world: World) -> None:
    await world.connect()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield BLOCK
            await asyncio.sleep(0.01)

    try:
        answer = await world.call("POST", "/posthog/early", content=endless())
    except httpx.WriteError:
        return
    assert answer.status_code in {413, 502}


async def test_a_connection_that_died_meanwhile_is_replaced(world: World) -> None:
    await world.connect()
    for _ in range(2):
        assert (await world.get("/posthog/drop-once")).status_code == 200


async def test_a_write_is_not_sent_twice(world: World) -> None:
    await world.connect()
    assert (await world.call("POST", "/posthog/drop-once")).status_code == 200
    answer = await world.call("POST", "/posthog/drop-once")
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_protocol")


async def test_a_failing_server_is_asked_again_only_if_the_caller_says_so(world: World) -> None:
    await world.connect()
    asked = 0

    async def twice_busy(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        respond(writer, 200 if asked > 2 else 503, b"{}")

    world.fake.handlers["/busy"] = twice_busy
    assert (await world.get("/posthog/busy")).status_code == 503
    assert (await world.get("/posthog/busy", headers={"Hedgerow-Retries": "2"})).status_code == 200
    asked = 0
    assert (await world.call("POST", "/posthog/busy", headers={"Hedgerow-Retries": "2"})).status_code == 503
    assert asked == 1


async def test_a_limit_is_waited_for_only_if_the_caller_says_so(world: World) -> None:
    await world.connect()
    asked = 0

    async def limited(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        respond(writer, 200 if asked > 1 else 429, b"{}", {"Retry-After": "0"})

    world.fake.handlers["/limited"] = limited
    assert (await world.get("/posthog/limited", headers={"Hedgerow-Wait": "1"})).status_code == 200
    asked = 0
    assert (await world.get("/posthog/limited")).status_code == 429


async def test_an_account_s_401_is_marked_as_the_account_s(world: World) -> None:
    await world.connect(secret="phx_" + "N" * 43)
    answer = await world.get("/posthog/api/users/@me/")
    assert (answer.status_code, answer.content) == (401, UNAUTHORISED)
    assert (answer.headers["hedgerow-origin"], answer.headers["hedgerow-hint"]) == ("upstream", "reconnect")
    assert answer.links["reconnect"]["url"].startswith(f"{world.settings.origin}/connections/")
    assert len(world.fake.received) == 1


async def test_after_a_401_a_newer_credential_is_tried_once(world: World) -> None:
    """Another worker has renewed the credential, and this one still has the old one in memory."""
    from hedgerow.gateway.credentials import Secrets, seal_credential
    from hedgerow.gateway.models import ConnectionRow

    connection = await world.connect(secret="phx_" + "O" * 43)
    assert (await world.get("/posthog/api/users/@me/")).status_code == 401
    async with world.metadata.write() as session:  # nobody tells this process
        row = await session.get(ConnectionRow, connection.id)
        assert row is not None
        seal_credential(row, world.gateway.vault, Secrets(api_key=VALID_KEY))
    answer = await world.call("POST", "/posthog/api/users/@me/", content=b'{"a":1}')
    assert answer.status_code == 200
    assert [one.body for one in world.fake.received[1:]] == [b'{"a":1}', b'{"a":1}']


# Links


@pytest.mark.parametrize("how", ["", "gzip", "br"])
async def test_links_stay_at_the_gateway_and_the_body_as_it_was(world: World, how: str) -> None:
    await world.connect()
    answer = await world.ask(f"/posthog/api/projects/1/persons/?how={how}", "Accept-Encoding: gzip, br")
    base = f"{world.settings.origin}/posthog/api/projects/1/persons/"
    assert answer.headers["link"] == f'<{base}?limit=10&offset=20>; rel="next", <{base}?limit=10>; rel="prev"'
    if not how:
        assert answer.json()["next"] == f"{world.fake.url}/api/projects/1/persons/?limit=10&offset=20"
        assert answer.headers["etag"] == '"abc"'


async def test_links_in_the_body_change_only_on_request(world: World) -> None:
    await world.connect()
    answer = await world.ask("/posthog/api/projects/1/persons/", "Hedgerow-Links: rewrite")
    body = answer.json()
    assert body["next"] == f"{world.settings.origin}/posthog/api/projects/1/persons/?limit=10&offset=20"
    assert body["results"] == [{"properties": {"next": "not this one"}}]
    assert answer.headers["etag"] == 'W/"abc"'


@pytest.mark.parametrize(
    "next_url", ["https://evil.example/a", "ORIGIN.evil.example/a", "ORIGIN//evil", 'ORIGIN/a">x', 7, None]
)
async def test_no_link_to_elsewhere(world: World, next_url: object) -> None:
    await world.connect()
    url = next_url.replace("ORIGIN", world.fake.url) if isinstance(next_url, str) else next_url

    async def page(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        respond(writer, 200, json.dumps({"next": url}).encode())

    world.fake.handlers["/page"] = page
    assert "link" not in (await world.get("/posthog/page")).headers


# Connections


async def test_without_a_connection_the_seed_s_400(world: World) -> None:
    answer = await world.get("/posthog/api/projects/")
    body = answer.json()
    assert (answer.status_code, body["code"], body["detail"]) == (
        400,
        "connection_missing",
        "Missing PostHog connection",
    )
    assert body["connect"] == {
        "method": "POST",
        "url": f"{world.settings.origin}/connections",
        "body": {"app": "posthog"},
    }


async def test_the_oldest_active_one_is_used_unless_one_is_named_or_pinned(world: World) -> None:
    await world.connect(status="PENDING")
    oldest = await world.connect()
    newest = await world.connect()

    async def used(**headers: str) -> str:
        return (await world.get("/posthog/api/", headers=headers)).headers["hedgerow-connection"]

    assert await used() == str(oldest.id)
    assert await used(**{"Maton-Connection": str(newest.id)}) == str(newest.id)
    assert await used(**{"hedgerow-connection": str(newest.id)}) == str(newest.id)
    assert await used(**{"X-Maton-Connection": str(newest.id)}) == str(newest.id)
    await world.change(newest.id, lambda row: setattr(row, "is_pinned", True))
    assert await used() == str(newest.id)
    await world.change(newest.id, lambda row: setattr(row, "status", "FAILED"))
    assert await used() == str(oldest.id)


@pytest.mark.parametrize("status", ["PENDING", "FAILED"])
async def test_one_that_is_not_active_is_no_fallback_to_another(world: World, status: str) -> None:
    await world.connect()
    other = await world.connect(status=status)
    answer = await world.get("/posthog/api/", headers={"Maton-Connection": str(other.id)})
    assert (answer.status_code, answer.json()["code"]) == (400, "connection_not_active")
    assert not world.fake.received


async def test_two_names_that_differ(world: World) -> None:
    one, two = await world.connect(), await world.connect()
    headers = {"Maton-Connection": str(one.id), "Hedgerow-Connection": str(two.id)}
    answer = await world.get("/posthog/api/", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "ambiguous_connection")
    assert (
        await world.get("/posthog/api/", headers={**headers, "Hedgerow-Connection": str(one.id)})
    ).status_code == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missing_api_key"),
        ("Bearer x", "invalid_api_key"),
        ("Basic abc", "invalid_api_key"),
        ("Bearer  two spaces", "invalid_api_key"),
        ("Bearer hgk_" + "a" * 49, "invalid_api_key"),
    ],
)
async def test_without_a_good_key_401(world: World, header: str | None, code: str) -> None:
    await world.connect()
    headers = {} if header is None else {"Authorization": header}
    answer = await world.client.get(f"{world.url}/posthog/api/", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="hedgerow"')
    assert answer.headers["hedgerow-origin"] == "gateway"
    assert not world.fake.received


async def test_the_root_of_the_app_is_the_root_of_the_account(world: World) -> None:
    await world.connect()
    for path in ("/posthog", "/posthog/"):
        assert (await world.get(path)).json()["target"] == "/"


# This server


async def test_a_call_to_this_server_needs_no_socket(world: World) -> None:
    local = await world.connect(method="LOCAL", secret="pha_" + "L" * 43)
    answer = await world.call("POST", "/posthog/api/x%2Fy/?a=b", content=b"12345", headers={"Cookie": "a=b"})
    said = answer.json()
    assert (said["inner"], said["method"], said["bytes"]) == ("/api/x%2Fy/", "POST", 5)
    assert said["headers"]["authorization"] == "Bearer pha_" + "L" * 43
    assert "cookie" not in said["headers"]
    assert answer.headers["hedgerow-connection"] == str(local.id)
    redirected = await world.get("/posthog/login", follow_redirects=False)
    assert redirected.headers["location"] == f"{world.settings.origin}/posthog/login/?next=/"


@pytest.mark.parametrize("how", ["too much", "too slow"])
async def test_a_body_for_this_server_has_the_same_limits(world: World, how: str) -> None:
    await world.connect(method="LOCAL", secret="pha_" + "L" * 43)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        for _ in range(9 << 4 if how == "too much" else 0):
            yield bytes(1 << 16)
        if how == "too slow":
            await asyncio.sleep(world.settings.gateway_idle_seconds + 1)
            yield b"z"

    answer = await world.call("POST", "/posthog/api/x/", content=pieces())
    expected = (413, "body_too_large") if how == "too much" else (408, "body_timeout")
    assert (answer.status_code, answer.json()["code"]) == expected


async def test_a_bug_is_a_500_that_says_nothing(world: World) -> None:
    await world.connect(method="LOCAL", secret="pha_" + "L" * 43)
    answer = await world.get("/posthog/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["hedgerow-origin"] == "gateway"
    assert "behind" not in answer.text
    await until(lambda: [call for call in world.sink.calls if call.code == "internal_error"])


async def test_this_server_s_own_api_takes_a_gateway_key(world: World) -> None:
    await world.connect()
    assert (await world.get("/api/users/@me/")).status_code == 400
    local = await world.connect(method="LOCAL", secret="pha_" + "L" * 43)
    answer = await world.get("/api/users/@me/")
    assert (answer.status_code, answer.json()["inner"]) == (200, "/api/users/@me/")
    assert answer.headers["hedgerow-connection"] == str(local.id)
    assert not world.fake.received


async def test_other_paths_are_none_of_the_gateway_s_business(world: World) -> None:
    answer = await world.client.get(f"{world.url}/other", headers={"Cookie": "a=b", "Authorization": "Bearer phx_x"})
    assert answer.json()["headers"]["cookie"] == "a=b"
    assert "hedgerow-origin" not in answer.headers


# Sending events


async def test_public_paths_get_no_credential_and_need_permission(world: World, fake: FakePostHog) -> None:
    await world.connect()
    answer = await world.call("POST", "/posthog/batch/", content=b"{}")
    assert answer.status_code == 200
    assert fake.last.header("authorization") is None
    key = await world.new_key()
    refused = await world.call("POST", "/posthog/batch/", key=key, content=b"{}")
    assert (refused.status_code, refused.headers["hedgerow-policy"]) == (403, "ingest")
    await world.get("/posthog/flags/definitions?token=phc_x", key=key)
    assert fake.last.header("authorization") == f"Bearer {VALID_KEY}"
