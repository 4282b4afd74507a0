"""The capture routes over the real writer and real stores, asked as an ASGI server would ask them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from hedgerow.capture import CaptureApp
from hedgerow.capture.models import IngestionWarningRow
from hedgerow.capture.warnings import keep, latest
from hedgerow.capture.writer import Writer
from hedgerow.core import ids
from hedgerow.core.clock import ManualClock, to_us
from hedgerow.core.identity.models import Organization, Project
from hedgerow.core.identity.teams import Teams
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.metadata import Metadata
from hedgerow.people.store import People
from hedgerow.settings import Settings

NOW = datetime(2031, 2, 3, 10, 0, 5, tzinfo=UTC)
NOW_US = to_us(NOW)
V1_HEADERS = {
    "posthog-sdk-info": "posthog-node/5.70.0",
    "posthog-attempt": "1",
    "posthog-request-id": "018f0000-0000-7000-8000-0000000000ff",
    "posthog-request-timestamp": "2031-02-03T10:00:05Z",
    "content-type": "application/json",
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class NotFound:
    """What stands behind the capture routes here."""

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(
    app: Any,
    path: str,
    body: bytes | Sequence[bytes] = b"",
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | str = "",
    peer: str = "203.0.113.9",
) -> Answer:
    """One request. A sequence of bodies comes as chunks."""
    chunks = [body] if isinstance(body, bytes) else list(body)
    messages = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, 1)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": (query if isinstance(query, str) else urlencode(query)).encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": (peer, 50_000),
    }
    await app(scope, receive, send)
    start, end = sent
    found = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], end["body"], found)


@dataclass
class Room:
    """One server's capture side."""

    settings: Settings
    events: EventStore
    metadata: Metadata
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))

    def __post_init__(self) -> None:
        self.teams = Teams(self.metadata, self.clock)
        people = People(self.metadata, self.events, self.clock)
        self.writer = Writer(people, self.events, self.settings, self.clock, keep_warnings=keep)
        self.app = self.capture_app(self.settings)

    def capture_app(self, settings: Settings) -> CaptureApp:
        return CaptureApp(NotFound(), self.teams, self.writer, self.metadata, settings, self.clock)

    async def new_project(self, **changes: Any) -> CaptureProject:
        token = ids.secret("phc_", 20)
        fields = {"created_at": NOW, "updated_at": NOW, "deleted_at": None, "settings": {}}
        async with self.metadata.write() as session:
            organization = Organization(id=ids.uuid7(), name="Fernhill", slug=token.lower(), **fields)
            session.add(organization)
            await session.flush()
            defaults = {
                "uuid": ids.uuid7(),
                "organization_id": organization.id,
                "name": "Shop",
                "api_token": token,
                "timezone": "UTC",
                "week_start_day": 0,
                "anonymize_ips": False,
                "cookieless_server_hash_mode": 0,
                "ingested_event": False,
            }
            project = Project(**fields | defaults | changes)
            session.add(project)
            await session.flush()
            team_id = project.id
        return CaptureProject(self, team_id, token)


@dataclass
class CaptureProject:
    room: Room
    id: int
    token: str
    app: Any = None

    def one(self, event: str = "order paid", distinct_id: str = "cust-7", **fields: Any) -> dict[str, Any]:
        """One event with the project's token on it."""
        return {"api_key": self.token, "event": event, "distinct_id": distinct_id, **fields}

    async def post(self, path: str, body: Any, **how: Any) -> Answer:
        """Send JSON, or bytes as they are."""
        ready = isinstance(body, bytes) or (isinstance(body, list) and body and isinstance(body[0], bytes))
        return await ask(self.app or self.room.app, path, body if ready else json.dumps(body).encode(), **how)

    async def sends(self, *events: dict[str, Any], **how: Any) -> None:
        """Store events; every one of them has to be accepted."""
        answer = await self.post("/batch/", {"api_key": self.token, "batch": list(events)}, **how)
        assert (answer.status, answer.body) == (200, b'{"status":"Ok"}')

    async def v1(self, body: Any, *, headers: Mapping[str, str] | None = None, **how: Any) -> Answer:
        given = {"authorization": f"Bearer {self.token}", **V1_HEADERS, **(headers or {})}
        return await self.post("/i/v1/analytics/events", body, headers={k: v for k, v in given.items() if v}, **how)

    async def rows(self, columns: str, order: str = "event, distinct_id, timestamp") -> list[list[Any]]:
        return await self.room.events.rows(f"SELECT {columns} FROM events WHERE team_id = {self.id} ORDER BY {order}")

    async def properties(self) -> list[str]:
        """The texts of all events' properties."""
        return [row[0] for row in await self.rows("properties")]

    async def count(self) -> int:
        return int((await self.rows("count()", "1"))[0][0])

    async def warnings(self) -> list[IngestionWarningRow]:
        async with self.room.metadata.read() as session:
            return await latest(session, self.id)

    async def warning_types(self) -> set[str]:
        return {row.type for row in await self.warnings()}


def packed(value: Any) -> bytes:
    return gzip.compress(json.dumps(value).encode(), mtime=0)


def uuid_text(number: int) -> str:
    return str(UUID(int=0x018F0000_0000_7000_8000_000000000000 + number))
