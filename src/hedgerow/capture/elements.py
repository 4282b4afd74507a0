"""`$elements` arrays, which older browsers send, as the `$elements_chain` text that newer ones send (sdk-wire §8.9)."""

from __future__ import annotations

from typing import Any, Final

_DEPTH_MAX: Final = 200
_ATTRIBUTES: Final = ("nth_child", "nth_of_type", "href", "attr_id")


def chain_of(elements: list[Any]) -> str:
    """`tag.class1.class2:key="value"…` for each element, leaf first, separated by `;`."""
    return ";".join([_element(element) for element in elements[:_DEPTH_MAX] if isinstance(element, dict)])


def _element(element: dict[str, Any]) -> str:
    tag = _text(element.get("tag_name"))
    classes = element.get("attr_class") or element.get("attr__class") or []
    if isinstance(classes, str):
        classes = classes.split()
    names = sorted({_text(name).replace('"', "") for name in classes}) if isinstance(classes, list) else []
    attributes: dict[str, str] = {}
    text = element.get("$el_text") or element.get("text")
    if text:
        attributes["text"] = _text(text)[:400]
    for name in _ATTRIBUTES:
        value = element.get(name) or element.get(f"attr__{name.removeprefix('attr_')}")
        if value:
            attributes[name.replace("_", "-") if name.startswith("nth") else name] = _text(value)
    for name, value in element.items():
        if name.startswith("attr__") and name != "attr__class":
            attributes[name] = _text(value)
    head = ".".join([tag, *names]) if names else tag
    return head + ":" + "".join([f'{key}="{_quoted(value)}"' for key, value in sorted(attributes.items())])


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _quoted(value: str) -> str:
    return value.replace('"', '\\"')
