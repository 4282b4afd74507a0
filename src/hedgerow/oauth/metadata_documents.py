"""What this server says about itself to machines (RFC 8414, RFC 9728, OpenID Connect Discovery; gateway §6.2)."""

from __future__ import annotations

from typing import Any

from hedgerow.core.http import NotFound
from hedgerow.oauth import resources
from hedgerow.oauth.id_tokens import ALGORITHM
from hedgerow.oauth.pkce import METHOD
from hedgerow.oauth.provider import OAuthProvider
from hedgerow.oauth.scopes import SUPPORTED

DOCUMENTATION = "/docs/api/"


def authorization_server(provider: OAuthProvider) -> dict[str, Any]:
    """RFC 8414: where everything is, and what works."""
    issuer = provider.issuer
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize/",
        "token_endpoint": f"{issuer}/oauth/token/",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo/",
        "revocation_endpoint": f"{issuer}/oauth/revoke/",
        "introspection_endpoint": f"{issuer}/oauth/introspect/",
        "registration_endpoint": f"{issuer}/oauth/register/",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": list(SUPPORTED),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": [
            "none",
            "client_secret_post",
            "client_secret_basic",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256", "PS256"],
        "code_challenge_methods_supported": [METHOD],
        "service_documentation": issuer + DOCUMENTATION,
        "client_id_metadata_document_supported": provider.fetcher.reads_anything,
        "authorization_response_iss_parameter_supported": True,
    }


def openid_configuration(provider: OAuthProvider) -> dict[str, Any]:
    """OpenID Connect Discovery: the same, and how users are described."""
    return {
        **authorization_server(provider),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["email", "email_verified", "family_name", "given_name", "sub"],
    }


def protected_resource(provider: OAuthProvider, path: str) -> dict[str, Any]:
    """RFC 9728: who gives tokens for the resource at `path`; "" is this server. Raises `NotFound`."""
    path = path.rstrip("/")
    if path and not resources.described(path):
        raise NotFound
    issuer = provider.issuer
    return {
        "resource": issuer + path,
        "authorization_servers": [issuer],
        "scopes_supported": list(SUPPORTED),
        "bearer_methods_supported": ["header"],
        "resource_documentation": issuer + DOCUMENTATION,
    }
