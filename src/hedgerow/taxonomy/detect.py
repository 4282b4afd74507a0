"""What type a property has, judged by its name and one value (rest-api §18; PostHog's rules for property definitions)."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

PropertyType = Literal["String", "Numeric", "Boolean", "DateTime", "Duration"]

SIX_MONTHS_SECONDS: Final = 15_768_000
MOMENT_WORDS: Final = ("time", "date", "_at", "-at", "createdat", "updatedat")
"""Where a name holds one of these, a number from six months ago on is a Unix time."""
TEXT_PREFIXES: Final = ("utm_", "$initial_utm_", "$feature/", "$survey_response")
"""Always text: the first value often looks like a number or a boolean, and later ones do not."""
TEXT_NAMES: Final = frozenset({"$feature_flag_response"})
LONGEST_MOMENT: Final = 64
"""No date is written with more characters; longer texts are not looked at."""

_DAY = r"(?:\d{4}[/-][0-2]\d[/-][0-3]\d|[0-2]\d[/-][0-3]\d[/-]\d{4})"
_DAY_AND_TIME = re.compile(rf"{_DAY}(?:[ T][0-2]\d:[0-6]\d:[0-6]\d.*)?", re.ASCII)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_RFC_2822 = re.compile(r"(?:[A-Za-z]{3}, )?\d{1,2} [A-Za-z]{3} \d{4} \d\d:\d\d(?::\d\d)? \S+", re.ASCII)


def detect_type(name: str, value: Any, now_us: int) -> PropertyType | None:
    """The type that `value` suggests for a property called `name`; None when it says nothing (null, list, object).

    `now_us` is µs since 1970 UTC: whether a number can be a recent moment depends on it.
    """
    if value is None or isinstance(value, dict | list):
        return None
    lowered = name.lower()
    if lowered.startswith(TEXT_PREFIXES) or lowered in TEXT_NAMES:
        return "String"
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int | float):
        recent = isinstance(value, int) and value >= now_us // 1_000_000 - SIX_MONTHS_SECONDS
        return "DateTime" if recent and any(word in lowered for word in MOMENT_WORDS) else "Numeric"
    if not isinstance(value, str):
        return None
    text = value.strip() if len(value) <= LONGEST_MOMENT else value
    if text in {"true", "false", "TRUE", "FALSE"}:
        return "Boolean"
    return "DateTime" if is_moment(text) else "String"


def is_moment(text: str) -> bool:
    """Whether a text is most likely a date or a date with a time of day."""
    if len(text) > LONGEST_MOMENT:
        return False
    if _DAY_AND_TIME.fullmatch(text):
        return True
    try:
        if _RFC_3339.fullmatch(text):
            datetime.fromisoformat(text.upper())
            return True
        if _RFC_2822.fullmatch(text):
            parsedate_to_datetime(text)
            return True
    except ValueError:
        return False
    return False
