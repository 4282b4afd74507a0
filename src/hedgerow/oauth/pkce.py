"""Proof that whoever redeems a code is whoever asked for it (RFC 7636), by S256 alone."""

from __future__ import annotations

import base64
import hashlib
import re

from hedgerow.core.crypto import same

METHOD = "S256"
_CHALLENGE = re.compile(r"[A-Za-z0-9_\-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


def is_challenge(text: str) -> bool:
    """Whether this can be the S256 challenge of anything."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge_of(verifier: str) -> str:
    """The challenge that a verifier answers."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def is_verifier(text: str) -> bool:
    """Whether this can be a verifier: 43 to 128 unreserved characters."""
    return _VERIFIER.fullmatch(text) is not None


def proves(verifier: str, challenge: str) -> bool:
    """Whether the verifier answers the challenge."""
    return is_verifier(verifier) and same(challenge_of(verifier), challenge)
