"""The sign-in session of pages: its cookie, and the proof that a write comes from our own page.

The session cookie is `HttpOnly` and `SameSite=Lax`. Beside it stands a cookie that our pages can read, with a word that
only the session's own pages know: it is derived from the session's secret. Every write by a session must say that word,
as the header `X-CSRFToken` or as the form field `csrfmiddlewaretoken`, and must not name a foreign `Origin`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.datastructures import Cookie

from hedgerow.core.crypto import digest, same
from hedgerow.core.http.errors import PermissionDenied

SESSION_COOKIE = "hedgerow_session"
CSRF_COOKIE = "hedgerow_csrftoken"
CSRF_HEADER = "x-csrftoken"
CSRF_FIELD = "csrfmiddlewaretoken"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token(session_secret: str) -> str:
    """The word that belongs to a session."""
    return digest(f"csrf:{session_secret}")


def session_cookies(secret: str, *, seconds: int, secure: bool) -> list[Cookie]:
    """The two cookies of a new session; with an empty secret and 0 seconds: the ones that end it."""
    word = csrf_token(secret) if secret else ""
    common: dict[str, Any] = {"path": "/", "max_age": seconds, "samesite": "lax", "secure": secure}
    return [
        Cookie(SESSION_COOKIE, value=secret, httponly=True, **common),
        Cookie(CSRF_COOKIE, value=word, httponly=False, **common),
    ]


def refuse_foreign_origin(request: Request[Any, Any, Any]) -> None:
    """Raise `PermissionDenied` if a page of another origin sent this."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise PermissionDenied(
            f"CSRF Failed: Origin checking failed - {origin[:200]} does not match any trusted origins."
        )
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise PermissionDenied("CSRF Failed: the request comes from another site.")


def refuse_forgery(request: Request[Any, Any, Any], session_secret: str, said: str | None) -> None:
    """Raise `PermissionDenied` unless a page of the session's own sent this write. `said` is the form field, if any."""
    refuse_foreign_origin(request)
    token = request.headers.get(CSRF_HEADER) or said
    if not token:
        raise PermissionDenied("CSRF Failed: CSRF token missing.")
    if not same(token, csrf_token(session_secret)):
        raise PermissionDenied("CSRF Failed: CSRF token incorrect.")
