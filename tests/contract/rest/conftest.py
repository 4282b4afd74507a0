"""The workspace over HTTP, with people on it."""

from tests.workspace.fixtures import ada, anyio_backend, bob, clock, metadata, settings, world

__all__ = ["ada", "anyio_backend", "bob", "clock", "metadata", "settings", "world"]
