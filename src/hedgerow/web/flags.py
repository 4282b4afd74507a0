"""`/flags` and `/decide` of a project without flags: every form that SDKs ask for, empty (sdk-wire §9.2, §9.4, §9.6).

SDKs ask at start, before a project has its first flag, and hold back work until they are answered. What they send is
decoded and checked as a full evaluation checks it, so that a wrong token or body is noticed here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from litestar import HttpMethod, Request, Response, Router, route

from hedgerow.capture.decode import form_fields, json_text
from hedgerow.capture.refusals import Refused
from hedgerow.core import ids
from hedgerow.core.http.access import Access
from hedgerow.core.identity.teams import Team
from hedgerow.web.cross_origin import CrossOrigin
from hedgerow.web.remote_config import remote_config

AnyRequest = Request[Any, Any, Any]

_METHODS: Final = [HttpMethod.GET, HttpMethod.HEAD, HttpMethod.POST, HttpMethod.OPTIONS]
_BODY_BYTES_MAX: Final = 2 << 20
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_TOKEN_NAMES: Final = ("token", "api_key", "$token")
_DISTINCT_ID_NAMES: Final = ("distinct_id", "$distinct_id")
_STRICT: Final = msgspec.json.Decoder[Any]()


def flags_router() -> Router:
    """The two routes below."""
    return Router("/", route_handlers=[flags, decide], middleware=[CrossOrigin()])


@route("/flags", http_method=_METHODS, request_max_body_size=_BODY_BYTES_MAX, status_code=200)
async def flags(request: AnyRequest) -> Response[Any]:
    """All flags of one person. Without `v` the config comes along; with `config` but no `v` it is the old map."""
    query = request.query_params
    wants_config = query.get("config", "").lower() in {"true", "1"}
    version = query.get("v")
    if version is None:
        is_map, wants_config = "config" in query, wants_config or "config" not in query
    else:
        is_map = version == "1"
    return await _answer(request, _old_map() if is_map else _records(request), wants_config=wants_config)


@route("/decide", http_method=_METHODS, request_max_body_size=_BODY_BYTES_MAX, status_code=200)
async def decide(request: AnyRequest) -> Response[Any]:
    """What SDKs of earlier years ask; the config always comes along."""
    version = request.query_params.get("v", "1")
    if version == "1":
        body: dict[str, Any] = {"featureFlags": []}
    elif version == "2":
        body = {"featureFlags": {}}
    else:
        body = _old_map() if version == "3" else _records(request)
    return await _answer(request, body, wants_config=True)


async def _answer(request: AnyRequest, body: dict[str, Any], *, wants_config: bool) -> Response[Any]:
    if request.method != "POST":
        return Response(body, headers=_NO_STORE)
    try:
        team = await _caller(request)
    except Refused as refused:
        return Response(refused.text, status_code=refused.status, media_type="text/plain", headers=_NO_STORE)
    if wants_config:
        body = {**remote_config(team), **body}
    return Response(body, headers=_NO_STORE)


def _records(request: AnyRequest) -> dict[str, Any]:
    access: Access = request.app.state.access
    return {
        "errorsWhileComputingFlags": False,
        "requestId": str(ids.uuid4()),
        "evaluatedAt": access.clock.now_us() // 1000,
        "flags": {},
    }


def _old_map() -> dict[str, Any]:
    return {
        "featureFlags": {},
        "featureFlagPayloads": {},
        "errorsWhileComputingFlags": False,
        "requestId": str(ids.uuid4()),
    }


async def _caller(request: AnyRequest) -> Team:
    """The project of the body's token. Raises Refused: 400 for the body, 401 for the token."""
    body = _object(await _text(request))
    access: Access = request.app.state.access
    token = _first(body, _TOKEN_NAMES)
    team = await access.teams.by_token(token.strip()) if isinstance(token, str) else None
    if team is None:
        raise Refused(401, "invalid_api_token", "The body names no project token, or one that no project has.")
    if not isinstance(_first(body, _DISTINCT_ID_NAMES), str | int | float):
        raise Refused(400, "missing_distinct_id", "distinct_id is missing.")
    return team


async def _text(request: AnyRequest) -> bytes:
    """The JSON in the body, out of form, gzip and base64 (sdk-wire §3)."""
    source = await request.body()
    hint = request.query_params.get("compression", "")
    if request.content_type[0].lower() == _FORM:
        form = form_fields(source)
        source = form.get("data", b"")
        hint = form.get("compression", hint.encode()).decode("ascii", "replace")
    return json_text(source, hint=hint, limit=_BODY_BYTES_MAX, lz_limit=_BODY_BYTES_MAX // 4)


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        value = _STRICT.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _tolerant(text)
    if not isinstance(value, dict):
        raise Refused(400, "request_parsing_error", "The body is no JSON object.")
    return cast("dict[str, Any]", value)


def _tolerant(text: bytes) -> Any:
    """JSON with `NaN` and `Infinity`, read as null, and with halves of surrogate pairs."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise Refused(400, "request_parsing_error", "The body is no JSON.") from None


def _first(body: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The value under the first of these names that has one; an empty text is one."""
    return next((body[name] for name in names if body.get(name) is not None), None)
