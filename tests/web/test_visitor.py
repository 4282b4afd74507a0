"""Who sits at the machine."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Request
from litestar.testing import RequestFactory

from hedgerow.web.visitor import is_at_the_machine, is_loopback


def request(host: str, peer: str, **headers: str) -> Request[Any, Any, Any]:
    made = RequestFactory().get(headers={"Host": host, **{k.replace("_", "-"): v for k, v in headers.items()}})
    made.scope["client"] = (peer, 50_000)
    return made


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost:8000", "localhost", "[::1]:8000", "127.8.9.1", "a.localhost"]
)
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
def test_a_loopback_address_by_a_loopback_name(host: str, peer: str) -> None:
    assert is_at_the_machine(request(host, peer))


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("analytics.example", "127.0.0.1"),
        ("127.0.0.1:8000", "192.168.1.4"),
        ("localhost.example", "127.0.0.1"),
        ("127.0.0.1.example", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("127.0.0.1:8000", ""),
    ],
)
def test_anything_else_is_elsewhere(host: str, peer: str) -> None:
    assert not is_at_the_machine(request(host, peer))


@pytest.mark.parametrize(
    "header", ["Forwarded", "X_Forwarded_For", "X_Forwarded_Host", "X_Forwarded_Proto", "X_Real_IP", "Via"]
)
def test_what_came_through_a_proxy_is_elsewhere(header: str) -> None:
    assert not is_at_the_machine(request("127.0.0.1:8000", "127.0.0.1", **{header: "127.0.0.1"}))


@pytest.mark.parametrize("name", ["::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1", "localhost.", "LOCALHOST"])
def test_names_that_are_not_taken_for_loopback(name: str) -> None:
    assert not is_loopback(name)
