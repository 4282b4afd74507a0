"""Secrets at rest: digests of keys, hashes of passwords.

Keys (`phx_`, `phs_`, `pha_`, session cookies) are random, with 250 bits and more: nobody can try them all, so one SHA-256
is enough, a slow hash would only slow every request, and the digest can be looked up by an index. Looking up a digest
also leaks nothing by its timing: who does not know the key cannot steer the digest. Passwords are chosen by people, so
they get argon2id.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()
_THREADS = ThreadPoolExecutor(2, "argon2")
"""Each hash takes 64 MiB while it runs: a flood of sign-ins queues here instead of filling the memory."""
PASSWORD_CHARACTERS_MAX = 128
"""A longer one is never right: argon2 must not be fed megabytes."""
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$EDAG0a0OH9yFkyp5vNCx3A$juXPDbsQa4kc+Ltht+NmN3kjq9ZKM3e5wdg1rv/XCRQ"
"""A hash to check when there is no user, so that the answer takes as long."""


def digest(secret: str) -> str:
    """SHA-256 of a random secret, as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same(left: str, right: str) -> bool:
    """Whether two texts are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def mask(secret: str) -> str:
    """What a list shows of a key (rest-api §21): `phx_...9f3a`."""
    return f"{secret[:4]}...{secret[-4:]}"


async def hash_password(password: str) -> str:
    """Argon2id with its own salt and parameters inside; takes tens of milliseconds, in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether `password` is the one that was hashed. `None` (no user, or none set) takes as long and is False."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _verify, password, stored)


def _verify(password: str, stored: str | None) -> bool:
    if len(password) > PASSWORD_CHARACTERS_MAX:
        return False
    try:
        return _HASHER.verify(stored or _NOBODYS, password) and stored is not None
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
