"""Another Hedgerow, in its own process, is a PostHog like any other: found, registered at, consented to, refreshed, revoked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import msgspec
import pytest
from tests.gateway.control.world import ControlWorld, a_control_world, text_of
from tests.gateway.fake_posthog import FakePostHog
from tests.live_server import LiveServer
from tests.oauth.world import form_of

from hedgerow.core.clock import Clock, ManualClock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.connections import connection_of
from hedgerow.gateway.credentials import unseal_credential
from hedgerow.settings import Settings

DAY = 86_400


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("other") / "data") as running:
        yield running


@pytest.fixture
async def beside(
    other: LiveServer, metadata: Metadata, settings: Settings, fake: FakePostHog
) -> AsyncIterator[ControlWorld]:
    own = msgspec.structs.replace(settings, gateway_hosts=(f"{other.url};private",))
    clock = ManualClock(Clock().now())
    async with a_control_world(metadata, own, clock, fake) as world:
        yield world


async def test_the_whole_life_of_a_connection_to_it(beside: ControlWorld, other: LiveServer) -> None:
    world = beside
    made = await world.create(host=other.url, scopes=["user:read", "project:read", "query:read"])
    browser = world.browser()
    page = await browser.open(made["url"])
    sent = await browser.send(page, "/connect/start", host=other.url)
    assert sent.status_code == 303, text_of(sent)
    consent_url = sent.headers["location"]
    assert consent_url.startswith(f"{other.url}/oauth/authorize/?")

    async with httpx.AsyncClient(timeout=30, follow_redirects=True) as there:
        signed_in = await there.post(
            f"{other.url}/login/",
            data={"email": other.account["email"], "password": other.account["password"], "next": "/"},
        )
        assert signed_in.status_code == 200
        consent = await there.get(consent_url)
        assert "Gateway at" in text_of(consent)
        fields = {**form_of(consent.text), "allow": "true", "access_level": "all"}
        allowed = await there.post(f"{other.url}/oauth/authorize/", data=fields, follow_redirects=False)
    assert allowed.status_code == 303, allowed.text
    done = await browser.open(allowed.headers["location"])
    assert "Connected" in text_of(done), text_of(done)

    shown = await world.connection(made["connection_id"])
    assert (shown["status"], shown["method"]) == ("ACTIVE", "OAUTH2")
    assert shown["metadata"]["email"] == other.account["email"]
    call = await world.call("GET", "/posthog/api/projects/@current/")
    assert call.status_code == 200, call.text
    assert call.json()["api_token"] == other.account["project_token"]
    question = {"query": {"kind": "HogQLQuery", "query": "SELECT 1 + 1"}}
    asked = await world.call("POST", "/posthog/api/projects/@current/query/", json=question)
    assert asked.json()["results"] == [[2]]

    before = await world.row(made["connection_id"])
    world.clock.advance(8 * DAY)
    assert (await world.call("GET", "/posthog/api/projects/")).status_code == 200
    after = await world.row(made["connection_id"])
    assert after.version == before.version + 1

    token = unseal_credential(connection_of(after), world.gateway.vault).access_token
    me = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=30, headers=me) as there:
        assert (await there.get(f"{other.url}/api/users/@me/")).status_code == 200
        await world.call("DELETE", f"/connections/{made['connection_id']}")
        status = 0
        for _ in range(400):
            status = (await there.get(f"{other.url}/api/users/@me/")).status_code
            if status == 401:
                break
            await asyncio.sleep(0.05)
        assert status == 401
