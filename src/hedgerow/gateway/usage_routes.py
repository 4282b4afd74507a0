"""`GET /usage`, `GET /connections/{id}/usage`, `GET /audit` (gateway §1.9, §5.2).

A key that may not manage keys sees its own calls alone, and no audit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.asking import AnyRequest, Asker, Json, answer
from hedgerow.gateway.control import Control
from hedgerow.gateway.usage import DIMENSIONS, Span, audit_object, audit_of, usage_of

ENTRIES_DEFAULT: Final = 100
ENTRIES_MAX: Final = 1_000


@get("/usage", include_in_schema=False)
async def show_usage(request: AnyRequest, control: NamedDependency[Control]) -> Json:
    """Sums by `key`, `connection`, `path`, `day`, `hour`: `?by=key,path&since=…&until=…`."""
    asker = await control.asker(request)
    by = _dimensions(request.query_params.get("by", "key"))
    rows = await usage_of(control.metadata, asker.user_id, by, _span(request), key_id=_own(asker))
    return answer({"by": by, "usage": rows})


@get("/connections/{connection_id:str}/usage", include_in_schema=False)
async def show_connection_usage(
    request: AnyRequest, control: NamedDependency[Control], connection_id: FromPath[str]
) -> Json:
    """Sums of one connection, by path unless `by` says otherwise."""
    asker = await control.asker(request)
    known = await request.app.state.gateway.connections.of_user(asker.user_id)
    found = next((one for one in known if str(one.id) == connection_id and asker.sees(one.id)), None)
    if found is None:
        raise GatewayError(404, "connection_not_found", "No connection with this id.")
    by = _dimensions(request.query_params.get("by", "path"))
    span = _span(request)
    rows = await usage_of(control.metadata, asker.user_id, by, span, key_id=_own(asker), connection_id=found.id)
    return answer(
        {"connection_id": connection_id, "status": found.status, "reason": found.reason, "by": by, "usage": rows}
    )


@get("/audit", include_in_schema=False)
async def show_audit(request: AnyRequest, control: NamedDependency[Control]) -> Json:
    """Who created, first used, changed, revoked what, newest first: `?subject=ID&action=…&since=…&limit=…&cursor=…`."""
    asker = await control.asker(request)
    asker.require_key_management()
    query = request.query_params
    limit = _whole(query.get("limit", str(ENTRIES_DEFAULT)), "limit", 1, ENTRIES_MAX)
    before = _whole(query.get("cursor") or "0", "cursor", 0, 1 << 62)
    entries = await audit_of(
        control.metadata,
        asker.user_id,
        _span(request),
        subject_id=query.get("subject") or query.get("key") or query.get("connection"),
        action=query.get("action"),
        before=before,
        limit=limit,
    )
    cursor = str(entries[-1].id) if len(entries) == limit else None
    return answer({"audit": [audit_object(entry) for entry in entries], "cursor": cursor})


def _own(asker: Asker) -> UUID | None:
    return None if asker.grant.policy.manage_keys else asker.grant.id


def _dimensions(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(name in DIMENSIONS for name in names):
        raise GatewayError(400, "invalid_field", f"Some of {', '.join(DIMENSIONS)}.", "by")
    return names


def _span(request: AnyRequest) -> Span:
    return Span(_moment(request, "since"), _moment(request, "until"))


def _moment(request: AnyRequest, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        found = msgspec.convert(text.replace(" ", "+"), datetime)
    except msgspec.ValidationError:
        found = None
    if found is None or found.tzinfo is None:
        raise GatewayError(400, "invalid_field", "A moment such as 2031-01-01T00:00:00Z.", name)
    return found


def _whole(text: str, name: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most):
        raise GatewayError(400, "invalid_field", f"A whole number from {least} to {most}.", name)
    return int(text)


routes = [show_usage, show_connection_usage, show_audit]
