"""A running server of its own, a browser, and an application that listens on another port of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.live_server import LiveServer
from tests.served import chromium, pages

__all__ = ["chromium", "pages", "server"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One person signs in here more often than a person does."""
    folder = tmp_path_factory.mktemp("served") / "data"
    with LiveServer(folder, HEDGEROW_RATE_LIMIT_SIGN_IN_PER_MINUTE="1000") as running:
        yield running
