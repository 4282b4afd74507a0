"""What an application may call itself: nothing that makes a person believe that it is ours or PostHog's (gateway §6.5)."""

from __future__ import annotations

import re
import unicodedata

CHARACTERS_MAX = 255
OURS = ("posthog", "hedgerow")
"""How a name must not begin."""
CLAIMS = ("official", "verified", "trusted")
"""What must not stand in a name."""
_SPACE = re.compile(r"\s+")
_APART = re.compile(r"[\s\-_.]+")


def tidy(name: str) -> str:
    """The name on one line, without signs that are not seen or that turn the reading around."""
    plain = unicodedata.normalize("NFKC", name)
    spaced = "".join(" " if sign.isspace() else sign for sign in plain)
    return _SPACE.sub(" ", "".join(s for s in spaced if unicodedata.category(s)[0] != "C")).strip()


def misleads(name: str) -> bool:
    """Whether the name claims something."""
    plain = unicodedata.normalize("NFKD", tidy(name)).casefold()
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return _APART.sub("", letters).startswith(OURS) or any(claim in letters for claim in CLAIMS)
