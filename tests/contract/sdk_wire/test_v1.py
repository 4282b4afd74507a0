"""Version 1: headers, encodings, and a verdict for each event (sdk-wire §6)."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import brotli
import pytest
import zstandard
from tests.capture.room import CaptureProject, ask, uuid_text

pytestmark = pytest.mark.stores

CREATED = "2031-02-03T10:00:05.100Z"


def event(number: int = 1, **fields: Any) -> dict[str, Any]:
    """An event of version 1; a field of None is left out."""
    whole = {
        "event": "order paid",
        "uuid": uuid_text(number),
        "distinct_id": "cust-7",
        "timestamp": "2031-02-03T10:00:01.000Z",
        **fields,
    }
    return {key: value for key, value in whole.items() if value is not None}


def batch(*events: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"created_at": CREATED, "batch": list(events), **fields}


VERDICTS: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("sound", {}, {"result": "ok"}),
    ("no properties", {"properties": None}, {"result": "ok"}),
    ("offset for a zone", {"timestamp": "2031-02-03T13:00:01+03:00"}, {"result": "ok"}),
    ("unknown fields", {"anything": {"else": 1}}, {"result": "ok"}),
    ("client warning", {"event": "$$client_ingestion_warning"}, {"result": "ok"}),
    ("no name", {"event": None}, {"result": "drop", "details": "missing_event_name"}),
    ("empty name", {"event": ""}, {"result": "drop", "details": "missing_event_name"}),
    ("name is a number", {"event": 7}, {"result": "drop", "details": "missing_event_name"}),
    ("long name", {"event": "x" * 201}, {"result": "drop", "details": "event_name_too_long"}),
    ("no distinct id", {"distinct_id": None}, {"result": "drop", "details": "missing_distinct_id"}),
    ("blank distinct id", {"distinct_id": "  "}, {"result": "drop", "details": "missing_distinct_id"}),
    ("long distinct id", {"distinct_id": "x" * 201}, {"result": "drop", "details": "distinct_id_too_large"}),
    *[
        (f"distinct id {word}", {"distinct_id": word}, {"result": "drop", "details": "malformed_distinct_id"})
        for word in (
            "0",
            "00000000-0000-0000-0000-000000000000",
            "[Object Object]",
            "Anonymous",
            " anonymous-user ",
            "backend",
            "distinct_id",
            "distinctid",
            "email",
            "False",
            "guest",
            "ID",
            "NaN",
            "None",
            "not_authenticated",
            "null",
            "system",
            "True",
            "undefined",
            "user",
        )
    ],
    ("no time", {"timestamp": None}, {"result": "drop", "details": "invalid_event_timestamp"}),
    ("date only", {"timestamp": "2031-02-03"}, {"result": "drop", "details": "invalid_event_timestamp"}),
    ("no zone", {"timestamp": "2031-02-03T10:00:00"}, {"result": "drop", "details": "invalid_event_timestamp"}),
    ("time as number", {"timestamp": 1927879201}, {"result": "drop", "details": "invalid_event_timestamp"}),
    ("list as properties", {"properties": []}, {"result": "drop", "details": "malformed_event_properties"}),
    ("key of 1 MB", {"properties": {"k" * 100_000: 1}}, {"result": "drop", "details": "malformed_event_properties"}),
    ("event of over 1 MiB", {"properties": {"k": "x" * 1_100_000}}, {"result": "drop", "details": "event_too_big"}),
    ("options are a list", {"options": []}, {"result": "drop", "details": "invalid_options"}),
    (
        "option of another type",
        {"options": {"process_person_profile": "no"}},
        {"result": "drop", "details": "invalid_options"},
    ),
    ("unknown option", {"options": {"other": "x", "cookieless_mode": None}}, {"result": "ok"}),
    (
        "performance event",
        {"event": "$performance_event"},
        {"result": "drop", "details": "performance_event_not_supported"},
    ),
    (
        "personless identify",
        {"event": "$identify", "options": {"process_person_profile": False}},
        {"result": "drop", "details": "invalid_event_when_process_person_profile_is_false"},
    ),
    (
        "a merge with an illegal id",
        {"event": "$identify", "properties": {"$anon_distinct_id": "null"}},
        {"result": "warning", "details": "cannot_merge_with_illegal_distinct_id"},
    ),
    (
        "cookieless, which is off",
        {"options": {"cookieless_mode": True}},
        {"result": "drop", "details": "cookieless_disabled"},
    ),
]


@pytest.mark.parametrize(("fields", "verdict"), [row[1:] for row in VERDICTS], ids=[row[0] for row in VERDICTS])
async def test_each_event_has_its_verdict(
    project: CaptureProject, fields: dict[str, Any], verdict: dict[str, str]
) -> None:
    answer = await project.v1(batch(event(1), event(2, **fields), event(3)))

    assert answer.status == 200
    results = answer.json()["results"]
    assert results[uuid_text(2)] == verdict
    assert results[uuid_text(1)] == results[uuid_text(3)] == {"result": "ok"}
    kept = verdict["result"] != "drop" and fields.get("event") != "$$client_ingestion_warning"
    assert await project.count() == (3 if kept else 2)


async def test_what_version_1_says_beside_the_properties_is_stored_within_them(project: CaptureProject) -> None:
    options = {"process_person_profile": False, "disable_skew_correction": True, "product_tour_id": "t1"}
    sent = event(session_id="s-1", window_id="w-1", options=options, properties={"total": 19.50, "$lib": "web"})

    assert (await project.v1(batch(sent))).status == 200

    [[text, session, window, mode]] = await project.rows("properties, `$session_id`, `$window_id`, person_mode")
    assert json.loads(text) == {
        "total": 19.5,
        "$session_id": "s-1",
        "$window_id": "w-1",
        "$process_person_profile": False,
        "$ignore_sent_at": True,
        "$product_tour_id": "t1",
        "$lib": "posthog-node",
        "$lib_version": "5.70.0",
        "$ip": "203.0.113.9",
        "$sent_at": "2031-02-03T10:00:05Z",
    }
    assert (session, window, mode) == ("s-1", "w-1", "propertyless")


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        ({}, "2031-02-03 09:00:01.000000"),
        ({"disable_skew_correction": True}, "2031-02-03 10:00:01.000000"),
        ({"disable_skew_adjustment": True}, "2031-02-03 10:00:01.000000"),
    ],
)
async def test_the_request_timestamp_corrects_the_clock(
    project: CaptureProject, options: dict[str, Any], stored: str
) -> None:
    headers = {"posthog-request-timestamp": "2031-02-03T11:00:05Z"}

    await project.v1(batch(event(options=options)), headers=headers)

    assert await project.rows("toString(timestamp)") == [[stored]]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("br", brotli.compress),
        ("GZIP", gzip.compress),
    ],
)
async def test_every_encoding_is_undone(project: CaptureProject, encoding: str, pack: Any) -> None:
    body = pack(json.dumps(batch(event())).encode())

    answer = await project.v1(body, headers={"content-encoding": encoding})

    assert answer.json() == {"results": {uuid_text(1): {"result": "ok"}}}
    assert await project.count() == 1


HEADS: list[tuple[str, dict[str, str], int, str]] = [
    ("no authorization", {"authorization": ""}, 401, "invalid_api_token"),
    ("basic authorization", {"authorization": "Basic abc"}, 400, "invalid_header_value"),
    ("a personal key", {"authorization": "Bearer phx_abc"}, 401, "invalid_api_token"),
    ("an unknown token", {"authorization": "Bearer phc_of_nobody"}, 401, "invalid_api_token"),
    ("no SDK info", {"posthog-sdk-info": ""}, 400, "missing_required_headers"),
    ("no attempt", {"posthog-attempt": ""}, 400, "missing_required_headers"),
    ("no request id", {"posthog-request-id": ""}, 400, "missing_required_headers"),
    ("no timestamp", {"posthog-request-timestamp": ""}, 400, "missing_required_headers"),
    ("attempt zero", {"posthog-attempt": "0"}, 400, "invalid_header_value"),
    ("attempt in words", {"posthog-attempt": "one"}, 400, "invalid_header_value"),
    ("a request id that is none", {"posthog-request-id": "7"}, 400, "invalid_header_value"),
    ("a timestamp that is none", {"posthog-request-timestamp": "now"}, 400, "invalid_header_value"),
    ("text", {"content-type": "text/plain"}, 415, "unsupported_content_type"),
    ("an encoding of ours alone", {"content-encoding": "lz4"}, 415, "unsupported_encoding"),
    ("gzip that is none", {"content-encoding": "gzip"}, 400, "request_decoding_error"),
]


@pytest.mark.parametrize(("headers", "status", "code"), [row[1:] for row in HEADS], ids=[row[0] for row in HEADS])
async def test_headers_that_are_wrong_are_refused(
    project: CaptureProject, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await project.v1(batch(event()), headers=headers)

    assert (answer.status, answer.json()["error"]) == (status, code)
    assert set(answer.json()) == {"error", "error_description", "error_uri"}
    assert answer.headers["content-type"] == "application/json"
    assert await project.count() == 0


BODIES: list[tuple[str, Any, int, str]] = [
    ("nothing", b"", 400, "empty_body"),
    ("no JSON", b"{", 400, "request_parsing_error"),
    ("an array", [event()], 400, "request_parsing_error"),
    ("no batch", {"created_at": CREATED}, 400, "request_parsing_error"),
    ("no created_at", {"batch": [event()]}, 400, "request_parsing_error"),
    ("created_at that is none", {"created_at": "then", "batch": [event()]}, 400, "invalid_batch"),
    ("an empty batch", batch(), 400, "empty_batch"),
    ("no uuid", batch(event(uuid=None)), 400, "missing_event_uuid"),
    ("a uuid that is none", batch(event(uuid="x")), 400, "invalid_event_uuid"),
    ("a uuid twice", batch(event(1), event(1)), 400, "duplicate_event_uuid"),
    ("zip bomb", gzip.compress(b" " * (30 << 20)), 413, "payload_too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
async def test_bodies_without_verdicts_are_refused(project: CaptureProject, body: Any, status: int, code: str) -> None:
    zipped = isinstance(body, bytes) and body.startswith(b"\x1f\x8b")
    answer = await project.v1(body, headers={"content-encoding": "gzip"} if zipped else {})

    assert (answer.status, answer.json()["error"]) == (status, code)
    assert await project.count() == 0


async def test_a_number_that_is_too_large_drops_its_event_alone(project: CaptureProject) -> None:
    text = json.dumps(batch(event(1), event(2, properties={"big": 7}))).replace('"big": 7', '"big": 1e400')

    answer = await project.v1(text.encode())

    assert answer.json()["results"] == {
        uuid_text(1): {"result": "ok"},
        uuid_text(2): {"result": "drop", "details": "malformed_event_properties"},
    }
    assert await project.count() == 1


async def test_only_post_is_answered(project: CaptureProject) -> None:
    answer = await ask(project.room.app, "/i/v1/analytics/events", method="GET")

    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


async def test_a_batch_that_is_sent_twice_counts_once(project: CaptureProject) -> None:
    for attempt in ("1", "2"):
        answer = await project.v1(batch(event()), headers={"posthog-attempt": attempt})
        assert answer.json()["results"] == {uuid_text(1): {"result": "ok"}}

    assert await project.count() == 1
