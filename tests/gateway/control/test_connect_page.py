"""The connect page (gateway §1.10) against a FAKE cloud and against this very server, and by whoever means ill."""

from __future__ import annotations

import pytest
from tests.gateway.control.world import ORIGIN, ControlWorld, text_of, token_in
from tests.gateway.fake_posthog import VALID_KEY
from tests.gateway.world import TESTER
from tests.oauth.world import challenge_of, form_of

from hedgerow.gateway.connect_pages import LINK_COOKIE, WALK_COOKIE


async def test_opening_a_link_changes_nothing_and_hides_its_secret(world: ControlWorld) -> None:
    made = await world.create()
    before = (await world.row(made["connection_id"])).updated_at
    browser = world.browser()
    answer = await browser.get(made["url"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/connect/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/connect" in cookie
    page = await browser.open("/connect/")
    assert page.status_code == 200
    assert token_in(made["url"]) not in page.text
    again = await world.browser().open(made["url"])
    assert again.status_code == 200, "people click twice, and chat programs look ahead"
    assert (await world.row(made["connection_id"])).updated_at == before


async def test_every_answer_of_the_page_is_shut_in(world: ControlWorld) -> None:
    made = await world.create()
    browser = world.browser()
    answers = [
        await browser.get(made["url"]),
        await browser.get("/connect/"),
        await browser.get("/connect/callback?state=x&code=y"),
        await world.browser().get("/connect/?session_token=nonsense"),
    ]
    for answer in answers:
        headers = answer.headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert "<script" not in answer.text
        assert " style=" not in answer.text


async def test_row_49_guessed_used_and_old_links_look_the_same(world: ControlWorld) -> None:
    used = await world.create(api_key=VALID_KEY, host=world.fake.url)  # closed when the connection was made
    made = await world.create(method="API_KEY")
    browser = world.browser()
    page = await browser.open(made["url"])
    await browser.send(page, "/connect/key", key=VALID_KEY, host=world.fake.url)
    old = await world.create()
    gone = await world.create()
    await world.call("DELETE", f"/connections/{gone['connection_id']}")
    world.clock.advance(61 * 60)
    pages = [
        await world.browser().get(url)
        for url in (made["url"], old["url"], gone["url"], f"{ORIGIN}/connect/?session_token={'A' * 43}")
    ]
    assert {answer.status_code for answer in pages} == {404}
    assert len({answer.text for answer in pages}) == 1
    assert used["status"] == "ACTIVE"


async def test_who_guesses_is_slowed_and_who_has_a_link_is_not(world: ControlWorld) -> None:
    made = await world.create()
    statuses = [(await world.browser().get(f"/connect/?session_token={'B' * 43}")).status_code for _ in range(12)]
    assert statuses == [404] * 10 + [429] * 2
    assert (await world.browser().open(made["url"])).status_code == 200


async def test_by_oauth_the_whole_way(world: ControlWorld) -> None:
    made = await world.create(name="Shop")
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{ORIGIN}/connect/callback"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile email user:read organization:read project:read"
    assert world.oauth.clients[asked["client_id"]]["token_endpoint_auth_method"] == "none"
    back = await browser.get(world.oauth.answer_to(asked))
    assert (back.status_code, back.headers["location"]) == (303, "/connect/"), "the code does not stay in an address"
    page = await browser.open("/connect/")
    assert "Connected" in text_of(page)
    assert "Fake & Sons" in text_of(page)
    shown = await world.connection(made["connection_id"])
    assert (shown["status"], shown["method"], shown["reason"]) == ("ACTIVE", "OAUTH2", None)
    assert shown["metadata"]["scopes"] == asked["scope"].split()
    assert shown["metadata"]["email"] == "fake@example.com"
    (sent,) = world.oauth.token_requests
    assert challenge_of(sent["code_verifier"]) == asked["code_challenge"]
    call = await world.call("GET", "/posthog/api/projects/")
    assert call.status_code == 200
    assert str(world.fake.last.header("authorization")).startswith("Bearer pha_")
    for secret in world.oauth.made:
        assert secret not in str(shown)
        assert secret not in page.text


async def test_one_registration_serves_all_connections_of_a_host(world: ControlWorld) -> None:
    first = await world.connected()
    second = await world.connected()
    assert first != second
    assert len({one["client_id"] for one in world.oauth.token_requests}) == 1


async def test_what_the_creator_asked_for_is_asked_of_the_account(world: ControlWorld) -> None:
    made = await world.create(scopes=["query:read"], access_level="team")
    browser = world.browser()
    page = await browser.open(made["url"])
    assert "query:read" in text_of(page)
    assert "What may be done" not in text_of(page)
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    assert (asked["scope"], asked["required_access_level"]) == ("query:read", "team")


async def test_who_says_no_fails_the_connection_and_may_try_again(world: ControlWorld) -> None:
    made = await world.create()
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    page = await browser.open(world.oauth.answer_to(asked, error="access_denied"))
    assert "You said no" in text_of(page)
    shown = await world.connection(made["connection_id"])
    assert (shown["status"], shown["reason"]) == ("FAILED", "access_denied")
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    await browser.open(world.oauth.answer_to(asked))
    again = await world.connection(made["connection_id"])
    assert (again["status"], again["reason"], again["creation_time"]) == ("ACTIVE", None, shown["creation_time"])


async def test_row_47_the_state_of_another_browser_changes_nothing(world: ControlWorld) -> None:
    made = await world.create()
    mine, theirs = world.browser(), world.browser()
    asked = await world.to_consent(made["url"], mine, world.fake.url)
    answer = world.oauth.answer_to(asked)
    await theirs.open(made["url"])
    page = await theirs.get(answer)
    assert page.status_code == 400
    assert (await world.connection(made["connection_id"]))["status"] == "PENDING"
    assert world.oauth.token_requests == []
    assert "Connected" in text_of(await mine.open(answer)), "and the right browser can still end its walk"


async def test_row_48_an_answer_that_is_played_again_is_not_exchanged_again(world: ControlWorld) -> None:
    made = await world.create()
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    answer = world.oauth.answer_to(asked)
    walk = browser.cookie(WALK_COOKIE)
    assert walk
    await browser.open(answer)
    browser.http.cookies.set(WALK_COOKIE, walk, domain="127.0.0.1", path="/connect")
    again = await browser.get(answer)
    assert again.status_code == 400
    assert len(world.oauth.token_requests) == 1
    assert (await world.connection(made["connection_id"]))["status"] == "ACTIVE"


@pytest.mark.parametrize("state", ["", "x", "A" * 43, "A" * 10_000])
async def test_a_state_that_nobody_has_made_is_refused(world: ControlWorld, state: str) -> None:
    made = await world.create()
    browser = world.browser()
    await world.to_consent(made["url"], browser, world.fake.url)
    assert (await browser.get("/connect/callback", params={"state": state, "code": "c"})).status_code == 400
    assert world.oauth.token_requests == []


async def test_a_state_is_old_after_ten_minutes_and_when_a_new_walk_began(world: ControlWorld) -> None:
    made = await world.create()
    browser = world.browser()
    first = await world.to_consent(made["url"], browser, world.fake.url)
    second = await world.to_consent(made["url"], browser, world.fake.url)
    assert (await browser.get(world.oauth.answer_to(first))).status_code == 400
    world.clock.advance(601)
    assert (await browser.get(world.oauth.answer_to(second))).status_code == 400
    assert world.oauth.token_requests == []


async def test_parameters_that_stand_twice_are_refused(world: ControlWorld) -> None:
    made = await world.create()
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    assert (await browser.get(world.oauth.answer_to(asked) + "&code=other")).status_code == 400
    assert world.oauth.token_requests == []


@pytest.mark.parametrize("issuer", ["https://evil.example", None])
async def test_an_answer_of_another_issuer_is_not_exchanged(world: ControlWorld, issuer: str | None) -> None:
    made = await world.create()
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    page = await browser.open(world.oauth.answer_to(asked, iss=issuer))
    assert "did not come from the server that was asked" in text_of(page)
    assert world.oauth.token_requests == []
    assert (await world.connection(made["connection_id"]))["reason"] == "state_mismatch"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "https://us.posthog.com"}, "it is another one"),
        ({"issuer": "http://127.0.0.1"}, "it is another one"),
        ({"token_endpoint": "https://evil.example/oauth/token/"}, "names endpoints elsewhere"),
        ({"token_endpoint": "//evil.example/token"}, "names endpoints elsewhere"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "names endpoints elsewhere"),
        ({"authorization_endpoint": None}, "names endpoints elsewhere"),
        ({"code_challenge_methods_supported": ["plain"]}, "does not protect codes"),
        ({"registration_endpoint": None}, "takes no new applications"),
    ],
)
async def test_a_server_that_says_odd_things_about_itself_is_not_gone_to(
    world: ControlWorld, changes: dict[str, object], words: str
) -> None:
    world.oauth.metadata_changes = changes
    made = await world.create()
    browser = world.browser()
    page = await browser.open(made["url"])
    answer = await browser.send(page, "/connect/start", host=world.fake.url)
    assert answer.status_code == 400
    assert words in text_of(answer)


async def test_an_exchange_that_fails_says_so_and_tells_no_secret(world: ControlWorld) -> None:
    for how in ("invalid_grant", "500", "html", "empty", "cut", "hang-up"):
        made = await world.create()
        browser = world.browser()
        asked = await world.to_consent(made["url"], browser, world.fake.url)
        world.oauth.next_answers.append(how)
        page = await browser.open(world.oauth.answer_to(asked))
        assert "did not give access" in text_of(page), how
        shown = await world.connection(made["connection_id"])
        assert (shown["status"], shown["reason"]) == ("FAILED", "exchange_failed"), how
        assert "phr_" not in page.text


@pytest.mark.parametrize("token", ["pha_a\r\nX-Evil: 1", "pha_a b", "", 7, None, "pha_ü", "a" * 9_000])
async def test_a_token_that_could_not_stand_in_a_header_is_none(world: ControlWorld, token: object) -> None:
    world.oauth.extra = {"access_token": token}
    made = await world.create()
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    await browser.open(world.oauth.answer_to(asked))
    assert (await world.connection(made["connection_id"]))["reason"] == "exchange_failed"


async def test_an_account_that_cannot_be_read_is_not_connected(world: ControlWorld) -> None:
    async def refuse(_fake: object, _request: object, _reader: object, writer: object) -> None:
        from tests.gateway.fake_posthog import respond

        respond(writer, 403, b"{}")  # type: ignore[arg-type]

    made = await world.create()
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    world.fake.handlers["/api/users/@me/"] = refuse
    world.fake.handlers["/api/projects/"] = refuse
    page = await browser.open(world.oauth.answer_to(asked))
    assert "cannot be read" in text_of(page)
    assert (await world.connection(made["connection_id"]))["reason"] == "probe_failed"


async def test_without_user_read_the_list_of_projects_proves_it(world: ControlWorld) -> None:
    async def refuse(_fake: object, _request: object, _reader: object, writer: object) -> None:
        from tests.gateway.fake_posthog import respond

        respond(writer, 403, b"{}")  # type: ignore[arg-type]

    world.fake.handlers["/api/users/@me/"] = refuse
    connection_id = await world.connected()
    shown = await world.connection(connection_id)
    assert shown["status"] == "ACTIVE"
    assert shown["metadata"]["projects"] == [{"id": 7, "name": "Fake project"}]


async def test_reconnecting_keeps_everything_but_the_credential(world: ControlWorld) -> None:
    connection_id = await world.connected(name="Shop")
    before, row = await world.connection(connection_id), await world.row(connection_id)
    again = (await world.call("POST", f"/connections/{connection_id}/reconnect")).json()
    browser = world.browser()
    page = await browser.open(again["url"])
    assert "goes on working" in text_of(page)
    asked = await world.to_consent(again["url"], browser, world.fake.url)
    denied = await browser.open(world.oauth.answer_to(asked, error="access_denied"))
    assert "You said no" in text_of(denied)
    assert (await world.connection(connection_id))["status"] == "ACTIVE", "who says no loses nothing"
    asked = await world.to_consent(again["url"], browser, world.fake.url)
    await browser.open(world.oauth.answer_to(asked))
    after = await world.connection(connection_id)
    assert (after["status"], after["name"]) == ("ACTIVE", before["name"])
    assert after["creation_time"] == before["creation_time"]
    assert (await world.row(connection_id)).version == row.version + 1


async def test_a_pasted_key_on_the_page(world: ControlWorld) -> None:
    made = await world.create(method="API_KEY", return_url="https://app.example.com/done")
    browser = world.browser()
    page = await browser.open(made["url"])
    assert 'type="password"' in page.text
    assert 'autocomplete="off"' in page.text
    wrong = await browser.send(page, "/connect/key", key="phx_wrong_but_long_enough", host=world.fake.url)
    assert wrong.status_code == 400
    assert "the key is not known there" in text_of(wrong)
    assert "phx_wrong" not in wrong.text
    token = await browser.send(page, "/connect/key", key="phc_wrong_kind_of_key", host=world.fake.url)
    assert "can only send events" in text_of(token)
    right = await browser.send(page, "/connect/key", key=f"  {VALID_KEY}\n", host=world.fake.url)
    assert (right.status_code, right.headers["location"]) == (303, "/connect/")
    done = await browser.open("/connect/")
    assert "You can close this window" in text_of(done)
    assert 'href="https://app.example.com/done"' in done.text
    twice = await browser.send(page, "/connect/key", key=VALID_KEY, host=world.fake.url)
    assert twice.status_code == 404, "a link does its work once"
    assert (await world.row(made["connection_id"])).version == 1


async def test_forms_of_other_sites_and_of_other_links_are_not_taken(world: ControlWorld) -> None:
    mine, other = await world.create(), await world.create()
    browser = world.browser()
    page = await browser.open(mine["url"])
    word = form_of(page.text)["word"]
    fields = {"word": word, "key": VALID_KEY, "host": world.fake.url}

    async def post(data: dict[str, str], headers: dict[str, str], path: str = "/connect/key") -> int:
        return (await browser.http.post(path, data=data, headers=headers)).status_code

    assert await post(fields, {"Origin": "https://evil.example"}) == 404
    assert await post(fields, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}) == 404
    assert await post(fields, {"Origin": "null", "Sec-Fetch-Site": "same-site"}) == 404
    assert await post({**fields, "word": ""}, {}) == 404
    assert await post({**fields, "word": "0" * 64}, {}) == 404
    assert await post({"host": world.fake.url}, {}, "/connect/start") == 404
    await browser.open(other["url"])  # the browser is at another link now, and the first page still open
    assert await post(fields, {"Origin": ORIGIN}) == 404
    for made in (mine, other):
        assert (await world.connection(made["connection_id"]))["status"] == "PENDING"


async def test_what_stands_in_an_address_is_never_shown_as_words(world: ControlWorld) -> None:
    made = await world.create()
    browser = world.browser()
    await browser.open(made["url"])
    page = await browser.get("/connect/?problem=<script>alert(1)</script>")
    assert "alert(1)" not in page.text
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    bad = await browser.open(world.oauth.answer_to(asked, error="<b>evil</b>", error_description="<script>"))
    assert "evil" not in bad.text
    assert (await world.connection(made["connection_id"]))["reason"] == "exchange_failed"


async def test_what_an_account_calls_itself_is_text(world: ControlWorld) -> None:
    world.oauth.email = "<img src=x onerror=alert(1)>@example.com"
    made = await world.create()
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    page = await browser.open(world.oauth.answer_to(asked))
    assert "<img" not in page.text
    assert "&lt;img" in page.text


async def test_a_form_leads_to_the_allowed_hosts_alone(world: ControlWorld) -> None:
    made = await world.create()
    browser = world.browser()
    page = await browser.open(made["url"])
    targets = page.headers["content-security-policy"].split("form-action ")[1].split()
    assert targets == [
        "'self'",
        "https://oauth.posthog.com",
        "https://us.posthog.com",
        "https://eu.posthog.com",
        world.fake.url,
    ]
    for host in ("https://evil.example", "mars", "http://169.254.169.254"):
        answer = await browser.send(page, "/connect/start", host=host)
        assert answer.status_code == 400
        assert "not allowed" in text_of(answer)


def test_the_cookies_have_names_of_their_own() -> None:
    assert LINK_COOKIE != WALK_COOKIE


async def test_the_page_says_whose_key_asked_for_which_app(world: ControlWorld) -> None:
    """Who is sent a link can compare it with the key that they gave to a program."""
    made = await world.gateway.keys.create(
        TESTER, user_id=world.ada.user.id, name="Nightly report", policy={"manage_connections": True}
    )
    answer = await world.call("POST", "/connections", key=made.secret, json={"app": "posthog"})
    page = await world.browser().open(answer.json()["url"])
    said = f"{world.ada.user.email} asks to use a PostHog account through this gateway, by the key “Nightly report” ( {made.secret[:8]}…{made.secret[-4:]} )"
    assert said in text_of(page)
    assert made.secret[8:-4] not in page.text
    assert made.secret not in str(answer.json())
    again = await world.call("GET", f"/connections/{answer.json()['connection_id']}")
    assert again.json()["connection"]["url"] == answer.json()["url"], "who looks at it does not ask for it"


async def test_a_link_that_a_person_made_on_the_settings_page_names_no_key(world: ControlWorld) -> None:
    browser = world.browser(await world.ada.session())
    sent = await browser.send(await browser.get("/settings"), "/settings/connections", app="posthog")
    page = await browser.open(sent.headers["location"])
    assert f"{world.ada.user.email} asks to use a PostHog account" in text_of(page)
    assert "by the key" not in text_of(page)


async def test_whose_account_it_is_is_told_to_the_browser_that_connected_it(world: ControlWorld) -> None:
    """Links stand in chats and mails: later readers must not learn from one who connected what."""
    made = await world.create()
    link = token_in(made["url"])
    onlooker = world.browser()
    await onlooker.open(made["url"])  # reads along, and has begun a walk of their own
    await world.to_consent(made["url"], onlooker, world.fake.url)
    browser = world.browser()
    asked = await world.to_consent(made["url"], browser, world.fake.url)
    page = await browser.open(world.oauth.answer_to(asked))
    assert world.oauth.email in page.text
    assert world.oauth.email in (await browser.open("/connect/")).text, "and may load the page again"
    for reader in (onlooker, world.browser()):
        reader.http.cookies.set(LINK_COOKIE, link, domain="127.0.0.1", path="/connect")
        answer = await reader.get("/connect/")
        assert answer.status_code == 404
        assert world.oauth.email not in answer.text


async def test_a_link_that_was_used_does_nothing_more(world: ControlWorld) -> None:
    made = await world.create(method="API_KEY")
    browser = world.browser()
    page = await browser.open(made["url"])
    assert (await browser.send(page, "/connect/key", key=VALID_KEY, host=world.fake.url)).status_code == 303
    version = (await world.row(made["connection_id"])).version
    for action, fields in (
        ("/connect/key", {"key": VALID_KEY, "host": world.fake.url}),
        ("/connect/start", {"host": world.fake.url}),
    ):
        assert (await browser.send(page, action, **fields)).status_code == 404
    assert (await world.row(made["connection_id"])).version == version
