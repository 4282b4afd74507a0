"""Gateway keys over JSON (gateway §1.11), for a key that may manage keys.

GET, POST  /keys
POST       /keys/{id}/rotate
DELETE     /keys/{id}
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import get, post, route
from litestar.di import NamedDependency
from litestar.params import FromPath

from hedgerow.gateway.answers import GatewayError, policy_denied
from hedgerow.gateway.asking import BODY_BYTES_MAX, AnyRequest, Asker, Json, answer, body_of
from hedgerow.gateway.control import Control
from hedgerow.gateway.key_rights import exceeds, inherited
from hedgerow.gateway.keys import GRACE_DEFAULT, GRACE_MAX
from hedgerow.gateway.models import GatewayKey
from hedgerow.gateway.policy import PRESETS, Policy, PolicyInvalid
from hedgerow.gateway.shown import key_object

NAME_CHARACTERS_MAX: Final = 100


class NewKey(msgspec.Struct, frozen=True):
    """The body of `POST /keys`. `policy` is an object, or the name of a ready-made one."""

    name: str
    expires_at: datetime | None = None
    policy: dict[str, Any] | str | None = None


class Rotation(msgspec.Struct, frozen=True):
    """The body of `POST /keys/{id}/rotate`."""

    grace_seconds: int = int(GRACE_DEFAULT.total_seconds())


@get("/keys", include_in_schema=False)
async def list_keys(request: AnyRequest, control: NamedDependency[Control]) -> Json:
    """The account's keys, newest first, without their secrets."""
    asker = await _manager(request, control)
    return answer({"keys": [key_object(row) for row in await control.keys.of_user(asker.user_id)]})


@post("/keys", status_code=200, request_max_body_size=BODY_BYTES_MAX, include_in_schema=False)
async def create_key(request: AnyRequest, control: NamedDependency[Control]) -> Json:
    """A new key, shown this once."""
    asker = await _manager(request, control)
    new = await body_of(request, NewKey)
    name = examined_name(new.name)
    expires_at = examined_expiry(new.expires_at, control.clock.now())
    raw = inherited(asker.grant) if new.policy is None else examined_policy(new.policy)
    beyond = exceeds(Policy.parse(raw), expires_at, asker.grant)
    if beyond is not None:
        raise policy_denied(beyond, f"A key cannot make one with more rights than its own: {beyond}.")
    made = await control.keys.create(asker.actor, user_id=asker.user_id, name=name, policy=raw, expires_at=expires_at)
    return answer({**key_object(made.row), "key": made.secret})


@post("/keys/{key_id:str}/rotate", status_code=200, request_max_body_size=BODY_BYTES_MAX, include_in_schema=False)
async def rotate_key(request: AnyRequest, control: NamedDependency[Control], key_id: FromPath[str]) -> Json:
    """A new secret; the old one works until the grace time is over."""
    asker = await _manager(request, control)
    asked = await body_of(request, Rotation)
    if not 0 <= asked.grace_seconds <= GRACE_MAX.total_seconds():
        text = f"From 0 to {int(GRACE_MAX.total_seconds())} seconds."
        raise GatewayError(400, "invalid_field", text, "grace_seconds")
    row = await _reachable(control, asker, key_id)
    made = await control.keys.rotate(asker.actor, asker.user_id, row.id, timedelta(seconds=asked.grace_seconds))
    if made is None:
        raise _not_found()
    return answer({**key_object(made.row), "key": made.secret})


@route("/keys/{key_id:str}", http_method=["DELETE"], status_code=200, include_in_schema=False)
async def revoke_key(request: AnyRequest, control: NamedDependency[Control], key_id: FromPath[str]) -> Json:
    """End a key at once."""
    asker = await _manager(request, control)
    row = await _reachable(control, asker, key_id)
    if not await control.keys.revoke(asker.actor, asker.user_id, row.id):
        raise _not_found()
    return answer({"id": str(row.id), "revoked": True})


def examined_name(said: str) -> str:
    """A name for a key. Raises `GatewayError` 400."""
    name = said.strip()
    if not (0 < len(name) <= NAME_CHARACTERS_MAX and name.isprintable()):
        raise GatewayError(400, "invalid_field", f"A name has 1 to {NAME_CHARACTERS_MAX} visible characters.", "name")
    return name


def examined_expiry(moment: datetime | None, now: datetime) -> datetime | None:
    """When a key ends: later, and with a time zone. Raises `GatewayError` 400."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise GatewayError(400, "invalid_field", "A moment needs a time zone.", "expires_at")
    if moment <= now:
        raise GatewayError(400, "invalid_field", "This moment is over.", "expires_at")
    return moment


def examined_policy(said: dict[str, Any] | str) -> dict[str, Any]:
    """A policy that can be used, or the ready-made one of that name. Raises `GatewayError` 400."""
    if isinstance(said, str):
        if said not in PRESETS:
            raise GatewayError(400, "invalid_policy", f"One of {', '.join(PRESETS)}.", "policy")
        return PRESETS[said]
    try:
        Policy.parse(said)
    except PolicyInvalid as error:
        raise GatewayError(400, "invalid_policy", error.detail, f"policy__{error.attr}".rstrip("_")) from None
    return said


async def _manager(request: AnyRequest, control: Control) -> Asker:
    asker = await control.asker(request)
    asker.require_key_management()
    return asker


async def _reachable(control: Control, asker: Asker, said: str) -> GatewayKey:
    """A key of the account that the asker may touch: rotating gives its secret, so it must not be the stronger one."""
    try:
        key_id = UUID(said)
    except ValueError:
        raise _not_found() from None
    rows = await control.keys.of_user(asker.user_id)
    row = next((row for row in rows if row.id == key_id), None)
    if row is None:
        raise _not_found()
    beyond = exceeds(Policy.stored(row.policy), row.expires_at, asker.grant)
    if beyond is not None and row.id != asker.grant.id:
        raise policy_denied(beyond, f"This key has more rights than the one that asks: {beyond}.")
    return row


def _not_found() -> GatewayError:
    return GatewayError(404, "key_not_found", "No key with this id that is live.")


routes = [list_keys, create_key, rotate_key, revoke_key]
