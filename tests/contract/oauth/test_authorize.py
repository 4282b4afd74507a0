"""The authorization endpoint, row by row (gateway §6.3)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tests.oauth.world import CALLBACK, ISSUER, App, Browser, OAuthWorld, answer_in
from tests.workspace.world import Person

from hedgerow.workspace.sign_in import same_site_path

pytestmark = pytest.mark.stores

UNSAID = object()
UNKNOWN = {
    "error": "invalid_request",
    "error_description": "No OAuth application is registered with this client_id. "
    "Check the client_id, or register the application again.",
}
UNREADABLE = {
    "error": "invalid_request",
    "error_description": "PostHog could not read the client metadata document at this client_id. "
    "Check that the URL is reachable over HTTPS and returns valid client metadata.",
}


async def test_nobody_is_sent_to_sign_in_and_comes_back(oauth: OAuthWorld, app: App) -> None:
    answer = await oauth.nobody.get(app.url())
    assert answer.status_code == 302
    location = answer.headers["location"]
    assert location.startswith("/login?next=%2Foauth%2Fauthorize%2F%3F")
    back = parse_qs(urlsplit(location).query)["next"][0]
    assert {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()} == app.asks()
    page = await oauth.nobody.get(location)
    assert page.status_code == 200
    assert 'action="/login/"' in page.text


async def test_every_scope_at_once_survives_signing_in(oauth: OAuthWorld, app: App, ada: Person) -> None:
    scopes = " ".join((await oauth.nobody.get("/.well-known/openid-configuration")).json()["scopes_supported"])
    location = (await oauth.nobody.get(app.url(scope=scopes, state="x" * 2000))).headers["location"]
    back = unquote(location.partition("next=")[2])
    browser = await oauth.browser(ada)
    page = await browser.open(back)
    assert page.status_code == 200
    assert same_site_path(back) == back


@pytest.mark.parametrize("client_id", [None, "nobody", "x" * 5_000, "näme", "http://example.com/client.json"])
async def test_an_unknown_application(oauth: OAuthWorld, browser: Browser, app: App, client_id: str | None) -> None:
    for client in (oauth.nobody, browser.client):
        answer = await client.get(app.url(client_id=client_id))
        assert (answer.status_code, answer.json()) == (400, UNKNOWN)


async def test_a_description_that_cannot_be_read(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    answer = await browser.open(app.url(client_id="https://client.example/oauth.json"))
    assert (answer.status_code, answer.json()) == (400, UNREADABLE)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/callback",
        "http://127.0.0.1:4567/callback/",
        "http://127.0.0.1:4567/other",
        "http://127.0.0.1:4567/callback?x=1",
        "http://127.0.0.1:4567@evil.example/callback",
        "http://127.0.0.1:4567\\@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://localhost:4567/callback",
        "javascript:alert(1)",
        "//127.0.0.1:4567/callback",
        "HTTP://127.0.0.1:4567/callback",
    ],
)
async def test_a_redirect_uri_that_is_not_registered(
    oauth: OAuthWorld, browser: Browser, app: App, redirect_uri: str
) -> None:
    for client in (oauth.nobody, browser.client):
        answer = await client.get(app.url(redirect_uri=redirect_uri))
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_request"
        assert "location" not in answer.headers


async def test_any_port_of_a_loopback_address(browser: Browser, app: App) -> None:
    code = await app.code(browser, redirect_uri="http://127.0.0.1:50999/callback")
    assert (await app.redeem(code)).json()["error"] == "invalid_grant", "the port is part of what the code is bound to"
    assert (await app.redeem(code, redirect_uri="http://127.0.0.1:50999/callback")).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"code_challenge": None}, "invalid_request", "Code challenge required."),
        ({"code_challenge_method": "plain"}, "invalid_request", "Code challenge required."),
        ({"code_challenge_method": None}, "invalid_request", "Code challenge required."),
        ({"code_challenge": "short"}, "invalid_request", "Code challenge required."),
        ({"response_type": "token"}, "unsupported_response_type", "response_type must be code."),
        ({"response_type": None}, "unsupported_response_type", "response_type must be code."),
        ({"response_mode": "fragment"}, "invalid_request", "response_mode must be query."),
        ({"prompt": "none"}, "consent_required", "The user has to be asked."),
        ({"resource": "https://elsewhere.example"}, "invalid_target", f"The resource is not one of {ISSUER}."),
        ({"resource": f"{ISSUER}.evil.example"}, "invalid_target", f"The resource is not one of {ISSUER}."),
        ({"resource": "/api/"}, "invalid_target", f"The resource is not one of {ISSUER}."),
        ({"resource": f"{ISSUER}/mcp/../api"}, "invalid_target", f"The resource is not one of {ISSUER}."),
        (
            {"scope": "llm_gateway:read * made:up"},
            "invalid_scope",
            "None of the scopes can be granted to this application.",
        ),
    ],
)
async def test_what_the_application_hears(
    browser: Browser, app: App, changes: dict[str, Any], error: str, description: str
) -> None:
    answer = await browser.open(app.url(**changes))
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    assert answer_in(answer.headers["location"]) == {
        "error": error,
        "error_description": description,
        "state": "s+t/a te",
        "iss": ISSUER,
    }


async def test_without_a_state_none_comes_back(browser: Browser, app: App) -> None:
    answer = await browser.open(app.url(state=None, response_type="token"))
    assert "state" not in answer_in(answer.headers["location"])


async def test_nobody_and_no_prompt(oauth: OAuthWorld, app: App) -> None:
    answer = await oauth.nobody.get(app.url(prompt="none"))
    assert answer_in(answer.headers["location"])["error"] == "login_required"


async def test_prompt_login(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    answer = await browser.open(app.url(prompt="login"))
    assert (answer.status_code, answer.json()["error"]) == (401, "login_required")
    location = (await oauth.nobody.get(app.url(prompt="login consent"))).headers["location"]
    assert "prompt%3Dconsent" in location, "who signs in now is not asked to once more"


async def test_a_parameter_twice(browser: Browser, app: App) -> None:
    answer = await browser.open(f"{app.url()}&redirect_uri=https://evil.example")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "location" not in answer.headers


@pytest.mark.parametrize("query", ["%00", "client_id=%00", "client_id=%FF", "a&" * 500, "client_id=a%00b"])
async def test_a_query_that_is_none(browser: Browser, query: str) -> None:
    answer = await browser.open(f"/oauth/authorize/?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# The page


async def test_the_page_says_who_and_what(browser: Browser, oauth: OAuthWorld) -> None:
    app = await oauth.app(client_name="<b>Orchard</b>", redirect_uris=["https://orchard.example/cb"])
    page = await browser.open(app.url(scope="email project:read insight:write"))
    assert page.status_code == 200
    assert "&lt;b&gt;Orchard&lt;/b&gt;" in page.text
    assert "<b>" not in page.text
    assert "Unverified." in page.text
    assert "<code>orchard.example</code>" in page.text
    for scope in ("email", "project:read", "insight:write"):
        assert f'name="scope" value="{scope}" checked' in page.text
    assert 'value="insight:read"' not in page.text
    assert 'name="scoped_teams"' in page.text


async def test_the_page_cannot_be_framed_scripted_or_kept(browser: Browser, app: App) -> None:
    page = await browser.open(app.url())
    policy = page.headers["content-security-policy"].split("; ")
    assert policy == [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self' http://127.0.0.1:4567",
    ]
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"
    assert "<script" not in page.text
    assert "style=" not in page.text


async def test_nothing_is_granted_without_asking_again(browser: Browser, app: App) -> None:
    await app.tokens(browser)
    assert (await browser.open(app.url())).status_code == 200
    assert (await browser.open(app.url(scope="project:write"))).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "level"),
    [(None, "all"), ("organization", "organization"), ("team", "team"), ("project", "team"), ("bogus", "all")],
)
async def test_what_is_preselected(browser: Browser, app: App, wanted: str | None, level: str) -> None:
    page = await browser.open(app.url(required_access_level=wanted))
    assert f'name="access_level" value="{level}"' in page.text
    assert page.text.count('type="radio"') == 3
    chosen = [part for part in page.text.split("<input")[1:] if "radio" in part and " checked" in part]
    assert len(chosen) == 1
    assert f'value="{level}"' in chosen[0]


# The decision


def decision(app: App, **changes: Any) -> dict[str, Any]:
    return {
        **app.asks(),
        "allow": True,
        "access_level": "all",
        "scoped_organizations": [],
        "scoped_teams": [],
        **changes,
    }


async def test_allowed_by_json(browser: Browser, app: App) -> None:
    answer = await browser.decide(**decision(app))
    assert answer.status_code == 200
    (name,) = answer.json()
    assert name == "redirect_to"
    found = answer_in(answer.json()["redirect_to"])
    assert (found["state"], found["iss"]) == ("s+t/a te", ISSUER)
    assert len(found["code"]) >= 43
    assert (await app.redeem(found["code"])).status_code == 200


async def test_denied_by_json_needs_neither_scope_nor_place(browser: Browser, app: App) -> None:
    fields = {name: app.asks()[name] for name in ("client_id", "redirect_uri", "state", "response_type")}
    answer = await browser.decide(**fields, allow=False)
    assert answer_in(answer.json()["redirect_to"]) == {
        "error": "access_denied",
        "error_description": "The user did not let the application in.",
        "state": "s+t/a te",
        "iss": ISSUER,
    }


async def test_denied_by_form(browser: Browser, app: App) -> None:
    answer = await browser.send(await browser.open(app.url()), allow="false")
    assert answer.status_code == 303
    assert answer_in(answer.headers["location"])["error"] == "access_denied"


@pytest.mark.parametrize(
    ("changes", "attr", "detail"),
    [
        (
            {"access_level": "organization"},
            "scoped_organizations",
            "scoped_organizations is required when access_level is organization",
        ),
        ({"access_level": "team"}, "scoped_teams", "scoped_teams is required when access_level is team"),
        (
            {"scoped_teams": [1]},
            "scoped_teams",
            "scoped_teams is not allowed when access_level is all",
        ),
        (
            {"access_level": "team", "scoped_teams": [1], "scoped_organizations": ["x"]},
            "scoped_organizations",
            "scoped_organizations is not allowed when access_level is team",
        ),
        (
            {"access_level": "team", "scoped_teams": [999_999]},
            "scoped_teams",
            "Invalid team specified or you do not have access.",
        ),
        (
            {"access_level": "organization", "scoped_organizations": ["01a21029-a07e-7d29-8fc8-fde17288d326"]},
            "scoped_organizations",
            "Invalid organization specified or you do not have access.",
        ),
        ({"access_level": "galaxy"}, "access_level", '"galaxy" is not a valid choice.'),
        ({"access_level": 1}, "access_level", "Not a valid string."),
        ({"allow": "yes"}, "allow", "Must be a valid boolean."),
        ({"scope": UNSAID}, "scope", "This field is required."),
        ({"access_level": "team", "scoped_teams": [True]}, "scoped_teams", "A valid integer is required."),
        ({"access_level": "team", "scoped_teams": [{}]}, "scoped_teams", "A valid integer is required."),
        (
            {"access_level": "team", "scoped_teams": [10**30]},
            "scoped_teams",
            "Invalid team specified or you do not have access.",
        ),
        ({"access_level": "organization", "scoped_organizations": [[]]}, "scoped_organizations", "Not a valid string."),
    ],
)
async def test_decisions_that_cannot_be_taken(
    browser: Browser, app: App, changes: dict[str, Any], attr: str, detail: str
) -> None:
    fields = decision(app, **changes)
    answer = await browser.decide(**{name: value for name, value in fields.items() if value is not UNSAID})
    assert answer.status_code == 400
    found = answer.json()
    assert (found["type"], found["attr"], found["detail"]) == ("validation_error", attr, detail)


async def test_somebody_elses_project(browser: Browser, app: App, bob: Person) -> None:
    answer = await browser.decide(**decision(app, access_level="team", scoped_teams=[bob.project_id]))
    assert answer.json()["detail"] == "Invalid team specified or you do not have access."


async def test_only_some_projects(oauth: OAuthWorld, browser: Browser, app: App, ada: Person) -> None:
    code = await app.code(browser, choices={"access_level": "team", "scoped_teams": str(ada.project_id)})
    tokens = (await app.redeem(code)).json()
    assert (tokens["scoped_teams"], tokens["scoped_organizations"]) == ([ada.project_id], [])
    client = oauth.bearer(tokens["access_token"])
    first = ada.project_id
    await ada.has_organization("Second")
    assert (await client.get(f"/api/projects/{first}/")).status_code == 200
    assert (await client.get(f"/api/projects/{ada.project_id}/")).status_code == 403


async def test_only_some_organizations(oauth: OAuthWorld, browser: Browser, app: App, ada: Person) -> None:
    choices = {"access_level": "organization", "scoped_organizations": str(ada.organization_id)}
    tokens = (await app.redeem(await app.code(browser, choices=choices))).json()
    assert tokens["scoped_organizations"] == [str(ada.organization_id)]
    first = ada.project_id
    await ada.has_organization("Second")
    client = oauth.bearer(tokens["access_token"])
    assert (await client.get(f"/api/projects/{first}/")).status_code == 200
    assert (await client.get(f"/api/projects/{ada.project_id}/")).status_code == 403


async def test_a_form_that_chose_no_project_comes_back_as_it_was(browser: Browser, app: App) -> None:
    page = await browser.open(app.url(scope="project:read query:read"))
    again = await browser.send(page, access_level="team", scoped_teams=None, scope="query:read")
    assert again.status_code == 400
    assert "Choose at least one project." in again.text
    assert 'name="scope" value="query:read" checked' in again.text
    assert 'name="scope" value="project:read">' in again.text
    sent = await browser.send(again, access_level="all")
    assert sent.status_code == 303


async def test_less_than_was_asked_for(browser: Browser, app: App) -> None:
    page = await browser.open(app.url(scope="project:read insight:write"))
    sent = await browser.send(page, scope="project:read")
    tokens = (await app.redeem(answer_in(sent.headers["location"])["code"])).json()
    assert tokens["scope"] == "project:read"


async def test_reading_only(browser: Browser, app: App) -> None:
    page = await browser.open(app.url(scope="project:read insight:write"))
    sent = await browser.send(page, read_only="true")
    tokens = (await app.redeem(answer_in(sent.headers["location"])["code"])).json()
    assert tokens["scope"] == "insight:read project:read"


async def test_nothing_ticked_is_a_no(browser: Browser, app: App) -> None:
    sent = await browser.send(await browser.open(app.url()), scope=None)
    assert answer_in(sent.headers["location"])["error"] == "access_denied"


async def test_a_form_cannot_give_more_than_was_asked_for(browser: Browser, app: App) -> None:
    page = await browser.open(app.url(scope="project:read"))
    sent = await browser.send(page, scope=["project:read", "insight:write"])
    tokens = (await app.redeem(answer_in(sent.headers["location"])["code"])).json()
    assert tokens["scope"] == "project:read"


async def test_a_form_whose_session_is_over_leads_to_signing_in(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    page = await browser.open(app.url())
    oauth.world.clock.advance(days=20)
    sent = await browser.send(page)
    assert sent.status_code == 303
    assert sent.headers["location"].startswith("/login?next=%2Foauth%2Fauthorize%2F%3F")
