"""What version 0 refuses, with which status, and that nothing of it is stored (sdk-wire §2, §4, §5.3)."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from tests.capture.room import CaptureProject, ask, packed, uuid_text

GOOD = {"event": "a", "distinct_id": "u1"}
MANY = {"a": [{}] * 250_000}

BAD_EVENTS: list[tuple[str, Any, int, str]] = [
    ("no event name", {"distinct_id": "u1"}, 400, "Event 1: it has no event name."),
    ("an empty event name", {"event": "", "distinct_id": "u1"}, 400, "Event 1: it has no event name."),
    ("no distinct id", {"event": "a"}, 400, "Event 1: it has no distinct_id."),
    ("a null distinct id", {"event": "a", "distinct_id": None}, 400, "Event 1: it has no distinct_id."),
    ("white space as distinct id", {"event": "a", "distinct_id": " \t"}, 400, "Event 1: it has no distinct_id."),
    ("a uuid that is none", {**GOOD, "uuid": "x"}, 400, "Event 1: its uuid is no UUID."),
    ("a number as event", {**GOOD, "event": 7}, 400, "$.batch[1].event"),
    ("a list as properties", {**GOOD, "properties": [1]}, 400, "Event 1: properties must be an object."),
    ("a text as properties", {**GOOD, "properties": "x"}, 400, "Event 1: properties must be an object."),
    ("a list as $set", {**GOOD, "$set": [1]}, 400, "Event 1: $set: properties must be an object."),
    ("text as cookieless mode", {**GOOD, "properties": {"$cookieless_mode": "yes"}}, 400, "$cookieless_mode"),
    ("an event of over 1 MiB", {**GOOD, "properties": {"a": "x" * 1_100_000}}, 413, "Event 1: its properties have"),
    ("a key of 1 MB", {**GOOD, "properties": {"k" * 1_000_000: 1}}, 400, "begins with 'kkkkkkkk"),
    ("a key of 1 MB, deep", {**GOOD, "properties": {"a": {"k" * 1_000_000: 1}}}, 400, "begins with 'kkkkkkkk"),
]
BAD_TEXTS: list[tuple[str, bytes, int, str]] = [
    ("nothing", b"", 400, "no body"),
    ("white space", b"  \n", 400, "no body"),
    ("no JSON", b"hello", 400, "cannot be"),
    ("half of an object", b'{"api_key":"TOKEN","batch":[{"event":"a"', 400, "cannot be parsed"),
    ("a number", b"12345", 400, "cannot be"),
    ("null", b"null", 400, "cannot be"),
    ("an empty array", b"[]", 400, "no events"),
    ("an empty batch", b'{"api_key":"TOKEN","batch":[]}', 400, "no events"),
    ("a batch that is none", b'{"api_key":"TOKEN","batch":{}}', 400, "$.batch"),
    ("events that are none", b'{"api_key":"TOKEN","batch":[1]}', 400, "$.batch[0]"),
    ("gzip that ends early", gzip.compress(b'{"a":1}' * 99)[:-9], 400, "gzip ends early"),
    ("gzip that is broken", b"\x1f\x8b\x08" + bytes(40), 400, "cannot be decoded"),
    ("1e400", b'{"api_key":"TOKEN","event":"a","distinct_id":"u","properties":{"ok":1,"big":1e400}}', 400, "'big'"),
    (
        "5,000 digits",
        b'{"api_key":"TOKEN","event":"a","distinct_id":"u","properties":{"big":%b}}' % (b"9" * 5000),
        400,
        "'big'",
    ),
    (
        "100 levels",
        b'{"api_key":"TOKEN","event":"a","distinct_id":"u","properties":{"a":%b}}' % (b"[" * 100 + b"]" * 100),
        400,
        "deeper than 64",
    ),
    (
        "100,000 levels",
        b'{"api_key":"TOKEN","event":"a","distinct_id":"u","properties":{"a":%b}}' % (b'{"a":' * 100_000),
        400,
        "nested",
    ),
    ("100,000 levels of envelope", b"[" * 100_000, 400, "cannot be parsed"),
]


@pytest.mark.parametrize(
    ("event", "status", "why"), [row[1:] for row in BAD_EVENTS], ids=[row[0] for row in BAD_EVENTS]
)
async def test_one_bad_event_fails_the_request(project: CaptureProject, event: Any, status: int, why: str) -> None:
    answer = await project.post("/batch/", packed({"api_key": project.token, "batch": [GOOD, event]}))

    assert answer.status == status
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert why in answer.text
    assert len(answer.text) < 300
    assert await project.count() == 0


@pytest.mark.parametrize(("text", "status", "why"), [row[1:] for row in BAD_TEXTS], ids=[row[0] for row in BAD_TEXTS])
async def test_a_body_that_cannot_be_read_is_refused(
    project: CaptureProject, text: bytes, status: int, why: str
) -> None:
    answer = await project.post("/batch/", text.replace(b"TOKEN", project.token.encode()))

    assert (answer.status, why in answer.text) == (status, True), answer.text
    assert await project.count() == 0


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (None, "no project token"),
        ("", "no project token"),
        ("  ", "no project token"),
        (7, "no text"),
        ("phx_personal", "personal API key"),
        ("phc_" + "x" * 61, "malformed"),
        ("phc_é", "malformed"),
        ("phc_\0", "malformed"),
        ("phc_of_nobody", "No project"),
    ],
)
async def test_a_token_that_is_none_is_401(project: CaptureProject, token: object, why: str) -> None:
    answer = await project.post("/e/", {"token": token, "batch": [GOOD]})

    assert (answer.status, why in answer.text) == (401, True), answer.text


async def test_events_of_two_projects_in_one_array_are_401(project: CaptureProject) -> None:
    answer = await project.post("/e/", [project.one(), {**project.one(), "api_key": "phc_other"}])

    assert answer.status == 401
    assert await project.count() == 0


async def test_the_envelopes_token_comes_first(project: CaptureProject) -> None:
    event = {**GOOD, "token": "phc_other", "properties": {"token": "phc_third"}}
    answer = await project.post("/e/", {"api_key": f" {project.token} ", "batch": [event]})

    assert answer.status == 200
    assert await project.count() == 1


@pytest.mark.parametrize("path", ["/e/", "/batch/"])
async def test_a_zip_bomb_is_413(project: CaptureProject, path: str) -> None:
    bomb = gzip.compress(b"[" + b" " * (25 << 20))

    answer = await project.post(path, bomb)

    assert answer.status == 413


async def test_a_body_over_the_limit_is_413_on_e_and_not_on_batch(project: CaptureProject) -> None:
    events = [{**GOOD, "uuid": uuid_text(n), "properties": {"text": "x" * 1000}} for n in range(2_500)]
    body = json.dumps({"api_key": project.token, "batch": events}).encode()

    assert (await project.post("/e/", body)).status == 413
    assert (await project.post("/batch/", body)).status == 200
    assert await project.count() == 2_500


async def test_too_many_objects_are_413(project: CaptureProject) -> None:
    answer = await project.post("/batch/", {"api_key": project.token, "batch": [{**GOOD, "properties": MANY}]})

    assert (answer.status, "objects" in answer.text) == (413, True)


async def test_an_ai_event_may_have_8_mib(project: CaptureProject) -> None:
    event = {**GOOD, "event": "$ai_generation", "properties": {"$ai_input": "x" * (7 << 20)}}
    body = {"api_key": project.token, "batch": [event]}

    assert (await project.post("/batch/", body)).status == 413
    assert (await project.post("/i/v0/ai/batch/", body)).status == 200


async def test_other_methods_are_405(project: CaptureProject) -> None:
    answer = await ask(project.room.app, "/batch/", method="DELETE")

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


async def test_cors_mirrors_the_origin(project: CaptureProject) -> None:
    headers = {"origin": "https://shop.example"}
    answer = await project.post("/e/", project.one(), headers=headers)

    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
    assert answer.headers["vary"] == "Origin"
    refused = await project.post("/e/", b"", headers=headers)
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"


@pytest.mark.parametrize("path", ["/e/", "/batch", "/i/v1/analytics/events"])
async def test_a_preflight_allows_what_it_asks_for(project: CaptureProject, path: str) -> None:
    headers = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-posthog-session-id",
    }
    answer = await ask(project.room.app, path, method="OPTIONS", headers=headers)

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-headers"] == "content-type,x-posthog-session-id"
    assert answer.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"


@pytest.mark.parametrize("origin", ["https://a\r\nset-cookie: x=1", "é", "x" * 5000, ""])
async def test_an_origin_that_is_none_is_not_mirrored(project: CaptureProject, origin: str) -> None:
    answer = await project.post("/e/", project.one(), headers={"origin": origin})

    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
