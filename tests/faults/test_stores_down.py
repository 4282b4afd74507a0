"""A store that cannot answer, seen by an SDK: 503 with `Retry-After`, recovery by itself, nothing half-written."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.clickhouse_http.running import stand_in
from tests.live_server import LiveServer, free_port, until

pytestmark = pytest.mark.timeout(180)


def batch(token: str, *distinct_ids: str, **properties: Any) -> dict[str, Any]:
    said = {"$set": {"plan": "pro"}, **properties}
    return {"api_key": token, "batch": [{"event": "seen", "distinct_id": d, "properties": said} for d in distinct_ids]}


def post(server: LiveServer, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{server.url}/batch/", json=body, timeout=30)


def is_refused_for_now(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1


def assert_stores_agree(server: LiveServer) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hedgerow", "doctor", "--data", str(server.data_dir), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=server.environ,
    )
    assert json.loads(done.stdout)["healthy"], done.stdout


def stored(server: LiveServer, body: dict[str, Any]) -> Callable[[], bool]:
    return lambda: post(server, body).status_code == 200


def test_clickhouse_goes_away_and_comes_back(tmp_path: Path):
    port = free_port()
    with stand_in(tmp_path / "clickhouse", port) as url:
        server = LiveServer(tmp_path / "data", HEDGEROW_CLICKHOUSE_URL=url).start()
        token = server.first_project.token
        assert post(server, batch(token, "before")).status_code == 200
    assert is_refused_for_now(post(server, batch(token, "while it is away")))
    assert is_refused_for_now(post(server, batch(token, "later too")))
    with stand_in(tmp_path / "clickhouse", port):
        assert until(stored(server, batch(token, "after")), seconds=40)
        seen = {row[0] for row in server.first_project.query("SELECT distinct_id FROM events")}
        assert {"before", "after"} <= seen
        server.stop()
        assert_stores_agree(server)


def test_sql_is_locked_by_another_program_for_too_long(tmp_path: Path):
    server = LiveServer(tmp_path / "data").start()
    token = server.first_project.token
    assert post(server, batch(token, "before")).status_code == 200
    other = sqlite3.connect(server.data_dir / "hedgerow.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert is_refused_for_now(post(server, batch(token, "while it is locked")))
    other.execute("ROLLBACK")
    other.close()
    assert until(stored(server, batch(token, "while it is locked")))
    assert server.first_project.query("SELECT distinct_id, count() FROM events GROUP BY distinct_id ORDER BY 1") == [
        ["before", 1],
        ["while it is locked", 1],
    ]
    server.stop()
    assert_stores_agree(server)


def can_mount() -> bool:
    tried = ["unshare", "-Urm", "true"]
    return (
        shutil.which("unshare") is not None and subprocess.run(tried, check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not can_mount(), reason="needs user namespaces, as Linux has them")
def test_the_disk_is_full_and_then_not(tmp_path: Path):
    """The data folder is a small tmpfs that only the server's own namespace sees; /proc shows it to us."""
    disk = tmp_path / "disk"
    disk.mkdir()
    server = LiveServer(disk / "data")
    kept = tmp_path / "kept"
    shutil.copytree(disk, kept)
    python = sys.executable
    script = (
        f"mount -t tmpfs -o size=400m none {disk} && cp -a {kept}/. {disk}/ && exec {python} -m hedgerow serve"
        f" --data {disk}/data --host 127.0.0.1 --port {server.port}"
    )
    with server.log.open("ab") as log:
        process = subprocess.Popen(["unshare", "-Urm", "sh", "-c", script], stdout=log, stderr=log, env=server.environ)
    server._process = process
    assert until(server._is_ready, seconds=60), server.log.read_text()[-2000:]
    inside = Path(f"/proc/{process.pid}/root{disk}")
    token = server.first_project.token
    assert post(server, batch(token, "before")).status_code == 200
    filler = inside / "filler"
    fill(filler)
    heavy = batch(token, *(f"user {n}" for n in range(200)), text="x" * 5_000)
    refused = until(lambda: is_refused_for_now(post(server, heavy)) or fill(filler), seconds=30)
    assert refused is True
    filler.unlink()
    assert until(stored(server, batch(token, "after")), seconds=40)
    assert server.first_project.value("SELECT count() FROM events WHERE distinct_id IN ('before', 'after')") == 2
    count, distinct = server.first_project.query("SELECT count(), count(DISTINCT uuid) FROM events")[0]
    assert count == distinct
    shutil.rmtree(disk / "data", ignore_errors=True)
    server.api.close()
    process.terminate()
    process.wait(timeout=30)


def fill(filler: Path) -> None:
    """Write until there is no room."""
    block = b"\0" * 65_536
    with filler.open("ab", buffering=0) as file:
        try:
            while file.write(block):
                pass
        except OSError:
            return
