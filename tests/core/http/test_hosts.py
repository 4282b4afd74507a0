"""Host names (421), and requests at once (503)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from hedgerow.core.http.hosts import Busy, HostAllowList
from hedgerow.settings import Settings


async def hello(scope: Any, _receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


SETTINGS = Settings(
    host="0.0.0.0", public_url="https://Hedgerow.example:8443/x", allowed_hosts=("inside", ".lan.example", "10.0.0.7")
)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST.",
        "app.localhost:1",
        "127.0.0.1",
        "127.8.9.10:80",
        "[::1]:8000",
        "hedgerow.example",
        "hedgerow.example:8443",
        "inside:9",
        "a.lan.example",
        "10.0.0.7:80",
    ],
)
def test_our_own_names(host: str) -> None:
    assert HostAllowList(hello, SETTINGS).allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example#localhost",
        "localhost@evil.example",
        "evil.example:80@localhost",
        "localhost:80:80",
        "localhost:x",
        "lan.example",
        "xlan.example",
        "10.0.0.8",
        "0.0.0.0",
        "*",
        "[::1",
        "localhost/",
        "local host",
        "notlocalhost",
        "2130706433.evil",
    ],
)
def test_other_names(host: str) -> None:
    assert not HostAllowList(hello, SETTINGS).allows(host)


async def answer(app: Any, headers: list[tuple[str, str]]) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get("/", headers=headers)


async def test_a_request_for_another_host_is_misdirected() -> None:
    found = await answer(HostAllowList(hello, Settings()), [("Host", "evil.example")])
    assert found.status_code == 421
    assert found.json()["code"] == "misdirected_request"


async def test_two_hosts_are_none() -> None:
    found = await answer(HostAllowList(hello, Settings()), [("Host", "localhost"), ("Host", "localhost")])
    assert found.status_code == 421


async def test_a_forwarded_host_counts_for_nothing() -> None:
    headers = [("Host", "evil.example"), ("X-Forwarded-Host", "localhost")]
    assert (await answer(HostAllowList(hello, Settings()), headers)).status_code == 421


async def test_one_request_too_many_is_sent_away_and_the_others_are_answered() -> None:
    go_on = asyncio.Event()
    inside = asyncio.Semaphore(0)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        inside.release()
        await go_on.wait()
        await hello(scope, receive, send)

    busy = Busy(slow, 3)
    running = [asyncio.create_task(answer(busy, [])) for _ in range(3)]
    for _ in running:
        await inside.acquire()
    refused = await answer(busy, [])
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["type"] == "server_error"
    go_on.set()
    assert [found.status_code for found in await asyncio.gather(*running)] == [200, 200, 200]
    assert (await answer(busy, [])).status_code == 200
    assert busy.running == 0
