"""Every secret that a whole round makes, looked for in the database, in the logs and in what strangers are told."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from tests.oauth.world import ISSUER, App, Browser, OAuthWorld

from hedgerow.core.crypto import hash_password
from hedgerow.core.storage.tables import Base

pytestmark = pytest.mark.stores

PASSWORD = "a password that nobody guesses"


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def dump(oauth: OAuthWorld) -> str:
    """Every value of every table."""
    parts: list[str] = []
    async with oauth.world.access.metadata.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in await session.execute(text(f'SELECT * FROM "{table.name}"')):
                parts.extend(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row)
    return "\n".join(parts)


async def test_no_secret_is_in_the_database_or_a_log(
    oauth: OAuthWorld, confidential: App, app: App, logged: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    person = await oauth.world.person(password_hash=await hash_password(PASSWORD))
    gateway = App(oauth, "hedgerow-gateway", redirect_uri=f"{ISSUER}/connect/callback")
    signed_in = await oauth.nobody.post("/api/login/", {"email": person.user.email, "password": PASSWORD})
    cookie = signed_in.cookies["hedgerow_session"]
    secrets = {PASSWORD, cookie}
    browser = await oauth.browser(person)
    for each in (app, confidential, gateway):
        code = await each.code(browser, scope="openid email project:read", nonce="n")
        wrong = await each.redeem(code, code_verifier="w" * 60)
        tokens = (await each.redeem(code)).json()
        await oauth.bearer(tokens["access_token"]).get("/api/projects/")
        again = (await each.refresh(tokens["refresh_token"])).json()
        await each.refresh(tokens["refresh_token"], scope="query:write")
        told = [wrong, await each.introspect(tokens["access_token"]), await each.redeem(code)]
        told += [await each.refresh(tokens["refresh_token"]), await each.revoke(tokens["access_token"])]
        made = {
            code,
            each.verifier,
            *(each_[name] for each_ in (tokens, again) for name in ("access_token", "refresh_token", "id_token")),
        }
        if each.client_secret is not None:
            made.add(each.client_secret)
        for answer in told:
            assert not [secret for secret in made if secret in answer.text]
        secrets |= made
    await oauth.world.access.credentials.close()
    seen = await dump(oauth) + repr(logged) + "".join(capfd.readouterr())
    assert person.user.email in seen, "the dump has what it should have"
    assert len(secrets) > 20
    forms = {form for secret in secrets for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("="))}
    assert not [secret for secret in forms if secret in seen]


async def test_a_bug_tells_nothing(
    oauth: OAuthWorld, browser: Browser, app: App, logged: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = await app.tokens(browser)

    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("somewhere below")

    monkeypatch.setattr(oauth.provider.grants, "refresh", broken)
    answer = await app.refresh(tokens["refresh_token"])
    assert answer.status_code == 500
    assert "below" not in answer.text
    assert tokens["refresh_token"] not in repr(logged)
    assert any(line["event"] == "unhandled_error" for line in logged)
