"""`Hedgerow-Dry-Run: 1`: what would be sent where, and whether it may be; nothing is sent (gateway §5.2)."""

from __future__ import annotations

from typing import Any

import msgspec

from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.headers import Headers
from hedgerow.gateway.local import Send
from hedgerow.gateway.trace import Trace
from hedgerow.gateway.verdict import Call

MASKED = "Bearer …"


async def answer_dry_run(
    send: Send,
    trace: Trace,
    call: Call,
    *,
    url: str,
    headers: Headers,
    size: int,
    refusal: GatewayError | None,
    budget: Any,
    cache: str,
) -> None:
    """Answer 200 with what would happen."""
    would = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    if not call.is_public:
        would["authorization"] = MASKED
    body = msgspec.json.encode(
        {
            "dry_run": True,
            "would": {"method": call.method, "url": url, "headers": would, "body_bytes": size},
            "connection": str(call.connection.id),
            "policy": {
                "allowed": refusal is None,
                "rule": None if refusal is None else refusal.more.get("rule", refusal.code),
                "reads": call.is_read,
            },
            "budget": budget,
            "cache": cache,
        }
    )
    trace.status, trace.origin, trace.code, trace.bytes_out = 200, "gateway", "dry_run", len(body)
    fields: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"hedgerow-origin", b"gateway"),
        (b"hedgerow-connection", str(call.connection.id).encode()),
        (b"x-request-id", trace.request_id),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if trace.method == "HEAD" else body, "more_body": False})
