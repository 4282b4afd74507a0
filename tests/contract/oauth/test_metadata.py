"""What the server says about itself (gateway §6.1, §6.2)."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import KeySet
from tests.oauth.world import ISSUER, OAuthWorld

SERVER = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
RESOURCE = "/.well-known/oauth-protected-resource"
OBJECTS = (
    "action",
    "alert",
    "annotation",
    "batch_export",
    "cohort",
    "comment",
    "dashboard",
    "dashboard_template",
    "early_access_feature",
    "endpoint",
    "error_tracking",
    "event_definition",
    "experiment",
    "experiment_holdout",
    "experiment_saved_metric",
    "export",
    "feature_flag",
    "group",
    "heatmap",
    "hog_function",
    "insight",
    "insight_variable",
    "integration",
    "notebook",
    "organization",
    "organization_member",
    "person",
    "plugin",
    "project",
    "property_definition",
    "query",
    "session_recording",
    "session_recording_playlist",
    "sharing_configuration",
    "subscription",
    "survey",
    "user",
    "web_analytics",
    "warehouse_table",
    "warehouse_view",
    "activity_log",
    "access_control",
)
KEYS = "/.well-known/jwks.json"


async def document(oauth: OAuthWorld, path: str) -> dict[str, Any]:
    answer = await oauth.nobody.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    return answer.json()


async def test_the_authorization_server(oauth: OAuthWorld) -> None:
    found = await document(oauth, SERVER)
    scopes = found.pop("scopes_supported")
    assert found == {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/oauth/authorize/",
        "token_endpoint": f"{ISSUER}/oauth/token/",
        "userinfo_endpoint": f"{ISSUER}/oauth/userinfo/",
        "revocation_endpoint": f"{ISSUER}/oauth/revoke/",
        "introspection_endpoint": f"{ISSUER}/oauth/introspect/",
        "registration_endpoint": f"{ISSUER}/oauth/register/",
        "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
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
        "code_challenge_methods_supported": ["S256"],
        "service_documentation": f"{ISSUER}/docs/api/",
        "client_id_metadata_document_supported": False,  # no host is allowed by default
        "authorization_response_iss_parameter_supported": True,
    }
    assert {"openid", "profile", "email", "introspection", "query:read", "heatmap:read"} <= set(scopes)
    assert "*" not in scopes
    assert len(scopes) == len(set(scopes))


@pytest.mark.parametrize("resource", OBJECTS)
async def test_every_object_can_be_read_and_written(oauth: OAuthWorld, resource: str) -> None:
    scopes = (await document(oauth, SERVER))["scopes_supported"]
    assert {f"{resource}:read", f"{resource}:write"} <= set(scopes)


async def test_openid_is_the_same_and_more(oauth: OAuthWorld) -> None:
    shared, found = await document(oauth, SERVER), await document(oauth, OPENID)
    assert {name: found.pop(name) for name in shared} == shared
    assert found == {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["email", "email_verified", "family_name", "given_name", "sub"],
    }


@pytest.mark.parametrize("path", ["", "/mcp", "/api", "/api/projects", "/api/projects/1/query"])
async def test_the_protected_resource(oauth: OAuthWorld, path: str) -> None:
    found = await document(oauth, RESOURCE + path)
    assert found["scopes_supported"] == (await document(oauth, SERVER))["scopes_supported"]
    del found["scopes_supported"]
    assert found == {
        "resource": ISSUER + path,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "resource_documentation": f"{ISSUER}/docs/api/",
    }


async def test_a_resource_that_is_none_has_no_document(oauth: OAuthWorld) -> None:
    assert (await oauth.nobody.get(f"{RESOURCE}/nothing")).status_code == 404


async def test_the_keys_are_public_ones(oauth: OAuthWorld) -> None:
    (key,) = (await document(oauth, KEYS))["keys"]
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}, "nothing of the private half"
    assert KeySet.import_key_set({"keys": [key]}).keys[0].kid == key["kid"]


async def test_a_401_leads_here(oauth: OAuthWorld) -> None:
    answer = await oauth.nobody.get("/api/projects/")
    assert answer.headers["www-authenticate"] == f'Bearer resource_metadata="{ISSUER}{RESOURCE}"'


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", SERVER, 200),
        ("GET", OPENID, 200),
        ("GET", RESOURCE, 200),
        ("GET", f"{RESOURCE}/mcp", 200),
        ("GET", KEYS, 200),
        ("GET", "/oauth/authorize", 400),
        ("POST", "/oauth/authorize", 401),
        ("POST", "/oauth/token", 400),
        ("POST", "/oauth/revoke", 401),
        ("POST", "/oauth/introspect", 401),
        ("GET", "/oauth/introspect", 401),
        ("GET", "/oauth/userinfo", 401),
        ("POST", "/oauth/userinfo", 401),
        ("POST", "/oauth/register", 400),
        ("GET", "/login", 200),
    ],
)
async def test_every_endpoint_with_and_without_slash(oauth: OAuthWorld, method: str, path: str, status: int) -> None:
    answers = [await oauth.nobody.ask(method, path + end) for end in ("", "/")]
    assert [answer.status_code for answer in answers] == [status, status]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("path", ["/oauth/token/", "/oauth/revoke/", "/oauth/register/"])
async def test_what_is_posted_is_not_got(oauth: OAuthWorld, path: str) -> None:
    assert (await oauth.nobody.get(path)).status_code == 405
