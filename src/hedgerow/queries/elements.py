"""`elements_chain` taken apart again, as rows of events show it (queries §4.1; written by capture, sdk-wire §8.9)."""

from __future__ import annotations

import re
from typing import Any, Final

ELEMENTS_MAX: Final = 200
_ELEMENT: Final = re.compile(r'((?:[^;"\\]|\\.|"(?:[^"\\]|\\.)*")+)(?:;|$)', re.DOTALL)
_ATTRIBUTE: Final = re.compile(r'([A-Za-z0-9_\-$.:@]+)="((?:[^"\\]|\\.)*)"', re.DOTALL)
_NUMBERS: Final = {"nth-child": "nth_child", "nth-of-type": "nth_of_type"}
_KNOWN: Final = ("text", "href", "attr_id")


def elements_of(chain: str) -> list[dict[str, Any]]:
    """The elements, leaf first: `text, tag_name, attr_class, href, attr_id, nth_child, nth_of_type, attributes, order`."""
    found: list[dict[str, Any]] = []
    for match in _ELEMENT.finditer(chain):
        if len(found) == ELEMENTS_MAX:
            break
        found.append(_element(match[1], len(found)))
    return found


def _element(text: str, order: int) -> dict[str, Any]:
    head, _, rest = text.partition(":")
    tag, *classes = head.split(".")
    attributes = {name: value.replace('\\"', '"') for name, value in _ATTRIBUTE.findall(rest)}
    element: dict[str, Any] = {
        "text": None, "tag_name": tag, "attr_class": classes or None, "href": None, "attr_id": None,
        "nth_child": None, "nth_of_type": None,
    }  # fmt: skip
    for name, field in _NUMBERS.items():
        value = attributes.pop(name, "")
        element[field] = int(value) if value.isdecimal() and len(value) < 10 else None
    for name in _KNOWN:
        element[name] = attributes.pop(name, None)
    return {**element, "attributes": attributes, "order": order}
