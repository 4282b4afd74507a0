"""The allow-list: a function that is not here cannot be called (hogql §7)."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import chain

from hedgerow.hogql.functions import aggregates, collections, dates, numbers, posthog, strings
from hedgerow.hogql.functions.registry import Function

__all__ = ["FUNCTIONS", "Function", "find", "nearest"]

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in chain.from_iterable(
        chain.from_iterable(module.TABLES for module in (numbers, dates, strings, collections, aggregates, posthog))
    )
}
"""Every function, by the name that HogQL knows it by."""

_ANY_CASE = {function.name.lower(): function for function in FUNCTIONS.values() if function.any_case}
_LONGEST_GUESS = 64


def find(name: str) -> Function | None:
    """The function of that name: as written, or in any letter case where the list allows that."""
    return FUNCTIONS.get(name) or _ANY_CASE.get(name.lower())


def nearest(name: str) -> str | None:
    """The name that was probably meant; None when nothing is near. Hidden names (`_toInt8`) are not proposed."""
    if len(name) > _LONGEST_GUESS:
        return None
    shown = [each for each in FUNCTIONS if not each.startswith("_")]
    return next(iter(get_close_matches(name, shown, 1, 0.6)), None)
