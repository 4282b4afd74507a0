"""The pages of the provider, and what they send (gateway §6.3).

GET  /login/             e-mail and password; the form goes to `POST /login/` of the workspace
GET  /oauth/authorize/   consent
POST /oauth/authorize/   the decision: a form is sent on, JSON is told where to go
GET  /oauth/logo/{id}    an application's own picture, from here and not from its server
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from litestar import MediaType, Response, get, post
from litestar.di import NamedDependency

from hedgerow.core.http import (
    ApiRequest,
    FromPath,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    ValidationFailed,
    uuid_id,
)
from hedgerow.core.http.request import FORMS
from hedgerow.core.http.sessions import SESSION_COOKIE, csrf_token
from hedgerow.core.identity.people import SignedUser
from hedgerow.oauth.authorization import Destination
from hedgerow.oauth.consent import DENIED, decide, form_decision, json_decision, page_address, places, sign_in_address
from hedgerow.oauth.errors import NOT_STORED, Refused, SentBack, refusal
from hedgerow.oauth.pages import CARRIED, STYLE, consent_page, sign_in_page
from hedgerow.oauth.parameters import Parameters, from_query
from hedgerow.oauth.provider import OAuthProvider

PROBLEMS = {
    "invalid_credentials": "Invalid email or password.",
    "throttled": "Too many tries. Wait a minute, then try again.",
}
"""What the sign-in page says to a `problem` in its address: never the address's own words."""
PLACE_MISSING = {
    "requiredscoped_teams": "Choose at least one project.",
    "requiredscoped_organizations": "Choose at least one organization.",
}
REQUESTED = (*CARRIED, "scope")
"""What a decision may repeat of the request."""
LOGIN_REQUIRED = SentBack("login_required", "The user is not signed in.")
CONSENT_REQUIRED = SentBack("consent_required", "The user has to be asked.")


@get("/login/", media_type=MediaType.HTML, include_in_schema=False)
async def sign_in(request: ApiRequest) -> Response[str]:
    """The sign-in page. Where `next` leads is checked when the form is sent."""
    problem = PROBLEMS.get(request.query_params.get("problem", ""))
    return sign_in_page(next_path=request.query_params.get("next", "/"), problem=problem)


@get("/oauth/authorize/", include_in_schema=False)
async def authorize(request: ApiRequest, oauth: NamedDependency[OAuthProvider]) -> Response[Any]:
    """The consent page; or the way to sign in; or back to the application with what is wrong."""
    parameters = from_query(request)
    known = await oauth.desk.known(parameters)
    secret, user = await _signed_in(request, oauth)
    if user is None and not oauth.documents.is_usable(known):
        return _found(sign_in_address(parameters))  # nobody makes us read a document without having signed in
    destination = await oauth.desk.destination(parameters, oauth.address_of(request.scope))
    if user is None:
        if "none" in parameters.get("prompt", "").split():
            return _found(destination.failure(LOGIN_REQUIRED))
        return _found(sign_in_address(parameters))
    try:
        asked = oauth.desk.request(parameters, destination.client)
    except SentBack as error:
        return _found(destination.failure(error))
    if "none" in asked.prompt:
        return _found(destination.failure(CONSENT_REQUIRED))
    if "login" in asked.prompt:
        return refusal("login_required", "The user has to sign in again.", status=401, headers=NOT_STORED)
    return consent_page(
        parameters,
        destination,
        asked,
        user,
        await places(oauth, user),
        here=page_address(parameters),
        csrf=csrf_token(secret),
    )


@post("/oauth/authorize/", status_code=200, request_max_body_size=128 * 1024, include_in_schema=False)
async def decision(request: ApiRequest, oauth: NamedDependency[OAuthProvider]) -> Response[Any]:
    """The user's decision. Only a session's own page may send it."""
    is_form = request.content_type[0].lower() in FORMS
    fields = await _fields(request)
    parameters = _parameters(fields, is_form=is_form)
    try:
        caller = await oauth.access.authenticate(request)
    except NotAuthenticated:
        if is_form:
            return _found(sign_in_address(parameters), status=303)
        raise
    if caller.kind != "session":
        raise PermissionDenied("Only a signed-in user can let an application in.")
    destination = await oauth.desk.destination(parameters, oauth.address_of(request.scope))
    if is_form:
        return await _form_decision(request, oauth, parameters, destination, user=caller.user, fields=fields)
    made = json_decision(fields)
    if not made.allow:
        return Response({"redirect_to": destination.failure(DENIED)}, headers=NOT_STORED)
    try:
        asked = oauth.desk.request(parameters, destination.client)
    except SentBack as error:
        raise Refused(error.error, error.description) from None
    return Response({"redirect_to": await decide(oauth, destination, asked, caller.user, made)}, headers=NOT_STORED)


@get("/oauth/static/consent.css", include_in_schema=False)
async def style() -> Response[bytes]:
    """What the pages look like, beside the sheet that all pages of the server share."""
    headers = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(STYLE, media_type="text/css; charset=utf-8", headers=headers)


@get("/oauth/logo/{application_id:str}", include_in_schema=False)
async def logo(oauth: NamedDependency[OAuthProvider], application_id: FromPath[str]) -> Response[bytes]:
    """The picture that an application's description names: one of three kinds, none of which can run."""
    found = await oauth.clients.logo(uuid_id(application_id))
    if found is None:
        raise NotFound
    headers = {
        "Cache-Control": "private, max-age=300",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(found[0], media_type=found[1], headers=headers)


async def _form_decision(
    request: ApiRequest,
    oauth: OAuthProvider,
    parameters: Parameters,
    destination: Destination,
    *,
    user: SignedUser,
    fields: Mapping[str, Any],
) -> Response[Any]:
    """Send the browser on; or show the page again with what is missing."""
    made = form_decision(fields)
    if not made.allow:
        return _found(destination.failure(DENIED), status=303)
    try:
        asked = oauth.desk.request(parameters, destination.client)
    except SentBack as error:
        return _found(destination.failure(error), status=303)
    try:
        return _found(await decide(oauth, destination, asked, user, made), status=303)
    except ValidationFailed as error:
        return consent_page(
            parameters,
            destination,
            asked,
            user,
            await places(oauth, user),
            here=page_address(parameters),
            csrf=csrf_token(request.cookies[SESSION_COOKIE]),
            status=400,
            problem=PLACE_MISSING.get(error.code + (error.attr or ""), error.detail),
            ticked=made.scopes,
            chosen=(made.access_level, made.scoped_organizations, made.scoped_teams),
        )


async def _signed_in(request: ApiRequest, oauth: OAuthProvider) -> tuple[str, SignedUser | None]:
    """The session's secret and its user; None if nobody is signed in."""
    secret = request.cookies.get(SESSION_COOKIE, "")
    grant = await oauth.access.credentials.session(secret) if secret else None
    return secret, None if grant is None else grant.user


async def _fields(request: ApiRequest) -> dict[str, Any]:
    body: Any = await request.json()
    if not isinstance(body, dict):
        raise ValidationFailed("Invalid data. Expected a dictionary.")
    return cast("dict[str, Any]", body)


def _parameters(fields: Mapping[str, Any], *, is_form: bool) -> Parameters:
    """The parameters of the request that is decided. What the form ticks is a decision; what was asked stands beside it."""
    found = {name: value for name, value in fields.items() if isinstance(value, str) and value}
    if is_form:
        found.pop("scope", None)
        if asked := found.pop("asked_scope", None):
            found["scope"] = asked
    return {name: found[name] for name in REQUESTED if name in found}


def _found(address: str, *, status: int = 302) -> Response[None]:
    headers = {"Location": address, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(None, status_code=status, headers=headers)


routes = [authorize, decision, style, logo]
