"""The token endpoint (gateway §6.4): a code, or a refresh token, for tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from hedgerow.oauth.clients import Client
from hedgerow.oauth.errors import Refused, SentBack
from hedgerow.oauth.grants import Issued, Presented, Resource
from hedgerow.oauth.pkce import is_verifier
from hedgerow.oauth.provider import OAuthProvider
from hedgerow.oauth.resources import audience

GRANT_TYPES = ("authorization_code", "refresh_token")


async def exchange(
    provider: OAuthProvider, parameters: Mapping[str, str], basic: tuple[str, str] | None
) -> dict[str, Any]:
    """The answer to a token request. Raises `Refused`, `MetadataUnavailable`."""
    grant_type = _required(parameters, "grant_type")
    if grant_type not in GRANT_TYPES:
        raise Refused("unsupported_grant_type", f"grant_type must be {' or '.join(GRANT_TYPES)}.")
    client = await provider.authentication.prove(parameters, basic)
    if grant_type not in client.grant_types:
        raise Refused("unauthorized_client", f"This application may not use {grant_type}.")
    if grant_type == "refresh_token":
        secret = _required(parameters, "refresh_token")
        resource = _resource(provider, parameters)
        issued = await provider.grants.refresh(client, secret, scope=parameters.get("scope"), resource=resource)
    else:
        issued = await _redeem(provider, client, parameters)
    return await _answer(provider, client, issued)


async def _redeem(provider: OAuthProvider, client: Client, parameters: Mapping[str, str]) -> Issued:
    code, verifier = _required(parameters, "code"), _required(parameters, "code_verifier")
    if not is_verifier(verifier):
        raise Refused("invalid_request", "code_verifier must be 43 to 128 letters, digits or -._~ .")
    resource = _resource(provider, parameters)
    return await provider.grants.redeem(client, Presented(code, parameters.get("redirect_uri"), verifier, resource))


def _resource(provider: OAuthProvider, parameters: Mapping[str, str]) -> Resource:
    """The resource that the request names (RFC 8707 §2.2); UNSET if it names none. Raises `Refused`."""
    if "resource" not in parameters:
        return UNSET
    try:
        return audience(parameters["resource"], provider.issuer)
    except SentBack as error:
        raise Refused(error.error, error.description) from None


async def _answer(provider: OAuthProvider, client: Client, issued: Issued) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "access_token": issued.access_token,
        "expires_in": round((issued.expires_at - provider.access.clock.now()).total_seconds()),
        "token_type": "Bearer",
        "scope": " ".join(issued.scopes),
    }
    if issued.refresh_token is not None:
        answer["refresh_token"] = issued.refresh_token
    answer |= {"scoped_teams": issued.scoped_teams, "scoped_organizations": issued.scoped_organizations}
    if "openid" in issued.scopes:
        answer["id_token"] = await provider.id_tokens.sign(
            issued.user, client.client_id, issued.access_token, issued.scopes, issued.nonce
        )
    return answer


def _required(parameters: Mapping[str, str], name: str) -> str:
    value = parameters.get(name)
    if value is None:
        raise Refused("invalid_request", f"{name} is required.")
    return value
