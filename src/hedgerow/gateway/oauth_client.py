"""The gateway's side of OAuth 2.1: authorization request, code for tokens, refresh (gateway §3, RFC 6749, 7636)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from hedgerow.gateway.apps import HostChoice
from hedgerow.gateway.channel import UpstreamError
from hedgerow.gateway.discovery import PKCE
from hedgerow.gateway.enquiry import Enquirer, Reply

TOKEN_CHARACTERS_MAX: Final = 8_192
EXPIRES_SECONDS_DEFAULT: Final = 3_600
EXPIRES_SECONDS_MIN: Final = 30
EXPIRES_SECONDS_MAX: Final = 366 * 86_400
_ENDS: Final = frozenset(
    {
        "invalid_grant",
        "invalid_scope",
        "invalid_client",
        "unauthorized_client",
        "invalid_request",
        "unsupported_grant_type",
        "access_denied",
    }
)


class TokenRefused(Exception):  # noqa: N818 — an answer
    """The server said no, and will go on saying so; `error` is the code of RFC 6749 §5.2."""

    def __init__(self, error: str) -> None:
        """Only known codes are kept: a description could hold anything."""
        super().__init__(error)
        self.error = error

    @property
    def is_about_client(self) -> bool:
        """Whether it is the gateway that is not taken, and not this one user's grant."""
        return self.error in {"invalid_client", "unauthorized_client"}


class TokenUnavailable(Exception):  # noqa: N818 — a state
    """No usable answer now."""

    def __init__(self, why: str, retry_after: int | None = None) -> None:
        """`why` holds nothing that the server said."""
        super().__init__(why)
        self.retry_after = retry_after


class Tokens(msgspec.Struct, frozen=True):
    """What a token endpoint gave. Never prints itself."""

    access_token: str
    refresh_token: str
    """"" where none came."""
    expires_in: int
    """Seconds."""
    scopes: tuple[str, ...] | None
    base_url: str
    """Where PostHog Cloud says that the account lives; "" where it does not say."""

    def __repr__(self) -> str:
        return f"Tokens(expires_in={self.expires_in})"


def new_verifier() -> str:
    """A PKCE verifier: 256 random bits."""
    return secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """S256 of it."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode().rstrip("=")


def authorization_request(
    authorize_url: str,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: tuple[str, ...],
    state: str,
    verifier: str,
    access_level: str = "",
) -> str:
    """Where the browser is sent."""
    parameters = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": PKCE,
    }
    if access_level:
        parameters["required_access_level"] = access_level
    return f"{authorize_url}?{urlencode(parameters)}"


class TokenEndpoint:
    """Asks token endpoints. One for the process."""

    def __init__(self, enquirer: Enquirer) -> None:
        """Ask with this."""
        self._enquirer = enquirer

    async def redeem(
        self, host: HostChoice | None, path: str, *, client_id: str, code: str, redirect_uri: str, verifier: str
    ) -> Tokens:
        """Tokens for a code. Raises `TokenRefused`, `TokenUnavailable`."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": client_id,
            "code_verifier": verifier,
        }
        return await self._ask(host, path, fields)

    async def refresh(self, host: HostChoice | None, path: str, *, client_id: str, refresh_token: str) -> Tokens:
        """New tokens. Raises `TokenRefused`, `TokenUnavailable`."""
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id}
        return await self._ask(host, path, fields)

    async def _ask(self, host: HostChoice | None, path: str, fields: dict[str, str]) -> Tokens:
        try:
            reply = await self._enquirer.post_form(host, path, fields)
        except UpstreamError as error:
            raise TokenUnavailable(type(error).__name__) from None
        if reply.status == 200:
            return _tokens(reply)
        said = (reply.fields or {}).get("error")
        if 400 <= reply.status < 500 and reply.status not in {408, 425, 429} and said in _ENDS:
            raise TokenRefused(str(said))
        raise TokenUnavailable(f"status {reply.status}", reply.retry_after)


def _tokens(reply: Reply) -> Tokens:
    fields = reply.fields or {}
    access = fields.get("access_token")
    if not isinstance(access, str) or not is_token(access) or not _is_bearer(fields.get("token_type", "bearer")):
        raise TokenUnavailable("an answer without a usable token")
    refresh = fields.get("refresh_token")
    scope = fields.get("scope")
    base_url = fields.get("posthog_base_url")
    return Tokens(
        access_token=access,
        refresh_token=refresh if isinstance(refresh, str) and is_token(refresh) else "",
        expires_in=_seconds(fields.get("expires_in")),
        scopes=tuple(scope.split()[:500]) if isinstance(scope, str) else None,
        base_url=base_url.rstrip("/") if isinstance(base_url, str) and len(base_url) <= 500 else "",
    )


def is_token(text: str) -> bool:
    """Whether a text can stand in a header as a token: nothing that ends a line or another word begins behind."""
    return 0 < len(text) <= TOKEN_CHARACTERS_MAX and text.isascii() and text.isprintable() and " " not in text


def _is_bearer(kind: Any) -> bool:
    return isinstance(kind, str) and kind.lower() == "bearer"


def _seconds(said: Any) -> int:
    """How long a token lives. What is no number, or an absurd one, is taken for something usual."""
    if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) <= 12:
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int | float) or said != said:  # noqa: PLR0124 — NaN
        return EXPIRES_SECONDS_DEFAULT
    return int(min(max(said, EXPIRES_SECONDS_MIN), EXPIRES_SECONDS_MAX))
