"""Reading requests within bounds: slow and endless bodies, how much is in memory, whose address it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.capture.room import CaptureProject, ask

from hedgerow.capture.limits import Limits
from hedgerow.capture.refusals import Refused
from hedgerow.capture.request import Budget, ClientGone, Lease, Proxies, plain_address, read_body

LIMITS = Limits(idle_seconds=0.05, body_seconds=0.1)


def receiving(*messages: dict[str, Any]) -> Any:
    """What the server hands over, and then silence."""
    waiting = list(messages)

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_chunks_are_joined() -> None:
    lease = Lease(Budget(100))
    receive = receiving(part(b"ab"), part(b""), part(b"c", more=False))

    assert await read_body(receive, 10, LIMITS, lease) == b"abc"


@pytest.mark.parametrize("begun", [[], [part(b"ab")]])
async def test_a_body_that_stalls_is_408(begun: list[dict[str, Any]]) -> None:
    with pytest.raises(Refused) as refused:
        await read_body(receiving(*begun), 10, LIMITS, Lease(Budget(100)))

    assert refused.value.status == 408


async def test_a_body_that_trickles_is_408() -> None:
    async def receive() -> Any:
        await asyncio.sleep(0.02)
        return part(b"x")

    with pytest.raises(Refused) as refused:
        await read_body(receive, 1000, LIMITS, Lease(Budget(1000)))

    assert refused.value.status == 408


async def test_a_body_without_end_is_not_read_to_the_end() -> None:
    async def receive() -> Any:
        return part(b"x" * 100)

    with pytest.raises(Refused) as refused:
        await read_body(receive, 1000, LIMITS, Lease(Budget(10_000)))

    assert refused.value.status == 413


async def test_a_client_that_hangs_up_gets_no_answer() -> None:
    with pytest.raises(ClientGone):
        await read_body(receiving(part(b"ab"), {"type": "http.disconnect"}), 10, LIMITS, Lease(Budget(100)))


async def test_bodies_in_memory_are_bounded_together() -> None:
    budget = Budget(100)
    first, second = Lease(budget), Lease(budget)
    first.resize(80)

    with pytest.raises(Refused) as refused:
        second.resize(30)
    assert (refused.value.status, refused.value.retry_after_seconds) == (503, 1)

    second.resize(20)
    first.release()
    second.resize(100)
    second.release()
    assert budget.taken == 0


async def test_one_request_alone_is_never_too_much() -> None:
    lease = Lease(Budget(100))
    lease.resize(1_000)
    lease.resize(2_000)


async def test_no_room_is_503_with_retry_after(project: CaptureProject) -> None:
    app = project.room.capture_app(project.room.settings)
    app._budget.taken = app._budget.limit

    answer = await ask(app, "/e/", b"{}", headers={"origin": "https://shop.example"})

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["access-control-expose-headers"] == "Retry-After"


async def test_what_was_taken_is_given_back_whatever_happens(project: CaptureProject) -> None:
    budget = project.room.app._budget
    before = budget.taken
    for body in (
        b"{",
        b"\x1f\x8b\x08rubbish",
        b"[]",
        b'{"api_key":"%b","event":"a","distinct_id":"u"}' % project.token.encode(),
    ):
        await project.post("/e/", body)

    assert budget.taken == before == 0


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("10.1.2.3", "10.0.0.1, 127.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ("127.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("127.0.0.1", "198.51.100.1:5000", "198.51.100.1"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("2001:DB8:0::1", None, "2001:db8::1"),
        ("testclient", None, ""),
    ],
)
def test_the_clients_address(peer: str, forwarded: str | None, client: str) -> None:
    proxies = Proxies(["127.0.0.1", "10.0.0.0/8"])

    assert proxies.client({"client": (peer, 1)}, None if forwarded is None else forwarded.encode()) == client


def test_nobody_is_trusted_unless_named() -> None:
    assert Proxies([]).client({"client": ("127.0.0.1", 1)}, b"198.51.100.1") == "127.0.0.1"
    assert Proxies([]).client({"client": None}, None) == ""


def test_an_address_is_written_in_one_way() -> None:
    assert plain_address(" 192.0.2.1 ") == "192.0.2.1"
    assert plain_address("fe80::1%eth0") in {"", "fe80::1%eth0"}
