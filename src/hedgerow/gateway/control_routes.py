"""The control plane's routes (gateway §1.5-1.9): thin, the work is done in the modules beside.

GET, POST           /connections
GET, PATCH, DELETE  /connections/{id}
POST                /connections/{id}/reconnect · /connections/{id}/test
GET                 /apps
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import get, patch, post, route
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from hedgerow.core.clock import from_us, to_us
from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.asking import BODY_BYTES_MAX, AnyRequest, Asker, Json, answer, body_of
from hedgerow.gateway.connections import STATUSES
from hedgerow.gateway.control import KNOWN_ELSEWHERE, METHODS, Control, NewConnection
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.policy import Policy, PolicyInvalid
from hedgerow.gateway.repeats import Repeats
from hedgerow.gateway.shown import entity_tag

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
WAIT_SECONDS_MAX: Final = 59
LOOK_SECONDS: Final = 1.0
"""Between two looks at what another process may have changed."""


class Change(msgspec.Struct, frozen=True):
    """The body of `PATCH /connections/{id}`; what is absent stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    default: bool | msgspec.UnsetType = msgspec.UNSET
    policy: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


@get("/connections", include_in_schema=False)
async def list_connections(request: AnyRequest, control: NamedDependency[Control]) -> Json:
    """The account's connections, oldest first, so that the first ACTIVE one is the default (gateway §1.5)."""
    asker = await control.asker(request)
    query = _query(request)
    for name, known in (("status", STATUSES), ("method", (*METHODS, *KNOWN_ELSEWHERE))):
        if name in query and query[name] not in known:
            raise GatewayError(400, f"unknown_{name}", f"One of {', '.join(known)}.", name)
    if "app" in query:
        control.app(query["app"])
    limit = _number(query, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
    order = query.get("order", "creation_time")
    if order not in {"creation_time", "-creation_time"}:
        raise GatewayError(400, "invalid_field", "creation_time or -creation_time.", "order")
    after = _after(query.get("cursor") or query.get("next_token"))
    wait = _number(query, "wait", 0, 0, WAIT_SECONDS_MAX)
    await control.lifecycle.expire()
    rows = await control.lifecycle.of_user(asker.user_id)
    async with control.waiting(asker, wait) as seconds:
        deadline = control.clock.monotonic() + seconds
        while not (found := _matching(rows, asker, query)) and control.clock.monotonic() < deadline:
            await control.lifecycle.change_seen(min(LOOK_SECONDS, deadline - control.clock.monotonic()))
            rows = await control.lifecycle.of_user(asker.user_id)
    total = len(found)
    if order.startswith("-"):
        found.reverse()
    if after is not None:
        sign = -1 if order.startswith("-") else 1
        found = [row for row in found if (_place(row) > after) == (sign > 0) and _place(row) != after]
    page, more = found[:limit], len(found) > limit
    cursor = _cursor(page[-1]) if more else None
    shown = await control.shown(asker, rows, page)
    return answer({"connections": shown, "cursor": cursor, "next_token": cursor, "total": total})


@post("/connections", status_code=200, request_max_body_size=BODY_BYTES_MAX, include_in_schema=False)
async def create_connection(request: AnyRequest, control: NamedDependency[Control]) -> Json:
    """A new connection: with a connect link for a person, or ACTIVE at once with `api_key` (gateway §1.6)."""
    asker = await control.asker(request)
    asker.require_management()
    new = await body_of(request, NewConnection)
    repeats = Repeats(control.metadata, control.clock)
    said = request.headers.get("idempotency-key")
    fingerprint = hashlib.sha256(b"POST /connections\n" + await request.body()).hexdigest()
    earlier = await repeats.begin(asker.grant.id, said, fingerprint)
    if earlier is not None:
        return await _created(control, asker, earlier, replayed=True)
    try:
        made_id = (await control.create(asker, new)).id
    except BaseException:
        await repeats.forget(asker.grant.id, said)
        raise
    await repeats.done(asker.grant.id, said, made_id)
    return await _created(control, asker, made_id)


@get("/connections/{connection_id:str}", include_in_schema=False)
async def get_connection(
    request: AnyRequest, control: NamedDependency[Control], connection_id: FromPath[str]
) -> Response[Any]:
    """One connection; with `wait`, as soon as it is not PENDING any more (gateway §1.7)."""
    asker = await control.asker(request)
    wait = _number(_query(request), "wait", 0, 0, WAIT_SECONDS_MAX)
    await control.lifecycle.expire()
    row = await _row(control, asker, connection_id)
    async with control.waiting(asker, wait) as seconds:
        deadline = control.clock.monotonic() + seconds
        while row.status == "PENDING" and control.clock.monotonic() < deadline:
            await control.lifecycle.change_seen(min(LOOK_SECONDS, deadline - control.clock.monotonic()))
            row = await _row(control, asker, connection_id)
    tag = entity_tag(row)
    if tag in [part.strip() for part in request.headers.get("if-none-match", "").split(",")]:
        return Response(None, status_code=304, headers={"ETag": tag, "Cache-Control": "no-store"})
    return answer({"connection": await _object(control, asker, row)}, headers={"ETag": tag})


@patch("/connections/{connection_id:str}", request_max_body_size=BODY_BYTES_MAX, include_in_schema=False)
async def change_connection(
    request: AnyRequest, control: NamedDependency[Control], connection_id: FromPath[str]
) -> Json:
    """Its name, whether it is on, whether it is the default, and what may be done through it (gateway §1.9)."""
    asker = await control.asker(request)
    asker.require_management()
    row = await _row(control, asker, connection_id)
    change = await body_of(request, Change)
    if isinstance(change.name, str) and not (0 < len(change.name.strip()) <= 100 and change.name.isprintable()):
        raise GatewayError(400, "invalid_field", "A name has 1 to 100 visible characters.", "name")
    if isinstance(change.policy, dict):
        asker.require_key_management()  # else a key could take away what limits it
        try:
            Policy.parse(change.policy)
        except PolicyInvalid as error:
            raise GatewayError(400, "invalid_policy", error.detail, f"policy__{error.attr}".rstrip("_")) from None

    def alter(found: ConnectionRow) -> dict[str, Any]:
        if isinstance(change.name, str):
            found.name = change.name.strip()
        if isinstance(change.enabled, bool):
            found.enabled = change.enabled
        if isinstance(change.default, bool):
            found.is_pinned = change.default
        if isinstance(change.policy, dict):
            found.policy = change.policy
        return {
            name: value
            for name, value in msgspec.structs.asdict(change).items()
            if value is not msgspec.UNSET and name != "name"
        }

    changed = await control.lifecycle.change(asker.actor, asker.user_id, row.id, alter)
    if changed is None:
        raise not_found()
    return answer({"connection": await _object(control, asker, changed)})


@route("/connections/{connection_id:str}", http_method=["DELETE"], status_code=200, include_in_schema=False)
async def delete_connection(
    request: AnyRequest, control: NamedDependency[Control], connection_id: FromPath[str]
) -> Json:
    """Erase it and its credential; the account is told afterwards (gateway §1.8)."""
    asker = await control.asker(request)
    asker.require_management()
    row = await _row(control, asker, connection_id)
    if not await control.connector.delete(asker.actor, asker.user_id, row.id):
        raise not_found()
    return answer({"connection_id": str(row.id), "deleted": True})


@post("/connections/{connection_id:str}/reconnect", status_code=200, include_in_schema=False)
async def reconnect(request: AnyRequest, control: NamedDependency[Control], connection_id: FromPath[str]) -> Json:
    """A connect link for a connection that there is; what it is and does goes on until the link is used."""
    asker = await control.asker(request)
    asker.require_management()
    row = await _row(control, asker, connection_id)
    shown = await _object(control, asker, row)
    return answer({"connection_id": str(row.id), "url": shown["url"], "status": row.status, "connection": shown})


@post("/connections/{connection_id:str}/test", status_code=200, include_in_schema=False)
async def test_connection(request: AnyRequest, control: NamedDependency[Control], connection_id: FromPath[str]) -> Json:
    """Ask the account now whether it takes the credential."""
    asker = await control.asker(request)
    row = await _row(control, asker, connection_id)
    return answer(await control.connector.test(row))


@get("/apps", include_in_schema=False)
async def list_apps(request: AnyRequest, control: NamedDependency[Control]) -> Json:
    """What can be connected, and where accounts may live."""
    await control.asker(request)
    return answer(
        {
            "apps": [
                {
                    "app": app.name,
                    "title": app.title,
                    "methods": list(app.methods),
                    "hosts": [
                        {"name": place.name, "title": place.title, "origin": place.origin}
                        for place in control.places.of(app)
                    ],
                    "scopes": list(app.scopes),
                }
                for app in control.apps.all()
            ]
        }
    )


@route("/connections", http_method=["PUT", "PATCH", "DELETE"], status_code=200, include_in_schema=False)
async def no_such_list_method(request: AnyRequest) -> Json:
    """405."""
    raise _not_allowed(request, "GET, POST")


@route("/connections/{connection_id:str}", http_method=["PUT", "POST"], status_code=200, include_in_schema=False)
async def no_such_item_method(request: AnyRequest, connection_id: FromPath[str]) -> Json:
    """405."""
    del connection_id
    raise _not_allowed(request, "GET, PATCH, DELETE")


def not_found() -> GatewayError:
    """404: no UUID, unknown, or another account's; nobody can tell which."""
    return GatewayError(404, "connection_not_found", "No connection with this id.")


async def _row(control: Control, asker: Asker, said: str) -> ConnectionRow:
    """The connection, compared exactly. Raises `GatewayError` 404."""
    try:
        connection_id = UUID(said)
    except ValueError:
        raise not_found() from None
    row = None
    if str(connection_id) == said and asker.sees(connection_id):
        row = await control.lifecycle.get(asker.user_id, connection_id)
    if row is None:
        raise not_found()
    return row


async def _object(control: Control, asker: Asker, row: ConnectionRow) -> dict[str, Any]:
    rows = await control.lifecycle.of_user(asker.user_id)
    return (await control.shown(asker, rows, [row]))[0]


async def _created(control: Control, asker: Asker, connection_id: UUID, *, replayed: bool = False) -> Json:
    row = await control.lifecycle.get(asker.user_id, connection_id)
    if row is None:
        raise not_found()
    shown = await _object(control, asker, row)
    headers = {"Location": f"/connections/{row.id}"} | ({"Hedgerow-Origin": "replay"} if replayed else {})
    return answer(
        {"connection_id": str(row.id), "connection": shown, "url": shown["url"], "status": row.status}, headers=headers
    )


def _matching(rows: list[ConnectionRow], asker: Asker, query: dict[str, str]) -> list[ConnectionRow]:
    wanted = {name: query[name] for name in ("app", "status", "method") if name in query}
    return [
        row for row in rows if asker.sees(row.id) and all(getattr(row, name) == value for name, value in wanted.items())
    ]


def _query(request: AnyRequest) -> dict[str, str]:
    """The query; of a name that repeats, the first. Empty values are none."""
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"))
    return dict(reversed(pairs))


def _number(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    said = query.get(name)
    if said is None:
        return default
    if not (said.isascii() and said.isdecimal() and len(said) <= 9) or int(said) < least:
        raise GatewayError(400, "invalid_field", f"A whole number from {least} to {most}.", name)
    return min(int(said), most)


def _place(row: ConnectionRow) -> tuple[datetime, str]:
    return row.created_at, str(row.id)


def _cursor(row: ConnectionRow) -> str:
    return base64.urlsafe_b64encode(f"{to_us(row.created_at)} {row.id}".encode()).decode()


def _after(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        microseconds, _, connection_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        return from_us(int(microseconds)), str(UUID(connection_id))
    except (ValueError, binascii.Error, OverflowError):
        raise GatewayError(400, "invalid_field", "This is no cursor of ours.", "cursor") from None


def _not_allowed(request: AnyRequest, allowed: str) -> GatewayError:
    return GatewayError(
        405,
        "method_not_allowed",
        f"{request.method} is not allowed here.",
        headers=[(b"allow", allowed.encode())],
    )


routes = [
    list_connections,
    create_connection,
    get_connection,
    change_connection,
    delete_connection,
    reconnect,
    test_connection,
    list_apps,
    no_such_list_method,
    no_such_item_method,
]
