"""What clients without an SDK, and SDKs of earlier years, put on the wire (sdk-wire §19, 31 to 34)."""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import lzstring
import pytest
from tests.live_server import LiveProject

pytestmark = pytest.mark.sdk

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def event(project: LiveProject, name: str = "raw", **fields: Any) -> dict[str, Any]:
    return {"api_key": project.token, "event": name, "distinct_id": "u1", "properties": {"n": 1}, **fields}


def packed(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("path", ["/capture/", "/capture", "/e/", "/i/v0/e/", "/track/", "/batch/"])
def test_a_single_event(project: LiveProject, path: str) -> None:
    response = httpx.post(project.url + path, json=event(project))
    assert (response.status_code, response.json()["status"]) == (200, "Ok")
    assert project.query("SELECT event, distinct_id, properties.n FROM events") == [["raw", "u1", 1]]


def test_an_event_in_the_query(project: LiveProject) -> None:
    response = httpx.get(f"{project.url}/e/", params={"data": packed(event(project))})
    assert response.status_code == 200
    assert project.events() == ["raw"]


def test_an_event_in_a_form(project: LiveProject) -> None:
    body = urlencode({"data": packed([event(project)])})
    assert httpx.post(f"{project.url}/e/", content=body, headers=FORM).status_code == 200
    assert project.events() == ["raw"]


def test_an_lz_string_body(project: LiveProject) -> None:
    note = "blåbær 🌿"
    body = json.dumps(event(project, properties={"note": note}), ensure_ascii=False)
    # as JavaScript sees a text: UTF-16 code units
    units = body.encode("utf-16-le")
    text = lzstring.LZString.compressToBase64("".join(map(chr, struct.unpack(f"<{len(units) // 2}H", units))))
    response = httpx.post(f"{project.url}/e/?compression=lz64", content=urlencode({"data": text}), headers=FORM)
    assert response.status_code == 200, response.text
    assert project.properties("raw")["note"] == note


def test_decide_as_a_form(project: LiveProject) -> None:
    body = urlencode({"data": packed({"token": project.token, "distinct_id": "u1"})})
    answer = httpx.post(f"{project.url}/decide/?v=3", content=body, headers=FORM)
    assert answer.status_code == 200
    assert (answer.json()["featureFlags"], answer.json()["featureFlagPayloads"]) == ({}, {})


def test_a_clock_that_is_ahead_is_set_right(project: LiveProject) -> None:
    now = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 — a client has a clock of its own
    ahead = now + timedelta(hours=1)
    batch = [
        event(project, "shifted", timestamp=ahead.isoformat()),
        event(project, "kept", timestamp=ahead.isoformat(), properties={"$ignore_sent_at": True}),
        event(project, "of tomorrow", timestamp=(now + timedelta(hours=49)).isoformat()),
    ]
    body = {"api_key": project.token, "batch": batch, "sent_at": ahead.isoformat()}
    assert httpx.post(f"{project.url}/batch/", json=body).status_code == 200
    rows = project.query("SELECT event, toUnixTimestamp64Milli(timestamp) FROM events")
    seconds = {name: moment / 1000 - now.timestamp() for name, moment in rows}
    assert abs(seconds["shifted"]) < 60
    assert abs(seconds["kept"] - 3600) < 60
    assert abs(seconds["of tomorrow"]) < 60


@pytest.mark.parametrize("token", ["phx_secret", "", "x" * 65, "phc_nobody_has_this"])
def test_a_token_that_is_none(project: LiveProject, token: str) -> None:
    response = httpx.post(f"{project.url}/capture/", json=event(project, api_key=token))
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("text/plain")
    assert project.events() == []
