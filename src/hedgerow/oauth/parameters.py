"""The parameters of a request: from the query, from a form, or from a JSON body (gateway §6.4).

Each stands once (RFC 6749 §3.1); one without a value is as good as absent.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, cast
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from litestar import Request

from hedgerow.oauth.errors import Refused

FIELDS_MAX = 100
CHARACTERS_MAX = 20_000
"""Of one value: a scope may name every object there is."""

Parameters = dict[str, str]


class Repeated(Refused):
    """A parameter stands more than once."""

    def __init__(self, name: str) -> None:
        """`name` is what stands twice."""
        super().__init__("invalid_request", f"Parameter {name!r} stands more than once.")
        self.name = name


def from_query(request: Request[Any, Any, Any]) -> Parameters:
    """The query's parameters. Raises `Refused`."""
    return from_text(request.scope["query_string"].decode("latin-1"))


def from_text(text: str) -> Parameters:
    """The parameters of an `application/x-www-form-urlencoded` text. Raises `Refused`."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except (ValueError, UnicodeDecodeError):
        raise Refused("invalid_request", "The parameters cannot be read.") from None
    found: Parameters = {}
    for name, value in pairs:
        if name in found:
            raise Repeated(_plain(name))
        found[name] = _storable(name, value)
    return {name: value for name, value in found.items() if value}


async def from_body(request: Request[Any, Any, Any]) -> Parameters:
    """The body's parameters: JSON where the content type says so, else a form. Raises `Refused`."""
    body = await request.body()
    if request.content_type[0].lower() == "application/json":
        return from_json(body)
    try:
        return from_text(body.decode())
    except UnicodeDecodeError:
        raise Refused("invalid_request", "The parameters cannot be read.") from None


def from_json(body: bytes) -> Parameters:
    """The members of a JSON object, which are texts. Raises `Refused`, in PostHog's words."""
    found: Parameters = {}
    for name, value in json_object(body).items():
        if value is None:
            continue
        if not isinstance(value, str):
            raise Refused("invalid_request", f"Parameter '{_plain(name)}' must be a string")
        if value:
            found[name] = _storable(name, value)
    return found


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises `Refused`."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refused("invalid_request", "Invalid JSON payload") from None
    if not isinstance(value, dict):
        raise Refused("invalid_request", "JSON payload must be an object")
    return cast("dict[str, Any]", value)


def basic_credentials(request: Request[Any, Any, Any]) -> tuple[str, str] | None:
    """Client id and secret of an `Authorization: Basic` header (RFC 6749 §2.3.1); None if there is none."""
    scheme, _, encoded = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return (unquote_plus(client_id), unquote_plus(secret)) if colon else ("", "")


def bearer_secret(request: Request[Any, Any, Any]) -> str | None:
    """The secret of an `Authorization: Bearer` header; None if there is none."""
    scheme, _, secret = request.headers.get("authorization", "").strip().partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else None


def _storable(name: str, value: str) -> str:
    """What a database can keep. Raises `Refused`."""
    if "\0" in value or len(value) > CHARACTERS_MAX:
        raise Refused("invalid_request", f"Parameter {_plain(name)!r} is not a text that can be used.")
    return value


def _plain(name: str) -> str:
    return name[:60].encode("ascii", "replace").decode()
