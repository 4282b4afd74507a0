"""Secrets that must be given out again, sealed at rest (gateway §3.6).

Each secret has a random 256-bit data key of its own and is sealed with AES-256-GCM; what it belongs to and its version are
authenticated with it, so that one row's secret cannot be moved into another row. The data key is wrapped by the master key
ring: the first key of the ring wraps, every key of it unwraps. Changing the master key therefore rewraps data keys alone.

The ring is `HEDGEROW_SECRET_KEYS`, else the file `secret.keys` in the data folder, made at first with mode 0600. It is
never in the database.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hedgerow.core.errors import StartupError
from hedgerow.settings import Settings

KEY_FILE = "secret.keys"
NONCE_BYTES = 12
UNWRAPPED_MAX = 1_000


class CannotUnseal(Exception):  # noqa: N818 — a state of the data, told to a person
    """No key of the ring opens this, or it was sealed for something else."""


class Sealed(msgspec.Struct, frozen=True):
    """What is stored of a secret."""

    ciphertext: bytes
    data_key: bytes
    """Wrapped by the master key."""
    master_key_id: str

    def __repr__(self) -> str:
        return "Sealed(…)"


class Vault:
    """Seals and unseals. One for the process."""

    def __init__(self, ring: Sequence[str]) -> None:
        """Wrap with the first key of `ring`, unwrap with any; each is 32 bytes in base64url."""
        self._take(ring)
        self._unwrapped: dict[bytes, AESGCM] = {}
        self._file: Path | None = None
        """Where the ring was read, which another process may change."""

    def _take(self, ring: Sequence[str]) -> None:
        self._ring = MultiFernet([Fernet(key) for key in ring])
        self.master_key_id = hashlib.sha256(ring[0].encode()).hexdigest()[:16]

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The ring of the settings, or of the data folder. Raises `StartupError` for a key that is none."""
        ring = [*settings.secret_keys] or _ring_of(settings.data_dir / KEY_FILE)
        try:
            vault = cls(ring)
            vault._file = None if settings.secret_keys else settings.data_dir / KEY_FILE
            return vault
        except (ValueError, TypeError):
            raise StartupError(
                "HEDGEROW_SECRET_KEYS cannot be used: each key must be 32 random bytes in base64url (44 characters)."
                if settings.secret_keys
                else f"{settings.data_dir / KEY_FILE} cannot be used: each line must be 32 random bytes in base64url."
            ) from None

    def seal(self, owner: str, version: int, plain: bytes) -> Sealed:
        """Seal `plain` for one owner (such as `connection:{id}`) and one version of it."""
        data_key = secrets.token_bytes(32)
        nonce = secrets.token_bytes(NONCE_BYTES)
        ciphertext = nonce + AESGCM(data_key).encrypt(nonce, plain, _bound(owner, version))
        return Sealed(ciphertext, self._ring.encrypt(data_key), self.master_key_id)

    def unseal(self, owner: str, version: int, sealed: Sealed) -> bytes:
        """What was sealed for this owner and version. Raises `CannotUnseal`."""
        nonce, ciphertext = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
        try:
            return self._cipher(sealed.data_key).decrypt(nonce, ciphertext, _bound(owner, version))
        except (InvalidTag, InvalidToken, ValueError) as error:
            raise CannotUnseal(f"The secret of {owner} cannot be opened with the present secret keys.") from error

    def rewrap(self, data_key: bytes) -> tuple[bytes, str]:
        """A wrapped data key, wrapped by the first key of the ring; and that key's id. Raises `CannotUnseal`."""
        try:
            return self._ring.rotate(data_key), self.master_key_id
        except InvalidToken as error:
            raise CannotUnseal("A data key cannot be opened with the present secret keys.") from error

    def _cipher(self, wrapped: bytes) -> AESGCM:
        """Unwrapping costs ten times as much as unsealing: what was unwrapped stays for the next call."""
        cipher = self._unwrapped.get(wrapped)
        if cipher is None:
            try:
                cipher = AESGCM(self._ring.decrypt(wrapped))
            except InvalidToken:
                if not self._read_again():
                    raise
                cipher = AESGCM(self._ring.decrypt(wrapped))
            if len(self._unwrapped) >= UNWRAPPED_MAX:
                self._unwrapped.pop(next(iter(self._unwrapped)))
            self._unwrapped[wrapped] = cipher
        return cipher

    def _read_again(self) -> bool:
        """The ring as it stands in the file now: `hedgerow keys rotate` may have put a new key into it."""
        if self._file is None:
            return False
        try:
            self._take(_ring_of(self._file))
        except (StartupError, ValueError):
            return False
        return True


def _bound(owner: str, version: int) -> bytes:
    return f"{owner}\n{version}".encode()


def _ring_of(file: Path) -> list[str]:
    """The keys in the file, one a line; a new one where there is no file. Raises `StartupError`."""
    try:
        if not file.exists():
            _make(file)
        ring = file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"The secret keys in {file} cannot be read or made: {error}.") from error
    if not ring:
        raise StartupError(f"{file} is empty: put back the secret keys that the connections were sealed with.")
    return ring


def _make(file: Path) -> None:
    """A file with one new key. It is complete when it appears, and of two processes that make it one wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(base64.urlsafe_b64encode(secrets.token_bytes(32)) + b"\n")
        handle.flush()
        os.fsync(handle.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()
