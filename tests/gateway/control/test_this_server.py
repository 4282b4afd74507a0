"""This very server as an account (gateway §7c): consent at its own provider, refresh and revocation in the same process."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
from tests.gateway.control.world import ORIGIN, Browser, ControlWorld, asked_in, text_of
from tests.oauth.world import form_of

from hedgerow.gateway.connections import connection_of
from hedgerow.gateway.credentials import unseal_credential


async def test_this_very_server_by_oauth(world: ControlWorld) -> None:
    made = await world.create(host="local", scopes=["user:read", "project:read"])
    session = await world.ada.session()
    browser = world.browser(session)
    done = await allow_here(world, browser, made["url"])
    assert "Connected" in text_of(done), done.text
    shown = await world.connection(made["connection_id"])
    assert (shown["status"], shown["method"]) == ("ACTIVE", "LOCAL")
    assert shown["metadata"]["email"] == world.ada.user.email
    call = await world.call("GET", "/posthog/api/projects/")
    assert [project["id"] for project in call.json()["results"]] == [world.ada.project_id]
    refused = await world.call("GET", f"/posthog/api/projects/{world.ada.project_id}/persons/")
    assert refused.status_code in {403, 404}, "only what was allowed"


async def test_tokens_of_this_server_are_refreshed_in_the_same_process(world: ControlWorld) -> None:
    made = await world.create(host="local", scopes=["user:read", "project:read"])
    await allow_here(world, world.browser(await world.ada.session()), made["url"])
    version = (await world.row(made["connection_id"])).version
    world.clock.advance(2 * 3600)
    call = await world.call("GET", "/posthog/api/projects/")
    assert call.status_code == 200, call.text
    assert (await world.row(made["connection_id"])).version == version + 1


async def test_deleting_a_connection_to_this_server_ends_its_token(world: ControlWorld) -> None:
    made = await world.create(host="local", scopes=["user:read", "project:read"])
    await allow_here(world, world.browser(await world.ada.session()), made["url"])
    secrets = unseal_credential(connection_of(await world.row(made["connection_id"])), world.gateway.vault)
    me = {"headers": {"Authorization": f"Bearer {secrets.access_token}"}}
    nobody = world.workspace.client()
    assert (await nobody.get("/api/users/@me/", **me)).status_code == 200
    await world.call("DELETE", f"/connections/{made['connection_id']}")
    assert (await nobody.get("/api/users/@me/", **me)).status_code == 401


async def allow_here(world: ControlWorld, browser: Browser, url: str) -> httpx.Response:
    """Walk through this server's own consent page."""
    page = await browser.open(url)
    start = await browser.send(page, "/connect/start", host="local")
    assert start.status_code == 303, start.text
    assert start.headers["location"].startswith(f"{ORIGIN}/oauth/authorize/?")
    assert asked_in(start.headers["location"])["client_id"] == "hedgerow-gateway"
    consent = await browser.get(start.headers["location"])
    assert consent.status_code == 200, consent.text
    fields = {**form_of(consent.text), "allow": "true", "access_level": "all"}
    sent = await browser.http.post("/oauth/authorize/", data=fields, headers={"Origin": ORIGIN})
    assert sent.status_code == 303, sent.text
    assert urlsplit(sent.headers["location"]).path == "/connect/callback"
    return await browser.open(sent.headers["location"])
