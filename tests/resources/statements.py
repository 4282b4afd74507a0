"""How many statements of SQL a piece of work takes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

AUTHORS = "users.id IN"
"""In the statement that finds the authors of a list, and in none that finds out who asks."""


@contextmanager
def counted(*words: str) -> Generator[list[str]]:
    """The SELECTs with any of these words, or all of them, that engines of this process are asked during the block.

    Words are tables of the work: what runs beside it (jobs, look-ups of keys that expired) should not count.
    """
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT") and (not words or any(word in statement for word in words)):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)
