"""Stores for a module and a running writer for each test, as in the tests of the writer."""

from tests.writer.conftest import anyio_backend, event_store, settings, stores, world

__all__ = ["anyio_backend", "event_store", "settings", "stores", "world"]
