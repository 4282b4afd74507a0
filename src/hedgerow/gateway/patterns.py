"""Patterns of paths (gateway §5.1): `*` is one segment or a part of one, `**` is any number of segments, also none.

    /api/projects/*/query/        the query endpoint of every project
    /api/projects/*/persons/**    persons, and everything below
    /**/rotate_*/                 whatever rotates a secret, anywhere

A slash at the end says nothing. Patterns run in RE2, so that none takes long.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import re2

SEGMENTS_MAX: Final = 32
CHARACTERS_MAX: Final = 300
_ALLOWED: Final = re.compile(r"/(?:[^/\s\\?#]+/)*[^/\s\\?#]*")


def is_pattern(text: str) -> bool:
    """Whether a text can be used as a pattern."""
    return (
        len(text) <= CHARACTERS_MAX
        and text.count("/") <= SEGMENTS_MAX
        and _ALLOWED.fullmatch(text) is not None
        and all("**" not in segment or segment == "**" for segment in text.split("/"))
    )


@lru_cache(4096)
def _compiled(patterns: tuple[str, ...]) -> Any:
    return re2.compile("|".join(_translated(pattern) for pattern in patterns))


def _translated(pattern: str) -> str:
    text = pattern.rstrip("/")
    if text.startswith("/api/environments"):
        text = "/api/projects" + text[len("/api/environments") :]
    made = ""
    for segment in text.split("/")[1:]:
        if segment == "**":
            made += "(?:/[^/]+)*"
        else:
            made += "/" + "[^/]*".join(re2.escape(part) for part in segment.split("*")) if segment != "*" else "/[^/]+"
    return f"(?:{made})"


@lru_cache(16_384)
def matches(patterns: tuple[str, ...], reading: str) -> bool:
    """Whether one of the patterns is a reading of a path (`gateway.paths`)."""
    return bool(patterns) and _compiled(patterns).fullmatch(reading) is not None
