"""What a FAKE PostHog cloud says when it is asked for tokens: consent, codes, rotation with reuse detection, revocation."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from tests.gateway.fake_posthog import UNAUTHORISED, FakePostHog, Received, respond

from hedgerow.core import ids

GRACE_SECONDS = 120


class Nowhere:
    """Takes an answer that gets lost."""

    def write(self, data: bytes) -> None: ...


@dataclass
class Family:
    """Everything that came of one consent."""

    client_id: str
    scope: str
    access: set[str] = field(default_factory=set)
    refresh: str = ""
    earlier: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Rotated refresh tokens → the pair that took their place."""
    rotations: int = 0
    revoked: bool = False


@dataclass
class FakeOAuth:
    """The authorization server of a FAKE cloud. `next_answers` are taken one a token request before it works again."""

    fake: FakePostHog
    issuer: str = ""
    expires_in: Any = 3600
    rotates: bool = True
    in_grace: bool = True
    """Whether a token that was rotated away is still answered with its successor."""
    extra: dict[str, Any] = field(default_factory=dict)
    says_iss: bool = True
    metadata_changes: dict[str, Any] = field(default_factory=dict)
    email: str = "fake@example.com"
    families: list[Family] = field(default_factory=list)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    next_answers: deque[str] = field(default_factory=deque)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """What a `wait` answer waits for."""
    token_requests: list[dict[str, str]] = field(default_factory=list)
    revocations: list[dict[str, str]] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    """Every secret that was given out."""

    def install(self) -> FakeOAuth:
        self.issuer = self.issuer or self.fake.url
        self.fake.handlers |= {
            "/.well-known/oauth-authorization-server": self._metadata,
            "/oauth/authorize/": self._authorize,
            "/oauth/token/": self._token,
            "/oauth/revoke/": self._revoke,
            "/oauth/register/": self._register,
            "/api/users/@me/": self._me,
            "/api/projects/": self._projects,
        }
        return self

    @property
    def refreshes(self) -> list[dict[str, str]]:
        return [one for one in self.token_requests if one.get("grant_type") == "refresh_token"]

    def consent(self, scope: str = "user:read", client_id: str = "client-1") -> tuple[str, str]:
        """Tokens as if a person had allowed it."""
        family = Family(client_id, scope)
        self.families.append(family)
        return self._pair(family)

    def expire(self) -> None:
        """No access token is taken any more; refresh tokens are."""
        for family in self.families:
            self.fake.valid_keys -= family.access
            family.access.clear()

    def _pair(self, family: Family) -> tuple[str, str]:
        access, refresh = ids.secret("pha_", 40), ids.secret("phr_", 40)
        family.access.add(access)
        family.refresh = refresh
        self.fake.valid_keys.add(access)
        self.made |= {access, refresh}
        return access, refresh

    def _revoke_family(self, family: Family) -> None:
        family.revoked = True
        self.fake.valid_keys -= family.access

    async def _metadata(self, _fake: Any, _request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
        base = self.fake.url
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{base}/oauth/authorize/",
            "token_endpoint": f"{base}/oauth/token/",
            "revocation_endpoint": f"{base}/oauth/revoke/",
            "registration_endpoint": f"{base}/oauth/register/",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self.says_iss,
            "client_id_metadata_document_supported": True,
            **self.metadata_changes,
        }
        respond(writer, 200, json.dumps(document).encode())

    async def _authorize(self, _fake: Any, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
        """A page with one button, or at once with `?fake_allow` (what a test's browser adds)."""
        asked = {name: values[0] for name, values in request.query.items()}
        address = self.answer_to(asked)
        html = f'<!doctype html><html lang="en"><title>FAKE cloud</title><link rel="icon" href="data:,"><h1>FAKE PostHog</h1><a id="allow" href="{address.replace("&", "&amp;")}">Allow</a></html>'
        respond(writer, 200, html.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def answer_to(self, asked: dict[str, str], **changes: str | None) -> str:
        """Where the browser is sent after a person has said yes; with `error=…` after something else."""
        said: dict[str, str | None] = {"state": asked["state"]}
        if self.says_iss:
            said["iss"] = self.issuer
        if "error" not in changes:
            code = ids.secret("", 43)
            self.codes[code] = asked
            self.made.add(code)
            said["code"] = code
        said |= changes
        return f"{asked['redirect_uri']}?{urlencode({k: v for k, v in said.items() if v is not None})}"

    async def _token(
        self, _fake: Any, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool | None:
        fields = dict(parse_qsl(request.body.decode()))
        self.token_requests.append(fields)
        how = self.next_answers.popleft() if self.next_answers else ""
        if how == "wait":
            await self.gate.wait()
        elif how == "silence":
            await self.fake.wait_for_hang_up(reader, request.target)
            return False
        elif how == "hang-up":
            return False
        elif how == "lost":
            self._refresh(cast("asyncio.StreamWriter", Nowhere()), fields)
            return False
        elif how == "cut":
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"acc')
            return False
        elif how == "html":
            respond(writer, 200, b"<html>Sorry</html>", {"Content-Type": "text/html"})
            return None
        elif how == "empty":
            respond(writer, 200, b"{}")
            return None
        elif how.isdecimal():
            respond(writer, int(how), b'{"error":"temporarily_unavailable"}', {"Retry-After": "7"})
            return None
        elif how:
            self._say_no(writer, how)
            return None
        if fields.get("grant_type") == "refresh_token":
            self._refresh(writer, fields)
        else:
            self._redeem(writer, fields)
        return None

    def _redeem(self, writer: asyncio.StreamWriter, fields: dict[str, str]) -> None:
        asked = self.codes.pop(fields.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(fields["code_verifier"].encode()).digest()).rstrip(b"=")
        right = (
            asked is not None
            and asked["code_challenge"] == challenge.decode()
            and asked["code_challenge_method"] == "S256"
            and asked["redirect_uri"] == fields["redirect_uri"]
            and asked["client_id"] == fields["client_id"]
        )
        if asked is None or not right:
            self._say_no(writer, "invalid_grant")
            return
        family = Family(asked["client_id"], asked["scope"])
        self.families.append(family)
        self._give(writer, family, self._pair(family))

    def _refresh(self, writer: asyncio.StreamWriter, fields: dict[str, str]) -> None:
        said = fields["refresh_token"]
        for family in self.families:
            if family.revoked or family.client_id != fields["client_id"]:
                continue
            if said == family.refresh:
                if not self.rotates:
                    access, refresh = self._pair(family)
                    self.made.discard(refresh)
                    family.refresh = said
                    self._give(writer, family, (access, said))
                    return
                pair = self._pair(family)
                family.earlier[said] = pair
                family.rotations += 1
                self._give(writer, family, pair)
                return
            if said in family.earlier:
                pair = family.earlier[said]
                if self.in_grace and pair[1] == family.refresh:
                    self._give(writer, family, pair)
                    return
                self._revoke_family(family)
        self._say_no(writer, "invalid_grant")

    def _give(self, writer: asyncio.StreamWriter, family: Family, pair: tuple[str, str]) -> None:
        said = {
            "access_token": pair[0],
            "refresh_token": pair[1],
            "expires_in": self.expires_in,
            "token_type": "Bearer",
            "scope": family.scope,
            "scoped_teams": [],
            "scoped_organizations": [],
            **self.extra,
        }
        body = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
        respond(writer, 200, body, {"Cache-Control": "no-store", "Date": "Thu, 01 Jan 1970 00:00:00 GMT"})

    def _say_no(self, writer: asyncio.StreamWriter, error: str) -> None:
        status = 401 if error == "invalid_client" else 400
        respond(writer, status, json.dumps({"error": error, "error_description": "phr_should_not_be_shown"}).encode())

    async def _revoke(self, _fake: Any, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
        fields = dict(parse_qsl(request.body.decode()))
        self.revocations.append(fields)
        for family in self.families:
            if fields["token"] in family.access or fields["token"] == family.refresh:
                self._revoke_family(family)
        respond(writer, 200, b"{}")

    async def _register(self, _fake: Any, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
        description = json.loads(request.body)
        client_id = ids.secret("client-", 20)
        self.clients[client_id] = description
        respond(writer, 201, json.dumps({"client_id": client_id, **description}).encode())

    async def _me(self, fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
        if not _is_known(fake, request):
            respond(writer, 401, UNAUTHORISED)
            return
        organization = {"id": "0190bbbb-0000-0000-0000-000000000000", "name": "Fake & Sons"}
        respond(writer, 200, json.dumps({"email": self.email, "organization": organization}).encode())

    async def _projects(self, fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
        if not _is_known(fake, request):
            respond(writer, 401, UNAUTHORISED)
            return
        results = [{"id": 7, "name": "Fake project"}]
        respond(writer, 200, json.dumps({"count": 1, "next": None, "previous": None, "results": results}).encode())


def _is_known(fake: FakePostHog, request: Received) -> bool:
    return (request.header("authorization") or "").removeprefix("Bearer ") in fake.valid_keys
