"""`/flags` and `/decide` before the first flag: every form that SDKs ask for (sdk-wire §9)."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from tests.web.conftest import Browser

RECORDS = {"errorsWhileComputingFlags", "requestId", "evaluatedAt", "flags"}
OLD_MAP = {"featureFlags", "featureFlagPayloads", "errorsWhileComputingFlags", "requestId"}


def asking(token: str, **fields: Any) -> bytes:
    return json.dumps({"token": token, "distinct_id": "d1", **fields}).encode()


@pytest.mark.parametrize("path", ["/flags/?v=2", "/flags?v=2", "/flags/?v=4"])
async def test_records_are_empty(browser: Browser, path: str) -> None:
    response = await browser.post(path, asking(browser.token))
    body = response.json()
    assert response.status_code == 200
    assert set(body) == RECORDS
    assert (body["flags"], body["errorsWhileComputingFlags"]) == ({}, False)
    assert UUID(body["requestId"]).version == 4
    assert abs(body["evaluatedAt"] - browser.access.clock.now_us() // 1000) < 60_000
    assert response.headers["access-control-allow-origin"] == browser.origin
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "kept", "has_config"),
    [
        ("/flags/?v=2&config=true", RECORDS, True),
        ("/flags/", RECORDS, True),
        ("/flags/?v=1", OLD_MAP, False),
        ("/flags/?config=true", OLD_MAP, True),
        ("/decide/?v=4", RECORDS, True),
        ("/decide/?v=3", OLD_MAP, True),
    ],
)
async def test_older_forms(browser: Browser, path: str, kept: set[str], has_config: bool) -> None:
    body = (await browser.post(path, asking(browser.token))).json()
    assert kept <= set(body)
    assert ("supportedCompression" in body) is has_config


@pytest.mark.parametrize(("path", "flags"), [("/decide/?v=2", {}), ("/decide/?v=1", []), ("/decide/", [])])
async def test_the_oldest_forms(browser: Browser, path: str, flags: Any) -> None:
    body = (await browser.post(path, asking(browser.token))).json()
    assert body["featureFlags"] == flags


@pytest.mark.parametrize("name", ["token", "api_key", "$token"])
@pytest.mark.parametrize("distinct_id", ["d1", "", 17, 1.5])
async def test_names_of_the_token_and_kinds_of_ids(browser: Browser, name: str, distinct_id: Any) -> None:
    body = json.dumps({name: browser.token, "$distinct_id": distinct_id}).encode()
    assert (await browser.post("/flags/?v=2", body)).status_code == 200


async def test_bodies_as_sdks_of_all_years_send_them(browser: Browser) -> None:
    plain = asking(browser.token)
    form = "application/x-www-form-urlencoded"
    encoded = base64.b64encode(plain).decode()
    sent = [
        (plain, {"content_type": "application/json"}),
        (gzip.compress(plain), {"content_type": "text/plain"}),
        (gzip.compress(plain), {"content_type": "application/json", "content_encoding": "gzip"}),
        (base64.b64encode(plain), {"content_type": "text/plain"}),
        (urlencode({"data": encoded}).encode(), {"content_type": form}),
        (urlencode({"data": plain.decode()}).encode(), {"content_type": form}),
        (asking(browser.token, person_properties={"score": float("nan")}), {"content_type": "application/json"}),
        (plain[:-1] + b', "note": "\\ud83d"}', {"content_type": "application/json"}),
    ]
    for body, headers in sent:
        response = await browser.post("/flags/?v=2", body, **headers)
        assert response.status_code == 200, (body, response.text)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"{}", 401),
        (b'{"token": "phc_nobody", "distinct_id": "d1"}', 401),
        (b'{"token": 17, "distinct_id": "d1"}', 401),
        (b'{"token": "\\u0000", "distinct_id": "d1"}', 401),
    ],
)
async def test_what_is_refused(browser: Browser, body: bytes, status: int) -> None:
    response = await browser.post("/flags/?v=2", body)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/plain")
    assert response.headers["access-control-allow-origin"] == browser.origin


@pytest.mark.parametrize("distinct_id", [None, [], {}])
async def test_a_request_about_nobody_is_refused(browser: Browser, distinct_id: Any) -> None:
    response = await browser.post("/flags/?v=2", asking(browser.token, distinct_id=distinct_id))
    assert (response.status_code, response.text) == (400, "distinct_id is missing.")


async def test_a_bomb_is_refused_before_it_is_large(browser: Browser) -> None:
    assert (await browser.post("/flags/?v=2", gzip.compress(b" " * (64 << 20)))).status_code == 413
    assert (await browser.post("/flags/?v=2", b" " * (3 << 20))).status_code == 413


async def test_get_and_head_are_answered(browser: Browser) -> None:
    answer = await browser.get("/flags/?v=2")
    assert (answer.status_code, answer.json()["flags"]) == (200, {})
    assert (await browser.client.head("/flags/?v=2")).status_code == 200
