r"""CSS selectors and tag names as regular expressions over `elements_chain` (queries §2.3, type element; rest-api §13).

A chain is the element and its parents, innermost first, separated by `;`; an element is `tag.class.class:attributes`.
The attributes are `name="value"`, with `nth-child`, `nth-of-type`, `text` and `attr_id` among them; a `"` in a value is
written `\"`, anything else as it is. So `;` separates only outside of quotes, and an expression walks whole elements.

Understood are `tag`, `*`, `.class`, `#id`, `[name="value"]`, `[name]`, `:nth-child(2)`, `:nth-of-type(2)`, `a b` and
`a > b`. As in PostHog, anything else (`a, b`, `a + b`, `:hover`, `[name^="v"]`) finds nothing, an id is looked for as
`attr_id` only, and a class that holds a dot cannot be told from two classes. Expressions are RE2's: linear in time.
"""

from __future__ import annotations

import re
from itertools import permutations
from typing import Final, NamedTuple

NOTHING: Final = r"[^\x00-\x{10FFFF}]"
"""The expression that matches no text."""
LENGTH_MAX: Final = 4_000
"""Characters of a selector; a longer one finds nothing."""

_ORDERED_FREELY: Final = 3
"""So many attributes of an element are found in any order; more only in the order that chains have them in."""
_UNPREFIXED: Final = frozenset({"attr_id", "text", "nth-child", "nth-of-type"})
_PSEUDO: Final = (
    "active|after|before|checked|disabled|empty|enabled|first-child|first-of-type|focus|focus-visible|focus-within|hover"
    "|invalid|last-child|last-of-type|only-child|only-of-type|optional|required|root|target|valid|visited"
)
_PIECE: Final = re.compile(
    rf"""\.(?P<cls>(?:\\.|-\[[^\]\s]*\]|:(?!(?:{_PSEUDO})(?![\w-])|:|[\w-]*\()|[^\s.\#\[\]:>+~,()"'\\])+)
    |\#(?P<id>(?:\\.|[^\s.\#\[\]:>+~,()"'\\])+)
    |:(?P<place>nth-child|nth-of-type)\(\s*(?P<number>\d+)\s*\)
    |\[\s*(?P<name>[A-Za-z_:][\w:.-]*)\s*
      (?P<said>=\s*(?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'|(?P<bare>[^\s\]"']+))\s*)?\]""",
    re.VERBOSE | re.DOTALL,
)
_TAG: Final = re.compile(r"[A-Za-z][\w-]*|\*")
_JOIN: Final = re.compile(r"\s*(>)\s*|\s+")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)

_QUOTED: Final = r'"(?:[^"\\]|\\(?s:.))*"'
_ELEMENT: Final = rf'(?:[^;"]|{_QUOTED})*'
_ELEMENTS: Final = rf"(?:{_ELEMENT};)*"
_CLASSES: Final = r'(?:\.[^;."]*)*'
_ATTRIBUTES: Final = rf'(?:[^;"]*{_QUOTED})*'


class _Part(NamedTuple):
    """One element of a selector."""

    tag: str | None
    classes: list[str]
    attributes: list[tuple[str, str | None]]
    """Name as chains have it; the value, or None where any will do."""


_ANY: Final = _Part(None, [], [])


def tag_regex(tag: str) -> str:
    """The chains with an element of this tag."""
    return rf"^{_ELEMENTS}{re.escape(tag)}(?:[.:;]|$)" if tag else NOTHING


def selector_regex(selector: str) -> str:
    """The chains that a selector finds something in; `NOTHING` for one that is not understood."""
    parts = _parts(selector)
    if parts is None:
        return NOTHING
    text = ""
    for index, (is_child, part) in enumerate(reversed(parts)):
        text += _element(part)
        if index < len(parts) - 1:
            text += ";" if is_child else f";{_ELEMENTS}"
    return f"^{_ELEMENTS}{text}(?:;|$)"


def is_selector(selector: str) -> bool:
    """Whether a selector is understood, so that it can find something."""
    return _parts(selector) is not None


def _parts(selector: str) -> list[tuple[bool, _Part]] | None:
    """The elements, outermost first, each with whether it must stand directly in the one before; None: no selector."""
    text = selector.strip()
    if not text or len(text) > LENGTH_MAX:
        return None
    found: list[tuple[bool, _Part]] = []
    place, is_child = 0, False
    while True:
        part, end = _part(text, place)
        if end == place:
            return None
        found.append((is_child, part))
        if end == len(text):
            return found
        join = _JOIN.match(text, end)
        if join is None:
            return None
        place, is_child = join.end(), join.group(1) is not None


def _part(text: str, place: int) -> tuple[_Part, int]:
    part = _Part(None, [], [])
    if tag := _TAG.match(text, place):
        place = tag.end()
        if tag.group() != "*":
            part = part._replace(tag=tag.group())
    while piece := _PIECE.match(text, place):
        place = piece.end()
        if piece["cls"]:
            part.classes.append(_ESCAPED.sub(r"\1", piece["cls"]))
        elif piece["id"]:
            part.attributes.append(("attr_id", _ESCAPED.sub(r"\1", piece["id"])))
        elif piece["place"]:
            part.attributes.append((piece["place"], piece["number"]))
        else:
            values = [piece[name] for name in ("double", "single", "bare") if piece[name] is not None]
            name = "attr_id" if piece["name"] == "id" else piece["name"]
            part.attributes.append((name, values[0] if values else None))
    return part, place


def _element(part: _Part) -> str:
    if part == _ANY:
        return rf'(?:[^;"]|{_QUOTED})+'
    text = r'[^;.:"]*' if part.tag is None else re.escape(part.tag)
    text += _CLASSES + "".join(rf"\.{re.escape(each)}{_CLASSES}" for each in sorted(set(part.classes)))
    if not part.attributes:
        return f"{text}(?::{_ELEMENT})?"
    wanted = sorted(set(part.attributes), key=lambda each: (_order(each[0]), each[1] or ""))
    orders = permutations(wanted) if len(wanted) <= _ORDERED_FREELY else [tuple(wanted)]
    ways = ["".join(f"{_ATTRIBUTES}{_attribute(*each)}" for each in order) for order in orders]
    return f"{text}:(?:{'|'.join(ways)}){_ELEMENT}"


def _order(name: str) -> str:
    return name if name in _UNPREFIXED or name == "href" else f"attr__{name}"


def _attribute(name: str, value: str | None) -> str:
    key = re.escape(name) if name in _UNPREFIXED else f"(?:attr__)?{re.escape(name)}"
    if value is None:
        return f"{key}={_QUOTED}"
    written = value.replace('\\"', '"').replace('"', '\\"')
    return f'{key}="{re.escape(written)}"'
