"""How this provider refuses: OAuth's own error object (RFC 6749 §5.2), not the API's envelope.

    {"error": "invalid_grant", "error_description": "The code has expired."}

`Refused` is answered where the request came in. `SentBack` goes to the application by way of the browser: it is raised
only once the application and its redirect URI are proven (RFC 6749 §4.1.2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException

from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.http import Throttled
from hedgerow.core.telemetry import log

AnyRequest = Request[Any, Any, Any]

NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
UNKNOWN_CLIENT = (
    "No OAuth application is registered with this client_id. Check the client_id, or register the application again."
)
UNAVAILABLE = "The authorization server is temporarily unable to handle the request. Please retry."


class Refused(Exception):  # noqa: N818 — an answer, like those of core.http
    """An answer of the provider that is no success."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        """`error` is a code of RFC 6749, 7591 or 8707; `description` is for the developer, and never has a secret."""
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.headers = {**NOT_STORED, **(headers or {})}


class SentBack(Exception):  # noqa: N818
    """An error that the application hears in its redirect URI."""

    def __init__(self, error: str, description: str) -> None:
        """`error` is a code of RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6 or RFC 8707."""
        super().__init__(description)
        self.error = error
        self.description = description


def unknown_client_at_token(*, by_basic: bool) -> Refused:
    """401: whoever asks is not the application that they say (RFC 6749 §5.2)."""
    headers = {"WWW-Authenticate": 'Basic realm="oauth"'} if by_basic else {}
    return Refused("invalid_client", "Client authentication failed.", status=401, headers=headers)


def refusal(error: str, description: str, *, status: int, headers: Mapping[str, str]) -> Response[dict[str, str]]:
    """The error object as a response."""
    body = {"error": error, "error_description": description}
    return Response(body, status_code=status, headers=dict(headers), media_type=MediaType.JSON)


def on_refused(_request: AnyRequest, error: Refused) -> Response[dict[str, str]]:
    """What a route refused."""
    return refusal(error.error, error.description, status=error.status, headers=error.headers)


def on_throttled(_request: AnyRequest, error: Throttled) -> Response[dict[str, str]]:
    """Too many."""
    headers = {**NOT_STORED, **error.answer_headers}
    return refusal("temporarily_unavailable", error.detail, status=429, headers=headers)


def on_unavailable(request: AnyRequest, error: MetadataUnavailable) -> Response[dict[str, str]]:
    """The database cannot answer now (gateway §6.4)."""
    log("oauth").warning("metadata_unavailable", path=request.scope["path"], error=str(error))
    return refusal("temporarily_unavailable", UNAVAILABLE, status=503, headers={**NOT_STORED, "Retry-After": "1"})


def on_framework_error(_request: AnyRequest, error: HTTPException) -> Response[dict[str, str]]:
    """A method that is none here, a body that is too large."""
    headers = {**NOT_STORED, **(error.headers or {})}
    return refusal("invalid_request", error.detail, status=error.status_code, headers=headers)


EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[[Any, Any], Response[Any]]] = {
    Refused: on_refused,
    Throttled: on_throttled,
    MetadataUnavailable: on_unavailable,
    HTTPException: on_framework_error,
}
