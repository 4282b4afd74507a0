"""Fixtures of tests that stand on a running server: one for a folder of tests; a project and a proxy for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.chromium import Chromium, PageServer
from tests.fault_proxy import FaultProxy
from tests.live_server import LiveProject, LiveServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    # Many pages sign in as the same person within one minute.
    with LiveServer(
        tmp_path_factory.mktemp("served") / "data", HEDGEROW_RATE_LIMIT_SIGN_IN_PER_MINUTE="1000"
    ) as running:
        yield running


@pytest.fixture
def project(server: LiveServer, request: pytest.FixtureRequest) -> LiveProject:
    return server.new_project(request.node.name)


@pytest.fixture
def proxy(server: LiveServer) -> Iterator[FaultProxy]:
    """Between the SDK and the server; SDKs are given its address."""
    with FaultProxy(server.url) as between:
        yield between


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


@pytest.fixture
def pages() -> Iterator[PageServer]:
    """Pages of another origin."""
    with PageServer() as served:
        yield served
