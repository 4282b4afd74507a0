"""`/api/login/` and `/logout/`: JSON for scripts, a form with `next` for pages."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import msgspec
from litestar import Response, post

from hedgerow.core.http import (
    Access,
    ApiRequest,
    JSONBody,
    NamedDependency,
    Throttled,
    ValidationFailed,
    proven,
)
from hedgerow.core.http.sessions import SESSION_COOKIE, refuse_foreign_origin, session_cookies
from hedgerow.workspace.sign_in import same_site_path, sign_in, sign_out


class SignIn(msgspec.Struct, frozen=True):
    """Who signs in, and with `next`, where the browser goes then."""

    email: Annotated[str, msgspec.Meta(min_length=1, max_length=254)]
    password: Annotated[str, msgspec.Meta(min_length=1)]
    next: str | None = None


class Success(msgspec.Struct, frozen=True):
    """It worked."""

    success: bool = True


@post(["/api/login/", "/login/"], status_code=200)
async def login(
    request: ApiRequest, access: NamedDependency[Access], data: JSONBody[SignIn]
) -> Response[Success | None]:
    """Sign in: the answer sets the session's cookies. With `next` it sends the browser there, or back to the page."""
    refuse_foreign_origin(request)
    try:
        secret = await sign_in(
            access,
            data.email,
            data.password,
            user_agent=request.headers.get("user-agent", ""),
            replaces=request.cookies.get(SESSION_COOKIE),
        )
    except (ValidationFailed, Throttled) as error:
        if data.next is None:
            raise
        return Response(None, status_code=303, headers={"Location": _page_again(data.next, error.code)})
    cookies = session_cookies(secret, seconds=access.settings.session_days * 86_400, secure=_is_secure(access))
    if data.next is None:
        return Response(Success(), status_code=200, cookies=cookies)
    return Response(None, status_code=303, headers={"Location": same_site_path(data.next)}, cookies=cookies)


@post(
    ["/api/logout/", "/logout/"],
    status_code=200,
    guards=[proven("session", refusal="Only a session can be signed out.")],
)
async def logout(request: ApiRequest, access: NamedDependency[Access]) -> Response[Success]:
    """Sign out: the session ends, and its cookies go."""
    await sign_out(access, request.caller.grant.digest)
    return Response(Success(), status_code=200, cookies=session_cookies("", seconds=0, secure=_is_secure(access)))


def _page_again(said: str, problem: str) -> str:
    """The sign-in page, which says in words what `problem` is, and still knows where the browser wanted to go."""
    return f"/login/?problem={problem}&next={quote(same_site_path(said), safe='')}"


def _is_secure(access: Access) -> bool:
    """Whether browsers reach this server by HTTPS, so that the cookie must never travel without."""
    return access.settings.public_url.startswith("https:")


routes = [login, logout]
