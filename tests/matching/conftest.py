"""A real chDB, for questions in HogQL."""

from tests.hogql.conftest import store

__all__ = ["store"]
