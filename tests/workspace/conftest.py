"""A server with the routes of the workspace, and people on it."""

from tests.workspace.fixtures import ada, anyio_backend, bob, clock, metadata, settings, world

__all__ = ["ada", "anyio_backend", "bob", "clock", "metadata", "settings", "world"]
