"""The whole server, and people on it."""

from tests.resources.house import ada, anyio_backend, bob, house, settings, world

__all__ = ["ada", "anyio_backend", "bob", "house", "settings", "world"]
