"""Where an account lives (gateway §3.7), how this gateway is known there (§3.8): three FAKE clouds stand for US, EU and the
server of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from tests.gateway.control.world import ControlWorld, a_control_world, asked_in, text_of
from tests.gateway.fake_oauth import FakeOAuth
from tests.gateway.fake_posthog import VALID_KEY, FakePostHog

from hedgerow.core.clock import ManualClock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings

HOUR = 3_600


@dataclass
class Clouds:
    """The three."""

    us: FakePostHog
    eu: FakePostHog
    both: FakePostHog
    world: ControlWorld
    eu_oauth: FakeOAuth
    both_oauth: FakeOAuth


def declared(us: FakePostHog, eu: FakePostHog, both: FakePostHog) -> str:
    """PostHog as an app of the file, which stands in for the built-in one."""
    return f"""
[posthog]
title = "PostHog"
methods = ["OAUTH2", "API_KEY", "LOCAL"]
probes = ["/api/users/@me/", "/api/projects/"]
key_prefix = "phx_"
scopes = ["openid", "user:read"]

[[posthog.hosts]]
name = "us"
title = "PostHog Cloud US"
origin = "{us.url}"
is_private = true

[[posthog.hosts]]
name = "eu"
title = "PostHog Cloud EU"
origin = "{eu.url}"
is_private = true

[posthog.oauth]
origin = "{both.url}"
authorize = "/oauth/authorize/"
token = "/oauth/token/"
revoke = "/oauth/revoke/"
register = "/oauth/register/"
"""


@pytest.fixture
async def clouds(tmp_path: Path, metadata: Metadata, settings: Settings, clock: ManualClock) -> AsyncIterator[Clouds]:
    us, eu, both = FakePostHog(), FakePostHog(), FakePostHog()
    for one in (us, eu, both):
        await one.start()
    us.valid_keys.clear()
    file = tmp_path / "apps.toml"
    file.write_text(declared(us, eu, both))
    own = msgspec.structs.replace(settings, gateway_hosts=(), gateway_apps_file=str(file))
    async with a_control_world(metadata, own, clock, us) as world:
        both_oauth = FakeOAuth(both).install()
        eu_oauth = FakeOAuth(eu, families=both_oauth.families).install()
        both.valid_keys = eu.valid_keys  # one account, which lives in the EU
        yield Clouds(us, eu, both, world, eu_oauth, both_oauth)
    for one in (us, eu, both):
        await one.stop()


async def connected(clouds: Clouds, host: str = "auto") -> str:
    made = await clouds.world.create()
    browser = clouds.world.browser()
    page = await browser.open(made["url"])
    sent = await browser.send(page, "/connect/start", host=host)
    assert sent.status_code == 303, text_of(sent)
    asked = asked_in(sent.headers["location"])
    answering = clouds.both_oauth if sent.headers["location"].startswith(clouds.both.url) else clouds.eu_oauth
    await browser.open(answering.answer_to(asked))
    return made["connection_id"]


@pytest.mark.parametrize("said", ["eu", "nothing", "somewhere else"])
async def test_who_does_not_know_the_region_is_found(clouds: Clouds, said: str) -> None:
    told = {"eu": clouds.eu.url, "nothing": None, "somewhere else": "https://evil.example"}[said]
    clouds.both_oauth.extra = {"posthog_base_url": told}
    connection_id = await connected(clouds)
    shown = await clouds.world.connection(connection_id)
    assert (shown["status"], shown["metadata"]["region"]) == ("ACTIVE", "eu"), shown
    assert shown["metadata"]["base_url"] == clouds.eu.url
    call = await clouds.world.call("GET", "/posthog/api/projects/")
    assert call.status_code == 200
    assert clouds.eu.last.path == "/api/projects/"
    asked_us = [request for request in clouds.us.received if request.path == "/api/users/@me/"]
    assert len(asked_us) == (0 if said == "eu" else 1)


async def test_tokens_are_refreshed_in_their_region_and_at_the_server_of_both_if_that_knows_nobody(
    clouds: Clouds,
) -> None:
    clouds.both_oauth.extra = {"posthog_base_url": clouds.eu.url}
    await connected(clouds)
    clouds.world.clock.advance(HOUR + 1)
    assert (await clouds.world.call("GET", "/posthog/api/projects/")).status_code == 200
    assert (len(clouds.eu_oauth.refreshes), len(clouds.both_oauth.refreshes)) == (1, 0)
    clouds.world.clock.advance(HOUR + 1)
    clouds.eu_oauth.next_answers.append("invalid_client")
    assert (await clouds.world.call("GET", "/posthog/api/projects/")).status_code == 200
    assert (len(clouds.eu_oauth.refreshes), len(clouds.both_oauth.refreshes)) == (2, 1)


async def test_an_account_that_no_region_knows_is_not_connected(clouds: Clouds) -> None:
    made = await clouds.world.create()
    browser = clouds.world.browser()
    page = await browser.open(made["url"])
    sent = await browser.send(page, "/connect/start", host="auto")
    answer = clouds.both_oauth.answer_to(asked_in(sent.headers["location"]))
    clouds.eu.handlers["/api/users/@me/"] = _unauthorised
    await browser.open(answer)
    shown = await clouds.world.connection(made["connection_id"])
    assert (shown["status"], shown["reason"]) == ("FAILED", "exchange_failed")


async def _unauthorised(_fake: object, _request: object, _reader: object, writer: object) -> None:
    from tests.gateway.fake_posthog import respond

    respond(writer, 401, b"{}")  # type: ignore[arg-type]


async def test_a_pasted_key_is_tried_in_both_regions(clouds: Clouds) -> None:
    clouds.eu.valid_keys.add(VALID_KEY)
    made = await clouds.world.create(api_key=VALID_KEY)
    assert made["connection"]["metadata"]["region"] == "eu"
    assert [one.path for one in clouds.us.received] == ["/api/users/@me/"]
    wrong = await clouds.world.call("POST", "/connections", json={"app": "posthog", "api_key": "phx_unknown_anywhere"})
    assert wrong.json()["hosts"]["us"] == wrong.json()["hosts"]["eu"] == "the key is not known there"


async def test_the_issuer_of_one_region_is_none_of_the_other(clouds: Clouds) -> None:
    """Mix-up: the walk began at one server, and another one answers."""
    made = await clouds.world.create()
    browser = clouds.world.browser()
    page = await browser.open(made["url"])
    sent = await browser.send(page, "/connect/start", host="eu")
    asked = asked_in(sent.headers["location"])
    await browser.open(clouds.eu_oauth.answer_to(asked, iss=clouds.us.url))
    assert (await clouds.world.connection(made["connection_id"]))["reason"] == "state_mismatch"
    assert clouds.eu_oauth.token_requests == []


async def test_a_server_with_a_public_address_is_known_by_its_description(
    metadata: Metadata, settings: Settings, clock: ManualClock, fake: FakePostHog
) -> None:
    public = msgspec.structs.replace(settings, public_url="https://gateway.example.com")
    async with a_control_world(metadata, public, clock, fake) as world:
        document = (await world.browser().get("/oauth/gateway-client.json")).json()
        assert document["client_id"] == "https://gateway.example.com/oauth/gateway-client.json"
        assert document["redirect_uris"] == ["https://gateway.example.com/connect/callback"]
        assert document["token_endpoint_auth_method"] == "none"
        name = document["client_name"].lower()
        assert not name.startswith("posthog")
        assert not any(word in name for word in ("official", "verified", "trusted"))
        made = await world.create()
        path = made["url"].removeprefix("https://gateway.example.com")
        browser = world.browser()
        first = await browser.get(path)
        assert "secure" in first.headers["set-cookie"].lower()
        browser.http.cookies.set("hedgerow_connect", path.partition("session_token=")[2], domain="127.0.0.1")
        page = await browser.get("/connect/")
        sent = await browser.send(page, "/connect/start", host=fake.url)
        asked = asked_in(sent.headers["location"])
        assert asked["client_id"] == document["client_id"]
        assert asked["redirect_uri"] == document["redirect_uris"][0]
        assert world.oauth.clients == {}
