"""Annotations: made, listed, changed, hidden, brought back (rest-api §14)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.resources.house import Project
from tests.resources.statements import AUTHORS, counted

pytestmark = pytest.mark.stores
TABLES = ("annotations", "tagged_items", "insights", "dashboards", AUTHORS)
PATH = "annotations/"


async def contents(project: Project, tail: str) -> list[str]:
    return [row["content"] for row in (await project.found(PATH + tail))["results"]]


async def test_the_life_of_an_annotation(ada: Project, bob: Project) -> None:
    insight = await ada.made("insights/", {"name": "DAU"})
    board = await ada.made("dashboards/", {"name": "Overview"})
    body = {"content": "Launch", "date_marker": "2026-02-01T10:00:00", "dashboard_item": insight["id"], "emoji": ""}
    made = await ada.made(PATH, body)
    item = f"{PATH}{made['id']}/"

    assert made == {
        "id": made["id"], "content": "Launch", "date_marker": "2026-02-01T10:00:00Z", "creation_type": "USR",
        "dashboard_item": insight["id"], "dashboard_id": None, "dashboard_name": None,
        "insight_short_id": insight["short_id"], "insight_name": "DAU", "insight_derived_name": None,
        "created_by": insight["created_by"], "created_at": made["created_at"], "updated_at": made["updated_at"],
        "deleted": False, "scope": "dashboard_item", "emoji": None, "hidden_in_user_interface": None, "tags": [],
    }  # fmt: skip
    assert await ada.found(item) == made
    assert (await ada.found(PATH))["results"] == [made]
    changed = await ada.changed(item, {"scope": "dashboard", "dashboard_id": board["id"], "emoji": "🚀"})
    assert (changed["dashboard_name"], changed["emoji"], changed["content"]) == ("Overview", "🚀", "Launch")
    assert (await ada.refused("DELETE", item, status=405))["code"] == "method_not_allowed"
    await bob.refused("GET", item, status=404)
    await bob.refused("PATCH", item, {"content": "his"}, status=404)

    assert (await ada.changed(item, {"deleted": True}))["deleted"] is True
    await ada.refused("GET", item, status=404)
    assert (await ada.found(PATH))["count"] == 0
    assert (await ada.changed(item, {"deleted": False}))["deleted"] is False
    await ada.changed(f"dashboards/{board['id']}/", {"deleted": True})
    assert (await ada.found(PATH))["count"] == 0
    await ada.changed(f"dashboards/{board['id']}/", {"deleted": False})
    entries = (await ada.found(item + "activity/"))["results"]
    assert [each["activity"] for each in entries] == ["restored", "deleted", "updated", "created"]


async def test_what_is_refused(ada: Project, bob: Project) -> None:
    his = await bob.made("insights/", {"name": "His"})
    board = await bob.made("dashboards/", {"name": "His"})
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"scope": "recording"}, "scope", "Recording scope is deprecated"),
        ({"scope": "moon"}, "scope", '"moon" is not a valid choice.'),
        ({"dashboard_item": his["id"]}, "dashboard_item", f'Invalid pk "{his["id"]}" - object does not exist.'),
        ({"dashboard_item": 10**30}, "dashboard_item", f'Invalid pk "{10**30}" - object does not exist.'),
        ({"dashboard_id": board["id"]}, "dashboard_id", "Dashboard not found."),
        ({"content": "x" * 8193}, "content", "Ensure this field has no more than 8192 characters."),
        ({"emoji": "x" * 17}, "emoji", "Ensure this field has no more than 16 characters."),
    ]
    for body, attr, detail in cases:
        refused = await ada.refused("POST", PATH, body)
        assert (refused["attr"], refused["detail"]) == (attr, detail)
    assert (await ada.refused("POST", PATH, {"date_marker": "soon"}))["attr"] == "date_marker"
    assert (await ada.found(PATH))["count"] == 0
    reader = Project(ada.person, await ada.person.key("annotation:read"))
    refused = await reader.refused("POST", PATH, {}, status=403)
    assert refused["detail"] == "API key missing required scope 'annotation:write'"


async def test_lists(ada: Project, bob: Project) -> None:
    await ada.made(PATH, {"content": "Old 1%", "date_marker": "2026-01-01", "scope": "project"})
    await ada.made(PATH, {"content": "New", "date_marker": "2026-02-01", "scope": "organization", "emoji": "🚀"})
    await ada.made(PATH, {"content": "Some day", "scope": "tag", "tags": ["A"], "hidden_in_user_interface": True})
    await bob.made(PATH, {"content": "His", "scope": "organization"})

    assert await contents(ada, "") == ["New", "Old 1%", "Some day"]
    assert await contents(ada, "?search=1%25") == ["Old 1%"]
    assert await contents(ada, "?scope=organization") == ["New"]
    assert await contents(ada, "?scope=insight") == []
    assert await contents(ada, "?date_from=2026-01-15&date_to=2026-02-01T00:00:00Z") == ["New"]
    assert await contents(ada, "?is_emoji=true") == ["New"]
    assert await contents(ada, "?hidden_in_user_interface=true") == ["Some day"]
    assert await contents(ada, "?hidden_in_user_interface=false&limit=1&offset=1") == ["Old 1%"]
    for tail, detail in (
        ("?scope=x", "Invalid scope: x"),
        ("?date_from=x", "Invalid date range: date_from must be a valid ISO 8601 date"),
        ("?date_from=2026-02-01&date_to=2026-01-01", "Invalid date range: date_from must be before date_to"),
    ):
        assert (await ada.refused("GET", PATH + tail))["detail"] == detail
    with counted(*TABLES) as three:
        await ada.found(PATH)
    with counted(*TABLES) as one:
        await ada.found(PATH + "?limit=1")
    assert len(three) == len(one) > 1
