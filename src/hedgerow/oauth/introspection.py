"""Asking about tokens: introspection (RFC 7662), userinfo (OpenID Connect), and taking back (RFC 7009); gateway §6.7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from hedgerow.core.clock import to_us
from hedgerow.core.crypto import same
from hedgerow.oauth.errors import Refused
from hedgerow.oauth.grants import Seen
from hedgerow.oauth.id_tokens import claims
from hedgerow.oauth.provider import OAuthProvider

INACTIVE: dict[str, Any] = {"active": False}


async def introspect(
    provider: OAuthProvider, parameters: Mapping[str, str], bearer: str | None, basic: tuple[str, str] | None
) -> dict[str, Any]:
    """What a token is worth, to somebody who may know. Raises `Refused` (401, 403), `MetadataUnavailable`."""
    token = parameters.get("token")
    if bearer is not None:
        asking = await provider.grants.seen(bearer)
        if asking is None:
            raise bad_bearer()
        if token is not None and same(token, bearer):
            return _described(asking)
        if "introspection" not in asking.scopes:
            raise missing_scope("introspection")
        application_id = asking.application_id
    else:
        client = await provider.authentication.prove(parameters, basic)
        if client.auth_method == "none":
            raise Refused("invalid_client", "Only an application with a secret may ask.", status=401)
        application_id = client.id
    if token is None:
        raise Refused("invalid_request", "token is required.")
    return _of(application_id, await provider.grants.seen(token))


async def userinfo(provider: OAuthProvider, bearer: str | None) -> dict[str, Any]:
    """Who the bearer's user is. Raises `Refused` (401, 403), `MetadataUnavailable`."""
    credentials = provider.access.credentials
    grant = None if bearer is None else await credentials.oauth_token(bearer)
    if grant is None or grant.user is None or credentials.has_expired(grant):
        raise bad_bearer()
    if "openid" not in grant.scopes:
        raise missing_scope("openid")
    return claims(grant.user, [*grant.scopes])


async def revoke(provider: OAuthProvider, parameters: Mapping[str, str], basic: tuple[str, str] | None) -> None:
    """Take back what the token's user let the application do. Raises `Refused` (401), `MetadataUnavailable`."""
    client = await provider.authentication.prove(parameters, basic)
    token = parameters.get("token")
    if token is None:
        raise Refused("invalid_request", "token is required.")
    await provider.grants.revoke(client, token)


def bad_bearer() -> Refused:
    """401: no bearer token, or one that is worth nothing (RFC 6750 §3)."""
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Refused("invalid_token", "The access token is missing or not valid.", status=401, headers=headers)


def missing_scope(scope: str) -> Refused:
    """403: the token does not reach that far (RFC 6750 §3.1)."""
    headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
    return Refused("insufficient_scope", f"The access token needs the scope {scope}.", status=403, headers=headers)


def _of(application_id: UUID, seen: Seen | None) -> dict[str, Any]:
    """Nobody learns anything about another application's tokens, not even that they are some."""
    return INACTIVE if seen is None or seen.application_id != application_id else _described(seen)


def _described(seen: Seen) -> dict[str, Any]:
    return {
        "active": True,
        "token_type": "access_token",
        "scope": " ".join(seen.scopes),
        "is_impersonated": False,
        "scoped_teams": seen.scoped_teams,
        "scoped_organizations": seen.scoped_organizations,
        "exp": to_us(seen.expires_at) // 1_000_000,
        "client_id": seen.client_id,
        "client_name": seen.client_name,
    }
