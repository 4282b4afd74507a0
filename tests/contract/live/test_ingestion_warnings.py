"""`/api/projects/:id/ingestion_warnings/`: who may read which warnings, and in what shape."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.live_server import LiveProject, LiveServer


def send(project: LiveProject, *events: dict[str, Any]) -> None:
    answer = httpx.post(f"{project.url}/batch/", json={"api_key": project.token, "batch": list(events)})
    assert answer.status_code == 200, answer.text


def merge_of_two_users(first: str, second: str) -> list[dict[str, Any]]:
    """Two people who are both identified, and an `$identify` that says they are one: refused, with a warning."""
    return [
        {"event": "$identify", "distinct_id": name, "properties": {"$anon_distinct_id": f"anon {name}"}}
        for name in (first, second)
    ] + [{"event": "$identify", "distinct_id": first, "properties": {"$anon_distinct_id": second}}]


def bad_profile(distinct_id: str) -> dict[str, Any]:
    return {"event": "seen", "distinct_id": distinct_id, "properties": {"$process_person_profile": "no"}}


def ask(project: LiveProject, key: str | None = None, **params: Any) -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return project.server.api.get(f"/api/projects/{project.id}/ingestion_warnings/", params=params, headers=headers)


@pytest.fixture
def warned(project: LiveProject) -> LiveProject:
    send(project, *merge_of_two_users("ada", "bob"))
    send(project, bad_profile("eve"), bad_profile("eve"), bad_profile("dan"))
    return project


@pytest.fixture
def signed_in(server: LiveServer) -> Iterator[httpx.Client]:
    """The owner in a browser."""
    with httpx.Client(base_url=server.url, headers={"Origin": server.url}) as browser:
        account = {name: server.account[name] for name in ("email", "password")}
        assert browser.post("/api/login/", json=account).status_code == 200
        browser.headers["X-CSRFToken"] = browser.cookies["hedgerow_csrftoken"]
        yield browser


def test_nothing_to_warn_about(project: LiveProject):
    assert ask(project).json() == {"count": 0, "next": None, "previous": None, "results": []}


def test_warnings_by_type_with_examples(warned: LiveProject):
    page = ask(warned).json()
    assert page["count"] == 2
    profile, merge = page["results"]
    today = datetime.fromisoformat(profile["lastSeen"]).astimezone(UTC).date().isoformat()
    assert (profile["type"], profile["count"], profile["sparkline"]) == (
        "invalid_process_person_profile",
        3,
        [[3, today]],
    )
    assert sorted((each["details"]["distinctId"], each["count"]) for each in profile["warnings"]) == [
        ("dan", 1),
        ("eve", 2),
    ]
    (example,) = merge["warnings"]
    assert merge["type"] == example["type"] == "cannot_merge_already_identified"
    assert example["timestamp"] == merge["lastSeen"]
    assert example["details"] == {
        "sourcePersonDistinctId": "bob",
        "targetPersonDistinctId": "ada",
        "eventName": "$identify",
    }


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("bob", ["cannot_merge_already_identified"]),
        ("dan", ["invalid_process_person_profile"]),
        ("cannot_merge", ["cannot_merge_already_identified"]),
        ("nobody", []),
        ("%", []),
        ("'\\", []),
    ],
)
def test_a_text_is_searched_for(warned: LiveProject, text: str, types: list[str]):
    assert [each["type"] for each in ask(warned, q=text).json()["results"]] == types


def test_a_text_with_a_nul_is_refused(project: LiveProject):
    answer = ask(project, q="\0")
    assert (answer.status_code, answer.json()["code"]) == (400, "null_characters_not_allowed")


def test_pages(warned: LiveProject):
    first = ask(warned, limit=1).json()
    assert [each["type"] for each in first["results"]] == ["invalid_process_person_profile"]
    second = warned.server.api.get(first["next"]).json()
    assert [each["type"] for each in second["results"]] == ["cannot_merge_already_identified"]
    assert (second["next"], second["count"]) == (None, 2)


def test_a_project_sees_its_own_warnings_only(warned: LiveProject, server: LiveServer):
    other = server.new_project("another")
    send(other, bad_profile("zoe"))
    (only,) = ask(other).json()["results"]
    assert [each["details"]["distinctId"] for each in only["warnings"]] == ["zoe"]
    assert "zoe" not in ask(warned).text


def test_who_may_read(warned: LiveProject, server: LiveServer, signed_in: httpx.Client):
    other = server.new_project("another")

    def key_with(**fields: Any) -> str:
        made = signed_in.post("/api/personal_api_keys/", json={"label": "test", **fields})
        assert made.status_code == 201, made.text
        return made.json()["value"]

    assert signed_in.get(f"/api/projects/{warned.id}/ingestion_warnings/").status_code == 200
    assert ask(warned, key_with(scopes=["ingestion_warning:read"])).status_code == 200
    assert ask(warned, key_with(scopes=["person:read", "query:read"])).status_code == 403
    assert ask(warned, key_with(scopes=["*"], scoped_teams=[other.id])).status_code == 403
    assert ask(warned, warned.token).status_code == 401
    assert ask(warned, server.account["project_secret_key"]).status_code in {401, 403}
    assert httpx.get(f"{warned.url}/api/projects/{warned.id}/ingestion_warnings/").status_code == 401
    assert server.api.get("/api/projects/999999/ingestion_warnings/").status_code in {403, 404}
    assert server.api.post(f"/api/projects/{warned.id}/ingestion_warnings/", json={}).status_code == 405
