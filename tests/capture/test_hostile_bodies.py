"""Bodies that mean harm: never a 5xx, never half a batch, never a lost neighbour (the bar is 5,000; CI runs fewer)."""

from __future__ import annotations

import base64
import gzip
import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.capture.room import CaptureProject, Room

pytestmark = pytest.mark.stores

EXAMPLES = 5_000 if os.environ.get("HEDGEROW_TEST_TIER") == "all" else 60
CORPUS = Path(__file__).with_name("hostile_bodies.txt")
PATHS = ["/e/", "/batch/", "/engage/", "/i/v0/ai/batch/", "/i/v1/analytics/events"]

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20)
    | st.sampled_from(["", " ", "\0", "null", "$posthog_cookieless", "2031-02-03", "phc_x", "-1", "a" * 300]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from([
    *["$set", "$set_once", "$unset", "$groups", "$group_type", "$group_key", "$group_set", "$ip", "$session_id"],
    *["$window_id", "$elements", "$elements_chain", "$cookieless_mode", "$process_person_profile", "alias", "token"],
    *["$anon_distinct_id", "$ignore_sent_at", "$geoip_disable", "$timezone", "$host", "$raw_user_agent", "distinct_id"],
    *["$browser", "$os_name", "$is_server", "a.b", "$sent_at", "$$client_ingestion_warning_message", "$lib"],
])  # fmt: skip
NAMES = st.sampled_from([
    *["seen", "$identify", "$create_alias", "$merge_dangerously", "$groupidentify", "$set", "$exception", "$$heatmap"],
    *["$snapshot", "$performance_event", "$$client_ingestion_warning", "$feature_flag_called", "$autocapture"],
])  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {"event": NAMES | VALUES, "distinct_id": st.sampled_from(["u1", "u2"]) | VALUES},
    optional={
        "uuid": st.uuids().map(str) | VALUES,
        "timestamp": st.datetimes().map(str) | VALUES,
        "offset": VALUES,
        "sent_at": VALUES,
        "$set": st.dictionaries(KEYS, VALUES, max_size=3) | VALUES,
        "$set_once": VALUES,
        "properties": st.dictionaries(KEYS | st.text(max_size=10), VALUES, max_size=6) | VALUES,
        "options": VALUES,
        "session_id": VALUES,
    },
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """JSON of the right shape with anything in it, or nearly JSON, or no JSON."""
    events = draw(st.lists(EVENTS, max_size=4))
    whole: Any = {"api_key": "TOKEN", "batch": events, "created_at": "2031-02-03T10:00:05Z", "sent_at": draw(VALUES)}
    shape = draw(st.sampled_from([whole, [{**event, "token": "TOKEN"} for event in events], draw(VALUES)]))
    text = json.dumps(shape, separators=draw(st.sampled_from([(",", ":"), (", ", " : ")]))).encode()
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(text)))
        junk = draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"{", b"]", b"\\", b"1e999", b"\\ud800", b"\xff", b","])
        )
        text = text[:at] + junk + text[at + draw(st.integers(0, 3)) :]
    return text


WRAPS = st.sampled_from([
    bytes,
    gzip.compress,
    base64.b64encode,
    zlib.compress,
    lambda text: b"data=" + base64.b64encode(text),
    lambda text: base64.b64encode(gzip.compress(text)),
    lambda text: gzip.compress(text)[:-4],
])  # fmt: skip
HEADERS = st.sampled_from([
    {},
    {"content-type": "application/x-www-form-urlencoded"},
    {"content-encoding": "gzip"},
    {"content-encoding": "deflate"},
    {"content-encoding": "br"},
    {"content-type": "multipart/form-data; boundary=x", "x-forwarded-for": "a, b"},
])  # fmt: skip
QUERIES = st.sampled_from(
    ["", "compression=gzip-js", "compression=lz64", "data=abc", "data=%FF%00", "_=1&_=2", "sent_at=x", "&&=&"]
)


async def assert_harmless(project: CaptureProject, path: str, body: bytes, **how: Any) -> None:
    """Nothing worse than a refusal; and whoever comes next is served."""
    before = await project.count()
    if path.startswith("/i/v1"):
        answer = await project.v1(body, **how)
    else:
        answer = await project.post(path, body, **how)

    assert answer.status < 500, answer.text
    after = await project.count()
    if answer.status != 200:
        assert after == before
    assert project.room.app._budget.taken == 0


@pytest.fixture
async def remembering(room: Room) -> CaptureProject:
    """A project with everything switched on."""
    return await room.new_project(cookieless_server_hash_mode=2, settings={"drop_events_older_than_seconds": 10**9})


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", PATHS)
@settings(
    max_examples=EXAMPLES // len(PATHS),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(texts(), WRAPS, st.fixed_dictionaries({"headers": HEADERS, "query": QUERIES}))
async def test_no_body_breaks_the_server(
    remembering: CaptureProject, path: str, text: bytes, wrap: Any, how: dict[str, Any]
) -> None:
    body = wrap(text.replace(b"TOKEN", remembering.token.encode()))

    await assert_harmless(remembering, path, body, **how)


async def assert_neighbours_live(project: CaptureProject) -> None:
    before = await project.count()
    await project.sends({"event": "after all that", "distinct_id": "u9"})
    assert await project.count() == before + 1


WILD = st.fixed_dictionaries(
    {
        "event": NAMES | st.text(min_size=1, max_size=9),
        "distinct_id": st.sampled_from(["u1", "u2", "null", "$posthog_cookieless"]),
        "properties": st.dictionaries(KEYS | st.text(max_size=10), VALUES, max_size=6),
    },
    optional={
        "timestamp": VALUES,
        "offset": VALUES,
        "$set": st.dictionaries(KEYS | st.text(max_size=3), VALUES, max_size=3),
        "$set_once": st.dictionaries(KEYS, VALUES, max_size=3),
    },
)


@pytest.mark.timeout(3600)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(WILD, min_size=1, max_size=4), st.booleans())
async def test_neighbours_of_any_event_are_stored(
    remembering: CaptureProject, wild: list[dict[str, Any]], typed: bool
) -> None:
    neighbour = {"event": "neighbour", "distinct_id": "u9", "properties": {"n": 1.0}}
    for event in wild:
        if typed and not isinstance(event["properties"].get("$cookieless_mode"), bool | None):
            event["properties"]["$cookieless_mode"] = True
    events = [own for event in wild for own in (neighbour, event)]
    before = await _neighbours(remembering)

    answer = await remembering.post("/batch/", {"api_key": remembering.token, "batch": [*events, neighbour]})

    assert answer.status == 200 or (answer.status, typed) == (400, False), answer.text
    assert await _neighbours(remembering) - before == (len(wild) + 1 if answer.status == 200 else 0)


async def _neighbours(project: CaptureProject) -> int:
    return int((await project.rows("countIf(event = 'neighbour' AND properties LIKE '{\"n\": 1.0,%')", "1"))[0][0])


def corpus() -> list[Any]:
    """Lines of `name: body`; a body may use Python's escapes, and `{REPEAT n text}`."""
    cases: list[Any] = []
    for line in CORPUS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, body = line.partition(": ")
            cases.append(pytest.param(_expanded(body), id=name))
    return cases


def _expanded(body: str) -> bytes:
    while (start := body.find("<<")) >= 0:
        end = body.index(">>", start)
        times, _, text = body[start + 2 : end].partition("*")
        body = body[:start] + text * int(times) + body[end + 2 :]
    return body.encode("latin-1").decode("unicode_escape").encode("latin-1")


@pytest.mark.parametrize("body", corpus())
@pytest.mark.parametrize("path", ["/batch/", "/e/", "/i/v1/analytics/events"])
async def test_a_known_hostile_body_is_harmless(project: CaptureProject, path: str, body: bytes) -> None:
    await assert_harmless(project, path, body.replace(b"TOKEN", project.token.encode()))
    await assert_neighbours_live(project)


async def test_neighbours_of_odd_events_are_all_stored(project: CaptureProject) -> None:
    odd: list[Any] = [
        {"a": "\ud83d"},
        {"a": float("nan")},
        {"\0": "\0"},
        {"a": 2**70},
        {"a": {"b": {"c": [{}, [], None]}}},
        {"$set": "x", "$unset": 7, "$groups": [], "$elements": "x"},
        {"$elements_chain": "\ud83d;"},
        {"$session_id": ["a"], "$window_id": {}},
    ]
    await project.sends(*[
        {"event": "seen", "distinct_id": f"u{number}", "properties": own}
        for pair in enumerate(odd)
        for number, own in (pair, (pair[0] + 100, {"n": pair[0]}))
    ])  # fmt: skip

    assert await project.count() == 2 * len(odd)
