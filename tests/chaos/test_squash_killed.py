"""Kill -9 in the middle of a squash of overrides: every answer stays what it was, and the next start finishes it."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.chaos.test_kill import SENDERS, Sender, doctor, kill
from tests.live_server import ROOT, LiveProject, LiveServer, until

NEVER = {"HEDGEROW_SQUASH_AFTER_SECONDS": "1000000", "HEDGEROW_SQUASH_AT_OVERRIDES": "1000000"}
AT_ONCE = {"HEDGEROW_SQUASH_AFTER_SECONDS": "0.1", "HEDGEROW_SQUASH_AT_OVERRIDES": "1"}
PERSONS = "SELECT distinct_id, toString(person_id), count() FROM events GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 50000"
STRAY = """
SELECT count() FROM events AS e JOIN person_distinct_ids AS d ON d.distinct_id = e.distinct_id
WHERE e.person_id != d.person_id
"""
POINTS = [
    ("CREATE TABLE squashing_", "after"),
    ("INSERT INTO squashing_", "before"),
    ("ALTER TABLE events", "after"),
    ("DROP TABLE", "before"),
    ("DROP TABLE", "after"),
    ("ALTER TABLE person_overrides", "before"),
    ("ALTER TABLE person_overrides", "after"),
    ("SQL", "before"),
    ("SQL", "after"),
]
QUICK = [("ALTER TABLE events", "after"), ("SQL", "after")]


def a_server(folder: Path, environ: dict[str, str]) -> LiveServer:
    server = LiveServer(folder / "data")
    server.environ.update(environ)
    return server


def end(server: LiveServer) -> None:
    """An orderly stop, after which the same server may be started again."""
    process = server._process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)


def waiting(server: LiveServer) -> int:
    """Overrides in SQL, whose end is the end of a squash."""
    with contextlib.closing(sqlite3.connect(server.data_dir / "hedgerow.db", timeout=30)) as database:
        return database.execute("SELECT count(*) FROM person_overrides").fetchone()[0]


def visit(project: LiveProject, first: int, count: int) -> None:
    """Visitors, each with events in three months, sign in."""
    now = datetime(2026, 10, 20, tzinfo=UTC)
    batch = [
        {"event": "seen", "distinct_id": f"anon {n}", "timestamp": (now - timedelta(days=30 * month)).isoformat()}
        for n in range(first, first + count)
        for month in range(3)
    ]
    batch += [{"event": "seen", "distinct_id": f"user {n // 3}"} for n in range(first, first + count)]
    batch += [
        {"event": "$identify", "distinct_id": f"user {n // 3}", "properties": {"$anon_distinct_id": f"anon {n}"}}
        for n in range(first, first + count)
    ]
    answer = httpx.post(f"{project.url}/batch/", json={"api_key": project.token, "batch": batch}, timeout=30)
    assert answer.status_code == 200, answer.text


@pytest.mark.timeout(900)
@pytest.mark.parametrize("points", [QUICK, pytest.param(POINTS, marks=pytest.mark.slow)], ids=["quick", "every step"])
def test_a_squash_that_was_killed_changes_no_answer_and_is_finished(tmp_path: Path, points: list[tuple[str, str]]):
    server = a_server(tmp_path, NEVER)
    command = [sys.executable, "-m", "tests.people.squash.dying", str(server.data_dir)]
    for number, point in enumerate(points):
        server.environ.update(NEVER)
        server.start()
        visit(server.first_project, number * 100, 100)
        before = server.first_project.query(PERSONS)
        assert waiting(server) == 100
        end(server)
        died = subprocess.run([*command, *point], cwd=ROOT, capture_output=True, text=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr
        server.start()
        assert server.first_project.query(PERSONS) == before, point
        end(server)
        if number % 2:  # by hand; else the server does it
            by_hand = [sys.executable, "-m", "hedgerow", "squash", "--data", str(server.data_dir)]
            done = subprocess.run(by_hand, capture_output=True, text=True, check=False, env=server.environ)
            assert done.returncode == 0, done.stderr
            assert done.stdout.endswith("are written into the events.\n")
            assert waiting(server) == 0
        server.environ.update(AT_ONCE)
        server.start()
        assert until(lambda: waiting(server) == 0, seconds=60), point
        assert server.first_project.query(PERSONS) == before, point
        end(server)
        report = json.loads(doctor(server).stdout)
        assert report["healthy"], report
        assert report["rows"]["person_overrides"] == 0, point
    server.api.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_again_and_again_while_events_come_in(tmp_path: Path, rounds: int):
    """Squashes follow each other all the time; each server dies in one, or between two."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = a_server(tmp_path, AT_ONCE)
    for number in range(rounds):
        server.start()
        token = server.first_project.token
        senders = [Sender(server.url, token, seed * 1_000 + number * SENDERS + n) for n in range(SENDERS)]
        stop = threading.Event()
        threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
        for thread in threads:
            thread.start()
        threading.Event().wait(chance.uniform(1.0, 4.0))
        kill(server)
        stop.set()
        for thread in threads:
            thread.join()
    server.start()
    project = server.first_project
    assert project.value(STRAY) == 0, f"seed {seed}"
    assert until(lambda: waiting(server) == 0, seconds=60), f"seed {seed}"
    assert project.value(STRAY) == 0, f"seed {seed}"
    assert project.value("SELECT count() FROM events WHERE event = '$identify'") > 0
    server.stop()
    report = json.loads(doctor(server).stdout)
    assert report["healthy"], f"seed {seed}: {report}"
