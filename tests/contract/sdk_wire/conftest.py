"""The fixtures of the capture room."""

from tests.capture.conftest import anyio_backend, capture_events, capture_settings, clock, project, room

__all__ = ["anyio_backend", "capture_events", "capture_settings", "clock", "project", "room"]
