"""Persons and groups: who did it. SQL is the truth, ClickHouse holds a copy for queries."""

from hedgerow.people.store import Change, People

__all__ = ["Change", "People"]
