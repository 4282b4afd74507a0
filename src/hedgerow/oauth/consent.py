"""From a request to the consent page, and from a decision to where the browser goes (gateway §6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode

from hedgerow.core.http import ValidationFailed
from hedgerow.core.identity.people import SignedUser
from hedgerow.oauth.authorization import Decision, Destination, Request, check_access_level
from hedgerow.oauth.errors import SentBack
from hedgerow.oauth.grants import Consent
from hedgerow.oauth.places import OrganizationPlace, check_places, places_of
from hedgerow.oauth.provider import OAuthProvider
from hedgerow.oauth.scopes import known

AUTHORIZE = "/oauth/authorize/"
DENIED = SentBack("access_denied", "The user did not let the application in.")


def page_address(parameters: Mapping[str, str]) -> str:
    """The path and query of the authorize page of these parameters."""
    return f"{AUTHORIZE}?{urlencode(parameters, quote_via=quote)}"


def sign_in_address(parameters: Mapping[str, str]) -> str:
    """The sign-in page that leads back there. Who signs in now need not be asked to sign in again."""
    prompt = " ".join(word for word in parameters.get("prompt", "").split() if word != "login")
    back = {name: value for name, value in parameters.items() if name != "prompt"}
    return f"/login?next={quote(page_address({**back, 'prompt': prompt} if prompt else back), safe='')}"


def form_decision(fields: Mapping[str, Any]) -> Decision:
    """What the page's form says. Lists of a level that was not chosen do not count. Raises `ValidationFailed`."""
    level = _text(fields, "access_level", "all")
    scopes = _texts(fields.get("scope"), "scope")
    if fields.get("read_only") == "true":
        scopes = [f"{scope.removesuffix(':write')}:read" if scope.endswith(":write") else scope for scope in scopes]
    return Decision(
        allow=fields.get("allow") == "true",
        scopes=known(scopes),
        access_level=level,
        scoped_organizations=_texts(fields.get("scoped_organizations"), "scoped_organizations")
        if level == "organization"
        else [],
        scoped_teams=_numbers(fields.get("scoped_teams")) if level == "team" else [],
    )


def json_decision(fields: Mapping[str, Any]) -> Decision:
    """What a JSON body says. Raises `ValidationFailed`."""
    allow = fields.get("allow")
    if not isinstance(allow, bool):
        raise ValidationFailed("Must be a valid boolean.", attr="allow")
    if allow and "scope" not in fields:
        raise ValidationFailed("This field is required.", attr="scope", code="required")
    return Decision(
        allow=allow,
        scopes=known(_text(fields, "scope", "").split()),
        access_level=_text(fields, "access_level", "all"),
        scoped_organizations=_texts(fields.get("scoped_organizations"), "scoped_organizations"),
        scoped_teams=_numbers(fields.get("scoped_teams")),
    )


async def decide(
    provider: OAuthProvider, destination: Destination, request: Request, user: SignedUser, decision: Decision
) -> str:
    """Where the browser goes after this decision. Raises `ValidationFailed`, `MetadataUnavailable`."""
    if not decision.allow:
        return destination.failure(DENIED)
    check_access_level(decision)
    check_places(await places(provider, user), decision.scoped_organizations, decision.scoped_teams)
    scopes = [scope for scope in decision.scopes if scope in _reach(request)]
    if not scopes:
        return destination.failure(DENIED)
    consent = Consent(
        user_id=user.id,
        client=destination.client,
        scopes=scopes,
        scoped_teams=decision.scoped_teams or None,
        scoped_organizations=decision.scoped_organizations or None,
        resource=request.resource,
        redirect_uri=destination.redirect_uri,
        redirect_uri_said=destination.redirect_uri_said,
        code_challenge=request.code_challenge,
        nonce=request.nonce,
    )
    return destination.success(await provider.grants.code(consent))


async def places(provider: OAuthProvider, user: SignedUser) -> list[OrganizationPlace]:
    """Where the user may let somebody in."""
    return await places_of(provider.access.metadata, user)


def _reach(request: Request) -> set[str]:
    """What was asked for, and reading where writing was."""
    reads = {f"{scope.removesuffix(':write')}:read" for scope in request.scopes if scope.endswith(":write")}
    return {*request.scopes, *reads}


def _text(fields: Mapping[str, Any], name: str, default: str) -> str:
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise ValidationFailed("Not a valid string.", attr=name)
    return value


def _texts(value: Any, name: str) -> list[str]:
    if value is None:
        return []
    items = cast("list[Any]", value if isinstance(value, list) else [value])
    if not all(isinstance(item, str) for item in items):
        raise ValidationFailed("Not a valid string.", attr=name)
    return list(dict.fromkeys(items))


def _numbers(value: Any) -> list[int]:
    items = cast("list[Any]", [] if value is None else value if isinstance(value, list) else [value])
    found: list[int] = []
    for item in items:
        is_number = isinstance(item, int) and not isinstance(item, bool)
        if not is_number and not (isinstance(item, str) and item.isascii() and item.isdecimal() and len(item) < 20):
            raise ValidationFailed("A valid integer is required.", attr="scoped_teams")
        found.append(int(item))
    return list(dict.fromkeys(found))
