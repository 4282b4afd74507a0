"""CSS selectors and tag names as regular expressions over `elements_chain` (queries §2.3, type element).

A chain is the element and its parents, innermost first, separated by `;`; an element is `tag.class.class:attributes`.
The attributes are `name="value"`, sorted, with `nth-child` and `nth-of-type` among them.
"""

from __future__ import annotations

import re

_PART = re.compile(
    r"""(?P<tag>[A-Za-z][\w-]*|\*)?
        (?P<rest>(?:\.[\w-]+|\#[\w-]+|\[[^\]]+\]|:nth-child\(\d+\))*)""",
    re.VERBOSE,
)
_PIECE = re.compile(r"\.([\w-]+)|#([\w-]+)|\[([^\]]+)\]|:nth-child\((\d+)\)")
_NAME = r"(?:[^;.:]+)"
_END = r"(?:[;]|$)"


def tag_regex(tag: str) -> str:
    """Any element of this tag in the chain."""
    return rf"(^|;){re.escape(tag)}(\.|$|;|:)"


def selector_regex(selector: str) -> str:
    """The chains that a selector finds something in: `a`, `.b`, `#id`, `[attr="x"]`, `:nth-child(2)`, `a > b`, `a b`."""
    pieces: list[str] = []
    direct = False
    for part in reversed(selector.replace(">", " > ").split()):
        if part == ">":
            direct = True
            continue
        if pieces and not direct:
            pieces.append(r"(?:[^;]*;)*")
        pieces.append(_element(part))
        direct = False
    return r"(^|;)" + "".join(pieces)


def _element(part: str) -> str:
    match = _PART.fullmatch(part)
    if match is None:
        return re.escape(part) + rf"[^;]*{_END}"
    tag = match.group("tag")
    text = _NAME if tag in {None, "*"} else re.escape(tag)
    classes: list[str] = []
    attributes: list[tuple[str, str]] = []
    for class_, id_, attribute, place in _PIECE.findall(match.group("rest")):
        if class_:
            classes.append(class_)
        elif id_:
            attributes.append(("attr_id", id_))
        elif place:
            attributes.append(("nth-child", place))
        else:
            name, _, value = attribute.partition("=")
            attributes.append(
                (f"attr__{name.strip()}" if name.strip() != "id" else "attr_id", value.strip().strip("\"'"))
            )
    for class_ in sorted(classes):
        text += rf"(?:[^;:]*)\.{re.escape(class_)}"
    for name, value in sorted(attributes):
        text += rf"(?:[^;]*){re.escape(name)}=\"{re.escape(value)}\"" if value else rf"(?:[^;]*){re.escape(name)}=\""
    rest = "[^;]*" if classes or attributes else "(?:[.:][^;]*)?"
    return text + rest + _END
