"""Public endpoints answer pages of every origin (sdk-wire §4): errors too, or a browser hides them from the SDK."""

from __future__ import annotations

from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from hedgerow.capture import cors


class CrossOrigin(ASGIMiddleware):
    """Adds the headers to whatever the route answers, and answers preflights itself with 204.

    Only for routes that read no cookie: it mirrors the origin.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Wrap one request."""
        headers = dict(scope["headers"])
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            allowed = _merged(cors.preflight_headers(headers), cors.response_headers(headers))
            await send({"type": "http.response.start", "status": 204, "headers": allowed})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _merged(list(message["headers"]), cors.response_headers(headers))
            await send(message)

        await next_app(scope, receive, send_with_headers)


def _merged(own: list[tuple[bytes, bytes]], added: cors.Headers) -> list[tuple[bytes, bytes]]:
    """Both lists, with one `Vary` that names everything.

    It names Origin even when the request had none: a cached answer must not be given to a page of another origin.
    """
    varies = [value for name, value in [*own, *added] if name.lower() == b"vary"]
    rest = [(name, value) for name, value in [*own, *added] if name.lower() != b"vary"]
    return [*rest, (b"vary", b", ".join(dict.fromkeys([*varies, b"Origin"])))]
