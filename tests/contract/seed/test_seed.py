"""The seed document's own examples, run word for word (host and key replaced), answer in the shapes that it shows.

Every block of the document is either run here or named in `ROOMS_TO_COME`, with the room that will bring it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.chromium import node_command
from tests.contract.seed.document import DOCUMENT, GATEWAY, KEY_VARIABLE, Block, blocks, differences
from tests.live_server import LiveServer

BLOCKS = blocks(DOCUMENT.read_text())
ROOMS_TO_COME = {
    "dashboards": "insights",
    "insights": "insights",
    "feature_flags": "flags",
    "cohorts": "people",
    "actions": "taxonomy",
    "session_recordings": "replay",
    "annotations": "insights",
    "surveys": "surveys",
    "experiments": "experiments",
    "event_definitions": "taxonomy",
    "property_definitions": "taxonomy",
}
"""The last fixed word of a path → the room that will answer it."""
GATEWAY_TO_COME = ("ctrl.maton.ai", "Maton-Connection")
"""What only the gateway's blocks hold."""
PEOPLE = 35
"""Enough for three pages of ten and a half."""


def room_to_come(block: Block) -> str | None:
    """The room that a block waits for."""
    if any(word in block.text for word in GATEWAY_TO_COME):
        return "gateway"
    words = block.path.partition("?")[0].split("/")
    return next((room for word, room in ROOMS_TO_COME.items() if word in words), None)


TESTED = [block for block in BLOCKS if room_to_come(block) is None]


class SeededServer:
    """A running server whose first project has events and persons."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.account = server.account
        self.api = server.api

    def fill(self) -> None:
        """What a shop's visitors did."""
        batch: list[dict[str, Any]] = []
        for number in range(PEOPLE):
            user, visitor = f"user-{number}", f"anon-{number}"
            details = {"email": f"user{number}@example.com", "name": f"User {number}"}
            batch += [
                {"event": "$pageview", "distinct_id": visitor, "properties": {}},
                {"event": "$autocapture", "distinct_id": visitor, "properties": {}},
                {"event": "$autocapture", "distinct_id": visitor, "properties": {}},
                {
                    "event": "$identify",
                    "distinct_id": user,
                    "properties": {"$anon_distinct_id": visitor, "$set": details},
                },
                {"event": "$pageview", "distinct_id": user, "properties": {}},
                {"event": "$pageview", "distinct_id": user, "properties": {}},
            ]
        sent = self.api.post("/batch/", json={"api_key": self.account["project_token"], "batch": batch})
        assert sent.status_code == 200, sent.text

    def path(self, block: Block) -> str:
        """A block's path at this server, with ids of things that are there."""
        path = block.path.removeprefix("/posthog").replace("{project_id}", str(self.account["project_id"]))
        if "{person_uuid}" in path:
            persons = self.api.get(f"/api/projects/{self.account['project_id']}/persons/?limit=1").json()
            path = path.replace("{person_uuid}", persons["results"][0]["uuid"])
        return path

    def run(self, block: Block, *, through_gateway: bool = False) -> Any:
        """What a block answers, as JSON: by the API itself, or as the document has it, with the one key of the gateway."""
        key = self.account["gateway_key" if through_gateway else "personal_api_key"]
        match block.language:
            case "http":
                path = ("/posthog" if through_gateway else "") + self.path(block)
                headers = {"Authorization": f"Bearer {key}"}
                response = self.api.request(block.method, path, json=block.body, headers=headers)
                assert response.status_code == 200, response.text
                return response.json()
            case "shell python":
                return self._output([sys.executable, "-"], block.text, key, through_gateway=through_gateway)
            case "python":
                script = block.text + "\nimport json\nprint(json.dumps(data))\n"
                return self._output([sys.executable, "-"], script, key, through_gateway=through_gateway)
            case "javascript":
                script = block.text + "\nprocess.stdout.write(JSON.stringify(data));\n"
                command = [*node_command(), "--input-type=module", "-"]
                return self._output(command, script, key, through_gateway=through_gateway)

    def _output(self, command: list[str], script: str, key: str, *, through_gateway: bool) -> Any:
        assert GATEWAY in script
        environ = {**os.environ, KEY_VARIABLE: key}
        done = subprocess.run(
            command,
            input=script.replace(GATEWAY, self.server.url + ("/posthog" if through_gateway else "")),
            capture_output=True,
            text=True,
            check=False,
            env=environ,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededServer]:
    with LiveServer(tmp_path_factory.mktemp("seed") / "data") as running:
        server = SeededServer(running)
        server.fill()
        yield server


def shown_by(title: str, path: str = "") -> Block:
    """The only block under this title."""
    (block,) = [block for block in TESTED if block.title == title and path in block.path]
    return block


def test_the_document_was_read_whole() -> None:
    """A block that this test does not know about would go untested without a word."""
    assert len(BLOCKS) == 44
    assert len(TESTED) == 12
    assert sum(line.startswith(("GET /", "POST /", "PATCH /")) for line in DOCUMENT.read_text().splitlines()) == len(
        [block for block in BLOCKS if block.language == "http"]
    )


@pytest.mark.parametrize("through_gateway", [False, True], ids=["itself", "through the gateway"])
@pytest.mark.parametrize("block", TESTED, ids=lambda block: block.name)
def test_an_example_answers_in_the_shape_that_is_shown(
    seeded: SeededServer, block: Block, *, through_gateway: bool
) -> None:
    answer = seeded.run(block, through_gateway=through_gateway)

    assert differences(block.shown if block.shown is not None else {}, answer) == []


def test_the_quick_start_lists_the_project(seeded: SeededServer) -> None:
    answer = seeded.run(shown_by("List projects"))

    assert [project["id"] for project in answer["results"]] == [seeded.account["project_id"]]
    assert answer["results"][0]["api_token"] == seeded.account["project_token"]


def test_the_current_organization_and_project_and_user_are_those_of_the_key(seeded: SeededServer) -> None:
    organization = seeded.run(shown_by("Get Current Organization"))
    project = seeded.run(shown_by("Get Current Project"))
    user = seeded.run(shown_by("Get Current User"))

    assert organization["id"] == project["organization"] == seeded.account["organization_id"]
    assert project["id"] == seeded.account["project_id"]
    assert user["email"] == seeded.account["email"]


def test_the_hogql_example_counts_what_was_sent(seeded: SeededServer) -> None:
    block = shown_by("Run HogQL Query")
    answer = seeded.run(block)

    assert answer["columns"] == block.shown["columns"]
    assert answer["types"] == block.shown["types"]
    assert answer["results"] == [["$pageview", 3 * PEOPLE], ["$autocapture", 2 * PEOPLE], ["$identify", PEOPLE]]


def test_the_python_query_example_works_at_the_current_project(seeded: SeededServer) -> None:
    answer = seeded.run(shown_by("Python - HogQL Query"))

    assert sorted(answer["results"]) == [["$autocapture", 2 * PEOPLE], ["$identify", PEOPLE], ["$pageview", 3 * PEOPLE]]


def test_javascript_and_python_give_the_same(seeded: SeededServer) -> None:
    javascript, python = seeded.run(shown_by("JavaScript")), seeded.run(shown_by("Python"))

    assert javascript == python
    assert javascript["count"] == 1


def test_a_person_has_both_ids_and_the_name_that_is_shown(seeded: SeededServer) -> None:
    listed = seeded.run(shown_by("List Persons"))["results"]
    person = seeded.run(shown_by("Get Person"))

    assert len(listed) == 10
    assert {len(each["distinct_ids"]) for each in listed} == {2}
    assert all(each["is_identified"] and each["id"] == each["uuid"] for each in listed)
    assert all(each["name"] == each["properties"]["email"] for each in listed)
    assert UUID(person["uuid"])


def test_pages_follow_each_other(seeded: SeededServer) -> None:
    """Limit and offset, absolute links, and a count."""
    block = shown_by("PostHog uses offset-based pagination")
    page = seeded.run(block)
    path = seeded.path(block).partition("?")[0]

    assert page["count"] == PEOPLE
    assert page["next"] == f"{seeded.server.url}{path}?limit=10&offset=30"
    assert page["previous"] == f"{seeded.server.url}{path}?limit=10&offset=10"
    last = httpx.get(page["next"], headers={"Authorization": seeded.api.headers["Authorization"]}).json()
    assert (len(last["results"]), last["next"]) == (PEOPLE - 30, None)


def test_every_person_is_on_one_page(seeded: SeededServer) -> None:
    url: str | None = f"/api/projects/{seeded.account['project_id']}/persons/?limit=10"
    seen: list[str] = []
    while url is not None:
        page = seeded.api.get(url).json()
        seen += [person["uuid"] for person in page["results"]]
        url = page["next"]

    assert len(seen) == len(set(seen)) == PEOPLE


def test_a_wrong_key_is_a_401(seeded: SeededServer) -> None:
    answer = httpx.get(f"{seeded.server.url}/api/projects/", headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()["type"]) == (401, "authentication_error")


def test_projects_can_be_named_by_current(seeded: SeededServer) -> None:
    """The note: `@current` stands for the current project's id."""
    pages = [
        seeded.api.get(f"/api/projects/{project}/persons/?limit=3").json()["results"]
        for project in ("@current", seeded.account["project_id"])
    ]
    assert len(pages[0]) == 3
    assert pages[0] == pages[1]
