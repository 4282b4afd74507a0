"""A server with a gateway for each test, and connections to a FAKE cloud whose tokens end."""

from tests.gateway.control.conftest import anyio_backend, clock, metadata, settings, world

__all__ = ["anyio_backend", "clock", "metadata", "settings", "world"]
