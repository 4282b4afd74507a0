"""Which application speaks at the token endpoint, and whether it is that one (RFC 6749 §2.3, RFC 7523, gateway §6.1).

none                 says its `client_id`; PKCE proves the rest
client_secret_post   `client_secret` in the body, or both in an `Authorization: Basic` header
private_key_jwt      signs an assertion with a key whose public half stands in its description
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from hedgerow.core.clock import Clock, to_us
from hedgerow.core.crypto import digest, same
from hedgerow.oauth.clients import Client, Clients
from hedgerow.oauth.errors import Refused, unknown_client_at_token
from hedgerow.oauth.throttle import Throttle

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Final = ["RS256", "ES256", "PS256"]
ASSERTION_SECONDS_MAX: Final = 600
SKEW_SECONDS: Final = 30
ASSERTION_CHARACTERS_MAX: Final = 8_000


class ClientAuthentication:
    """Proves applications."""

    def __init__(self, clients: Clients, throttle: Throttle, clock: Clock, issuer: str) -> None:
        """`issuer` is this server's origin, which assertions are made out to; `throttle` counts those."""
        self._clients = clients
        self._throttle = throttle
        self._clock = clock
        self._audiences = {issuer, f"{issuer}/", f"{issuer}/oauth/token/", f"{issuer}/oauth/token"}
        self._used: dict[str, int] = {}

    async def prove(self, parameters: Mapping[str, str], basic: tuple[str, str] | None) -> Client:
        """The application that asks. Raises `Refused` (401), `MetadataUnavailable`."""
        client_id, secret = self._said(parameters, basic)
        client = await self._clients.find(client_id)
        if client is None or not await self._is_proven(client, parameters, secret):
            raise unknown_client_at_token(by_basic=basic is not None)
        return client

    @staticmethod
    def _said(parameters: Mapping[str, str], basic: tuple[str, str] | None) -> tuple[str, str]:
        client_id, secret = parameters.get("client_id", ""), parameters.get("client_secret", "")
        if basic is None:
            return client_id, secret
        if secret or client_id not in {"", basic[0]}:
            raise Refused("invalid_request", "The application names itself in two ways.")
        return basic

    async def _is_proven(self, client: Client, parameters: Mapping[str, str], secret: str) -> bool:
        if client.secret_digest is not None:
            return same(digest(secret), client.secret_digest)
        if secret:
            return False
        if client.auth_method == "private_key_jwt":
            return await self._is_signed(client, parameters)
        return "client_assertion" not in parameters

    async def _is_signed(self, client: Client, parameters: Mapping[str, str]) -> bool:
        assertion = parameters.get("client_assertion", "")
        if parameters.get("client_assertion_type") != ASSERTION_TYPE or len(assertion) > ASSERTION_CHARACTERS_MAX:
            return False
        try:
            keys = KeySet.import_key_set(client.public_keys)  # pyright: ignore[reportArgumentType]
            payload: dict[str, Any] = jwt.decode(assertion, keys, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError, KeyError, TypeError, AttributeError):
            return False
        return await self._holds(client, payload)

    async def _holds(self, client: Client, payload: Mapping[str, Any]) -> bool:
        """Whether the assertion is the application's own, made for us, valid now, and not seen before."""
        now = to_us(self._clock.now()) // 1_000_000
        audience, expires, once = payload.get("aud"), payload.get("exp"), payload.get("jti")
        audiences = audience if isinstance(audience, list) else [audience]
        if payload.get("iss") != client.client_id or payload.get("sub") != client.client_id:
            return False
        if not isinstance(expires, int | float) or not isinstance(once, str):
            return False
        if not any(one in self._audiences for one in audiences if isinstance(one, str)):
            return False
        if not now - SKEW_SECONDS < expires <= now + ASSERTION_SECONDS_MAX + SKEW_SECONDS:
            return False
        self._used = {word: until for word, until in self._used.items() if until > now - SKEW_SECONDS}
        word = digest(f"{client.client_id}\n{once}")
        if word in self._used:
            return False
        self._used[word] = int(expires)  # this process knows by itself, also while nothing is shared
        return await self._throttle.is_first(word)
