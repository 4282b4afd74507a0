"""Who asks the control plane, and how its answers look (gateway §1.2, §1.12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from hedgerow.core import ids
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.telemetry import log
from hedgerow.gateway.answers import GatewayError, invalid_key, missing_key, policy_denied, unavailable
from hedgerow.gateway.audit import Actor
from hedgerow.gateway.headers import bearer_of, read_headers
from hedgerow.gateway.keys import GatewayKeys, KeyGrant
from hedgerow.gateway.verdict import is_from

AnyRequest = Request[Any, Any, Any]
Json = Response[Any]
T = TypeVar("T")

BODY_BYTES_MAX: Final = 64 << 10
_NO_STORE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Hedgerow-Origin": "gateway"}


class Asker(msgspec.Struct, frozen=True):
    """A caller with a valid gateway key."""

    grant: KeyGrant

    @property
    def user_id(self) -> int:
        """Whose account it is."""
        return self.grant.user_id

    @property
    def actor(self) -> Actor:
        """For the audit."""
        return Actor("key", str(self.grant.id))

    def sees(self, connection_id: UUID) -> bool:
        """Whether the key may know of the connection."""
        named = self.grant.policy.connections
        return named is None or connection_id in named

    def require_management(self) -> None:
        """Raise `GatewayError` 403 unless the key may manage connections."""
        if not self.grant.policy.manage_connections:
            raise policy_denied(
                "manage_connections",
                "This key may not manage connections.",
                hint="Use a key whose policy has manage_connections, or the settings page.",
            )

    def require_key_management(self) -> None:
        """Raise `GatewayError` 403 unless the key may manage keys."""
        if not self.grant.policy.manage_keys:
            raise policy_denied("manage_keys", "This key may not manage keys.")


async def asker_of(request: AnyRequest, keys: GatewayKeys, address: str | None) -> Asker:
    """Whoever sent the key, from this address. Raises `GatewayError` 401, 400, 403; `MetadataUnavailable`."""
    asked = read_headers(list(request.scope["headers"]))
    if asked.authorization is None:
        raise missing_key()
    secret = bearer_of(asked)
    grant = None if secret is None else await keys.find(secret)
    if grant is None:
        raise invalid_key()
    if grant.policy.ip_allow is not None and not is_from(address, grant.policy.ip_allow):
        raise policy_denied("ip", "Calls from this address are not allowed.")
    if grant.policy.expires_at is not None and grant.policy.expires_at <= keys.clock.now():
        raise policy_denied("expired", "The policy's time is over.")
    return Asker(grant)


async def body_of(request: AnyRequest, kind: type[T]) -> T:
    """The body as a struct. Raises `GatewayError` 400 that says which field is wrong."""
    body = await request.body()
    try:
        raw: Any = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise GatewayError(400, "invalid_json", "The body is no JSON.") from None
    if not isinstance(raw, dict):
        raise GatewayError(400, "invalid_json", "The body is no JSON object.")
    if b"\\u0000" in body and _holds_nul(raw):
        raise GatewayError(400, "invalid_field", "Null characters are not allowed.")
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        attr = where.rstrip("`").strip(".").replace(".", "__") or None
        missing = _missing(text)
        if missing is not None:
            raise GatewayError(400, "missing_field", f"The field {missing} is required.", missing) from None
        raise GatewayError(400, "invalid_field", text.replace("`", ""), attr) from None


def _missing(text: str) -> str | None:
    head, _, field = text.partition("required field ")
    return field.strip("`") if head == "Object missing " else None


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(_holds_nul(item) for item in value)


def answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Json:
    """A JSON answer that nobody may keep."""
    return Response(value, status_code=status, headers={**_NO_STORE, **(headers or {})})


def on_gateway_error(request: AnyRequest, error: GatewayError) -> Response[bytes]:
    """The gateway's envelope."""
    request_id = request_id_of(request)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in error.answer_headers(request_id)}
    media_type = headers.pop("content-type")
    return Response(error.body(request_id), status_code=error.status, headers=headers, media_type=media_type)


def on_store_down(request: AnyRequest, error: MetadataUnavailable) -> Response[bytes]:
    """503: nothing was changed."""
    log("gateway").warning("store_down", error=str(error))
    return on_gateway_error(request, unavailable("unavailable", "The gateway's store cannot answer at the moment."))


def on_framework_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses: a body that is too large."""
    code = "body_too_large" if error.status_code == 413 else "invalid_request"
    text = "The body is too large." if error.status_code == 413 else "The request cannot be read."
    return on_gateway_error(request, GatewayError(error.status_code, code, text))


def request_id_of(request: AnyRequest) -> str:
    """The caller's own id of the request where it is one, else a new one."""
    said = request.headers.get("x-request-id", "")
    plain = said.replace("-", "").replace("_", "").replace(".", "")
    return said if 0 < len(said) <= 128 and plain.isalnum() and plain.isascii() else str(ids.uuid7())


EXCEPTION_HANDLERS: Final[dict[int | type[Exception], Any]] = {
    GatewayError: on_gateway_error,
    MetadataUnavailable: on_store_down,
    HTTPException: on_framework_error,
}
