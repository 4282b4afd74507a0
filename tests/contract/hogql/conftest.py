"""A project with rows, in a real chDB."""

from tests.hogql.conftest import store

__all__ = ["store"]
