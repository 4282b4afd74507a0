"""What an HTTP request can be refused with: PostHog's one error object (rest-api §1.4, sdk-wire §16).

    {"type": "validation_error", "code": "required", "detail": "This field is required.", "attr": "name"}

Raise these where the fault is noticed; `core.http.handlers` turns them into responses. A room adds its own by deriving:

    class KeyLimit(ValidationFailed):
        detail = "You can only have 10 personal API keys. Remove an existing key before creating a new one."

    ApiError
    ├── ValidationFailed      400 validation_error
    ├── ParseFailed           400 invalid_request    parse_error
    ├── NotAuthenticated      401 authentication_error
    ├── AuthenticationFailed  401 authentication_error
    ├── PermissionDenied      403 authentication_error
    ├── NotFound              404 invalid_request
    ├── MethodNotAllowed      405 invalid_request
    ├── NotAcceptable         406 invalid_request
    ├── Conflict              409 server_error
    ├── ProtectedError        409 invalid_request
    ├── BodyTooLarge          413 server_error
    ├── UnsupportedMediaType  415 invalid_request
    ├── WrongHost             421 invalid_request
    ├── Throttled             429 throttled_error, Retry-After
    ├── ServerError           500 server_error
    └── ServiceUnavailable    503 server_error, Retry-After
"""

# ruff: noqa: N818 — these names are answers, and every room imports them

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec


class Envelope(msgspec.Struct, frozen=True):
    """The error object as it goes over the wire. `extra` is left out when there is none."""

    type: str
    code: str
    detail: str
    attr: str | None = None
    extra: Any = msgspec.UNSET


class ApiError(Exception):
    """An answer that is not a success. Subclasses set the defaults; any of them can be given for one case."""

    status: int = 500
    type: str = "server_error"
    code: str = "error"
    detail: str = "A server error occurred."
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        detail: str | None = None,
        *,
        attr: str | None = None,
        code: str | None = None,
        extra: Any = msgspec.UNSET,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`detail` is for a person, `attr` names the field, with `__` between levels: `filters__groups`."""
        self.detail = type(self).detail if detail is None else detail
        self.attr = attr
        self.code = type(self).code if code is None else code
        self.extra = extra
        self.answer_headers = {**type(self).headers, **(headers or {})}
        super().__init__(self.detail)

    @property
    def envelope(self) -> Envelope:
        """The body of the answer."""
        return Envelope(self.type, self.code, self.detail, self.attr, self.extra)


class ValidationFailed(ApiError):
    """The body or a parameter is not what the route takes. The code `invalid` is always written `invalid_input`."""

    status = 400
    type = "validation_error"
    code = "invalid_input"
    detail = "Invalid input."


class ParseFailed(ApiError):
    """The body cannot be read at all."""

    status = 400
    type = "invalid_request"
    code = "parse_error"
    detail = "Malformed request."


class NotAuthenticated(ApiError):
    """Nobody is asking: no key, no session."""

    status = 401
    type = "authentication_error"
    code = "not_authenticated"
    detail = "Authentication credentials were not provided."
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class AuthenticationFailed(ApiError):
    """A key, token or password that does not hold."""

    status = 401
    type = "authentication_error"
    code = "authentication_failed"
    detail = "Incorrect authentication credentials."
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class PermissionDenied(ApiError):
    """Known who asks, and not allowed to."""

    status = 403
    type = "authentication_error"
    code = "permission_denied"
    detail = "You do not have permission to perform this action."


class NotFound(ApiError):
    """No such object, or none that this caller may see."""

    status = 404
    type = "invalid_request"
    code = "not_found"
    detail = "Not found."


class MethodNotAllowed(ApiError):
    """The path exists, the verb does not. `HARD_DELETE` is the text of soft-deleted resources (rest-api §1.6)."""

    status = 405
    type = "invalid_request"
    code = "method_not_allowed"
    detail = "Method not allowed."

    HARD_DELETE = 'Hard delete of this model is not allowed. Use a patch API call to set "deleted" to true'


class NotAcceptable(ApiError):
    """No form that the client accepts."""

    status = 406
    type = "invalid_request"
    code = "not_acceptable"
    detail = "Could not satisfy the request Accept header."


class Conflict(ApiError):
    """Somebody changed it meanwhile."""

    status = 409
    type = "server_error"
    code = "conflict"
    detail = "The object was changed meanwhile."


class ProtectedError(ApiError):
    """Others refer to it."""

    status = 409
    type = "invalid_request"
    code = "protected_error"
    detail = "Requested operation cannot be completed because a related object is protected."


class BodyTooLarge(ApiError):
    """The body is larger than the route reads."""

    status = 413
    type = "server_error"
    code = "request_entity_too_large"
    detail = "Request body too large."


class UnsupportedMediaType(ApiError):
    """A body in a form that the route does not read."""

    status = 415
    type = "invalid_request"
    code = "unsupported_media_type"
    detail = "Unsupported media type in request."

    @classmethod
    def of(cls, media_type: str) -> UnsupportedMediaType:
        """With the name of the type that came."""
        return cls(f'Unsupported media type "{media_type}" in request.')


class WrongHost(ApiError):
    """A host name that this server does not answer to."""

    status = 421
    type = "invalid_request"
    code = "misdirected_request"
    detail = "This server does not answer to this host name. Add it to HEDGEROW_ALLOWED_HOSTS."


class Throttled(ApiError):
    """Too many requests; `Retry-After` says in how many whole seconds to come back."""

    status = 429
    type = "throttled_error"
    code = "throttled"
    detail = "Request was throttled."

    def __init__(self, wait_seconds: int) -> None:
        """Come back after `wait_seconds`, at least one."""
        wait = max(1, wait_seconds)
        unit = "second" if wait == 1 else "seconds"
        super().__init__(
            f"Request was throttled. Expected available in {wait} {unit}.", headers={"Retry-After": str(wait)}
        )


class ServerError(ApiError):
    """A bug. The text says nothing about it; the log does."""


class ServiceUnavailable(ApiError):
    """Not now: a store cannot be reached, a queue is full. Trying again is right."""

    status = 503
    code = "service_unavailable"
    detail = "The server cannot answer at the moment. Try again."

    def __init__(self, detail: str | None = None, *, retry_after: int = 1, code: str | None = None) -> None:
        """Come back after `retry_after` whole seconds."""
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after)})
