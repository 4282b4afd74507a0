"""Whether a path may be passed on, and everything it could mean to whoever reads it (gateway §4.1 rule 3, §5.1).

The bytes go on as they came. What is checked is a copy, decoded again and again until nothing changes: a server that
decodes once, twice or not at all, that drops `;parameters`, or that takes `.json` for a format must not find another path
than the one that was judged. So a path has *readings*, and a rule has to hold for each of them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import msgspec

from hedgerow.gateway.answers import invalid_path

PATH_BYTES_MAX: Final = 16 << 10
ROUNDS_MAX: Final = 3
_PLAIN: Final = re.compile(rb"(?:/[A-Za-z0-9_@$~-]+)*/?")
"""Paths that can only mean one thing."""
_VISIBLE: Final = re.compile(rb"[\x21-\x7e]*")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
_NOTHING_BUT_DOTS: Final = re.compile(r"[.\s]+")
_FORMAT: Final = re.compile(r"\.[A-Za-z0-9]+$")
_ENCODED_SLASH: Final = "\N{DIVISION SLASH}"
"""Stands for a slash that is part of a segment, in the reading of a server that splits before it decodes."""


class CheckedPath(msgspec.Struct, frozen=True):
    """A path below an app's name that may go on."""

    raw: bytes
    """What goes on. Begins with a slash."""
    readings: tuple[str, ...]
    """Each without the slash at the end, the plainest first; the root is ""."""

    @property
    def plain(self) -> str:
        """The reading that templates and logs use."""
        return self.readings[0]


def check_path(raw: bytes) -> CheckedPath:
    """Check what stands behind the app's name; "" is the root. Raises `GatewayError` 400 `invalid_path`."""
    if len(raw) > PATH_BYTES_MAX:
        raise invalid_path("The path is too long.")
    return _check(raw) if len(raw) <= 512 else _check.__wrapped__(raw)


@lru_cache(4096)
def _check(raw: bytes) -> CheckedPath:
    raw = raw or b"/"
    if _PLAIN.fullmatch(raw):
        return CheckedPath(raw, (_canonical(raw.decode("ascii")),))
    if not raw.startswith(b"/") or not _VISIBLE.fullmatch(raw):
        raise invalid_path("The path has characters that a path cannot have.")
    if _BAD_ESCAPE.search(raw):
        raise invalid_path("The path has a % that is no escape.")
    return CheckedPath(raw, _readings(raw))


def _readings(raw: bytes) -> tuple[str, ...]:
    stages = _stages(raw)
    for stage in stages:
        _refuse_tricks(stage)
    segments = [_stages(segment)[-1].replace("/", _ENCODED_SLASH) for segment in raw.split(b"/")]
    found = dict.fromkeys([*stages[1:], stages[0], "/".join(segments)])
    for text in list(found):
        found[re.sub(r";[^/]*", "", text)] = None
    for text in list(found):
        without_format = _FORMAT.sub("", text.rstrip("/"))
        _refuse_tricks(without_format)  # `/..2` would be `/.` there
        found[without_format] = None
    return tuple(dict.fromkeys(_canonical(text) for text in found))


def _stages(raw: bytes) -> list[str]:
    """The text as it is, decoded once, and so on until it stays the same. Raises `GatewayError`."""
    stages = [_text(raw)]
    for _ in range(ROUNDS_MAX + 1):
        decoded = _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), raw)
        if decoded == raw:
            return stages
        raw = decoded
        stages.append(_text(raw))
    raise invalid_path("The path is encoded too many times.")


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise invalid_path("The path is not UTF-8.") from None


def _refuse_tricks(text: str) -> None:
    """Raises `GatewayError` for what could leave the place that the path seems to name."""
    for form in {text, unicodedata.normalize("NFKC", text)}:
        if _CONTROL.search(form):
            raise invalid_path("The path has a control character.")
        if "\\" in form:
            raise invalid_path("The path has a backslash.")
        if "//" in form:
            raise invalid_path("The path has an empty segment.")
        for segment in form.split("/"):
            bare, parameters, _ = segment.partition(";")
            if parameters and not bare:
                raise invalid_path("The path has an empty segment.")
            if _NOTHING_BUT_DOTS.fullmatch(bare) or _NOTHING_BUT_DOTS.fullmatch(segment):
                raise invalid_path("The path has a segment of dots.")


def _canonical(text: str) -> str:
    """Without the slash at the end; PostHog's second name for projects is the first one."""
    text = text.rstrip("/")
    if text.startswith("/api/environments/") or text == "/api/environments":
        return "/api/projects" + text[len("/api/environments") :]
    return text
