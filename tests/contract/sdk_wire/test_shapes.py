"""Five doors into one room: every path, shape and encoding stores the same event (sdk-wire §1, §3, §5.1)."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any
from urllib.parse import quote

import brotli
import lzstring
import pytest
import zstandard
from tests.capture.room import CaptureProject, ask, uuid_text

from hedgerow.capture import CAPTURE_PATHS, matches

pytestmark = pytest.mark.stores

PATHS = ["/e", "/i/v0/e", "/capture", "/track", "/engage", "/batch", "/i/v0/ai/batch"]
EVENT = {
    "event": "order paid",
    "uuid": uuid_text(1),
    "distinct_id": "cust-7",
    "timestamp": "2031-02-03T10:00:01.000Z",
    "properties": {"total": 19.5, "name": "Zoë 🦊", "none": None},
}


def envelope(token: str) -> Any:
    return {"api_key": token, "batch": [EVENT], "historical_migration": False}


def array(token: str) -> Any:
    return [{**EVENT, "token": token}]


def single(token: str) -> Any:
    return {"$token": token, **EVENT}


def in_properties(token: str) -> Any:
    return [{**EVENT, "properties": {**EVENT["properties"], "token": token}}]  # pyright: ignore[reportGeneralTypeIssues]


def as_sent(text: bytes) -> dict[str, Any]:
    return {"body": text}


def compressed(text: bytes) -> dict[str, Any]:
    return {"body": gzip.compress(text), "headers": {"content-type": "text/plain"}}


def compressed_as_node(text: bytes) -> dict[str, Any]:
    return {
        "body": gzip.compress(text),
        "headers": {"content-type": "application/json", "content-encoding": "gzip"},
    }


def as_form(text: bytes) -> dict[str, Any]:
    data = quote(base64.b64encode(text).decode())
    return {
        "body": f"data={data}&ver=1.2".encode(),
        "headers": {"content-type": "application/x-www-form-urlencoded"},
        "query": {"compression": "base64"},
    }


def as_form_with_spaces(text: bytes) -> dict[str, Any]:
    """What is left of base64's plus signs when nobody escaped them."""
    return {**as_form(text), "body": b"data=" + base64.b64encode(text)}


def as_base64(text: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(text)}


def twice_base64(text: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(base64.b64encode(text))}


def base64_of_gzip(text: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(gzip.compress(text))}


def as_lz64(text: bytes) -> dict[str, Any]:
    units = text.decode().encode("utf-16-le")
    characters = "".join(chr(int.from_bytes(units[at : at + 2], "little")) for at in range(0, len(units), 2))
    body = lzstring.LZString().compressToBase64(characters)
    return {"body": body.encode(), "query": {"compression": "lz64"}}


def in_the_query(text: bytes) -> dict[str, Any]:
    return {"method": "GET", "query": {"data": base64.b64encode(text).decode(), "ip": "1", "_": "1927879205000"}}


def as_json_with_curls_content_type(text: bytes) -> dict[str, Any]:
    return {"body": text, "headers": {"content-type": "application/x-www-form-urlencoded"}}


def in_chunks(text: bytes) -> dict[str, Any]:
    return {"body": [text[:5], b"", text[5:40], text[40:]]}


def encoded(name: str) -> Any:
    pack = {"deflate": zlib.compress, "zstd": zstandard.compress, "br": brotli.compress}[name]
    return lambda text: {"body": pack(text), "headers": {"content-encoding": name}}


def with_a_byte_order_mark(text: bytes) -> dict[str, Any]:
    return {"body": b"\xef\xbb\xbf" + text}


WRAPPINGS = [
    as_sent,
    compressed,
    compressed_as_node,
    as_form,
    as_form_with_spaces,
    as_base64,
    twice_base64,
    base64_of_gzip,
    as_lz64,
    in_the_query,
    as_json_with_curls_content_type,
    in_chunks,
    with_a_byte_order_mark,
    encoded("deflate"),
    encoded("zstd"),
    encoded("br"),
]


async def stored(project: CaptureProject) -> list[list[Any]]:
    return await project.rows("event, distinct_id, toString(uuid), toString(timestamp), properties")


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("shape", [envelope, array, single, in_properties])
async def test_every_path_takes_every_shape(project: CaptureProject, shape: Any, path: str, slash: str) -> None:
    answer = await project.post(path + slash, shape(project.token))

    assert (answer.status, answer.body) == (200, b'{"status":"Ok"}')
    [[event, distinct_id, uuid, timestamp, text]] = await stored(project)
    assert (event, distinct_id, uuid) == ("order paid", "cust-7", uuid_text(1))
    assert timestamp == "2031-02-03 10:00:01.000000"
    assert {**EVENT["properties"]}.items() <= json.loads(text).items()  # pyright: ignore[reportGeneralTypeIssues]


@pytest.mark.parametrize("wrap", WRAPPINGS)
@pytest.mark.parametrize("path", ["/e/", "/batch/"])
async def test_every_wrapping_is_undone(project: CaptureProject, wrap: Any, path: str) -> None:
    how = wrap(json.dumps(envelope(project.token)).encode())
    body = how.pop("body", b"")

    answer = await project.post(path, body, **how)

    assert (answer.status, answer.body) == (200, b'{"status":"Ok"}')
    [[event, distinct_id, uuid, timestamp, text]] = await stored(project)
    assert (event, distinct_id, uuid) == ("order paid", "cust-7", uuid_text(1))
    assert timestamp == "2031-02-03 10:00:01.000000"
    assert json.loads(text)["name"] == "Zoë 🦊"


async def test_an_engage_event_without_a_name_is_an_identify(project: CaptureProject) -> None:
    await project.post("/engage/", {"api_key": project.token, "distinct_id": "u1", "$set": {"plan": "pro"}})

    assert await project.rows("event") == [["$identify"]]


async def test_other_paths_are_passed_on(project: CaptureProject) -> None:
    assert (await project.post("/flags/", {})).status == 404
    assert not matches("/batch//")
    assert all(matches(path) and matches(path + "/") for path in CAPTURE_PATHS)


async def test_the_order_within_a_batch_is_kept(project: CaptureProject) -> None:
    await project.sends(*[{"event": "$set", "distinct_id": "u1", "$set": {"n": n}} for n in range(5)])

    [[text]] = await project.room.events.rows(f"SELECT properties FROM persons FINAL WHERE team_id = {project.id}")
    assert json.loads(text)["n"] == 4


async def test_a_batch_that_is_sent_twice_counts_once(project: CaptureProject) -> None:
    for _ in range(2):
        assert (await project.post("/batch/", envelope(project.token))).status == 200

    assert await project.count() == 1


async def test_a_head_request_stores_nothing(project: CaptureProject) -> None:
    data = base64.b64encode(json.dumps(envelope(project.token)).encode()).decode()
    answer = await ask(project.room.app, "/e/", method="HEAD", query={"data": data})

    assert (answer.status, answer.body) == (200, b"")
    assert await project.count() == 0
