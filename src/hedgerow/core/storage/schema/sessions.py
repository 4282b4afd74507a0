"""Sessions computed anew from events, by the very SELECT that the migration and the view have."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

_FILE: Final = "0002_sessions.sql"
_INSERT: Final = "\nINSERT INTO raw_sessions\n"
_GROUP: Final = "\nGROUP BY team_id, session_id_v7"
V7_OF_EVENT: Final = "toUInt128(toUUIDOrZero(`$session_id`))"
"""The key of an event's session."""


@cache
def insert_sessions(condition: str) -> str:
    """`INSERT INTO raw_sessions SELECT …` over the events that `condition` holds for; its parameters are the caller's."""
    text = files("hedgerow.core.storage.schema").joinpath(_FILE).read_text(encoding="utf-8")
    select = text.partition(_INSERT)[2].rstrip().rstrip(";")
    before, group, after = select.partition(_GROUP)
    return f"INSERT INTO raw_sessions\n{before}\nAND ({condition}){group}{after}"
