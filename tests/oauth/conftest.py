"""A server with the provider on it, people, and applications."""

from collections.abc import Iterator

import pytest
from tests.gateway.secrecy import nothing_secret_is_left
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


@pytest.fixture(scope="module", autouse=True)
def secrecy() -> Iterator[None]:
    """Whatever a module's tests do: no secret that was made meanwhile is left anywhere."""
    with nothing_secret_is_left():
        yield
