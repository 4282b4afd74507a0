"""The gateway inside a running server, and alone beside it, as a person starts them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.live_server import COMMAND, LiveServer, free_port, until

QUERY = (
    "SELECT properties.key, properties.route, count(), quantile(0.95)(toFloat(properties.added_ms)) "
    "FROM events WHERE event = 'gateway call' GROUP BY 1, 2 ORDER BY 2"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("gateway") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def caller(served: LiveServer) -> Iterator[httpx.Client]:
    bearer = f"Bearer {served.account['gateway_key']}"
    with httpx.Client(base_url=served.url, headers={"Authorization": bearer}, timeout=30) as client:
        yield client


def test_the_first_call_needs_no_browser(served: LiveServer, caller: httpx.Client) -> None:
    listed = caller.get("/posthog/api/projects/")
    assert listed.status_code == 200
    assert listed.json()["results"][0]["api_token"] == served.account["project_token"]
    assert listed.content == served.api.get("/api/projects/").content
    assert caller.get("/posthog/api/users/@me/").json()["email"] == served.account["email"]


def test_query_and_pages_work_through_the_gateway(served: LiveServer, caller: httpx.Client) -> None:
    body = {"query": {"kind": "HogQLQuery", "query": "SELECT 1 + 1"}}
    assert caller.post("/posthog/api/projects/@current/query/", json=body).json()["results"] == [[2]]
    project = served.new_project("pages")
    events = [{"event": "e", "distinct_id": f"d{n}", "properties": {"$set": {"n": n}}} for n in range(5)]
    sent = caller.post("/posthog/batch/", json={"api_key": project.token, "batch": events})
    assert sent.status_code == 200
    path = f"/api/projects/{project.id}/persons/?limit=2"
    first = caller.get("/posthog" + path)
    after = first.links["next"]["url"]
    assert after.startswith(f"{served.url}/posthog/api/projects/{project.id}/persons/?")
    assert len(caller.get(after).json()["results"]) == 2
    native = caller.get(first.json()["next"])
    assert native.status_code == 200, "the next page of the body itself takes a gateway key"
    assert native.headers["hedgerow-connection"] == first.headers["hedgerow-connection"]


def test_errors_pass_byte_for_byte(served: LiveServer, caller: httpx.Client) -> None:
    for path in ("/api/projects/999999/insights/", "/api/nothing/", "/api/projects/@current/persons/?limit=x"):
        through, direct = caller.get("/posthog" + path), served.api.get(path)
        assert (through.status_code, through.content) == (direct.status_code, direct.content)


def test_hogql_knows_the_gateway_s_own_traffic(served: LiveServer, caller: httpx.Client) -> None:
    caller.get("/posthog/api/projects/@current/")

    def project() -> dict[str, Any] | None:
        organizations = served.api.get("/api/organizations/").json()["results"]
        own = next((one for one in organizations if one["slug"] == "hedgerow-itself"), None)
        return None if own is None else own["teams"][0]

    found = until(project)
    assert found is not None
    assert served.api.get("/api/projects/").json()["results"][0]["id"] == served.account["project_id"]

    def rows() -> dict[str, list[Any]]:
        body = {"query": {"kind": "HogQLQuery", "query": QUERY}, "refresh": "force_blocking"}
        answer = served.api.post(f"/api/projects/{found['id']}/query/", json=body)
        assert answer.status_code == 200, answer.text
        return {row[1]: row for row in answer.json()["results"]}

    assert until(lambda: "/api/projects/@current/" in rows())
    name, _, count, p95 = rows()["/api/projects/@current/"]
    assert (name, count >= 1, p95 > 0) == ("Made by hedgerow init", True, True)


def test_a_head_that_is_no_good_is_refused_by_the_server_itself(served: LiveServer) -> None:
    for request, status in (
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"405"),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"414"),
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
            line.sendall(request)
            assert line.recv(4_096).split(b" ")[1] == status


def test_alone_it_serves_accounts_and_tells_another_server(served: LiveServer, tmp_path: Path) -> None:
    port = free_port()
    project = served.new_project("alone")
    environ = {**os.environ, "HEDGEROW_EVENTS_URL": f"http://{project.token}@127.0.0.1:{served.port}"}
    log = tmp_path / "alone.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*COMMAND, "gateway", "--data", str(tmp_path / "data"), "--port", str(port)],
            stdout=out,
            stderr=out,
            env=environ,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:

            def is_ready() -> bool:
                try:
                    return client.get("/_ready").status_code == 200
                except httpx.TransportError:
                    return False

            assert until(is_ready, seconds=60), log.read_text()
            shown = re.search(r"hgk_\w+", log.read_text())
            assert shown is not None
            answer = client.get("/posthog/api/projects/", headers={"Authorization": f"Bearer {shown[0]}"})
            assert (answer.status_code, answer.json()["code"]) == (400, "connection_missing")
            assert client.get("/api/projects/", headers={"Authorization": f"Bearer {shown[0]}"}).status_code == 404
        assert until(lambda: project.has("gateway call"))
        assert project.properties("gateway call")["code"] == "connection_missing"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert process.returncode == 0, log.read_text()


def test_a_crash_leaves_no_image_of_the_memory(served: LiveServer) -> None:
    limits = Path(f"/proc/{served.pid}/limits")
    if not limits.exists():
        pytest.skip("this system does not show a process's limits")
    (line,) = [line for line in limits.read_text().splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]


def test_no_secret_stands_in_a_file_or_a_log(served: LiveServer, caller: httpx.Client) -> None:
    """The database, the event store, the log: every secret that was made here is in none of them."""
    wrong = "phx_" + "W" * 43
    served.api.get("/posthog/api/", headers={"Authorization": f"Bearer {wrong}"})
    caller.post("/posthog/api/projects/@current/query/", json={"personal_api_key": wrong})
    secrets = [
        wrong,
        *(served.account[name] for name in ("gateway_key", "personal_api_key", "project_secret_key", "password")),
    ]
    caller.get("/posthog/api/users/@me/")
    assert until(lambda: caller.get("/_ready").status_code == 200)
    files = [file for file in served.data_dir.rglob("*") if file.is_file() and file.name != "secret.keys"]
    assert files
    for file in [*files, served.log]:
        try:
            content = file.read_bytes()
        except FileNotFoundError:  # the journal's are gone once their rows are stored
            continue
        for secret in secrets:
            assert secret.encode() not in content, file
        tokens = re.findall(rb"ph[axrs]_[A-Za-z0-9]{30,}|hgk_[A-Za-z0-9]{40,}", content)
        assert not tokens, (file, tokens)
