"""What msgspec found wrong, in the words of PostHog's framework (rest-api §1.4).

Expected `int`, got `str` - at `$.filters.groups[0].rollout_percentage`
→ A valid integer is required.  attr: filters__groups__0__rollout_percentage
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from hedgerow.core.http.errors import ValidationFailed

PYTHON_NAMES = {"object": "dict", "array": "list", "null": "NoneType"}
"""What Python calls what msgspec calls otherwise."""

_PLACE = re.compile(r" - at `\$?(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_GOT = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_LENGTH = re.compile(r"Expected `(str|array|object)` of length (<=|>=|==) (\d+)")
_RANGE = re.compile(r"Expected `(?:int|float)` (<=|>=|<|>) (\S+)")
_CHOICE = re.compile(r"Invalid enum value (?:'(.*)'|(.*))", re.DOTALL)

MOMENT_FORMAT = (
    "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)
_WRONG_TYPE = {
    "int": ("A valid integer is required.", "invalid_input"),
    "float": ("A valid number is required.", "invalid_input"),
    "str": ("Not a valid string.", "invalid_input"),
    "bool": ("Must be a valid boolean.", "invalid_input"),
    "datetime": (MOMENT_FORMAT, "invalid_input"),
    "uuid": ("Must be a valid UUID.", "invalid_input"),
}
_PREFIXES = (
    ("Invalid RFC3339", MOMENT_FORMAT),
    ("Invalid UUID", "Must be a valid UUID."),
    ("Integer value out of range", "A valid integer is required."),
    ("Expected `str` matching", "This value does not match the required pattern."),
)


def reworded(error: msgspec.ValidationError, below: str = "") -> ValidationFailed:
    """The error to answer with. `below` is the first step of the path to leave out (`data` of a signature)."""
    text = str(error)
    place = _PLACE.search(text)
    message = text[: place.start()] if place else text
    steps = [step[1] or step[2] for step in _STEP.finditer(place[1])] if place else []
    attr = [step for step in steps if step]
    if below and attr[:1] == [below]:
        attr = attr[1:]
    if missing := _MISSING.fullmatch(message):
        attr.append(missing[1])
    detail, code = _words(message)
    return ValidationFailed(detail, attr="__".join(attr) or None, code=code)


def _words(message: str) -> tuple[str, str]:
    if _MISSING.fullmatch(message):
        return "This field is required.", "required"
    if got := _GOT.match(message):
        return _wrong_type(got[1], got[2])
    if length := _LENGTH.match(message):
        return _wrong_length(length[1], length[2], int(length[3]))
    if bound := _RANGE.match(message):
        return _out_of_range(bound[1], bound[2])
    if choice := _CHOICE.match(message):
        return f'"{choice[1] if choice[1] is not None else choice[2]}" is not a valid choice.', "invalid_choice"
    for prefix, detail in _PREFIXES:
        if message.startswith(prefix):
            return detail, "invalid_input"
    return message, "invalid_input"


def _wrong_type(expected: str, got: str) -> tuple[str, str]:
    if got == "null":
        return "This field may not be null.", "null"
    wanted = [name for name in expected.split(" | ") if name != "null"]
    python = PYTHON_NAMES.get(got, got)
    if "object" in wanted:
        return f'Expected a dictionary of items but got type "{python}".', "not_a_dict"
    if "array" in wanted:
        return f'Expected a list of items but got type "{python}".', "not_a_list"
    for name in ("datetime", "uuid", "int", "float", "bool", "str"):
        if name in wanted:
            return _WRONG_TYPE[name]
    return f'Expected {expected} but got type "{python}".', "invalid_input"


def _wrong_length(kind: str, sign: str, length: int) -> tuple[str, str]:
    what = "characters" if kind == "str" else "elements"
    if sign == "<=":
        return f"Ensure this field has no more than {length} {what}.", "max_length"
    if kind == "str" and length == 1:
        return "This field may not be blank.", "blank"
    if length == 1:
        return "This list may not be empty.", "empty"
    return f"Ensure this field has at least {length} {what}.", "min_length"


def _out_of_range(sign: str, bound: str) -> tuple[str, str]:
    words = {
        ">=": ("greater than or equal to", "min_value"),
        ">": ("greater than", "min_value"),
        "<=": ("less than or equal to", "max_value"),
        "<": ("less than", "max_value"),
    }[sign]
    return f"Ensure this value is {words[0]} {bound}.", words[1]


def convert_body(value: Any, kind: Any) -> Any:
    """`msgspec.convert` of a body to a struct, for routes that read it by hand. Raises `ValidationFailed`."""
    if not isinstance(value, dict):
        name = "list" if isinstance(value, list) else type(value).__name__
        raise ValidationFailed(f"Invalid data. Expected a dictionary, but got {name}.")
    try:
        return msgspec.convert(value, kind, strict=False, str_keys=True)
    except msgspec.ValidationError as error:
        raise reworded(error) from None
