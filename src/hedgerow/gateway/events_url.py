"""The sink of a gateway that runs alone: calls go as events to another server's `/batch/` (`HEDGEROW_EVENTS_URL`).

HEDGEROW_EVENTS_URL=https://phc_the_project_token@analytics.example.com
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from hedgerow.core.clock import from_us, iso
from hedgerow.core.errors import StartupError
from hedgerow.gateway.accounting import GatewayCall
from hedgerow.gateway.apps import plain_origin
from hedgerow.gateway.upstream import Target, UpstreamClient

EVENT: Final = "gateway call"
ANSWER_SECONDS_MAX: Final = 10.0


class SinkFailed(Exception):  # noqa: N818 — logged, and the calls are lost
    """The server did not take the events."""


class EventsUrl:
    """Sends calls to the project that the URL names."""

    def __init__(self, url: str, client: UpstreamClient) -> None:
        """Raises `StartupError` for a URL without a token, or that is none."""
        parts = urlsplit(url)
        origin = plain_origin(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
        if origin is None or not parts.username:
            raise StartupError("HEDGEROW_EVENTS_URL cannot be used: it must be such as https://phc_token@host.")
        self._token = parts.username
        self._target = Target.of(origin, is_private=True)
        self._client = client

    async def store(self, calls: Sequence[GatewayCall]) -> None:
        """Send them as one batch. Raises `SinkFailed`, `UpstreamError`."""
        batch = {"api_key": self._token, "batch": [event_of(call) for call in calls]}
        body = msgspec.json.encode(batch)
        head = b"POST %b/batch/ HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        channel = await self._client.acquire(self._target, fresh=True)
        try:
            channel.begin(
                head % (self._target.base_path, self._target.host_header, len(body)) + body,
                is_head=False,
                has_more=False,
            )
            await channel.head(ANSWER_SECONDS_MAX)
            while await channel.read(ANSWER_SECONDS_MAX):
                pass
            if channel.status != 200:
                raise SinkFailed(f"the answer was {channel.status}")
        finally:
            self._client.release(channel)


def event_of(call: GatewayCall) -> dict[str, Any]:
    """A call as an SDK would send it: the key is who did it."""
    return {
        "event": EVENT,
        "uuid": call.event_uuid,
        "distinct_id": f"gateway key {call.key_id}" if call.key_id else "unknown key",
        "timestamp": iso(from_us(call.at_us)),
        "properties": {**properties_of(call), "$process_person_profile": False},
    }


def properties_of(call: GatewayCall) -> dict[str, Any]:
    """What HogQL finds on the event. Milliseconds and bytes; no secret, and no value of a query."""
    return {
        "key_id": None if call.key_id is None else str(call.key_id),
        "key": call.key_name,
        "connection_id": None if call.connection_id is None else str(call.connection_id),
        "connection": call.connection_name,
        "app": call.app,
        "method": call.method,
        "route": call.route,
        "query_names": call.query_names,
        "status": call.status,
        "origin": call.origin,
        "code": call.code,
        "policy": call.policy,
        "upstream_ms": call.upstream_us / 1000,
        "added_ms": call.gateway_us / 1000,
        "bytes_in": call.bytes_in,
        "bytes_out": call.bytes_out,
        "retries": call.retries,
        "ended": call.ended,
        "request_id": call.request_id,
    }
