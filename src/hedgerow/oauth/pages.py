"""The two pages of the provider: signing in, and consent. Rendered here; no script, nothing inline, never in a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

from hedgerow.core.identity.people import SignedUser
from hedgerow.oauth.authorization import Destination, Request
from hedgerow.oauth.places import OrganizationPlace
from hedgerow.oauth.redirect_uris import policy_source, shown_host
from hedgerow.oauth.scopes import IDENTITY, WORDS, objects_of

_HERE: Final = Path(__file__).parent
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
STYLE: Final = (_HERE / "static" / "consent.css").read_bytes()
CARRIED: Final = (
    "client_id",
    "redirect_uri",
    "response_type",
    "state",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "resource",
)
"""Parameters that the form takes along as they came; they are all checked again."""


def sign_in_page(*, next_path: str, problem: str | None) -> Response[str]:
    """E-mail and password; `next_path` is where the browser goes then, checked by whoever takes the form."""
    return _page("sign_in.html", 200, "'self'", next=next_path, problem=problem)


def consent_page(
    parameters: dict[str, str],
    destination: Destination,
    request: Request,
    user: SignedUser,
    places: list[OrganizationPlace],
    *,
    here: str,
    csrf: str,
    status: int = 200,
    problem: str | None = None,
    ticked: list[str] | None = None,
    chosen: tuple[str, list[str], list[int]] | None = None,
) -> Response[str]:
    """Who asks, for what, and where answers go. `here` is the page's own address; `chosen` is level and lists of a
    decision that could not be taken, `ticked` its scopes, `problem` why.
    """
    level, organizations, teams = chosen or (
        request.access_level,
        [str(user.organization_id)] if user.organization_id else [],
        [user.team_id] if user.team_id else [],
    )
    objects = objects_of(request.scopes)
    return _page(
        "consent.html",
        status,
        f"'self' {policy_source(destination.redirect_uri)}",
        client=destination.client,
        host=shown_host(destination.redirect_uri),
        user=user,
        places=places,
        here=here,
        csrf=csrf,
        problem=problem,
        hidden=[
            *((name, parameters[name]) for name in CARRIED if name in parameters),
            ("asked_scope", " ".join(request.scopes)),
        ],
        identity=[(scope, WORDS[scope]) for scope in IDENTITY if scope in request.scopes],
        objects=objects,
        writes=any(one.write for one in objects),
        ticked=request.scopes if ticked is None else ticked,
        level=level,
        organizations=organizations,
        teams=teams,
    )


def _page(template: str, status: int, form_targets: str, **values: Any) -> Response[str]:
    text = _TEMPLATES.get_template(template).render(**values)
    headers = {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action {form_targets}"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=headers)
