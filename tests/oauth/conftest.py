"""A server with the provider on it, people, and applications."""

from tests.oauth.fixtures import (
    ada,
    anyio_backend,
    app,
    bob,
    browser,
    clock,
    confidential,
    metadata,
    oauth,
    settings,
)

__all__ = ["ada", "anyio_backend", "app", "bob", "browser", "clock", "confidential", "metadata", "oauth", "settings"]
