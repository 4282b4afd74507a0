"""Which properties of events queries read, and what those queries cost: what a column of its own would help."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from hedgerow.hogql import HogQLContext, HogQLError, ProjectSchema, compile_select
from hedgerow.queries.compiled import AskedSchema

TEXT_BYTES_MAX: Final = 100_000
"""Longer texts are passed over: they are rarely written by hand, and slow to compile."""


class HotPath(msgspec.Struct):
    """A property that queries read out of the map."""

    key: str
    runs: int = 0
    seconds: float = 0.0
    """Of all queries that read it, together."""


def hot_paths(queries: Iterable[tuple[str, int, float]], schema: ProjectSchema) -> list[HotPath]:
    """The properties without a column that texts of HogQL read, costliest first.

    `queries` are a text, how often it ran, and the seconds of all its runs. Texts that do not compile say nothing.
    """
    found: dict[str, HotPath] = {}
    for text, runs, seconds in queries:
        if len(text) > TEXT_BYTES_MAX:
            continue
        asked = AskedSchema(schema)
        try:
            compile_select(text, HogQLContext(schema=asked))
        except HogQLError:
            continue
        for (question, *arguments), answer in asked.answers.items():
            if question == "property_column" and answer is None:
                path = found.setdefault(arguments[0], HotPath(arguments[0]))
                path.runs += runs
                path.seconds += seconds
    return sorted(found.values(), key=lambda path: (-path.seconds, path.key))
