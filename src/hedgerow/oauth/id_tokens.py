"""Who the user is, signed (OpenID Connect): `id_token`, and the public key that it is checked with.

The private key is a file of its own beside the data, for this user alone, made when it is first needed. Several servers
that are one to the world share it by `HEDGEROW_OAUTH_SIGNING_KEY_PATH`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from hedgerow.core import ids
from hedgerow.core.clock import Clock, to_us
from hedgerow.core.errors import StartupError
from hedgerow.core.identity.people import SignedUser
from hedgerow.settings import Settings

ALGORITHM = "RS256"
KEY_BITS = 2_048
FILE = "oauth_signing_key.pem"
SECONDS = 3_600


class IdTokens:
    """Signs with one key."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """The key is read, or made, when it is first needed."""
        self._path = Path(settings.oauth_signing_key_path or settings.data_dir / FILE)
        self._is_named = bool(settings.oauth_signing_key_path)
        self._issuer = settings.origin
        self._clock = clock
        self._key: RSAKey | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Read the key if the settings name it, or if it is there. Raises `StartupError`."""
        if await asyncio.to_thread(self._path.exists) or self._is_named:
            await self._signing_key()

    async def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set that clients check signatures with. Raises `StartupError` if the file cannot be used."""
        key = await self._signing_key()
        return {"keys": [{**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM}]}

    async def sign(
        self, user: SignedUser, client_id: str, access_token: str, scopes: list[str], nonce: str | None
    ) -> str:
        """An `id_token` for an application, which says what `scopes` let it say."""
        key = await self._signing_key()
        now = to_us(self._clock.now()) // 1_000_000
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        payload: dict[str, Any] = {
            "iss": self._issuer,
            "aud": client_id,
            "iat": now,
            "exp": now + SECONDS,
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            **claims(user, scopes),
        }
        if nonce is not None:
            payload["nonce"] = nonce
        return jwt.encode({"alg": ALGORITHM, "kid": key.thumbprint()}, payload, key)

    async def _signing_key(self) -> RSAKey:
        async with self._turn:
            if self._key is None:
                self._key = await asyncio.to_thread(_read_or_make, self._path)
            return self._key


def claims(user: SignedUser, scopes: list[str]) -> dict[str, Any]:
    """What an application learns about the user (gateway §6.7)."""
    found: dict[str, Any] = {"sub": str(user.uuid)}
    if "profile" in scopes:
        found |= {"given_name": user.first_name, "family_name": user.last_name}
    if "email" in scopes:
        found |= {"email": user.email, "email_verified": user.settings.get("is_email_verified") is True}
    return found


def _read_or_make(path: Path) -> RSAKey:
    try:
        if not path.exists():
            _make(path)
        return RSAKey.import_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StartupError(f"The signing key {path} cannot be used: {type(error).__name__}.") from error


def _make(path: Path) -> None:
    """Write a new key so that it is there whole or not at all, and the first of several writers wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = RSAKey.generate_key(KEY_BITS, private=True)
    draft = path.with_name(f"{path.name}.{ids.short_id(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(made.as_pem(private=True))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
