"""What the gateway itself answers when it cannot or will not pass a call on (gateway §1.12, §2.9).

The body is PostHog's envelope and more, so that clients of either kind read it:

    {"type": "gateway_error", "code": "connection_missing", "detail": "Missing PostHog connection", "attr": null,
     "error": "connection_missing", "message": "Missing PostHog connection", "hint": …, "request_id": …}

`Hedgerow-Origin: gateway` tells it from what the account said. A detail never holds a credential, an address or a stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

Headers = list[tuple[bytes, bytes]]

_ENCODE: Final = msgspec.json.Encoder().encode
REALM: Final = b'Bearer realm="hedgerow"'


class GatewayError(Exception):
    """An answer of the gateway's own. The constructors below are the only ones that code should need."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        attr: str | None = None,
        hint: str | None = None,
        *,
        more: Mapping[str, Any] | None = None,
        headers: Headers | None = None,
        proxy_error: str | None = None,
        closes: bool = False,
    ) -> None:
        """`more` are further fields of the body; `proxy_error` is the type in `Proxy-Status` (RFC 9209)."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.attr = attr
        self.hint = hint
        self.more = dict(more or {})
        self.headers = headers or []
        self.proxy_error = proxy_error
        self.closes = closes

    def body(self, request_id: str) -> bytes:
        """The envelope as JSON."""
        fields: dict[str, Any] = {
            "type": "gateway_error",
            "code": self.code,
            "detail": self.detail,
            "attr": self.attr,
            "error": self.code,
            "message": self.detail,
            "request_id": request_id,
        }
        if self.hint is not None:
            fields["hint"] = self.hint
        return _ENCODE({**fields, **self.more})

    def answer_headers(self, request_id: str) -> Headers:
        """Everything but the length of the body."""
        headers: Headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"hedgerow-origin", b"gateway"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", request_id.encode("latin-1")),
            *self.headers,
        ]
        if self.proxy_error is not None:
            headers.append((b"proxy-status", f"hedgerow; error={self.proxy_error}".encode()))
        if self.closes:
            headers.append((b"connection", b"close"))
        return headers


def missing_key() -> GatewayError:
    """401: nobody asks."""
    return GatewayError(
        401,
        "missing_api_key",
        "No gateway key was sent.",
        hint="Send the header Authorization: Bearer <gateway key>.",
        headers=[(b"www-authenticate", REALM)],
    )


def invalid_key() -> GatewayError:
    """401: a key that is unknown, over, or revoked; which of these is nobody's business."""
    return GatewayError(
        401,
        "invalid_api_key",
        "The gateway key is not valid.",
        hint="Make a key on the settings page of this gateway.",
        headers=[(b"www-authenticate", REALM + b', error="invalid_token"')],
    )


def invalid_request(detail: str, *, closes: bool = False) -> GatewayError:
    """400: headers or framing that nobody means well with."""
    return GatewayError(400, "invalid_request", detail, closes=closes)


def invalid_path(detail: str) -> GatewayError:
    """400: a path that could mean two things."""
    return GatewayError(400, "invalid_path", detail)


def policy_denied(rule: str, detail: str, *, code: str = "policy_denied", hint: str | None = None) -> GatewayError:
    """403: the key or the connection may not do this; `rule` names the rule that says so."""
    return GatewayError(
        403,
        code,
        detail,
        hint=hint,
        more={"rule": rule},
        headers=[(b"hedgerow-policy", rule.encode("latin-1"))],
        proxy_error="http_request_denied",
    )


def too_many(code: str, detail: str, retry_after: int, headers: Headers | None = None) -> GatewayError:
    """429: come back after so many whole seconds."""
    wait = max(1, retry_after)
    return GatewayError(
        429,
        code,
        detail,
        more={"retry_after": wait},
        headers=[(b"retry-after", str(wait).encode()), *(headers or [])],
    )


def unavailable(code: str, detail: str, retry_after: int = 1) -> GatewayError:
    """503: not now."""
    return GatewayError(503, code, detail, headers=[(b"retry-after", str(max(1, retry_after)).encode())])


def bad_gateway(code: str, detail: str, proxy_error: str, more: Mapping[str, Any] | None = None) -> GatewayError:
    """502: the account's server cannot be used."""
    return GatewayError(502, code, detail, proxy_error=proxy_error, more=more)


def gateway_timeout(detail: str) -> GatewayError:
    """504: no first byte in time."""
    return GatewayError(504, "upstream_timeout", detail, proxy_error="http_response_timeout")
