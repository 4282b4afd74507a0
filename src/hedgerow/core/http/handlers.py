"""The one place where an exception becomes a response: always the envelope, whoever raised it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, ValidationException
from litestar.exceptions import MethodNotAllowedException as LitestarMethodNotAllowed
from litestar.exceptions import NotFoundException as LitestarNotFound

from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.http.errors import (
    ApiError,
    BodyTooLarge,
    Envelope,
    MethodNotAllowed,
    NotFound,
    ParseFailed,
    ServerError,
    ServiceUnavailable,
    ValidationFailed,
)
from hedgerow.core.http.wording import reworded
from hedgerow.core.telemetry import log

AnyRequest = Request[Any, Any, Any]
RESOURCE_METADATA = "/.well-known/oauth-protected-resource"
"""Where an application that got a 401 finds out whom to ask for a token."""


def answer(error: ApiError) -> Response[Envelope]:
    """The response of an error."""
    return Response(error.envelope, status_code=error.status, headers=error.answer_headers, media_type=MediaType.JSON)


def on_api_error(request: AnyRequest, error: ApiError) -> Response[Envelope]:
    """An error that a route, a guard or a room raised. A 401 says where tokens come from (RFC 9728, gateway §6.2)."""
    response = answer(error)
    if error.answer_headers.get("WWW-Authenticate") == "Bearer":
        origin = request.app.state.access.settings.origin
        response.headers["WWW-Authenticate"] = f'Bearer resource_metadata="{origin}{RESOURCE_METADATA}"'
    return response


def on_metadata_unavailable(request: AnyRequest, error: MetadataUnavailable) -> Response[Envelope]:
    """The SQL database cannot answer now: 503, and the log says why."""
    log("http").warning("metadata_unavailable", path=request.scope["path"], error=str(error))
    return answer(ServiceUnavailable("The database cannot answer at the moment. Try again."))


def on_framework_error(request: AnyRequest, error: HTTPException) -> Response[Envelope]:
    """An error of Litestar's own: no such path or verb, a body or parameter of the wrong type."""
    return answer(_translated(request, error))


def on_unhandled(request: AnyRequest, error: Exception) -> Response[Envelope]:
    """A bug: 500 without a word about it; the log has the traceback."""
    log("http").error("unhandled_error", method=request.scope.get("method"), path=request.scope["path"], exc_info=error)
    return answer(ServerError())


EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[[Any, Any], Response[Any]]] = {
    ApiError: on_api_error,
    MetadataUnavailable: on_metadata_unavailable,
    HTTPException: on_framework_error,
    Exception: on_unhandled,
}


def _translated(request: AnyRequest, error: HTTPException) -> ApiError:
    if isinstance(error, ValidationException):
        return _invalid(request, error)
    if isinstance(error, LitestarNotFound):
        return NotFound("Endpoint not found.")
    if isinstance(error, LitestarMethodNotAllowed):
        return MethodNotAllowed(f'Method "{request.scope["method"]}" not allowed.', headers=error.headers)
    if error.status_code == BodyTooLarge.status:
        return BodyTooLarge()
    if 400 <= error.status_code < 500:
        failed = ParseFailed(error.detail or None)
        failed.status = error.status_code
        return failed
    on_unhandled(request, error)
    return ServerError()


def _invalid(request: AnyRequest, error: ValidationException) -> ApiError:
    """A body or a parameter that did not fit the route's signature."""
    cause = error.__cause__
    if not isinstance(cause, msgspec.ValidationError):
        return ValidationFailed(error.detail)
    failed = reworded(cause, below="data")
    if failed.code == "required" and failed.attr == "data":
        return _empty_body(request)
    return failed


def _empty_body(request: AnyRequest) -> ApiError:
    """No body, where one is needed: the same as `{}`, so the first field that is required is named."""
    fields = cast("Any", request.scope["route_handler"]).parsed_fn_signature.parameters
    try:
        msgspec.convert({}, fields["data"].annotation)
    except msgspec.ValidationError as error:
        return reworded(error)
    return ValidationFailed("This field is required.", code="required")
