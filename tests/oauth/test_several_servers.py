"""Two servers over one database, and a server that the world knows by another address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from tests.core.http.test_limits import redis_url
from tests.oauth.world import challenge_of
from tests.stores.databases import database_url
from tests.workspace.world import NOW, World

from hedgerow.core import ids
from hedgerow.core.clock import ManualClock
from hedgerow.core.http import Access, open_access
from hedgerow.core.storage.metadata import Metadata
from hedgerow.oauth import OAuthProvider
from hedgerow.oauth.client_authentication import ASSERTION_TYPE
from hedgerow.oauth.clients import Client, NewClient, own_redirect_uris
from hedgerow.oauth.errors import Refused
from hedgerow.oauth.grants import Consent, Presented
from hedgerow.oauth.metadata_documents import authorization_server
from hedgerow.settings import Settings

__all__ = ["redis_url"]

pytestmark = pytest.mark.stores

VERIFIER = "s" * 64
HERE = "http://127.0.0.1:8000/connect/callback"


@dataclass
class Server:
    access: Access
    provider: OAuthProvider


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[list[Server]]:
    """Each with its own connections, caches and tasks, as in a process of its own."""
    settings = Settings(data_dir=tmp_path, database_url=database_url())
    running: list[Server] = []
    for _ in range(2):
        access = open_access(await Metadata.open(settings), settings, ManualClock(NOW))
        running.append(Server(access, OAuthProvider(access, lambda _scope: "")))
    yield running
    for server in running:
        await server.provider.close()
        await server.access.close()
        await server.access.metadata.close()


async def consented(server: Server) -> tuple[Client, str]:
    """A code for the application whose refresh tokens are replaced."""
    person = await World(lambda *_: asyncio.sleep(0), server.access, ManualClock(NOW)).person()
    client = await server.provider.clients.find("hedgerow-gateway")
    assert client is not None
    consent = Consent(
        user_id=person.user.id,
        client=client,
        scopes=["project:read"],
        scoped_teams=None,
        scoped_organizations=None,
        resource=None,
        redirect_uri=HERE,
        redirect_uri_said=True,
        code_challenge=challenge_of(VERIFIER),
        nonce=None,
    )
    return client, await server.provider.grants.code(consent)


async def test_one_code_at_two_servers_gives_tokens_once(servers: list[Server]) -> None:
    client, code = await consented(servers[0])
    shown = Presented(code, HERE, VERIFIER)
    tries = (server.provider.grants.redeem(client, shown) for server in servers * 3)
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert all(isinstance(outcome, Refused) for outcome in outcomes if isinstance(outcome, BaseException))


async def test_one_refresh_token_at_two_servers_gives_one_pair(servers: list[Server]) -> None:
    client, code = await consented(servers[0])
    issued = await servers[0].provider.grants.redeem(client, Presented(code, HERE, VERIFIER))
    assert issued.refresh_token is not None
    old = issued.refresh_token
    tries = (server.provider.grants.refresh(client, old, scope=None) for server in servers * 5)
    pairs = {(outcome.access_token, outcome.refresh_token) for outcome in await asyncio.gather(*tries)}
    assert len(pairs) == 1
    ((access, _),) = pairs
    for server in servers:
        grant = await server.access.credentials.oauth_token(access)
        assert grant is not None


async def test_a_key_is_made_once_and_for_its_owner_alone(servers: list[Server], tmp_path: Path) -> None:
    made = await asyncio.gather(*(server.provider.id_tokens.public_keys() for server in servers))
    assert made[0] == made[1]
    assert modes_of_keys(tmp_path) == [0o600]


def modes_of_keys(folder: Path) -> list[int]:
    return [file.stat().st_mode & 0o777 for file in folder.glob("*.pem*")]


async def test_the_issuer_is_the_public_address(tmp_path: Path, servers: list[Server]) -> None:
    access = servers[0].access
    public = Settings(data_dir=tmp_path, public_url="https://hedge.example/", host="0.0.0.0")
    known = Access(access.metadata, public, access.clock, access.limiter)
    provider = OAuthProvider(known, lambda _scope: "")
    document = authorization_server(provider)
    assert document["issuer"] == "https://hedge.example"
    assert document["token_endpoint"] == "https://hedge.example/oauth/token/"
    assert own_redirect_uris(public) == ("https://hedge.example/connect/callback",)
    own = await provider.clients.find("https://hedge.example/oauth/gateway-client.json")
    assert own is not None
    assert own.client_id == "https://hedge.example/oauth/gateway-client.json"
    assert own.answers_at("https://hedge.example/connect/callback")
    assert not own.answers_at(HERE)
    await provider.close()
    await known.credentials.close()


async def test_an_assertion_counts_once_at_all_servers_that_share_a_redis(tmp_path: Path, redis_url: str) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database_url(), redis_url=redis_url)
    running: list[Server] = []
    for _ in range(2):
        access = open_access(await Metadata.open(settings), settings, ManualClock(NOW))
        running.append(Server(access, OAuthProvider(access, lambda _scope: "")))
    key = ECKey.generate_key("P-256", private=True)
    new = NewClient(
        client_id="https://client.example/client.json",
        kind="document",
        name="Orchard",
        redirect_uris=[HERE],
        grant_types=["authorization_code"],
        auth_method="private_key_jwt",
        public_keys=dict(KeySet([key]).as_dict(private=False)),
    )
    await running[0].provider.clients.put(new, ids.uuid7(), NOW)

    def signed() -> dict[str, str]:
        claims = {"iss": new.client_id, "sub": new.client_id, "aud": settings.origin, "jti": ids.short_id()}
        assertion = jwt.encode({"alg": "ES256"}, {**claims, "exp": int(NOW.timestamp()) + 60}, key)
        return {"client_id": new.client_id, "client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE}

    first, second = (server.provider.authentication for server in running)
    once = signed()
    assert (await first.prove(once, None)).name == "Orchard"
    with pytest.raises(Refused):
        await second.prove(once, None)
    assert (await second.prove(signed(), None)).name == "Orchard"
    for server in running:
        await server.provider.close()
        await server.access.close()
        await server.access.metadata.close()
