"""Steps of actions against one event, without a query: what the writer asks (rest-api §13).

It says the same as `condition_of` for all but property filters, which may need a person, a cohort or HogQL: where they
decide, the answer is None. Expressions are RE2's, so no text that a user writes holds up the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import re2

from hedgerow.hogql.selectors import selector_regex, tag_regex
from hedgerow.matching.steps import AUTOCAPTURE, Step

_LINK: Final = re2.compile(r'(?::|")href="((?s:.*?))"')
_TEXT: Final = re2.compile(r'(?::|")text="((?s:.*?))"')
_NEVER: Final = re2.compile(r"[^\x00-\x{10FFFF}]")


class Matcher:
    """The steps of one action, compiled."""

    def __init__(self, steps: Sequence[Step]) -> None:
        """Steps that could be stored: a regex that is none matches nothing."""
        self._ways: Final = [_Way(step) for step in steps]

    def matches(self, event: str, properties: Mapping[str, Any], elements_chain: str) -> bool | None:
        """Whether the event matches; None where only a query can tell."""
        said = [way.matches(event, properties, elements_chain) for way in self._ways]
        if True in said:
            return True
        return None if None in said else False


class _Way:
    """One step."""

    def __init__(self, step: Step) -> None:
        self._event = step.event or None
        looks = step.event == AUTOCAPTURE
        self._url = _expression(step.url, step.url_matching or "contains") if step.url else None
        self._chain = [
            re2.compile(pattern)
            for pattern in (
                selector_regex(step.selector) if looks and step.selector else None,
                tag_regex(step.tag_name) if looks and step.tag_name is not None else None,
            )
            if pattern is not None
        ]
        self._href = _expression(step.href, step.href_matching or "exact", "(?i)") if looks else None
        self._text = _expression(step.text, step.text_matching or "exact", "(?i)") if looks else None
        self._needs_query = bool(step.properties)

    def matches(self, event: str, properties: Mapping[str, Any], chain: str) -> bool | None:
        if self._event is not None and event != self._event:
            return False
        if self._url is not None:
            url = properties.get("$current_url")
            if not isinstance(url, str) or not url or self._url.search(url) is None:
                return False
        if any(pattern.search(chain) is None for pattern in self._chain):
            return False
        if self._href is not None:
            link = _LINK.search(chain)
            if self._href.search("" if link is None else link.group(1)) is None:
                return False
        if self._text is not None and not any(self._text.search(text) for text in _TEXT.findall(chain)):
            return False
        return None if self._needs_query else True


def _expression(value: str | None, kind: str, flags: str = "") -> Any:
    """The expression that finds what a kind of comparison means; `flags` are of `contains`."""
    if value is None:
        return None
    if kind == "exact":
        return re2.compile(f"^{re2.escape(value)}$")
    if kind == "contains":
        return re2.compile(f"{flags}(?s)^{_like(f'%{value}%')}$")
    try:
        return re2.compile(f"(?s){value}")
    except re2.error:
        return _NEVER


def _like(pattern: str) -> str:
    """A pattern of LIKE as an expression."""
    made, place = "", 0
    while place < len(pattern):
        char = pattern[place]
        if char == "\\" and pattern[place + 1 : place + 2] in {"%", "_", "\\"}:
            place += 1
            made += re2.escape(pattern[place])
        else:
            made += {"%": ".*", "_": "."}.get(char) or re2.escape(char)
        place += 1
    return made
