"""Dashboards: made, listed, changed with their tiles, copied, hidden, brought back (rest-api §9)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.resources.house import Project
from tests.resources.statements import AUTHORS, counted

pytestmark = pytest.mark.stores
TABLES = ("dashboard", "tagged_items", "sharing_configurations", AUTHORS)
PATH = "dashboards/"
SEED = {"name": "My Dashboard", "description": "Analytics overview"}
TREND = {
    "kind": "InsightVizNode",
    "source": {"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "event": "bought"}], "interval": "day"},
}


async def insight_on(project: Project, *dashboards: int, name: str = "Bought") -> dict[str, Any]:
    return await project.made("insights/", {"name": name, "query": TREND, "dashboards": list(dashboards)})


async def names(project: Project, tail: str) -> list[str]:
    return [row["name"] for row in (await project.found(PATH + tail))["results"]]


async def test_the_life_of_a_dashboard(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, SEED)
    item = f"{PATH}{made['id']}/"

    assert (made["name"], made["description"], made["pinned"], made["tiles"]) == (*SEED.values(), False, [])
    assert (made["filters"], made["variables"], made["persisted_filters"]) == ({}, None, None)
    assert (made["restriction_level"], made["effective_privilege_level"], made["is_shared"]) == (21, 37, False)
    assert (made["creation_mode"], made["last_accessed_at"], made["team_id"]) == ("default", None, ada.id)
    found = await ada.found(item)
    assert found["last_accessed_at"] is not None
    assert found["last_viewed_at"] is not None
    (row,) = (await ada.found(PATH))["results"]
    assert "tiles" not in row
    assert "filters" not in row
    assert {name: found[name] for name in row} == row

    assert (await ada.changed(item, {"name": "Updated Dashboard Name"}))["name"] == "Updated Dashboard Name"
    changed = await ada.changed(item, {"pinned": True, "tags": ["B", "a"], "filters": {"date_from": "-7d"}})
    assert (changed["pinned"], changed["tags"], changed["filters"]) == (True, ["a", "b"], {"date_from": "-7d"})
    assert (await ada.refused("DELETE", item, status=405))["code"] == "method_not_allowed"
    await bob.refused("GET", item, status=404)
    await bob.refused("PATCH", item, {"deleted": False}, status=404)
    assert (await bob.found(PATH))["count"] == 0

    kept, elsewhere = await insight_on(ada, made["id"]), await ada.made(PATH, {})
    both = await insight_on(ada, made["id"], elsewhere["id"], name="Both")
    assert (await ada.changed(item, {"deleted": True, "delete_insights": True}))["deleted"] is True
    await ada.refused("GET", item, status=404)
    await ada.refused("PATCH", item, {"name": "x"}, status=404)
    await ada.refused("GET", f"insights/{kept['id']}/", status=404)
    assert (await ada.found(f"insights/{both['id']}/"))["dashboards"] == [elsewhere["id"]]
    back = await ada.changed(item, {"deleted": False})
    assert [tile["insight"]["id"] for tile in back["tiles"]] == [kept["id"], both["id"]]
    assert (await ada.found(f"insights/{kept['id']}/"))["dashboards"] == [made["id"]]
    entries = (await ada.found(item + "activity/"))["results"]
    assert [each["activity"] for each in entries] == ["restored", "deleted", "updated", "updated", "created"]


async def test_a_deleted_dashboard_is_no_projects_first(ada: Project) -> None:
    made = await ada.made(PATH, SEED)
    response = await ada.patch(f"/api/projects/{ada.id}/", {"primary_dashboard": made["id"]})
    assert response.json()["primary_dashboard"] == made["id"]
    await ada.changed(f"{PATH}{made['id']}/", {"deleted": True})
    assert (await ada.get(f"/api/projects/{ada.id}/")).json()["primary_dashboard"] is None


async def test_insights_are_put_on_and_taken_off(ada: Project, bob: Project) -> None:
    one, two, his = [(await each.made(PATH, SEED))["id"] for each in (ada, ada, bob)]
    insight = await insight_on(ada, one)
    item = f"insights/{insight['id']}/"

    assert insight["dashboards"] == [one]
    first = insight["dashboard_tiles"][0]["id"]
    refused = await ada.refused("PATCH", item, {"dashboards": [one, his]})
    assert (refused["code"], refused["attr"]) == ("does_not_exist", "dashboards")
    assert (await ada.changed(item, {"dashboards": [two]}))["dashboards"] == [two]
    assert (await ada.found(f"{PATH}{one}/"))["tiles"] == []
    again = await ada.changed(item, {"dashboards": [two, one, one]})
    assert {tile["id"] for tile in again["dashboard_tiles"]} >= {first}
    assert sorted(again["dashboards"]) == [one, two]
    assert (await ada.found(f"insights/?dashboards=[{one},{two}]"))["count"] == 1
    assert (await ada.found("insights/?saved=true"))["count"] == 1
    await ada.changed(item, {"deleted": True})
    assert (await ada.found(f"{PATH}{two}/"))["tiles"] == []


async def test_tiles(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, SEED)
    item = f"{PATH}{made['id']}/"
    await insight_on(ada, made["id"])
    with_text = await ada.changed(item, {"tiles": [{"text": {"body": "Hello"}, "color": "blue"}]})
    chart, text = with_text["tiles"]
    assert (chart["insight"]["name"], chart["text"], chart["order"]) == ("Bought", None, 0)
    assert (text["text"]["body"], text["insight"], text["color"]) == ("Hello", None, "blue")
    assert text["text"]["created_by"]["first_name"] == "Ada"

    place = {"sm": {"x": 0, "y": 0, "w": 6, "h": 5}}
    moved = await ada.changed(
        item,
        {
            "tiles": [
                {"id": text["id"], "layouts": place, "text": {"body": "Bye"}, "show_description": True},
                {"id": chart["id"], "layouts": {"sm": {"x": 0, "y": 5, "w": 6, "h": 5}}, "insight": {"name": "no"}},
            ]
        },
    )
    assert [tile["id"] for tile in moved["tiles"]] == [text["id"], chart["id"]]
    assert (moved["tiles"][0]["text"]["body"], moved["tiles"][0]["color"]) == ("Bye", "blue")
    assert moved["tiles"][1]["insight"]["name"] == "Bought"
    order = {"tile_order": [chart["id"], text["id"]]}
    response = await ada.post(ada.path(f"{item}reorder_tiles/"), order)
    assert [tile["layouts"]["sm"]["x"] for tile in response.json()["tiles"]] == [0, 6]
    assert [tile["id"] for tile in response.json()["tiles"]] == order["tile_order"]
    doubled = await ada.changed(item, {"duplicate_tiles": [{"id": chart["id"]}]})
    assert sorted(tile["insight"]["name"] for tile in doubled["tiles"] if tile["insight"]) == [
        "Bought",
        "Bought (Copy)",
    ]
    gone = await ada.changed(item, {"tiles": [{"id": chart["id"], "deleted": True}]})
    assert chart["id"] not in {tile["id"] for tile in gone["tiles"]}

    foreign = await bob.made(PATH, SEED)
    refused = await bob.refused("PATCH", f"{PATH}{foreign['id']}/", {"tiles": [{"id": text["id"], "deleted": True}]})
    assert refused["code"] == "does_not_exist"
    long = {"tiles": [{"text": {"body": "x" * 4001}}]}
    assert (await ada.refused("PATCH", item, long))["detail"] == "Text body cannot exceed 4000 characters"
    twice = await ada.refused("POST", f"{item}reorder_tiles/", {"tile_order": [text["id"]] * 2})
    assert twice["detail"] == "tile_order must contain unique tile IDs"
    none = await ada.refused("POST", f"{item}reorder_tiles/", {"tile_order": [999_999]}, status=404)
    assert none["detail"] == "Tile IDs not found on this dashboard: [999999]"


async def test_tiles_move_and_are_copied_between_dashboards(ada: Project, bob: Project) -> None:
    one, two, his = [(await each.made(PATH, SEED))["id"] for each in (ada, ada, bob)]
    insight = await insight_on(ada, one)
    tile = insight["dashboard_tiles"][0]["id"]

    await ada.refused("PATCH", f"{PATH}{one}/move_tile/", {"tile": {"id": tile}, "toDashboard": his}, status=404)
    await ada.refused("PATCH", f"{PATH}{two}/move_tile/", {"tile": {"id": tile}, "toDashboard": one}, status=404)
    left = await ada.changed(f"{PATH}{one}/move_tile/", {"tile": {"id": tile}, "toDashboard": two})
    assert (left["id"], left["tiles"]) == (one, [])
    assert [each["id"] for each in (await ada.found(f"{PATH}{two}/"))["tiles"]] == [tile]
    body = {"fromDashboardId": two, "tileId": tile}
    copied = await ada.made(f"{PATH}{one}/copy_tile/", body, status=200)
    assert [each["insight"]["id"] for each in copied["tiles"]] == [insight["id"]]
    again = await ada.refused("POST", f"{PATH}{one}/copy_tile/", body)
    assert again["detail"] == "This insight is already on the destination dashboard."
    same = await ada.refused("POST", f"{PATH}{two}/copy_tile/", body)
    assert same["detail"] == "Destination must be a different dashboard than the source."
    await bob.refused("POST", f"{PATH}{his}/copy_tile/", body, status=404)


async def test_a_dashboard_is_copied(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, {**SEED, "filters": {"date_from": "-30d"}})
    insight = await insight_on(ada, made["id"])
    await ada.changed(f"{PATH}{made['id']}/", {"tiles": [{"text": {"body": "Hello"}}]})

    shared = await ada.made(PATH, {"name": "Shared", "use_dashboard": made["id"]})
    assert (shared["creation_mode"], shared["filters"]) == ("duplicate", {"date_from": "-30d"})
    assert [tile["insight"] and tile["insight"]["id"] for tile in shared["tiles"]] == [insight["id"], None]
    deep = await ada.made(PATH, {"name": "Deep", "use_dashboard": made["id"], "duplicate_tiles": True})
    assert [tile["insight"] and tile["insight"]["name"] for tile in deep["tiles"]] == ["Bought (Copy)", None]
    assert deep["tiles"][1]["text"]["body"] == "Hello"
    for body, attr, detail in (
        ({"use_template": "x", "use_dashboard": 1}, None, "`use_dashboard` and `use_template` cannot be used together"),
        ({"use_template": "x"}, "use_template", "Invalid template provided: x"),
        ({"use_dashboard": 10**30}, "use_dashboard", "Invalid value provided"),
        ({"filters": []}, "filters", "Filters must be a dictionary"),
        ({"variables": 1}, "variables", "Variables must be a dictionary"),
    ):
        refused = await ada.refused("POST", PATH, body)
        assert (refused["attr"], refused["detail"]) == (attr, detail)
    assert (await bob.refused("POST", PATH, {"use_dashboard": made["id"]}))["attr"] == "use_dashboard"


async def test_filters_of_a_dashboard_are_laid_over_its_insights(ada: Project) -> None:
    await ada.sends("bought", "ann", {"plan": "pro"}, timestamp="2026-03-01T10:00:00Z")
    await ada.sends("bought", "ann", {"plan": "free"}, timestamp="2026-02-01T10:00:00Z")
    made = await ada.made(PATH, {**SEED, "filters": {"date_from": "-60d"}})
    insight = await insight_on(ada, made["id"])
    item = f"{PATH}{made['id']}/"

    (tile,) = (await ada.found(item))["tiles"]
    assert (tile["insight"]["result"], tile["is_cached"]) == (None, False)
    (tile,) = (await ada.found(item + "?refresh=blocking"))["tiles"]
    assert tile["insight"]["result"][0]["count"] == 2.0
    pro = '{"properties": [{"type": "event", "key": "plan", "operator": "exact", "value": ["pro"]}]}'
    found = await ada.get(ada.path(item), params={"refresh": "blocking", "filters_override": pro})
    assert found.json()["tiles"][0]["insight"]["result"][0]["count"] == 1.0
    assert (await ada.refused("GET", item + "?filters_override=x"))["attr"] == "filters_override"
    alone = f"insights/{insight['id']}/?refresh=blocking"
    assert (await ada.found(alone))["result"][0]["count"] == 1.0
    assert (await ada.found(f"{alone}&from_dashboard={made['id']}"))["result"][0]["count"] == 2.0
    other = await ada.made(PATH, SEED)
    await ada.refused("GET", f"{alone}&from_dashboard={other['id']}", status=404)


async def test_lists(ada: Project) -> None:
    author = (await ada.made(PATH, {"name": "B", "tags": ["x"]}))["created_by"]["id"]
    await ada.made(PATH, {"name": "A", "description": "50% off"})
    await ada.made(PATH, {"name": "C", "pinned": True})
    await ada.made(PATH, {"name": "Generated Dashboard: D"})

    assert await names(ada, "") == ["C", "A", "B", "Generated Dashboard: D"]
    assert await names(ada, "?exclude_generated=true") == ["C", "A", "B"]
    assert await names(ada, "?pinned=true") == ["C"]
    assert await names(ada, "?tags=x&tags=y") == ["B"]
    assert await names(ada, "?search=0%25") == ["A"]
    assert await names(ada, f"?created_by={author}&limit=1&offset=1") == ["A"]
    assert await names(ada, "?creation_mode=unlisted") == []
    with counted(*TABLES) as four:
        await ada.found(PATH)
    with counted(*TABLES) as one:
        await ada.found(PATH + "?limit=1")
    assert len(four) == len(one) > 1


async def test_scopes(ada: Project) -> None:
    reader = Project(ada.person, await ada.person.key("dashboard:read"))
    assert (await reader.found(PATH))["count"] == 0
    refused = await reader.refused("POST", PATH, SEED, status=403)
    assert refused["detail"] == "API key missing required scope 'dashboard:write'"
