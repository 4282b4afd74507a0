"""What somebody tries who means harm: forged consent, other people's codes, mixed-up answers, injected text."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.oauth.world import CALLBACK, ISSUER, App, Browser, OAuthWorld, answer_in, form_of
from tests.workspace.world import Person

pytestmark = pytest.mark.stores


# Consent cannot be forged


async def forged(browser: Browser, app: App, headers: dict[str, str], **changes: Any) -> httpx.Response:
    page = await browser.open(app.url())
    fields = {**form_of(page.text), "allow": "true", **changes}
    data = {name: value for name, value in fields.items() if value is not None}
    return await browser.client.ask("POST", "/oauth/authorize/", data=data, headers=headers)


@pytest.mark.parametrize(
    ("headers", "changes"),
    [
        ({}, {"csrfmiddlewaretoken": None}),
        ({}, {"csrfmiddlewaretoken": ""}),
        ({}, {"csrfmiddlewaretoken": "0" * 64}),
        ({}, {"csrfmiddlewaretoken": ["a", "b"]}),
        ({"Origin": "https://evil.example"}, {}),
        ({"Origin": "null"}, {}),
        ({"Origin": "http://127.0.0.1:4567"}, {}),
        ({"Sec-Fetch-Site": "cross-site"}, {}),
        ({"Sec-Fetch-Site": "same-site"}, {}),
    ],
)
async def test_a_page_elsewhere_cannot_consent(
    browser: Browser, app: App, headers: dict[str, str], changes: dict[str, Any]
) -> None:
    answer = await forged(browser, app, headers, **changes)
    assert answer.status_code == 403
    assert "location" not in answer.headers
    assert answer.json()["detail"].startswith("CSRF Failed")


async def test_json_needs_the_word_too(browser: Browser, app: App) -> None:
    body = {**app.asks(), "allow": True, "access_level": "all"}
    assert (await browser.client.post("/oauth/authorize/", body)).status_code == 403
    plain = {"Content-Type": "text/plain"}
    answer = await browser.client.ask("POST", "/oauth/authorize/", content=b'{"allow": true}', headers=plain)
    assert answer.status_code in {403, 415}


async def test_another_persons_word_does_not_count(oauth: OAuthWorld, browser: Browser, app: App, bob: Person) -> None:
    bobs = await oauth.browser(bob)
    answer = await forged(browser, app, {}, csrfmiddlewaretoken=bobs.csrf)
    assert answer.status_code == 403


async def test_a_get_decides_nothing(browser: Browser, app: App) -> None:
    answer = await browser.open(app.url(allow="true", access_level="all", csrfmiddlewaretoken=browser.csrf))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("kind", ["personal key", "oauth token", "project secret"])
async def test_a_key_is_no_person(oauth: OAuthWorld, app: App, ada: Person, kind: str) -> None:
    client = await ada.asks_by(kind)
    body = {**app.asks(), "allow": True, "access_level": "all"}
    answer = await client.post("/oauth/authorize/", body)
    assert answer.status_code in {401, 403}
    answer = await client.get(app.url())
    assert answer.headers["location"].startswith("/login"), "the page knows sessions alone"


# The decision is checked again, whatever the form says


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"redirect_uri": "https://evil.example/cb"}, 400),
        ({"client_id": "nobody"}, 400),
        ({"client_id": None}, 400),
        ({"code_challenge": "x"}, 303),
        ({"code_challenge_method": "plain"}, 303),
        ({"response_type": "token"}, 303),
        ({"resource": "https://evil.example"}, 303),
    ],
)
async def test_a_form_that_was_changed(browser: Browser, app: App, changes: dict[str, Any], status: int) -> None:
    answer = await forged(browser, app, {}, **changes)
    assert answer.status_code == status
    if status == 303:
        assert answer.headers["location"].startswith(f"{CALLBACK}?error=")


async def test_json_that_was_changed(browser: Browser, app: App) -> None:
    fields = {**app.asks(code_challenge_method="plain"), "allow": True, "access_level": "all"}
    answer = await browser.decide(**fields)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# Codes


async def test_a_stolen_code_is_worth_nothing_without_the_verifier(
    oauth: OAuthWorld, browser: Browser, app: App
) -> None:
    code = await app.code(browser)
    thief = App(oauth, app.client_id)
    assert (await thief.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_code_put_into_somebody_elses_session(oauth: OAuthWorld, app: App, ada: Person, bob: Person) -> None:
    """The thief's own code, made for a challenge of their own, in the victim's browser (RFC 9700 §4.5)."""
    victim = App(oauth, app.client_id)
    code = await app.code(await oauth.browser(bob))
    assert (await victim.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_challenge_cannot_be_left_out_later(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    """PKCE downgrade: neither side may drop it (RFC 9700 §4.8.2)."""
    assert answer_in((await browser.open(app.url(code_challenge=None))).headers["location"])["error"]
    code = await app.code(browser)
    assert (await app.redeem(code, code_verifier=None)).status_code == 400
    assert (await app.redeem(code, code_verifier="")).status_code == 400


async def test_every_answer_says_who_answers(browser: Browser, app: App) -> None:
    """So that an application of many servers notices when answers are mixed up (RFC 9207)."""
    page = await browser.open(app.url())
    for location in (
        (await browser.send(page)).headers["location"],
        (await browser.send(page, allow="false")).headers["location"],
        (await browser.open(app.url(response_type="x"))).headers["location"],
    ):
        assert answer_in(location)["iss"] == ISSUER


@pytest.mark.parametrize(
    "state", ["a&code=evil&iss=evil", "%0d%0aSet-Cookie: a=b", "\r\nX: y", "ünï 🌳", "a#b", "'\"<"]
)
async def test_a_state_comes_back_as_it_was(browser: Browser, app: App, state: str) -> None:
    page = await browser.open(app.url(state=state))
    sent = await browser.send(page)
    assert answer_in(sent.headers["location"])["state"] == state
    assert "set-cookie" not in sent.headers
    assert "x" not in sent.headers


# What others wrote is shown, never run


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "a\u202eb"]
)
async def test_a_name_is_text(oauth: OAuthWorld, browser: Browser, name: str) -> None:
    app = await oauth.app(client_name=name)
    page = (await browser.open(app.url(state='"><script>', nonce="'\"<"))).text
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "49" not in page.partition("<h1>")[2].partition("</h1>")[0]
    assert "\u202e" not in page


@pytest.mark.parametrize(
    "path", ["?next=%22%3E%3Cscript%3E", "?problem=%3Cscript%3E", "?problem=x&next=javascript:alert(1)"]
)
async def test_the_sign_in_page_repeats_nothing(oauth: OAuthWorld, path: str) -> None:
    page = await oauth.nobody.get(f"/login/{path}")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert 'role="alert"' not in page.text


async def test_pages_leave_no_trail(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    """The address of a page never reaches another origin, and no answer with a code is kept."""
    page = await browser.open(app.url())
    sent = await browser.send(page)
    assert page.headers["referrer-policy"] == "same-origin"
    assert sent.headers["referrer-policy"] == "no-referrer"
    assert sent.headers["cache-control"] == "no-store"
    assert "http" not in page.text.partition("<head>")[2].partition("</head>")[0], "nothing is loaded from elsewhere"


# Endpoints for programs


async def test_a_session_cookie_means_nothing_to_them(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    for path in ("/oauth/userinfo/", "/oauth/introspect/?token=x"):
        assert (await browser.open(path)).status_code == 401
    assert (await browser.client.ask("POST", "/oauth/token/", data={"grant_type": "refresh_token"})).status_code == 401


@pytest.mark.parametrize("path", ["/oauth/token/", "/oauth/userinfo/", "/oauth/introspect/", "/oauth/register/"])
async def test_no_origin_is_let_in_to_read(oauth: OAuthWorld, path: str) -> None:
    answer = await oauth.nobody.ask("POST", path, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_token_in_the_address_opens_nothing(oauth: OAuthWorld, browser: Browser, app: App) -> None:
    access = (await app.tokens(browser))["access_token"]
    assert (await oauth.nobody.get(f"/api/projects/?access_token={access}")).status_code == 401
    assert (await oauth.nobody.get(f"/oauth/userinfo/?access_token={access}")).status_code == 401


async def test_parameters_of_the_token_request_count_in_the_body_alone(
    oauth: OAuthWorld, browser: Browser, app: App
) -> None:
    code = await app.code(browser)
    query = f"grant_type=authorization_code&code={code}&client_id={app.client_id}&code_verifier={app.verifier}"
    answer = await oauth.nobody.ask("POST", f"/oauth/token/?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_two_ways_to_say_who_one_is(oauth: OAuthWorld, confidential: App, app: App) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "phr_x", "client_id": app.client_id}
    auth = (confidential.client_id, confidential.client_secret or "")
    answer = await oauth.nobody.ask("POST", "/oauth/token/", data=form, auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_unknown_and_wrong_look_the_same(
    oauth: OAuthWorld, browser: Browser, app: App, confidential: App
) -> None:
    """Neither which applications exist nor whose a token is can be found out."""
    other = await oauth.app()
    theirs = await other.tokens(browser)
    made_up, real = await app.refresh("phr_made_up"), await app.refresh(theirs["refresh_token"])
    assert (made_up.status_code, made_up.json()) == (real.status_code, real.json())
    code = await other.code(browser)
    made_up, real = await app.redeem("made-up"), await app.redeem(code)
    assert (made_up.status_code, made_up.json()) == (real.status_code, real.json())
    wrong = await confidential.refresh("phr_x", client_secret="wrong")
    unknown = await App(oauth, "nobody", "wrong").refresh("phr_x")
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())


async def test_one_subscriber_of_ipv6_is_one(oauth: OAuthWorld) -> None:
    """Whoever has one address of such a network has 2^64 of them."""
    for number in range(60):
        oauth.own_address = f"2001:db8:1:1::{number:x}"
        assert (await oauth.register()).status_code == 201
    oauth.own_address = "2001:db8:1:1:ffff::1"
    assert (await oauth.register()).status_code == 429
    for elsewhere in ("2001:db8:1:2::1", "192.0.2.7"):
        oauth.own_address = elsewhere
        assert (await oauth.register()).status_code == 201


async def test_a_code_that_is_used_again_takes_back_what_came_of_it(
    oauth: OAuthWorld, browser: Browser, app: App
) -> None:
    code = await app.code(browser)
    tokens = (await app.redeem(code)).json()
    assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 200
    thief = App(oauth, app.client_id)
    assert (await thief.redeem(code)).json()["error"] == "invalid_grant"
    assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 401
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_nobody_takes_back_or_looks_into_tokens_of_another_application(
    oauth: OAuthWorld, browser: Browser, app: App, confidential: App
) -> None:
    tokens = await app.tokens(browser)
    assert (await confidential.revoke(tokens["access_token"])).status_code == 200
    assert (await confidential.revoke(tokens["refresh_token"])).status_code == 200
    assert (await oauth.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 200
    assert (await confidential.introspect(tokens["access_token"])).json() == {"active": False}
    assert (await confidential.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200
