"""What becomes of a redirect (gateway §2.6). Clients re-send their key wherever a `Location` points, so none leaves here
that points anywhere but to this gateway.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin, urlsplit

from hedgerow.gateway.answers import GatewayError, bad_gateway
from hedgerow.gateway.apps import plain_origin

STATUSES: Final = frozenset({301, 302, 303, 307, 308})


def location_at_gateway(location: bytes, asked: str, base_url: str, gateway: str) -> bytes:
    """The `Location` for the caller: the account's own origin becomes the gateway's address.

    `asked` is the full URL that was called, `base_url` the connection's, `gateway` the gateway's with the app's name.
    Raises `GatewayError` 502 `redirect_blocked` for any other place.
    """
    text = location.decode("latin-1").strip()
    if not text or "\\" in text or not text.isascii() or not text.isprintable():
        raise _blocked(text)
    if text.startswith("//"):
        raise _blocked(text)
    target = urljoin(asked, text)
    try:
        parts = urlsplit(target)
        origin = plain_origin(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        raise _blocked(text) from None
    base = urlsplit(base_url)
    if parts.username is not None or origin not in _origins(base_url):
        raise _blocked(text)
    path = parts.path or "/"
    if base.path and not (path == base.path or path.startswith(base.path + "/")):
        raise _blocked(text)
    rest = path[len(base.path) :]
    return f"{gateway}{rest}{f'?{parts.query}' if parts.query else ''}".encode("ascii")


def _origins(base_url: str) -> set[str | None]:
    """The origin of a base URL; of an https one also the http one of the same host, which only means https."""
    base = urlsplit(base_url)
    found = {plain_origin(f"{base.scheme}://{base.netloc}")}
    if base.scheme == "https" and base.port is None:
        found.add(plain_origin(f"http://{base.netloc}"))
    return found


def _blocked(location: str) -> GatewayError:
    return bad_gateway(
        "redirect_blocked",
        "The account's server redirects to another place, where neither key nor credential may go.",
        "http_protocol_error",
        {"location": location[:2000]},
    )
