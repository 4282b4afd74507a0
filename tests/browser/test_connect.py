"""Connecting an account as a person does it, in a real Chromium: by consent, by a pasted key, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.chromium import ROOT, Chromium, Outcome
from tests.live_server import LiveServer, until

pytestmark = pytest.mark.browser

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"colorScheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"colorScheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "phone": {"colorScheme": "light", "viewport": {"width": 360, "height": 740}, "isMobile": True, "hasTouch": True},
    "dark phone": {
        "colorScheme": "dark",
        "viewport": {"width": 360, "height": 740},
        "isMobile": True,
        "hasTouch": True,
    },
}
PICTURES = Path(os.environ.get("HEDGEROW_TEST_PICTURES") or ROOT / "node_modules" / ".cache" / "pictures")


@pytest.fixture
def gateway(server: LiveServer) -> Iterator[httpx.Client]:
    key = server.account["gateway_key"]
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as made:
        yield made


def create(gateway: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = gateway.post("/connections", json={"app": "posthog", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def picture(name: str) -> str:
    PICTURES.mkdir(parents=True, exist_ok=True)
    return str(PICTURES / f"{name}.png")


def run(chromium: Chromium, script: str, server: LiveServer, **args: Any) -> Outcome:
    account = server.account
    return chromium.run(script, url=server.url, email=account["email"], password=account["password"], **args)


@pytest.mark.parametrize("look", LOOKS)
def test_from_the_link_to_the_first_call(
    chromium: Chromium, server: LiveServer, gateway: httpx.Client, look: str
) -> None:
    made = create(gateway)
    outcome = run(
        chromium,
        """
const page = await open(args.look);
const wrong = {};
await page.goto(args.link);
wrong.choice = await judge(page);
const address = page.url();
await page.screenshot({ path: args.pictures[0], fullPage: true });
await page.getByLabel("This server").first().check();
await page.getByRole("button", { name: "Continue" }).click();
await page.getByLabel("E-mail").fill(args.email);
await page.getByLabel("Password").fill(args.password);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByRole("button", { name: "Allow" }).click();
await page.getByRole("heading", { name: "Connected" }).waitFor();
wrong.done = await judge(page);
await page.screenshot({ path: args.pictures[1], fullPage: true });
return { wrong, address, end: page.url(), text: await page.locator("main").innerText() };
""",
        server,
        link=made["url"],
        look=LOOKS[look],
        pictures=[picture(f"connect {look}"), picture(f"connected {look}")],
    )
    assert outcome.complaints == []
    assert outcome.result["wrong"] == {"choice": [], "done": []}
    assert outcome.result["address"] == outcome.result["end"] == f"{server.url}/connect/"
    assert "You can close this window" in outcome.result["text"]
    secret = made["url"].partition("session_token=")[2]
    later = [asked for asked in outcome.requests if secret in asked.url]
    assert len(later) == 1, "the link's secret stands in one address, the first"
    shown = gateway.get(f"/connections/{made['connection_id']}").json()["connection"]
    assert (shown["status"], shown["method"]) == ("ACTIVE", "LOCAL")
    call = gateway.get("/posthog/api/projects/", headers={"Maton-Connection": made["connection_id"]})
    assert call.status_code == 200
    assert call.headers["hedgerow-connection"] == made["connection_id"]
    assert gateway.delete(f"/connections/{made['connection_id']}").json()["deleted"] is True


def test_who_says_no_is_told_so_and_may_try_again(
    chromium: Chromium, server: LiveServer, gateway: httpx.Client
) -> None:
    made = create(gateway, host="local")
    outcome = run(
        chromium,
        """
const page = await open();
await page.goto(args.link);
await page.getByRole("button", { name: "Continue" }).click();
await page.getByLabel("E-mail").fill(args.email);
await page.getByLabel("Password").fill(args.password);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByRole("button", { name: "Cancel" }).click();
const said = await page.getByRole("alert").innerText();
const wrong = await judge(page);
await page.getByRole("button", { name: "Continue" }).click();
await page.getByRole("button", { name: "Allow" }).click();
await page.getByRole("heading", { name: "Connected" }).waitFor();
return { said, wrong };
""",
        server,
        link=made["url"],
    )
    assert outcome.complaints == []
    assert outcome.result == {"said": "You said no, so nothing was connected.", "wrong": []}


def test_a_pasted_key_by_keyboard_alone(chromium: Chromium, server: LiveServer, gateway: httpx.Client) -> None:
    made = create(gateway, method="API_KEY")
    outcome = run(
        chromium,
        """
const page = await open();
await page.goto(args.link);
const to = async (id) => {
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement?.id === wanted, id)) return;
  }
  throw new Error(`the keyboard never reached ${id}`);
};
await to("key");
await page.keyboard.type("phx_wrong_but_long_enough");
await to("key-host");
await page.keyboard.press("End");
await page.keyboard.press("Tab");
await page.keyboard.press("Enter");
await page.getByRole("alert").waitFor();
const problem = await page.getByRole("alert").innerText();
const value = await page.locator("#key").inputValue();
await to("key");
await page.keyboard.type(args.key);
await to("key-host");
await page.keyboard.press("End");
await page.keyboard.press("Tab");
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "Connected" }).waitFor();
return { problem, value };
""",
        server,
        link=made["url"],
        key=server.account["personal_api_key"],
    )
    refused = [said for said in outcome.complaints if "400" not in said]
    assert refused == []
    assert "The key was not accepted" in outcome.result["problem"]
    assert outcome.result["value"] == "", "a key is not sent back to the page"
    shown = gateway.get(f"/connections/{made['connection_id']}").json()["connection"]
    assert shown["status"] == "ACTIVE"


@pytest.mark.parametrize("look", LOOKS)
def test_the_settings_page(chromium: Chromium, server: LiveServer, gateway: httpx.Client, look: str) -> None:
    outcome = run(
        chromium,
        """
const page = await open(args.look);
await page.goto(`${args.url}/settings`);
await page.getByLabel("E-mail").fill(args.email);
await page.getByLabel("Password").fill(args.password);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByRole("heading", { name: "Keys and connections" }).waitFor();
await page.getByLabel("What is it for?").fill(args.name);
await page.getByLabel("What may it do?").selectOption("full");
await page.getByRole("button", { name: "Make the key" }).click();
const key = await page.getByLabel("The new key").innerText();
const wrong = await judge(page);
await page.screenshot({ path: args.picture, fullPage: true });
await page.getByRole("button", { name: "Sign out" }).click();
await page.getByRole("heading", { name: "Sign in" }).waitFor();
await page.goto(`${args.url}/settings`);
const door = await page.getByLabel("Password").count();
return { key, wrong, door };
""",
        server,
        look=LOOKS[look],
        name=f"made on a page, {look}",
        picture=picture(f"settings {look}"),
    )
    assert outcome.complaints == []
    assert outcome.result["wrong"] == []
    assert outcome.result["door"] == 1, "who signs out is out"
    key = outcome.result["key"]
    answer = httpx.get(f"{server.url}/connections", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    listed = until(lambda: gateway.get("/keys").json()["keys"])
    assert key not in str(listed)
    (row,) = [one for one in listed if one["name"] == f"made on a page, {look}"]
    assert gateway.delete(f"/keys/{row['id']}").status_code == 200


def test_the_settings_page_by_keyboard_alone(chromium: Chromium, server: LiveServer, gateway: httpx.Client) -> None:
    outcome = run(
        chromium,
        """
const page = await open();
await page.goto(`${args.url}/settings`);
const to = async (wanted) => {
  for (let presses = 0; presses < 80; presses += 1) {
    const name = await page.evaluate(() => {
      const here = document.activeElement;
      return here?.getAttribute("aria-label") ?? here?.labels?.[0]?.textContent ?? here?.textContent ?? "";
    });
    if (name.trim() === wanted) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the keyboard never reached ${wanted}`);
};
await to("E-mail");
await page.keyboard.type(args.email);
await to("Password");
await page.keyboard.type(args.password);
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "Keys and connections" }).waitFor();
await to("What is it for?");
await page.keyboard.type("by keyboard");
await to("Make the key");
await page.keyboard.press("Enter");
const key = await page.getByLabel("The new key").innerText();
await to("Revoke by keyboard");
await page.keyboard.press("Enter");
await to("Revoke the key by keyboard");
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "by keyboard" }).waitFor({ state: "hidden" });
await to("Sign out");
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "Sign in" }).waitFor();
return key;
""",
        server,
    )
    assert outcome.complaints == []
    answer = httpx.get(f"{server.url}/connections", headers={"Authorization": f"Bearer {outcome.result}"})
    assert answer.status_code == 401, "it was revoked"


def test_no_page_of_another_site_can_frame_or_drive_these(chromium: Chromium, server: LiveServer, pages: Any) -> None:
    """Clickjacking and forged forms, as a browser sees them."""
    frame = pages.put("/frame", "", f'<iframe id="inside" src="{server.url}/settings"></iframe>')
    forged = pages.put(
        "/forged",
        "",
        f'<form id="f" method="post" action="{server.url}/settings/keys"><input name="name" value="evil">'
        '<input name="policy" value="full"></form>',
    )
    before = httpx.get(f"{server.url}/keys", headers={"Authorization": f"Bearer {server.account['gateway_key']}"})
    outcome = run(
        chromium,
        """
const page = await open();
await page.goto(`${args.url}/settings`);
await page.getByLabel("E-mail").fill(args.email);
await page.getByLabel("Password").fill(args.password);
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByRole("heading", { name: "Keys and connections" }).waitFor();
await page.goto(args.frame);
const inside = page.frames().find((frame) => frame !== page.mainFrame());
const framed = await inside?.locator("h1").count().catch(() => 0);
await page.goto(args.forged);
const [answer] = await Promise.all([
  page.waitForResponse((response) => response.url().endsWith("/settings/keys")),
  page.evaluate(() => document.getElementById("f").submit()),
]);
return { framed, status: answer.status() };
""",
        server,
        frame=frame,
        forged=forged,
    )
    assert outcome.result["framed"] == 0
    assert outcome.result["status"] in {303, 403}
    after = httpx.get(f"{server.url}/keys", headers={"Authorization": f"Bearer {server.account['gateway_key']}"})
    assert len(after.json()["keys"]) == len(before.json()["keys"])
