"""Applications whose `client_id` is the URL of their description (gateway §6.5), read from a real HTTPS server.

The names resolve to it by a resolver of the test's, as names do that somebody else's DNS answers for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from tests.oauth.document_server import DocumentServer
from tests.oauth.world import CALLBACK, ISSUER, App, Browser, OAuthWorld, answer_in
from tests.workspace.world import Person

from hedgerow.core import ids
from hedgerow.oauth import client_documents
from hedgerow.oauth.client_documents import ClientDocuments, is_document_url, seconds_to_keep
from hedgerow.oauth.fetch import Fetcher, Unreadable, is_on_the_internet
from hedgerow.oauth.provider import OAuthProvider

pytestmark = pytest.mark.stores

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentServer]:
    with DocumentServer(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
def reads(oauth: OAuthWorld, site: DocumentServer, monkeypatch: pytest.MonkeyPatch) -> OAuthWorld:
    """The provider, allowed to read from two names; for these tests loopback counts as the internet."""
    site.asked.clear()
    monkeypatch.setattr("hedgerow.oauth.fetch.is_on_the_internet", lambda _address: True)
    install(oauth.provider, Fetcher(["client.example", ".other.example"], ask=to_loopback, trust=site.trust))
    return oauth


async def to_loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def install(provider: OAuthProvider, fetcher: Fetcher) -> None:
    provider.fetcher = fetcher
    documents = ClientDocuments(provider.clients, fetcher, provider.throttle, provider.access.clock)
    provider.documents = documents
    provider.desk._documents = documents


def describe(
    site: DocumentServer, *, headers: dict[str, str] | None = None, scopes: list[str] | None = None, **changes: Any
) -> str:
    """Lay out a description of a new application, and return its URL."""
    path = f"/{ids.short_id()}/client.json"
    url = site.url(path)
    body = {
        "client_id": url,
        "client_name": "Orchard",
        "redirect_uris": [CALLBACK],
        "com.posthog.scopes": scopes,
        **changes,
    }
    named = {"Content-Type": "application/json", **(headers or {})}
    return site.put(path, json.dumps({k: v for k, v in body.items() if v is not None}).encode(), headers=named)


async def test_the_whole_way(reads: OAuthWorld, site: DocumentServer, browser: Browser) -> None:
    app = App(reads, describe(site))
    page = await browser.open(app.url())
    assert page.status_code == 200
    assert f"client.example:{site.port}" in page.text
    assert "Unverified." in page.text
    tokens = await app.tokens(browser)
    assert tokens["expires_in"] == 604_800
    assert (await app.refresh(tokens["refresh_token"])).json()["refresh_token"] == tokens["refresh_token"]
    assert (await reads.bearer(tokens["access_token"]).get("/api/projects/")).status_code == 200
    assert [path for path, _ in site.asked] == [app.client_id.partition(str(site.port))[2]], "read once, then kept"


async def test_it_is_announced(reads: OAuthWorld) -> None:
    found = (await reads.nobody.get("/.well-known/oauth-authorization-server")).json()
    assert found["client_id_metadata_document_supported"] is True


async def test_what_the_site_learns(reads: OAuthWorld, site: DocumentServer, browser: Browser) -> None:
    await browser.open(App(reads, describe(site)).url())
    ((_, headers),) = site.asked
    assert headers == {
        "host": f"client.example:{site.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "oauth",
        "connection": "keep-alive",
    }


async def test_nobody_makes_us_read(reads: OAuthWorld, site: DocumentServer) -> None:
    answer = await reads.nobody.get(App(reads, describe(site)).url())
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/login?next=")
    assert site.asked == []


async def test_the_token_endpoint_never_reads(reads: OAuthWorld, site: DocumentServer) -> None:
    answer = await App(reads, describe(site)).redeem("x")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert site.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "https://client.example/other.json"},
        {"client_id": None},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": ["http://evil.example/cb"]},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"client_secret": "public"},
        {"grant_types": ["implicit"]},
        {"padding": "x" * 6_000},
    ],
)
async def test_a_description_that_will_not_do(
    reads: OAuthWorld, site: DocumentServer, browser: Browser, changes: dict[str, Any]
) -> None:
    answer = await browser.open(App(reads, describe(site, **changes)).url())
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "invalid_request", "error_description": client_documents.UNREADABLE},
    )


@pytest.mark.parametrize(
    "answers",
    [
        (404, {}, b"{}"),
        (302, {"Location": "https://client.example/real.json"}, b""),
        (204, {}, b""),
        (200, {}, b""),
        (200, {}, b"[]"),
        (200, {}, b"\xff"),
        (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"),
        (200, {"Content-Length": "50"}, b"{}"),
    ],
)
async def test_an_answer_that_is_none(
    reads: OAuthWorld, site: DocumentServer, browser: Browser, answers: tuple[int, dict[str, str], bytes]
) -> None:
    status, headers, body = answers
    if "Content-Length" in headers:
        headers = {**headers, "Connection": "close"}
    url = site.put(f"/{ids.short_id()}", body, status=status, headers=headers)
    answer = await browser.open(App(reads, url).url())
    assert (answer.status_code, answer.json()["error_description"]) == (400, client_documents.UNREADABLE)


async def test_a_redirect_is_not_followed_even_to_a_good_description(
    reads: OAuthWorld, site: DocumentServer, browser: Browser
) -> None:
    url = site.url("/moved.json")
    site.put("/real.json", json.dumps({"client_id": url, "redirect_uris": [CALLBACK]}).encode())
    site.put("/moved.json", b"", status=302, headers={"Location": site.url("/real.json", "127.0.0.1")})
    assert (await browser.open(App(reads, url).url())).status_code == 400
    assert [path for path, _ in site.asked] == ["/moved.json"]


@pytest.mark.parametrize("host", ["evil.example", "client.example.evil.example", "notother.example", "127.0.0.1"])
async def test_a_host_that_the_settings_do_not_name(
    reads: OAuthWorld, site: DocumentServer, browser: Browser, host: str
) -> None:
    answer = await browser.open(App(reads, site.url("/client.json", host)).url())
    assert answer.status_code == 400
    assert site.asked == []


async def test_a_name_below_a_domain_that_the_settings_name() -> None:
    fetcher = Fetcher([".example.com", "one.test"])
    assert fetcher.allows("a.example.com")
    assert fetcher.allows("A.B.example.com.")
    assert not fetcher.allows("example.com")
    assert fetcher.allows("one.test")
    assert not fetcher.allows("x.one.test")
    assert not Fetcher([]).allows("anything.test")


async def test_a_certificate_of_another_name(site: DocumentServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgerow.oauth.fetch.is_on_the_internet", lambda _address: True)
    fetcher = Fetcher(["*"], ask=to_loopback, trust=site.trust)
    site.put("/x", b"{}")
    found = await fetcher.get(site.url("/x", "other.example"), bytes_max=10, accept="*/*")
    assert found.body == b"{}"
    with pytest.raises(Unreadable, match="ConnectError"):
        await fetcher.get(site.url("/x", "third.example"), bytes_max=10, accept="*/*")
    with pytest.raises(Unreadable, match="ConnectError"):
        await Fetcher(["*"], ask=to_loopback).get(site.url("/x"), bytes_max=10, accept="*/*")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["192.168.0.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["0.0.0.0"],
        ["224.0.0.1"],
        ["255.255.255.255"],
        ["::1"],
        ["::"],
        ["fd00::1"],
        ["fe80::1"],
        ["ff02::1"],
        ["::ffff:127.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["93.184.216.34", "127.0.0.1"],
        [],
    ],
)
async def test_a_name_that_leads_inside(site: DocumentServer, addresses: list[str]) -> None:
    async def inside(_host: str, _port: int) -> Sequence[str]:
        return addresses

    site.asked.clear()
    fetcher = Fetcher(["*", "client.example"], ask=inside, trust=site.trust)
    with pytest.raises(Unreadable, match="address"):
        await fetcher.get(site.url("/x"), bytes_max=10, accept="*/*")
    assert site.asked == []


async def test_an_address_that_the_settings_name_themselves(site: DocumentServer) -> None:
    site.put("/x", b"{}")
    fetcher = Fetcher(["127.0.0.1"], trust=site.trust)
    assert (await fetcher.get(site.url("/x", "127.0.0.1"), bytes_max=10, accept="*/*")).body == b"{}"


async def test_the_name_is_asked_for_once(site: DocumentServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the second answer of a hostile name server is never used."""
    monkeypatch.setattr("hedgerow.oauth.fetch.is_on_the_internet", lambda _address: True)
    asked: list[str] = []

    async def ask(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    site.put("/x", b"{}")
    await Fetcher(["*"], ask=ask, trust=site.trust).get(site.url("/x"), bytes_max=10, accept="*/*")
    assert asked == ["client.example"]


async def test_a_public_address_is_on_the_internet() -> None:
    for text in ("93.184.216.34", "2606:4700::1", "::ffff:8.8.8.8"):
        assert is_on_the_internet(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://client.example/oauth.json", True),
        ("https://client.example:8443/a/b", True),
        ("http://client.example/oauth.json", False),
        ("https://client.example", False),
        ("https://client.example/", False),
        ("https://client.example/a?x=1", False),
        ("https://client.example/a?", False),
        ("https://client.example/a#x", False),
        ("https://u@client.example/a", False),
        ("https://client.example/a/../b", False),
        ("https://client.example/./b", False),
        ("https://client.example\\@evil/a", False),
        ("https:client.example/a", False),
        ("https://client.example/" + "x" * 1_000, False),
    ],
)
def test_which_client_ids_are_addresses(url: str, *, is_one: bool) -> None:
    assert is_document_url(url) is is_one


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 3_600),
        ("no-store", 3_600),
        ("max-age=60", 300),
        ("public, max-age=1200", 1_200),
        ("MAX-AGE=999999999", 86_400),
        ("s-maxage=5", 3_600),
        ("max-age=-1", 3_600),
    ],
)
def test_how_long_a_description_is_kept(header: str, seconds: int) -> None:
    assert seconds_to_keep(header) == seconds


async def test_it_is_read_again_beside_the_request(reads: OAuthWorld, site: DocumentServer, browser: Browser) -> None:
    app = App(reads, describe(site, headers={"Cache-Control": "max-age=600"}))
    path = app.client_id.partition(str(site.port))[2]
    await browser.open(app.url())
    describe_again(site, app.client_id, client_name="Renamed")
    reads.world.clock.advance(599)
    assert "Orchard" in (await browser.open(app.url())).text
    reads.world.clock.advance(2)
    assert "Orchard" in (await browser.open(app.url())).text
    await reads_done(reads)
    assert "Renamed" in (await browser.open(app.url())).text
    assert [asked for asked, _ in site.asked].count(path) == 2


async def test_a_door_that_stays_shut_is_not_knocked_at_without_end(
    reads: OAuthWorld, site: DocumentServer, browser: Browser
) -> None:
    """A page that anybody may open, signed in or not, must not become a hammer."""
    app = App(reads, describe(site, headers={"Cache-Control": "max-age=600"}))
    path = app.client_id.partition(str(site.port))[2]
    await browser.open(app.url())
    site.pages.clear()
    reads.world.clock.advance(601)
    for _ in range(5):
        assert (await reads.nobody.get(app.url())).status_code == 302
        await reads_done(reads)
    assert [asked for asked, _ in site.asked].count(path) == 2
    reads.world.clock.advance(301)
    await reads.nobody.get(app.url())
    await reads_done(reads)
    assert [asked for asked, _ in site.asked].count(path) == 3


async def test_after_a_day_it_must_be_read_first(reads: OAuthWorld, site: DocumentServer, ada: Person) -> None:
    app = App(reads, describe(site))
    await (await reads.browser(ada)).open(app.url())
    site.pages.clear()
    reads.world.clock.advance(days=2)
    browser = await reads.browser(ada)
    assert (await browser.open(app.url())).status_code == 400
    tokens = await app.redeem("x")
    assert tokens.json()["error"] == "invalid_grant", "what has tokens can still use and end them"


async def reads_done(oauth: OAuthWorld) -> None:
    while oauth.provider.documents._reading:
        await next(iter(oauth.provider.documents._reading.values()))


def describe_again(site: DocumentServer, url: str, **changes: Any) -> None:
    body = {"client_id": url, "client_name": "Orchard", "redirect_uris": [CALLBACK], **changes}
    site.put(url.partition(str(site.port))[2], json.dumps(body).encode())


async def test_a_name_that_misleads_is_not_shown(reads: OAuthWorld, site: DocumentServer, browser: Browser) -> None:
    page = await browser.open(App(reads, describe(site, client_name="Official PostHog")).url())
    assert "CIMD Client" in page.text
    assert "Official" not in page.text


async def test_a_ceiling_of_posthogs_kind(reads: OAuthWorld, site: DocumentServer, browser: Browser) -> None:
    app = App(reads, describe(site, scopes=["project:read", "made:up"]))
    assert (await app.tokens(browser, scope="project:read query:read"))["scope"] == "project:read"


async def test_a_picture_comes_from_here(reads: OAuthWorld, site: DocumentServer, browser: Browser) -> None:
    logo = site.put("/logo.png", PNG)
    page = await browser.open(App(reads, describe(site, logo_uri=logo)).url())
    source = page.text.partition('<img class="logo" src="')[2].partition('"')[0]
    assert source.startswith("/oauth/logo/")
    answer = await browser.open(source)
    assert (answer.headers["content-type"], answer.content) == ("image/png", PNG)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("body", [b"<svg onload=alert(1)>", b"", b"\x89PNG\r\n\x1a\n" + b"x" * 200_000])
async def test_a_picture_that_is_none(reads: OAuthWorld, site: DocumentServer, browser: Browser, body: bytes) -> None:
    logo = site.put(f"/{ids.short_id()}.png", body)
    page = await browser.open(App(reads, describe(site, logo_uri=logo)).url())
    assert page.status_code == 200
    assert "/oauth/logo/" not in page.text


async def test_five_a_minute_ten_an_hour_from_one_address(
    reads: OAuthWorld, site: DocumentServer, browser: Browser
) -> None:
    for _ in range(5):
        assert (await browser.open(App(reads, describe(site)).url())).status_code == 200
    answer = await browser.open(App(reads, describe(site)).url())
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_client",
        "error_description": "Too many new client registrations. Try again later.",
    }
    reads.world.clock.advance(62)
    for _ in range(5):
        assert (await browser.open(App(reads, describe(site)).url())).status_code == 200
    reads.world.clock.advance(62)
    assert (await browser.open(App(reads, describe(site)).url())).status_code == 400
    reads.own_address = "192.0.2.9"
    assert (await browser.open(App(reads, describe(site)).url())).status_code == 200


# private_key_jwt


class Signed:
    """An application that signs."""

    def __init__(self, oauth: OAuthWorld, site: DocumentServer) -> None:
        self.key = ECKey.generate_key("P-256", private=True)
        keys = KeySet([self.key]).as_dict(private=False)
        url = describe(site, token_endpoint_auth_method="private_key_jwt", jwks=keys)
        self.oauth = oauth
        self.app = App(oauth, url)

    def assertion(self, **changes: Any) -> str:
        now = int(self.oauth.world.clock.now().timestamp())
        claims = {
            "iss": self.app.client_id,
            "sub": self.app.client_id,
            "aud": ISSUER,
            "exp": now + 60,
            "jti": ids.short_id(),
            **changes,
        }
        return jwt.encode({"alg": "ES256"}, {k: v for k, v in claims.items() if v is not None}, self.key)

    async def redeem(self, code: str, assertion: str | None) -> Any:
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return await self.app.redeem(code, client_assertion=assertion, client_assertion_type=kind)


async def test_an_application_that_signs(reads: OAuthWorld, site: DocumentServer, browser: Browser) -> None:
    signed = Signed(reads, site)
    code = await signed.app.code(browser)
    assertion = signed.assertion()
    assert (await signed.redeem(code, None)).json()["error"] == "invalid_client"
    assert (await signed.redeem(code, assertion)).status_code == 200
    code = await signed.app.code(browser)
    assert (await signed.redeem(code, assertion)).json()["error"] == "invalid_client", "an assertion counts once"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://client.example/other.json"},
        {"sub": "somebody"},
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"exp": 1_000},
        {"exp": 9_999_999_999},
        {"exp": "soon"},
        {"exp": None},
        {"jti": None},
    ],
)
async def test_an_assertion_that_does_not_hold(
    reads: OAuthWorld, site: DocumentServer, browser: Browser, changes: dict[str, Any]
) -> None:
    signed = Signed(reads, site)
    code = await signed.app.code(browser)
    answer = await signed.redeem(code, signed.assertion(**changes))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (await signed.redeem(code, signed.assertion())).status_code == 200


async def test_an_assertion_of_somebody_elses_key(reads: OAuthWorld, site: DocumentServer, browser: Browser) -> None:
    signed, other = Signed(reads, site), Signed(reads, site)
    code = await signed.app.code(browser)
    other.app.client_id = signed.app.client_id
    assert (await signed.redeem(code, other.assertion())).status_code == 401
    for text in ("", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 9_000):
        assert (await signed.redeem(code, text)).status_code == 401


# The gateway of this very server


async def test_our_own_description_is_known_and_never_read(oauth: OAuthWorld, browser: Browser) -> None:
    app = App(oauth, f"{ISSUER}/oauth/gateway-client.json", redirect_uri=f"{ISSUER}/connect/callback")
    page = await browser.open(app.url())
    assert "Unverified." not in page.text
    assert "Hedgerow gateway" in page.text
    assert (await app.tokens(browser))["expires_in"] == 3_600


@pytest.mark.parametrize(
    ("redirect_uri", "status"),
    [
        ("http://127.0.0.1:8000/connect/callback", 200),
        ("http://localhost:8000/connect/callback", 200),
        ("http://[::1]:8000/connect/callback", 200),
        ("http://127.0.0.1:8001/connect/callback", 400),
        ("http://127.0.0.1/connect/callback", 400),
        ("http://127.0.0.1:8000/connect/callback/", 400),
        ("https://evil.example/connect/callback", 400),
    ],
)
async def test_our_own_gateway_listens_at_our_own_port(
    oauth: OAuthWorld, browser: Browser, redirect_uri: str, status: int
) -> None:
    app = App(oauth, "hedgerow-gateway", redirect_uri=redirect_uri)
    assert (await browser.open(app.url())).status_code == status
    answer = await browser.open(app.url(prompt="none"))
    assert answer.status_code == (302 if status == 200 else 400)
    if status == 200:
        assert answer_in(answer.headers["location"])["error"] == "consent_required"


async def test_many_who_come_first_at_once_are_one_application(
    reads: OAuthWorld, site: DocumentServer, browser: Browser
) -> None:
    app = App(reads, describe(site))
    pages = await asyncio.gather(*(browser.open(app.url()) for _ in range(5)))
    assert [page.status_code for page in pages] == [200] * 5
