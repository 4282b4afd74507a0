"""The seed document's way with connections, from the first list to the last delete: its own programs, and a real Chromium
where it says "Open the returned url in a browser to complete OAuth authorization".
"""

from __future__ import annotations

import pytest
from tests.chromium import Chromium
from tests.contract.seed.document import differences
from tests.contract.seed.programs import CREATE, DELETE, GET, LIST, Seed, choosing, titled
from tests.live_server import LiveServer

pytestmark = pytest.mark.browser

ALLOW = """
const page = await open();
await page.goto(args.link);
const asks = await page.locator(".lead").innerText();
await page.getByLabel("This server").first().check();
await page.getByRole("button", { name: "Continue" }).click();
await page.getByLabel("E-mail").fill(args.email);
await page.getByLabel("Password").fill(args.password);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByRole("button", { name: "Allow" }).click();
await page.getByRole("heading", { name: "Connected" }).waitFor();
return asks;
"""


def test_every_line_on_connections(chromium: Chromium, server: LiveServer) -> None:
    seed = Seed(server)
    account = server.account
    first = [one["connection_id"] for one in seed.run(titled(LIST))["connections"]]
    made: list[str] = []
    for _ in range(2):
        created = seed.run(titled(CREATE))
        assert created["status"] == "PENDING"
        assert created["connection_id"] not in [one["connection_id"] for one in seed.run(titled(LIST))["connections"]]
        outcome = chromium.run(ALLOW, link=created["url"], email=account["email"], password=account["password"])
        assert outcome.complaints == []
        assert account["email"] in outcome.result
        assert f"{account['gateway_key'][:8]}…{account['gateway_key'][-4:]}" in outcome.result
        shown = seed.run(titled(GET), connection_id=created["connection_id"])
        assert differences(titled(GET).shown, shown) == []
        assert shown["connection"]["status"] == "ACTIVE"
        made.append(created["connection_id"])
    listed = [one["connection_id"] for one in seed.run(titled(LIST))["connections"]]
    assert listed == [*first, *made], "oldest first"
    projects = seed.run(titled("List projects"))
    for connection_id in listed:
        assert seed.run(choosing(), connection_id=connection_id) == projects
    for connection_id in made:
        seed.run(titled(DELETE), connection_id=connection_id)
    assert [one["connection_id"] for one in seed.run(titled(LIST))["connections"]] == first
    assert seed.run(titled("List projects")) == projects
