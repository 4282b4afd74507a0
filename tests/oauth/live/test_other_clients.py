"""An OAuth client that is not ours does everything against a running server: Authlib's, unmodified."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.integrations.requests_client import OAuth2Session
from tests.live_server import LiveServer
from tests.oauth.world import answer_in, form_of
from tests.stores.databases import on_postgresql

session: Any = OAuth2Session
CALLBACK = "http://127.0.0.1:45999/callback"


@pytest.fixture
def metadata(server: LiveServer) -> dict[str, Any]:
    return httpx.get(f"{server.url}/.well-known/openid-configuration").json()


def consent(server: LiveServer, address: str) -> str:
    """What a person does: sign in where they are led, allow, and come back with this address."""
    with httpx.Client(base_url=server.url) as web:
        led = web.get(address)
        back = parse_qs(urlsplit(led.headers["location"]).query)["next"][0]
        account = server.account
        web.post("/login/", data={"email": account["email"], "password": account["password"], "next": back})
        page = web.get(back)
        assert page.status_code == 200, page.text
        sent = web.post("/oauth/authorize/", data={**form_of(page.text), "allow": "true"})
        return sent.headers["location"]


@pytest.mark.parametrize("method", ["none", "client_secret_post", "client_secret_basic"])
def test_authlib_goes_the_whole_way(server: LiveServer, metadata: dict[str, Any], method: str) -> None:
    description = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method}
    made = httpx.post(metadata["registration_endpoint"], json=description).json()
    with session(
        made["client_id"],
        made.get("client_secret"),
        token_endpoint_auth_method=method,
        redirect_uri=CALLBACK,
        scope="openid email project:read introspection",
        code_challenge_method="S256",
    ) as client:
        verifier = "authlib-" * 8
        address, state = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
        location = consent(server, address)
        assert answer_in(location)["state"] == state
        token = client.fetch_token(
            metadata["token_endpoint"], authorization_response=location, state=state, code_verifier=verifier
        )
        assert re.fullmatch("pha_[0-9A-Za-z]{43}", token["access_token"])
        assert token["expires_in"] == 604_800
        assert client.get(f"{server.url}/api/projects/").json()["count"] == 1
        assert client.get(metadata["userinfo_endpoint"]).json()["email"] == server.account["email"]
        before = token["access_token"]
        token = client.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
        assert token["access_token"] != before
        if method != "none":
            seen = client.introspect_token(metadata["introspection_endpoint"], token=token["access_token"])
            assert seen.json()["active"] is True
        revoked = client.revoke_token(metadata["revocation_endpoint"], token=token["access_token"])
        assert revoked.status_code == 200
        assert client.get(f"{server.url}/api/projects/").status_code == 401


def test_nothing_of_it_is_in_the_servers_log_or_folder(server: LiveServer, metadata: dict[str, Any]) -> None:
    """The same round by hand, so that every secret is known; then all files of the server are read."""
    made = httpx.post(
        metadata["registration_endpoint"],
        json={"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_post"},
    ).json()
    verifier = "w" * 64
    with session(
        made["client_id"], made["client_secret"], redirect_uri=CALLBACK, code_challenge_method="S256"
    ) as client:
        address, _ = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
        location = consent(server, address)
        form = {
            "grant_type": "authorization_code",
            "client_id": made["client_id"],
            "client_secret": made["client_secret"],
            "redirect_uri": CALLBACK,
            "code_verifier": verifier,
            "code": answer_in(location)["code"],
        }
        token = httpx.post(metadata["token_endpoint"], data=form).json()
        assert httpx.post(metadata["token_endpoint"], data=form).json()["error"] == "invalid_grant"
    secrets = [token["access_token"], token["refresh_token"], token["id_token"], form["code"], verifier]
    secrets += [made["client_secret"], server.account["password"]]
    files = [server.log, *(file for file in server.data_dir.rglob("*") if file.is_file())]
    content = b"".join(file.read_bytes() for file in files)
    if not on_postgresql():  # else its rows are elsewhere
        assert made["client_id"].encode() in content, "the application itself is there"
    assert not [secret for secret in secrets if secret.encode() in content]
