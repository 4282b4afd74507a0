"""A real `hedgerow serve` in its own process, asked over HTTP: what tests of SDKs and pages stand on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from tests.stores.databases import database_url, on_postgresql

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "hedgerow")


def until(ask: Callable[[], T], *, seconds: float = 20, every: float = 0.05) -> T:
    """Ask until the answer is true, and return it; the last one when the time is over, so that an assert shows it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer or time.monotonic() > deadline:
            return answer
        threading.Event().wait(every)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class LiveProject:
    """One project of a running server; every test has its own."""

    server: LiveServer
    id: int
    token: str

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def for_scenarios(self) -> dict[str, Any]:
        """What a browser scenario needs to ask for stored events."""
        return {"url": self.url, "id": self.id, "key": self.server.account["personal_api_key"]}

    def change(self, **fields: Any) -> None:
        """Change the project's settings, as its owner."""
        response = self.server.api.patch(f"/api/projects/{self.id}/", json=fields)
        assert response.status_code == 200, response.text

    def query(self, hogql: str, **values: Any) -> list[list[Any]]:
        """The rows of a HogQL query, never from a cache."""
        query = {"kind": "HogQLQuery", "query": hogql, "values": values}
        response = self.server.api.post(
            f"/api/projects/{self.id}/query/", json={"query": query, "refresh": "force_blocking"}
        )
        assert response.status_code == 200, response.text
        return response.json()["results"]

    def value(self, hogql: str, **values: Any) -> Any:
        """The one value of a query that has one."""
        ((found,),) = self.query(hogql, **values)
        return found

    def events(self) -> list[str]:
        """Names of all events, in order of time."""
        return [name for (name,) in self.query("SELECT event FROM events ORDER BY timestamp, event LIMIT 1000")]

    def has(self, *events: str) -> bool:
        """Whether each of these has been stored at least once."""
        return set(events) <= set(self.events())

    def properties(self, event: str) -> dict[str, Any]:
        """The properties of the only event of that name."""
        text = self.value("SELECT properties FROM events WHERE event = {event}", event=event)
        return text if isinstance(text, dict) else json.loads(text)


class LiveServer:
    """The process, its address and the keys of its first project. `start` and `stop` it, or use it in a `with`."""

    def __init__(self, data_dir: Path, *, port: int | None = None, **environ: str) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.with_suffix(".log")
        database = {"HEDGEROW_DATABASE_URL": database_url()} if on_postgresql() else {}
        self.environ = {**os.environ, **database, **environ}
        done = subprocess.run(
            [*COMMAND, "init", "--data", str(data_dir), "--json"],
            capture_output=True,
            text=True,
            check=False,
            env=self.environ,
        )
        assert done.returncode == 0, done.stderr
        self.account: dict[str, Any] = json.loads(done.stdout)
        bearer = f"Bearer {self.account['personal_api_key']}"
        self.api = httpx.Client(base_url=self.url, headers={"Authorization": bearer}, timeout=30)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        line = [*COMMAND, "serve", "--data", str(self.data_dir), "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(line, stdout=log, stderr=log, env=self.environ, cwd=self.data_dir.parent)
        assert until(self._is_ready, seconds=60), self.log.read_text()[-4000:]
        return self

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-4000:]
        try:
            return self.api.get("/_ready").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=30)
        self.api.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def first_project(self) -> LiveProject:
        return LiveProject(self, int(self.account["project_id"]), self.account["project_token"])

    def new_project(self, name: str) -> LiveProject:
        response = self.api.post("/api/projects/", json={"name": name[:200]})
        assert response.status_code == 201, response.text
        made = response.json()
        return LiveProject(self, made["id"], made["api_token"])
