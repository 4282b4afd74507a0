"""A person lets an application in, in a real Chromium: signing in, consent, and on to where the application listens."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from tests.chromium import Chromium, PageServer
from tests.live_server import LiveServer
from tests.oauth.world import answer_in, challenge_of

pytestmark = pytest.mark.browser

VERIFIER = "v" * 64
SCREENS = [{"width": 360, "height": 740}, {"width": 820, "height": 1100}, {"width": 1440, "height": 900}]


class Listener:
    """The application: registered, and listening at a page of its own."""

    def __init__(self, server: LiveServer, pages: PageServer, **description: Any) -> None:
        self.server = server
        self.redirect_uri = pages.put("/callback", "", "<h1>Back in the application</h1>")
        body = {"client_name": "Orchard", "redirect_uris": [self.redirect_uri], **description}
        made = httpx.post(f"{server.url}/oauth/register/", json=body)
        assert made.status_code == 201, made.text
        self.client_id = made.json()["client_id"]

    def url(self, **changes: Any) -> str:
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid email project:read query:read insight:write",
            "state": "from the application",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{self.server.url}/oauth/authorize/?{urlencode(parameters, quote_via=quote)}"

    def redeem(self, code: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
        }
        return httpx.post(f"{self.server.url}/oauth/token/", data=form)

    def args(self, **more: Any) -> dict[str, Any]:
        account = self.server.account
        return {
            "url": self.url(),
            "origin": self.server.url,
            "email": account["email"],
            "password": account["password"],
            **more,
        }


@pytest.fixture
def listener(server: LiveServer, pages: PageServer) -> Listener:
    return Listener(server, pages)


def test_sign_in_consent_and_back_without_javascript_on_a_phone(chromium: Chromium, listener: Listener) -> None:
    outcome = chromium.run(
        """
const page = await open({ javaScriptEnabled: false, viewport: { width: 390, height: 800 } });
await page.goto(args.url);
const first = { title: await page.title(), path: new URL(page.url()).pathname };
await page.fill("#email", args.email);
await page.fill("#password", "wrong");
await page.click("button.main");
const problem = await page.innerText("#problem");
await page.fill("#email", args.email);
await page.fill("#password", args.password);
await page.click("button.main");
const consent = { heading: await page.innerText("h1"), text: await page.innerText("main") };
await page.uncheck('input[value="email"]');
await page.click('button[value="true"]');
await page.waitForURL("**/callback?**");
return { first, problem, consent, address: page.url(), back: await page.innerText("h1") };
""",
        **listener.args(),
    )
    found = outcome.result
    assert found["first"] == {"title": "Sign in · Hedgerow", "path": "/login"}
    assert found["problem"] == "Invalid email or password."
    assert found["consent"]["heading"] == "Let Orchard in?"
    assert listener.server.account["email"] in found["consent"]["text"]
    assert "Unverified." in found["consent"]["text"]
    assert found["back"] == "Back in the application"
    assert outcome.complaints == []
    answer = answer_in(found["address"])
    assert (answer["state"], answer["iss"]) == ("from the application", listener.server.url)
    tokens = listener.redeem(answer["code"]).json()
    assert tokens["scope"] == "openid insight:write project:read query:read"
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    projects = httpx.get(f"{listener.server.url}/api/projects/", headers=bearer).json()
    assert projects["results"][0]["id"] == listener.server.first_project.id


def test_everything_by_keyboard_and_a_no(chromium: Chromium, listener: Listener) -> None:
    outcome = chromium.run(
        """
const page = await open();
const focused = () => page.evaluate(() => {
  const one = document.activeElement;
  return one.id || `${one.name ?? ""}=${one.value ?? ""}` + (one.textContent ?? "").trim();
});
async function tabTo(wanted) {
  for (let i = 0; i < 80; i += 1) {
    if ((await focused()).startsWith(wanted)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`no tab leads to ${wanted}: ${await focused()}`);
}
await page.goto(args.url);
const starts = await focused();
await page.keyboard.type(args.email);
await page.keyboard.press("Tab");
await page.keyboard.type(args.password);
await page.keyboard.press("Enter");
await page.waitForSelector("fieldset");
await page.keyboard.press("Tab");
const skip = await page.evaluate(() => document.activeElement.textContent);
await tabTo("scope=query:read");
await page.keyboard.press("Space");
await tabTo("access_level=all");
await page.keyboard.press("ArrowDown");
await page.keyboard.press("ArrowDown");
const projects = await page.isVisible('input[name="scoped_teams"]');
const organizations = await page.isVisible('input[name="scoped_organizations"]');
await tabTo("allow=true");
await page.keyboard.press("Enter");
await page.waitForURL("**/callback?**");
const allowed = page.url();
await page.goto(args.url);
await tabTo("allow=false");
await page.keyboard.press("Enter");
await page.waitForURL("**/callback?**");
return { starts, skip, projects, organizations, allowed, denied: page.url() };
""",
        **listener.args(),
    )
    found = outcome.result
    assert (found["starts"], found["skip"]) == ("email", "Skip to the content")
    assert (found["projects"], found["organizations"]) == (True, False)
    tokens = listener.redeem(answer_in(found["allowed"])["code"]).json()
    assert "query:read" not in tokens["scope"]
    assert tokens["scoped_teams"] == [listener.server.first_project.id]
    assert answer_in(found["denied"])["error"] == "access_denied"
    assert outcome.complaints == []


@pytest.mark.parametrize("signed_in", [False, True], ids=["sign in", "consent"])
def test_pages_fit_every_screen_and_nothing_complains(
    chromium: Chromium, server: LiveServer, pages: PageServer, *, signed_in: bool
) -> None:
    listener = Listener(server, pages, client_name="An application with a name that goes on and on " * 4)
    everything = httpx.get(f"{server.url}/.well-known/openid-configuration").json()["scopes_supported"]
    outcome = chromium.run(
        """
const seen = [];
for (const viewport of args.screens) {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open({ viewport, colorScheme });
    await page.goto(args.url);
    if (args.signedIn) {
      await page.fill("#email", args.email);
      await page.fill("#password", args.password);
      await page.click("button.main");
      await page.waitForSelector("fieldset");
      await page.check("#by-team");
    }
    seen.push(await page.evaluate(() => ({
      overflow: document.documentElement.scrollWidth - window.innerWidth,
      headings: document.querySelectorAll("h1").length,
      background: getComputedStyle(document.body).backgroundColor,
      unnamed: [...document.querySelectorAll("button, a, input:not([type=hidden])")].filter(
        (one) => !(one.textContent.trim() || [...(one.labels ?? [])].some((label) => label.textContent.trim())),
      ).length,
      small: [...document.querySelectorAll("button, label, main input")].filter(
        (one) => one.offsetParent && one.getBoundingClientRect().width < 18,
      ).length,
    })));
  }
}
return seen;
""",
        **listener.args(url=listener.url(scope=" ".join(everything)), screens=SCREENS, signedIn=signed_in),
    )
    assert outcome.complaints == []
    assert {asked.status for asked in outcome.requests} <= {200, 302, 303, 304}
    for seen in outcome.result:
        assert seen["overflow"] <= 0
        assert (seen["headings"], seen["unnamed"], seen["small"]) == (1, 0, 0)
    assert len({seen["background"] for seen in outcome.result}) == 2, "a light and a dark one"


def test_a_page_elsewhere_can_neither_frame_it_nor_send_its_form(
    chromium: Chromium, listener: Listener, pages: PageServer
) -> None:
    trap = pages.put(
        "/trap",
        "",
        f'<iframe src="{listener.url().replace("&", "&amp;")}"></iframe>'
        f'<form method="post" action="{listener.server.url}/oauth/authorize/">'
        f'<input name="client_id" value="{listener.client_id}"><input name="allow" value="true">'
        f'<input name="redirect_uri" value="{listener.redirect_uri}"><input name="response_type" value="code">'
        f'<input name="code_challenge" value="{challenge_of(VERIFIER)}"><input name="code_challenge_method" value="S256">'
        '<input name="scope" value="project:read"><button>Win a prize</button></form>',
    )
    outcome = chromium.run(
        """
const page = await open();
await page.goto(args.url);
await page.fill("#email", args.email);
await page.fill("#password", args.password);
await page.click("button.main");
await page.waitForSelector("fieldset");
await page.goto(args.trap);
const framed = page.frames().find((frame) => frame !== page.mainFrame());
const inside = await framed.content();
await page.click("button");
await page.waitForURL((address) => !address.href.includes("/trap"));
return { inside, address: page.url() };
""",
        **listener.args(trap=trap),
    )
    assert "Allow" not in outcome.result["inside"]
    assert outcome.result["address"].startswith(listener.server.url), "nobody was sent on"
    assert "code=" not in outcome.result["address"].replace("response_type%3Dcode", "")
