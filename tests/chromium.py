"""A real Chromium from npm, driven by scenarios in JavaScript (`tests/browser/driver.mjs`)."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, cast

import msgspec

ROOT = Path(__file__).resolve().parents[1]
DRIVER = ROOT / "tests" / "browser" / "driver.mjs"
LOCK = ROOT / "node_modules" / ".cache" / "chromium.lock"


class Said(msgspec.Struct):
    """A line in a page's console, or an uncaught error (`pageerror`)."""

    kind: str
    text: str


class Asked(msgspec.Struct):
    """A request of a page; status 0 when it was never answered."""

    method: str
    url: str
    status: int
    error: str | None = None


class Outcome(msgspec.Struct):
    """What a scenario returned, and what its pages said and asked for."""

    console: list[Said]
    requests: list[Asked]
    result: Any = None
    error: str | None = None
    id: int = 0

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings in the console."""
        return [f"{said.kind}: {said.text}" for said in self.console if said.kind in {"error", "warning", "pageerror"}]

    def to(self, part: str) -> list[Asked]:
        """Requests whose address has this in it."""
        return [asked for asked in self.requests if part in asked.url]


def node_command(program: str = "node") -> list[str]:
    """How to run Node here: the machine's or the wheel's."""
    spec = importlib.util.spec_from_file_location("build_node", ROOT / "build_hooks" / "node.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    command = cast("Callable[[str], tuple[str, ...]]", module.command)
    return list(command(program))


class Chromium:
    """One browser for a test run; every page of a scenario has a fresh profile."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.version = ""

    def __enter__(self) -> Self:
        LOCK.parent.mkdir(parents=True, exist_ok=True)
        with LOCK.open("w") as lock:  # the first run unpacks the browser, which two must not do at once
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._process = subprocess.Popen(
                [*node_command(), str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            self.version = json.loads(self._read())["version"]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.communicate(timeout=30)

    def run(self, script: str, **args: Any) -> Outcome:
        """Run the body of an async function; raises AssertionError with its stack when it throws."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": 1, "script": script, "args": args}) + "\n")
        self._process.stdin.flush()
        outcome = msgspec.json.decode(self._read(), type=Outcome)
        assert outcome.error is None, f"{outcome.error}\n{outcome.complaints}\n{outcome.requests}"
        return outcome

    def _read(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the browser's driver has ended; its message stands in the captured output"
        return line


class PageServer:
    """Pages of another origin than the server's: `http://localhost:port/…`."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                html = pages.get(self.path.partition("?")[0])
                body = (html or "").encode()
                self.send_response_only(200 if html is not None else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, path: str, head: str, body: str = "") -> str:
        """Lay out a page with no icon to fetch, and return its address."""
        icon = '<link rel="icon" href="data:,">'
        self.pages[path] = (
            f"<!doctype html><html><head><title>{path}</title>{icon}{head}</head><body>{body}</body></html>"
        )
        return self.origin + path
