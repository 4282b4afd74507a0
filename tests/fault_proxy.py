"""Stands between a client and the server, notes what passes, and answers in the server's place when it is told to."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

_NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "date", "server"}


@dataclass(frozen=True)
class Passed:
    """One request, and the status that the client was given for it."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes
    status: int
    stored: bool
    """Whether the server has seen it."""

    def json(self) -> Any:
        """The body, out of gzip if that is what it is in."""
        return json.loads(gzip.decompress(self.body) if self.body.startswith(b"\x1f\x8b") else self.body)


@dataclass
class Fault:
    """What happens to the next requests whose path starts so."""

    path: str
    status: int
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    passes: bool = False
    """The request reaches the server, and the client is not told: a response that got lost."""


class FaultProxy:
    """Listens on a free port of this machine while it is used in a `with`."""

    def __init__(self, target: str) -> None:
        self.passed: list[Passed] = []
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        parts = urlsplit(target)
        self.target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, path: str, status: int, *, times: int = 1, passes: bool = False, **headers: str) -> None:
        """Answer the next `times` requests under `path` with `status`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with self.lock:
            self.faults.append(Fault(path, status, times, named, passes))

    def to(self, path: str, method: str = "POST") -> list[Passed]:
        """The requests under a path, in order."""
        with self.lock:
            return [passed for passed in self.passed if passed.method == method and passed.path.startswith(path)]

    def fault_for(self, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and path.startswith(fault.path):
                    fault.times -= 1
                    return fault
        return None


def _handler(proxy: FaultProxy) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault_for(self.path) if self.command != "OPTIONS" else None
            status, headers, answer = 0, list[tuple[str, str]](), b""
            if fault is None or fault.passes:
                status, headers, answer = self.ask_server(body)
            if fault is not None:
                origin = self.headers.get("Origin", "*")
                cors = {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
                headers = [*fault.headers.items(), *cors.items()]
                status, answer = fault.status, b"not now"
            with proxy.lock:
                stored = fault is None or fault.passes
                named = {name.lower(): value for name, value in self.headers.items()}
                proxy.passed.append(Passed(self.command, self.path, named, body, status, stored))
            with contextlib.suppress(ConnectionError):  # a page that is gone does not hear the answer
                self.give_back(status, headers, answer)

        def give_back(self, status: int, headers: list[tuple[str, str]], answer: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        def ask_server(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = HTTPConnection(*proxy.target, timeout=30)
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
            try:
                connection.request(self.command, self.path, body or None, {**kept, "Connection": "close"})
                response = connection.getresponse()
                answer = response.read()
            finally:
                connection.close()
            headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _NOT_PASSED_ON]
            return response.status, headers, answer

        do_GET = do_POST = do_OPTIONS = do_HEAD = pass_on  # noqa: N815 — the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    return Handler
