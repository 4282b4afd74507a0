"""Applications that register themselves (gateway §6.5, RFC 7591)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.oauth.world import CALLBACK, OAuthWorld

pytestmark = pytest.mark.stores


async def test_the_least(oauth: OAuthWorld) -> None:
    answer = await oauth.register()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert len(found.pop("client_id")) == 40
    assert found == {
        "client_name": "MCP Client",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "client_id_issued_at": int(oauth.world.clock.now().timestamp()),
    }


async def test_with_a_secret(oauth: OAuthWorld) -> None:
    found = (await oauth.register(token_endpoint_auth_method="client_secret_post")).json()
    assert len(found["client_secret"]) == 64
    assert found["client_secret_expires_at"] == 0


async def test_with_everything(oauth: OAuthWorld) -> None:
    found = (
        await oauth.register(
            client_name="  Orchard\n\u202eApp ",
            redirect_uris=["https://orchard.example/cb", "cursor://orchard/cb", "http://localhost/cb"],
            grant_types=["authorization_code"],
            response_types=["code"],
            scope="query:read made:up project:read",
            software_id="ignored",
        )
    ).json()
    assert found["client_name"] == "Orchard App"
    assert found["redirect_uris"] == ["https://orchard.example/cb", "cursor://orchard/cb", "http://localhost/cb"]
    assert found["grant_types"] == ["authorization_code"]
    assert found["scope"] == "project:read query:read"


@pytest.mark.parametrize(
    ("description", "error"),
    [
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://a.example"}, "invalid_redirect_uri"),
        ({"redirect_uris": [1]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example/\0"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example/cb"] * 51}, "invalid_redirect_uri"),
        ({"client_name": "x" * 256}, "invalid_client_metadata"),
        ({"client_name": 1}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata"),
        ({"grant_types": []}, "invalid_client_metadata"),
        ({"grant_types": "authorization_code"}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": ["none"]}, "invalid_client_metadata"),
        ({"scope": ["project:read"]}, "invalid_client_metadata"),
    ],
)
async def test_what_cannot_be_registered(oauth: OAuthWorld, description: dict[str, Any], error: str) -> None:
    answer = await oauth.register(**description)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    ("uri", "description"),
    [
        (
            "http://example.com/cb",
            "Redirect URI http://example.com/cb must use https (http is only allowed for loopback addresses)",
        ),
        ("https://example.com/cb#x", "Redirect URI https://example.com/cb#x cannot contain fragments"),
    ],
)
async def test_a_redirect_uri_in_posthogs_words(oauth: OAuthWorld, uri: str, description: str) -> None:
    answer = await oauth.register(redirect_uris=[uri])
    assert answer.json() == {"error": "invalid_redirect_uri", "error_description": description}


@pytest.mark.parametrize(
    "name",
    [
        "PostHog",
        "posthog cli",
        "ＰｏｓｔＨｏｇ",
        "Post\u200bHog",
        "Post Hog",
        "Hedgerow gateway",
        "Hédgerow",
        "The official one",
        "Verified app",
        "trusted",
    ],
)
async def test_a_name_that_misleads(oauth: OAuthWorld, name: str) -> None:
    answer = await oauth.register(client_name=name)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.parametrize("name", ["My PostHog dashboards", "Hedge fund", "Gärtner 🌳"])
async def test_a_name_that_does_not(oauth: OAuthWorld, name: str) -> None:
    assert (await oauth.register(client_name=name)).status_code == 201


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"'])
async def test_a_description_that_is_none(oauth: OAuthWorld, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await oauth.nobody.ask("POST", "/oauth/register/", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


async def test_sixty_a_minute_from_one_address(oauth: OAuthWorld) -> None:
    oauth.own_address = "192.0.2.7"
    for _ in range(60):
        assert (await oauth.register()).status_code == 201
    answer = await oauth.register()
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"] == "temporarily_unavailable"
    oauth.own_address = "192.0.2.8"
    assert (await oauth.register()).status_code == 201
    oauth.own_address = "192.0.2.7"
    oauth.world.clock.advance(61)
    assert (await oauth.register()).status_code == 201


async def test_what_nobody_ever_let_in_is_forgotten(oauth: OAuthWorld) -> None:
    unused = await oauth.app()
    oauth.world.clock.advance(days=91)
    await oauth.app()
    assert await oauth.provider.clients.find(unused.client_id) is None
