"""An application that is not ours, a person with a browser, and the server between them."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import httpx
from tests.workspace.world import Client, Person, World

from hedgerow.core import ids
from hedgerow.core.http.sessions import SESSION_COOKIE, csrf_token
from hedgerow.oauth import OAuthProvider

ISSUER = "http://127.0.0.1:8000"
CALLBACK = "http://127.0.0.1:4567/callback"


def challenge_of(verifier: str) -> str:
    """RFC 7636 §4.2, written down a second time."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode().rstrip("=")


def answer_in(location: str) -> dict[str, str]:
    """The parameters that a redirect carries, each of which stands once."""
    found = parse_qs(urlsplit(location).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


@dataclass
class Browser:
    """What a signed-in person does with their browser."""

    client: Client
    csrf: str

    async def open(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, **more)

    async def send(self, page: httpx.Response, **choices: Any) -> httpx.Response:
        """Send the form of a consent page as it stands, with some fields chosen otherwise; None leaves one out."""
        fields = {**form_of(page.text), "allow": "true", **choices}
        return await self.client.ask(
            "POST", "/oauth/authorize/", data={name: value for name, value in fields.items() if value is not None}
        )

    async def decide(self, **fields: Any) -> httpx.Response:
        """Decide by JSON, as a page with JavaScript does."""
        return await self.client.post("/oauth/authorize/", fields, headers={"X-CSRFToken": self.csrf})


def form_of(page: str) -> dict[str, Any]:
    """The fields that a browser sends of the page's form: hidden ones, what is ticked, and the level that is chosen."""
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        kind, name = _attribute(tag, "type"), _attribute(tag, "name")
        value = _attribute(tag, "value")
        if kind == "hidden" or (kind == "radio" and " checked" in tag):
            fields[name] = value
        elif kind == "checkbox" and " checked" in tag:
            fields.setdefault(name, []).append(value)
    return fields


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\s{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else ""


@dataclass
class App:
    """An application, as it knows itself."""

    world: OAuthWorld
    client_id: str
    client_secret: str | None = None
    redirect_uri: str = CALLBACK
    verifier: str = field(default_factory=lambda: ids.secret("", 64))

    @property
    def http(self) -> Client:
        return self.world.nobody

    def asks(self, **changes: Any) -> dict[str, str]:
        """The parameters of an authorization request; None leaves one out."""
        parameters: dict[str, Any] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid project:read query:read",
            "state": "s+t/a te",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    def url(self, **changes: Any) -> str:
        return f"/oauth/authorize/?{urlencode(self.asks(**changes), quote_via=quote)}"

    async def code(self, browser: Browser, *, choices: dict[str, Any] | None = None, **changes: Any) -> str:
        """A code that a person gave us."""
        page = await browser.open(self.url(**changes))
        assert page.status_code == 200, page.text
        sent = await browser.send(page, **(choices or {}))
        assert sent.status_code == 303, sent.text
        return answer_in(sent.headers["location"])["code"]

    async def token(self, **changes: Any) -> httpx.Response:
        """Ask the token endpoint; None leaves a parameter out."""
        fields: dict[str, Any] = {"client_id": self.client_id, "client_secret": self.client_secret, **changes}
        form = {name: value for name, value in fields.items() if value is not None}
        return await self.http.ask("POST", "/oauth/token/", data=form)

    async def redeem(self, code: str, **changes: Any) -> httpx.Response:
        fields = {"redirect_uri": self.redirect_uri, "code_verifier": self.verifier, **changes}
        return await self.token(grant_type="authorization_code", code=code, **fields)

    async def refresh(self, refresh_token: str, **changes: Any) -> httpx.Response:
        return await self.token(grant_type="refresh_token", refresh_token=refresh_token, **changes)

    async def tokens(self, browser: Browser, **changes: Any) -> dict[str, Any]:
        """The whole way: consent, code, tokens."""
        answer = await self.redeem(await self.code(browser, **changes))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def introspect(self, token: str, *, bearer: str | None = None) -> httpx.Response:
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        mine = {} if bearer else {"client_id": self.client_id, "client_secret": self.client_secret or ""}
        return await self.http.ask("POST", "/oauth/introspect/", data={"token": token, **mine}, headers=headers)

    async def revoke(self, token: str) -> httpx.Response:
        fields = {"token": token, "client_id": self.client_id, "client_secret": self.client_secret or ""}
        return await self.http.ask("POST", "/oauth/revoke/", data=fields)


@dataclass
class OAuthWorld:
    """The server with its provider."""

    world: World
    provider: OAuthProvider
    nobody: Client
    own_address: str = "192.0.2.1"
    """Whom the provider takes the next request to be from."""

    async def register(self, **description: Any) -> httpx.Response:
        body = {"redirect_uris": [CALLBACK], **description}
        return await self.nobody.post("/oauth/register/", {k: v for k, v in body.items() if v is not None})

    async def app(self, **description: Any) -> App:
        """An application that registered itself."""
        answer = await self.register(**description)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        return App(self, made["client_id"], made.get("client_secret"), made["redirect_uris"][0])

    async def confidential(self, **description: Any) -> App:
        """One with a secret."""
        return await self.app(token_endpoint_auth_method="client_secret_post", **description)

    async def browser(self, person: Person) -> Browser:
        secret = await person.session()
        client = self.world.client({"Cookie": f"{SESSION_COOKIE}={secret}"})
        return Browser(client, csrf_token(secret))

    def bearer(self, token: str) -> Client:
        return self.world.client({"Authorization": f"Bearer {token}"})
