"""A server started for a measurement, and what it weighs meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

MEGABYTE = 1 << 20
HOST = "127.0.0.1"


@dataclass
class Running:
    """A `hedgerow serve` process with its keys, sampled ten times a second."""

    folder: Path
    port: int
    keys: dict[str, Any]
    process: psutil.Popen
    seconds_to_ready: float
    memory_bytes_max: int = 0
    open_files_max: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def sample(self) -> None:
        while not self._stop.wait(0.1):
            with contextlib.suppress(psutil.Error):
                self.memory_bytes_max = max(self.memory_bytes_max, self.process.memory_info().rss)
                self.open_files_max = max(self.open_files_max, self.process.num_fds())

    def reset(self) -> None:
        self.memory_bytes_max = self.open_files_max = 0

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def cpu_by_thread(self) -> dict[str, float]:
        """CPU seconds of threads by what they are: the event loop, ClickHouse's merges, and everything else."""
        found = {"event loop": 0.0, "merges": 0.0, "inserts and SQL": 0.0}
        tick = os.sysconf("SC_CLK_TCK")
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                head, _, rest = (task / "stat").read_text().rpartition(")")
                fields = rest.split()
                seconds = (int(fields[11]) + int(fields[12])) / tick
                name = head.partition("(")[2]
                is_loop = task.name == str(self.process.pid)
                kind = "event loop" if is_loop else "merges" if name.startswith("Merge") else "inserts and SQL"
                found[kind] += seconds
        found["inserts and SQL"] = self.cpu_seconds() - found["event loop"] - found["merges"]  # ended threads count too
        return found

    def load(self, bodies: list[bytes], connections: int, path: str = "/batch/") -> dict[str, Any]:
        """Send `bodies` from a process of its own; the figures of `bench.load`, and this server's CPU seconds."""
        with tempfile.NamedTemporaryFile(suffix=".bodies") as file:
            pickle.dump(bodies, file)
            file.flush()
            before, threads_before = self.cpu_seconds(), self.cpu_by_thread()
            command = [sys.executable, "-m", "bench.load", HOST, str(self.port), path, str(connections), file.name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            figures: dict[str, Any] = json.loads(done.stdout)
            figures["server_cpu_seconds"] = self.cpu_seconds() - before
            figures["server_cpu_seconds_by_thread"] = {
                kind: seconds - threads_before[kind] for kind, seconds in self.cpu_by_thread().items()
            }
            return figures

    def query(self, text: str, **more: object) -> dict[str, Any]:
        """Run HogQL through the endpoint, without the result cache."""
        body = {"query": {"kind": "HogQLQuery", "query": text}, "refresh": "force_blocking", **more}
        return self.post(f"/api/projects/{self.keys['project_id']}/query/", body)

    def post(self, path: str, body: object) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.keys['personal_api_key']}"}
        asked = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.load(answer)

    def stop(self) -> None:
        self._stop.set()
        self.process.terminate()
        self.process.wait(60)


@contextlib.contextmanager
def serving(folder: Path | None = None, **settings: str) -> Iterator[Running]:
    """A server on a folder of its own (or `folder`, which then stays), stopped at the end."""
    where = folder or Path(tempfile.mkdtemp(prefix="hedgerow-bench-"))
    environ = {**os.environ, **{f"HEDGEROW_{name.upper()}": value for name, value in settings.items()}}
    command = [sys.executable, "-m", "hedgerow"]
    keys_file = where / "bench-keys.json"
    if not keys_file.exists():
        made = subprocess.run(
            [*command, "init", "--data", str(where), "--json"], capture_output=True, text=True, check=True, env=environ
        )
        keys_file.write_text(made.stdout)
    port = free_port()
    started = time.perf_counter()
    log = (where / "serve.log").open("wb")
    process = psutil.Popen(
        [*command, "serve", "--data", str(where), "--port", str(port)], stdout=log, stderr=log, env=environ
    )
    wait_for(f"http://{HOST}:{port}/_ready", process)
    running = Running(where, port, json.loads(keys_file.read_text()), process, time.perf_counter() - started)
    sampler = threading.Thread(target=running.sample, daemon=True)
    sampler.start()
    try:
        yield running
    finally:
        running.stop()
        log.close()
        if folder is None:
            shutil.rmtree(where, ignore_errors=True)


def wait_for(url: str, process: psutil.Popen, seconds: float = 60) -> None:
    """Return at the first 200. Raises RuntimeError when the process ends or time runs out."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.02)
    raise RuntimeError(f"no answer from {url} within {seconds} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
