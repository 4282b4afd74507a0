"""The fixtures of the capture room."""

from tests.capture.conftest import anyio_backend, clock, event_store, project, room, settings, stores

__all__ = ["anyio_backend", "clock", "event_store", "project", "room", "settings", "stores"]
