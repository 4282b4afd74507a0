"""The way of an MCP client (gateway §6.7): from a 401 to a call, by what each answer says and nothing else."""

from __future__ import annotations

import re

import pytest
from tests.oauth.world import ISSUER, Browser, OAuthWorld, answer_in, challenge_of

pytestmark = pytest.mark.stores

CALLBACK = "http://localhost:33418/callback"
VERIFIER = "m" * 43


@pytest.mark.parametrize("said", [None, "/api/users/@me/", "/mcp"])
async def test_from_a_401_to_a_call(oauth: OAuthWorld, browser: Browser, said: str | None) -> None:
    refused = await oauth.nobody.get("/api/users/@me/")
    assert refused.status_code == 401
    led = re.fullmatch(r'Bearer resource_metadata="([^"]+)"', refused.headers["www-authenticate"])
    assert led is not None
    resource = (await oauth.nobody.get(led[1] + (said or ""))).json()
    (server,) = resource["authorization_servers"]
    metadata = (await oauth.nobody.get(f"{server}/.well-known/oauth-authorization-server")).json()
    assert metadata["issuer"] == server
    assert "S256" in metadata["code_challenge_methods_supported"]
    description = {
        "client_name": "An MCP client",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": " ".join(resource["scopes_supported"]),
    }
    client = (await oauth.nobody.post(metadata["registration_endpoint"], description)).json()
    asked = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": CALLBACK,
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "state": "s",
        "resource": resource["resource"],
        "scope": client["scope"],
    }
    page = await browser.open(metadata["authorization_endpoint"], params=asked)
    answer = answer_in((await browser.send(page)).headers["location"])
    assert answer["iss"] == metadata["issuer"] == ISSUER
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": CALLBACK,
        "client_id": client["client_id"],
        "code_verifier": VERIFIER,
        "resource": resource["resource"],
    }
    tokens = (await oauth.nobody.ask("POST", metadata["token_endpoint"], data=form)).json()
    call = await oauth.bearer(tokens["access_token"]).get("/api/users/@me/")
    assert call.status_code == (401 if said == "/mcp" else 200), "a token for /mcp is for /mcp alone"
