"""How a refresh token becomes the pair that replaces it.

Tokens stand in the database as digests, so a refresh whose answer got lost could not be answered with the same pair again.
Therefore a pair that replaces a refresh token is computed: from that token, which only its holder has, and from a random
salt, which only the database has. Neither alone is of any use, and the salt goes when the pair has arrived.
"""

from __future__ import annotations

import hashlib
import hmac

from hedgerow.core import ids

ACCESS = "pha_"
REFRESH = "phr_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 43


def new_salt() -> bytes:
    """Random letters and digits, of 256 bits together."""
    return ids.secret("").encode()


def successor(refresh_token: str, salt: bytes) -> tuple[str, str]:
    """The access token and the refresh token that replace this one."""
    return ACCESS + _derived(refresh_token, salt, b"access"), REFRESH + _derived(refresh_token, salt, b"refresh")


def _derived(refresh_token: str, salt: bytes, purpose: bytes) -> str:
    made = hmac.new(salt, purpose + b"\0" + refresh_token.encode("utf-8", "surrogatepass"), hashlib.sha256)
    number = int.from_bytes(made.digest(), "big")
    signs: list[str] = []
    for _ in range(_LENGTH):
        number, sign = divmod(number, len(_ALPHABET))
        signs.append(_ALPHABET[sign])
    return "".join(signs)
