"""Events that the server itself has to tell: through its own capture routes, without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec


class NotTaken(Exception):  # noqa: N818 — the answer was no
    """The capture routes refused a batch; the text is their status and answer."""


async def send_batch(app: Any, token: str, events: list[dict[str, Any]]) -> None:
    """One POST to `/batch/` as an SDK would make it; returns when the events are stored. Raises `NotTaken`."""
    body = msgspec.json.encode({"api_key": token, "batch": events})
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/batch/",
        "raw_path": b"/batch/",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    parts = [{"type": "http.request", "body": body, "more_body": False}]
    said: list[bytes] = []
    statuses: list[int] = []

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.Future()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        else:
            said.append(message.get("body", b""))

    await app(scope, receive, send)
    if statuses != [200]:
        raise NotTaken(f"{statuses} {b''.join(said)[:200].decode('utf-8', 'replace')}")
