"""`hedgerow gateway`: the control plane without a server of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from tests.live_server import free_port, until


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    data = tmp_path_factory.mktemp("alone") / "data"
    command = [sys.executable, "-m", "hedgerow"]
    made = json.loads(subprocess.check_output([*command, "init", "--data", str(data), "--json"], text=True))
    port = free_port()
    process = subprocess.Popen(
        [*command, "gateway", "--data", str(data), "--port", str(port)], stdout=subprocess.DEVNULL
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:

        def is_up() -> bool:
            assert process.poll() is None
            try:
                return client.get("/_ready").status_code == 200
            except httpx.TransportError:
                return False

        assert until(is_up, seconds=60)
        yield client, made
    process.terminate()
    process.wait(timeout=30)


def test_connections_are_managed_and_this_server_is_none_of_the_places(
    alone: tuple[httpx.Client, dict[str, str]],
) -> None:
    client, account = alone
    headers = {"Authorization": f"Bearer {account['gateway_key']}"}
    made = client.post("/connections", json={"app": "posthog"}, headers=headers).json()
    page = client.get(made["url"], follow_redirects=True)
    assert page.status_code == 200
    assert "PostHog Cloud EU" in page.text
    assert "This server" not in page.text
    local = client.post("/connections", json={"app": "posthog", "host": "local"}, headers=headers)
    assert (local.status_code, local.json()["code"]) == (400, "host_not_allowed")
    assert client.delete(f"/connections/{made['connection_id']}", headers=headers).json()["deleted"] is True
    assert client.get("/api/projects/", headers=headers).status_code == 404


def test_the_settings_page_opens_to_who_signs_in(alone: tuple[httpx.Client, dict[str, str]]) -> None:
    client, account = alone
    client.cookies.clear()
    door = client.get("/settings", follow_redirects=True)
    assert 'action="/login/"' in door.text
    fields = {"email": account["email"], "password": account["password"], "next": "/settings"}
    page = client.post("/login/", data=fields, follow_redirects=True)
    assert re.search(r"<h1>Keys and connections</h1>", page.text), page.text


def test_its_pages_look_as_they_should(alone: tuple[httpx.Client, dict[str, str]]) -> None:
    """Whatever a page names for its looks is there: nobody else serves it."""
    client, account = alone
    client.cookies.clear()
    link = client.post(
        "/connections", json={"app": "posthog"}, headers={"Authorization": f"Bearer {account['gateway_key']}"}
    ).json()["url"]
    door = client.get("/", follow_redirects=True)
    assert (door.status_code, door.url.path) == (200, "/login/")
    fields = {"email": account["email"], "password": account["password"], "next": "/"}
    inside = client.post("/login/", data=fields, follow_redirects=True)
    assert (inside.status_code, inside.url.path) == (200, "/settings")
    strayed = client.get("/connect/?session_token=none")
    connect = client.get(link, follow_redirects=True)
    named: set[str] = set()
    for page in (door, inside, connect, strayed):
        sheets = set(re.findall(r'<link rel="stylesheet" href="([^"]+)"', page.text))
        assert sheets, page.url
        named |= sheets | set(re.findall(r'<img src="([^"]+)"', page.text))
        named |= set(re.findall(r'<link rel="icon" href="(/[^"]+)"', page.text))
    for address in named:
        answer = client.get(address)
        assert answer.status_code == 200, address
        kind = "image/svg+xml" if address.partition("?")[0].endswith(".svg") else "text/css"
        assert answer.headers["content-type"].startswith(kind), address
        assert len(answer.content) > 100, address
    assert client.get("/static/pages/../../routes.py").status_code == 404
    assert client.get("/static/array.js").status_code == 404, "and nothing of the server that it is not"


def test_signing_out_there_works_too(alone: tuple[httpx.Client, dict[str, str]]) -> None:
    client, account = alone
    client.cookies.clear()
    fields = {"email": account["email"], "password": account["password"], "next": "/settings"}
    page = client.post("/login/", data=fields, follow_redirects=True)
    word = re.search(r'name="word" value="([0-9a-f]{64})"', page.text)
    assert word is not None
    out = client.post("/settings/sign-out", data={"word": word[1]}, follow_redirects=True)
    assert (out.status_code, out.url.path) == (200, "/login/")
    assert client.get("/settings").status_code == 303
