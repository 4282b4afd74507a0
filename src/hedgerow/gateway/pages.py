"""How the gateway's pages are made: rendered here, no script, nothing inline, never in a frame, never kept."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response
from litestar.datastructures import Cookie

from hedgerow.core.crypto import digest, same
from hedgerow.gateway.asking import AnyRequest

_HERE: Final = Path(__file__).parent
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
STYLE: Final = (_HERE / "static" / "gateway.css").read_bytes()
STYLE_URL: Final = f"/connect/style.css?v={digest(STYLE.decode())[:16]}"

Page = Response[str]


def page(
    template: str,
    *,
    status: int = 200,
    form_targets: Iterable[str] = (),
    cookies: list[Cookie] | None = None,
    **values: Any,
) -> Page:
    """A page. `form_targets` are origins that a form may lead to besides this one: browsers also check redirects."""
    text = _TEMPLATES.get_template(template).render(style=STYLE_URL, **values)
    return Response(
        text,
        status_code=status,
        media_type=MediaType.HTML,
        headers=page_headers(form_targets),
        cookies=cookies or [],
    )


def page_headers(form_targets: Iterable[str] = ()) -> dict[str, str]:
    """What stands over every page, also over one that only leads on."""
    targets = " ".join(["'self'", *dict.fromkeys(form_targets)])
    return {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action {targets}"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "interest-cohort=()",
        "X-Robots-Tag": "noindex",
    }


def led_on(address: str, *, form_targets: Iterable[str] = (), cookies: list[Cookie] | None = None) -> Response[None]:
    """303: the browser goes on, and takes no referrer along."""
    headers = {**page_headers(form_targets), "Location": address}
    return Response(None, status_code=303, headers=headers, cookies=cookies or [])


def is_foreign(request: AnyRequest) -> bool:
    """Whether a page of another site sent this. Ours send `Origin: null`, because they tell no referrer."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("origin")
    if origin is None or origin == "null":
        return False
    return origin.partition("://")[2].lower() != request.headers.get("host", "").lower()


def word_of(secret: str) -> str:
    """What only a page that belongs to this secret knows: it must stand in every form."""
    return digest(f"gateway page:{secret}")


def knows_word(said: str, secret: str) -> bool:
    """Whether a form came from such a page."""
    return bool(secret) and same(said, word_of(secret))
