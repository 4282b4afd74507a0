"""Whatever comes in, the answer is one of ours: never a 5xx, and never a way to anywhere that is not registered."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import quote, quote_from_bytes

import pytest
from tests.oauth.world import CALLBACK, App, Browser, OAuthWorld

pytestmark = pytest.mark.stores

PIECES: list[bytes] = [
    b"",
    b"\0",
    b"\xff\xfe",
    "🦔".encode(),
    b"\xed\xa0\x80",
    b"a" * 3_000,
    b"'\"><script>",
    b"\r\nLocation: https://evil.example",
    b"https://evil.example/",
    b"//evil.example",
    b"javascript:alert(1)",
    b"%00",
    b"%",
    b"[]",
    b"{}",
    b"1e400",
    b"-1",
    b"true",
    b"*",
    b"openid",
    b"project:read",
    b"S256",
    b"code",
    b"none",
    b"login",
    b"../../etc/passwd",
    b"{{7*7}}",
]
NAMES = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "prompt",
    "resource",
    "required_access_level",
    "allow",
    "access_level",
    "scoped_teams",
    "scoped_organizations",
    "asked_scope",
    "read_only",
    "grant_type",
    "code",
    "code_verifier",
    "refresh_token",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "token",
    "token_type_hint",
    "next",
    "problem",
]
ENDPOINTS = [
    ("GET", "/oauth/authorize/"),
    ("POST", "/oauth/authorize/"),
    ("POST", "/oauth/token/"),
    ("POST", "/oauth/revoke/"),
    ("POST", "/oauth/introspect/"),
    ("GET", "/oauth/introspect/"),
    ("GET", "/oauth/userinfo/"),
    ("POST", "/oauth/register/"),
    ("GET", "/login/"),
    ("GET", "/oauth/logo/x"),
    ("GET", "/.well-known/oauth-protected-resource/x"),
]
TYPES = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
    "",
    "a/b; c=\xff",
]
ROUNDS = 60


def fields(chance: random.Random, sound: dict[str, str]) -> list[tuple[str, bytes]]:
    """Parameters that are sound, but for some that are not."""
    found = {name: value.encode() for name, value in sound.items() if chance.random() < 0.9}
    for name in chance.sample(NAMES, chance.randint(0, 3)):
        found[name] = chance.choice(PIECES) + chance.choice([b"", chance.choice(PIECES)])
    listed = list(found.items())
    return listed + [chance.choice(listed)] * (chance.random() < 0.1) if listed else []


def encoded(parameters: list[tuple[str, bytes]]) -> str:
    return "&".join(f"{quote(name)}={quote_from_bytes(value)}" for name, value in parameters)


def body_of(chance: random.Random, parameters: list[tuple[str, bytes]], kind: str) -> bytes:
    if kind != "application/json" or chance.random() < 0.2:
        return encoded(parameters).encode()
    values: list[Any] = [None, True, 1, 1.5, [], {}, [[]], {"a": 1}]
    members = {name: value.decode("utf-8", "replace") for name, value in parameters}
    for name in chance.sample(list(members), min(len(members), chance.randint(0, 2))):
        members[name] = chance.choice(values)
    return json.dumps(members).encode()


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
async def test_no_input_breaks_it(oauth: OAuthWorld, browser: Browser, app: App, method: str, path: str) -> None:
    chance = random.Random(f"{method} {path}")
    sound = {**app.asks(), "allow": "true", "access_level": "all", "grant_type": "authorization_code", "code": "x"}
    for _ in range(ROUNDS):
        parameters = fields(chance, sound)
        kind = chance.choice(TYPES)
        headers = {"X-CSRFToken": browser.csrf, "Content-Type": kind.encode("latin-1")}
        client = chance.choice([browser.client, oauth.nobody])
        content = body_of(chance, parameters, kind) if method == "POST" else b""
        address = f"{path}?{encoded(parameters)}" if method == "GET" or chance.random() < 0.3 else path
        answer = await client.ask(method, address, content=content, headers=headers)
        assert answer.status_code < 500, (address, content)
        location = answer.headers.get("location", "/login")
        assert location.startswith((f"{CALLBACK}?", "/login")), (address, content)
        assert "<script>" not in answer.text
