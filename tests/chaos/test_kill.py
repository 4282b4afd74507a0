"""Kill -9 at random moments under load: nothing that was acknowledged is missing, nothing is there twice.

Five rounds always, 25 in `make test-all`, as many as `HEDGEROW_CHAOS_ROUNDS` says in `make chaos`; the seed is printed.
"""

from __future__ import annotations

import copy
import json
import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from posthog import Posthog
from tests.clickhouse_http.running import stand_in
from tests.live_server import LiveServer, free_port, until
from tests.stores.databases import database_url

CHAOS_ROUNDS = int(os.environ.get("HEDGEROW_CHAOS_ROUNDS") or 200)
ROUNDS = [5, pytest.param(25, marks=pytest.mark.slow), pytest.param(CHAOS_ROUNDS, marks=pytest.mark.chaos)]
SENDERS = 4
AT_MOST_SECONDS = 2.0


@dataclass
class Sender:
    """One client: sends batches until the server is gone, and remembers what was acknowledged and what was not."""

    url: str
    token: str
    seed: int
    acknowledged: set[str] = field(default_factory=set[str])
    unanswered: list[list[dict[str, Any]]] = field(default_factory=list[list[dict[str, Any]]])

    def run(self, stop: threading.Event) -> None:
        chance = random.Random(self.seed)
        with httpx.Client(base_url=self.url, timeout=10) as client:
            while not stop.is_set():
                batch = [self.an_event(chance) for _ in range(chance.choice([1, 1, 5, 60]))]
                if not self.send(client, batch):
                    self.unanswered.append(batch)

    def send(self, client: httpx.Client, batch: list[dict[str, Any]]) -> bool:
        try:
            answer = client.post("/batch/", json={"api_key": self.token, "batch": batch})
        except httpx.TransportError:
            return False
        if answer.status_code != 200:
            return False
        self.acknowledged.update(event["uuid"] for event in batch)
        return True

    def an_event(self, chance: random.Random) -> dict[str, Any]:
        number = chance.randrange(40)
        event: dict[str, Any] = {"event": "seen", "uuid": str(uuid.UUID(int=chance.getrandbits(128), version=4))}
        event["distinct_id"] = f"user {self.seed} {number}"
        kind = chance.randrange(5)
        if kind == 0:
            event["properties"] = {"$process_person_profile": False}
            event["distinct_id"] = f"anonymous {self.seed} {number}"
        elif kind == 1:
            event["event"] = "$identify"
            event["properties"] = {"$anon_distinct_id": f"anonymous {self.seed} {number}", "$set": {"n": number}}
        elif kind == 2:
            event["properties"] = {"$set": {"seen": chance.randrange(1000)}, "$groups": {"company": f"c{number % 3}"}}
        elif kind == 3:
            event["event"] = "$groupidentify"
            group = {"$group_type": "company", "$group_key": f"c{number % 3}", "$group_set": {"n": number}}
            event["properties"] = group
        else:
            event["properties"] = {"n": number}
        return event


@dataclass
class SdkSender(Sender):
    """PostHog's own Python SDK in its ordinary mode: a thread that batches and compresses. What `on_error` is not told
    of by the time `flush` returns was acknowledged."""

    def run(self, stop: threading.Event) -> None:
        chance = random.Random(self.seed)
        failed = set[str]()

        def on_error(_error: Exception, batch: list[dict[str, Any]]) -> None:
            failed.update(str(event["uuid"]) for event in batch)
            self.unanswered.append(json.loads(json.dumps(batch, default=str)))

        client = Posthog(
            self.token,
            self.url,
            on_error=on_error,
            flush_at=20,
            flush_interval=0.05,
            max_retries=0,
            gzip=True,
            timeout=10,
        )
        while not stop.is_set():
            sent = set[str]()
            for _ in range(chance.choice([1, 5, 60])):
                event = self.an_event(chance)
                properties = event.get("properties", {})
                name, distinct_id = str(event["event"]), str(event["distinct_id"])
                sent.add(str(client.capture(name, distinct_id=distinct_id, properties=properties, uuid=event["uuid"])))
            client.flush()
            self.acknowledged.update(sent - failed)
        client.shutdown()


def kill(server: LiveServer) -> None:
    process = server._process
    assert process is not None
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of the pair of stores that this run is about."""
    with ExitStack() as stack:
        settings = {"HEDGEROW_DATABASE_URL": database_url()}
        if os.environ.get("HEDGEROW_TEST_CLICKHOUSE") == "http":
            settings["HEDGEROW_CLICKHOUSE_URL"] = stack.enter_context(stand_in(tmp_path / "clickhouse"))
        yield {name: value for name, value in settings.items() if value}


@pytest.mark.stores
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("rounds", ROUNDS)
def test_kill_9_under_load_loses_and_doubles_nothing(tmp_path: Path, stores: dict[str, str], rounds: int):
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = LiveServer(tmp_path / "data", port=None, **stores)
    acknowledged: set[str] = set()
    sent_again: list[list[dict[str, Any]]] = []
    by_sdk = 0
    for number in range(rounds):
        server.start()
        project = server.first_project
        kinds = [SdkSender, *[Sender] * (SENDERS - 1)]
        senders = [kind(server.url, project.token, seed * 1_000 + number * SENDERS + n) for n, kind in enumerate(kinds)]
        with httpx.Client(base_url=server.url, timeout=30) as client:
            for batch in sent_again:  # a shared server's killed worker counts as alive for its lease's 15 s
                assert until(lambda c=client, s=senders[1], b=batch: s.send(c, b), seconds=40, every=0.2)
        stop = threading.Event()
        threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
        for thread in threads:
            thread.start()
        threading.Event().wait(chance.uniform(0.05, AT_MOST_SECONDS))
        kill(server)
        stop.set()
        for thread in threads:
            thread.join()
        acknowledged.update(*(sender.acknowledged for sender in senders))
        by_sdk += len(senders[0].acknowledged)
        # In half of the rounds nobody ever sends again what was not answered.
        sent_again = [b for sender in senders for b in sender.unanswered[:3]] if number % 2 else []
    server.start()
    project = server.first_project
    count, distinct = project.query("SELECT count(), count(DISTINCT uuid) FROM events")[0]
    assert count == distinct
    missing = set(acknowledged)
    for start in range(0, count, 10_000):
        page = project.query(f"SELECT toString(uuid) FROM events ORDER BY uuid LIMIT 10000 OFFSET {start}")
        missing -= {row[0] for row in page}
    assert not missing, f"seed {seed}: {len(missing)} of {len(acknowledged)} acknowledged events are missing"
    assert len(acknowledged) > 0
    assert by_sdk > 0
    if "HEDGEROW_CLICKHOUSE_URL" in stores:  # what the killed workers left is theirs until their leases are over
        healthy = until(lambda: json.loads(doctor(server).stdout)["healthy"], seconds=60, every=1)
        assert healthy, f"seed {seed}: {doctor(server).stdout}"
    server.stop()
    report = json.loads(doctor(server).stdout)
    assert report["healthy"], f"seed {seed}: {report}"


def doctor(server: LiveServer) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hedgerow", "doctor", "--data", str(server.data_dir), "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=server.environ)


def neighbour(server: LiveServer) -> LiveServer:
    """Another worker over the same stores."""
    other = copy.copy(server)
    other.port = free_port()
    other.url = f"http://127.0.0.1:{other.port}"
    other.log = server.log.with_suffix(".second.log")
    other.api = httpx.Client(base_url=other.url, headers=server.api.headers, timeout=30)
    other._process = None
    return other


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_killed_worker_left_is_taken_by_a_second_one(tmp_path: Path):
    """Two workers share ClickHouse over HTTP and one SQL database; the clients of the killed one go to the other."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    with stand_in(tmp_path / "clickhouse") as url:
        first = LiveServer(tmp_path / "data", HEDGEROW_CLICKHOUSE_URL=url).start()
        project = first.first_project
        second = neighbour(first).start()
        for number in range(3):
            if number:
                first.start()
            senders = [Sender(first.url, project.token, seed * 100 + number * SENDERS + n) for n in range(SENDERS)]
            stop = threading.Event()
            threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
            for thread in threads:
                thread.start()
            threading.Event().wait(random.Random(seed + number).uniform(0.2, 1.5))
            kill(first)
            stop.set()
            for thread in threads:
                thread.join()
            with httpx.Client(base_url=second.url, timeout=30) as client:
                for sender in senders:
                    for batch in sender.unanswered[:2]:
                        assert until(lambda s=sender, b=batch: s.send(client, b), seconds=40, every=0.5)
            acknowledged = {one for sender in senders for one in sender.acknowledged}
            listed = ", ".join(f"'{one}'" for one in acknowledged)
            found = second.first_project.query(
                f"SELECT count(), count(DISTINCT uuid) FROM events WHERE uuid IN ({listed})"
            )
            assert found == [[len(acknowledged), len(acknowledged)]], f"seed {seed}"
        # What the killed worker left in the outbox is delivered by the living one, without anybody sending anything.
        healthy = until(lambda: json.loads(doctor(second).stdout)["healthy"], seconds=60, every=1)
        assert healthy, f"seed {seed}: {doctor(second).stdout}"
        second.stop()
        first.api.close()
