"""Insights: saved, listed, changed, hidden, brought back, with results (rest-api §10)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.resources.house import Project
from tests.resources.statements import AUTHORS, counted

pytestmark = pytest.mark.stores
TABLES = ("insight", "tagged_items", AUTHORS)
PATH = "insights/"
SEED: dict[str, Any] = {
    "name": "Daily Active Users",
    "query": {
        "kind": "InsightVizNode",
        "source": {
            "kind": "TrendsQuery",
            "series": [{"kind": "EventsNode", "event": "$pageview", "math": "dau"}],
            "interval": "day",
            "dateRange": {"date_from": "-30d"},
        },
    },
}
FIELDS = {
    "id",
    "short_id",
    "name",
    "derived_name",
    "filters",
    "query",
    "order",
    "deleted",
    "dashboards",
    "dashboard_tiles",
    "last_refresh",
    "cache_target_age",
    "next_allowed_client_refresh",
    "result",
    "hasMore",
    "columns",
    "types",
    "hogql",
    "is_cached",
    "query_status",
    "resolved_date_range",
    "timezone",
    "description",
    "tags",
    "favorited",
    "saved",
    "created_at",
    "created_by",
    "last_modified_by",
    "updated_at",
    "last_modified_at",
    "last_viewed_at",
    "is_sample",
    "effective_restriction_level",
    "effective_privilege_level",
    "user_access_level",
    "alerts",
}


async def named(project: Project, name: str, **more: Any) -> dict[str, Any]:
    return await project.made(PATH, {**SEED, "name": name, **more})


async def names(project: Project, tail: str) -> list[str]:
    return [row["name"] for row in (await project.found(PATH + tail))["results"]]


async def test_the_life_of_an_insight(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, SEED)
    item = f"{PATH}{made['id']}/"

    assert made.keys() >= FIELDS
    assert (made["name"], made["query"], made["filters"], made["saved"]) == (SEED["name"], SEED["query"], {}, False)
    assert (made["result"], made["last_refresh"], made["dashboards"], made["tags"]) == (None, None, [], [])
    assert (made["effective_restriction_level"], made["effective_privilege_level"]) == (21, 37)
    assert made["user_access_level"] == "manager"
    assert made["created_by"]["first_name"] == made["last_modified_by"]["first_name"] == "Ada"
    assert await ada.found(item) == made
    assert await ada.found(f"{PATH}{made['short_id']}/") == made
    assert (await ada.found(PATH))["results"] == [made]
    (row,) = (await ada.found(PATH + "?basic=true"))["results"]
    assert "result" not in row
    assert {name: made[name] for name in row} == row

    starred = await ada.changed(item, {"favorited": True})
    assert (starred["favorited"], starred["last_modified_at"]) == (True, made["last_modified_at"])
    renamed = await ada.changed(item, {"name": "DAU", "tags": [" Growth ", "growth"]})
    assert (renamed["name"], renamed["tags"], renamed["favorited"]) == ("DAU", ["growth"], True)
    assert renamed["last_modified_at"] > made["last_modified_at"]
    assert (await ada.refused("DELETE", item, status=405))["code"] == "method_not_allowed"
    for tail in (item, f"{PATH}{made['short_id']}/"):
        await bob.refused("GET", tail, status=404)
        await bob.refused("PATCH", tail, {"name": "his"}, status=404)
        await bob.refused("PATCH", tail, {"deleted": False}, status=404)

    assert (await ada.changed(item, {"deleted": True}))["deleted"] is True
    await ada.refused("GET", item, status=404)
    await ada.refused("PATCH", item, {"name": "x"}, status=404)
    assert (await ada.found(PATH))["count"] == 0
    assert (await ada.changed(item, {"deleted": False}))["name"] == "DAU"
    entries = (await ada.found(item + "activity/"))["results"]
    assert [each["activity"] for each in entries] == ["restored", "deleted", "updated", "updated", "created"]
    assert entries[-1]["detail"]["short_id"] == made["short_id"]


async def test_results(ada: Project) -> None:
    await ada.sends("$pageview", "ann", timestamp="2026-03-01T10:00:00Z")
    await ada.sends("$pageview", "ann", timestamp="2026-03-01T11:00:00Z")
    made = await ada.made(PATH, SEED)
    item = f"{PATH}{made['id']}/"

    assert (await ada.found(item))["result"] is None
    first = await ada.found(item + "?refresh=blocking")
    assert (first["result"][0]["data"][-1], first["result"][0]["label"], first["is_cached"]) == (
        1.0,
        "$pageview",
        False,
    )
    assert first["timezone"] == "UTC"
    assert first["hasMore"] is False
    assert first["last_refresh"] is not None
    kept = await ada.found(item)
    assert (kept["result"], kept["is_cached"]) == (first["result"], True)
    (row,) = (await ada.found(PATH + "?refresh=true"))["results"]
    assert row["result"] == first["result"]
    table = {
        "kind": "DataVisualizationNode",
        "source": {"kind": "HogQLQuery", "query": "SELECT count() AS n FROM events"},
    }
    rows = await ada.made(PATH, {"query": table})
    found = await ada.found(f"{PATH}{rows['short_id']}/?refresh=force_blocking")
    assert (found["result"], found["columns"], found["types"]) == ([[2]], ["n"], [["n", "UInt64"]])


async def test_a_failing_query_does_not_break_the_list(ada: Project) -> None:
    wrong = {"kind": "HogQLQuery", "query": "SELECT nothing_like_it FROM events"}
    made = await named(ada, "wrong", query=wrong)
    (row,) = (await ada.found(PATH + "?refresh=blocking"))["results"]

    assert (row["result"], row["query_status"]["error"]) == (None, True)
    assert "nothing_like_it" in row["query_status"]["error_message"]
    refused = await ada.refused("GET", f"{PATH}{made['id']}/?refresh=blocking")
    assert "nothing_like_it" in refused["detail"]
    pending = await named(ada, "funnel", query={"kind": "FunnelsQuery", "series": []})
    assert (await ada.found(f"{PATH}{pending['id']}/"))["query_status"]["error"] is True


@pytest.mark.parametrize(
    ("body", "code", "attr"),
    [
        ({"query": "SELECT 1"}, "invalid_input", "query"),
        ({"query": {"kind": "NoSuchQuery"}}, "parse_error", "query__kind"),
        ({"query": {"kind": "InsightVizNode"}}, "parse_error", "query__source"),
        (
            {"query": {"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "nonsense": 1}]}},
            "parse_error",
            "query__series__0",
        ),
        ({"name": "x" * 401}, "max_length", "name"),
        ({"dashboards": [99_999_999]}, "does_not_exist", "dashboards"),
        ({"dashboards": [10**30]}, "does_not_exist", "dashboards"),
        ({"order": 2**40}, "max_value", "order"),
        ({"tags": ["x" * 256]}, "max_length", "tags"),
    ],
)
async def test_bad_bodies(ada: Project, body: dict[str, Any], code: str, attr: str) -> None:
    refused = await ada.refused("POST", PATH, {**SEED, **body})
    assert refused["code"] == code
    assert refused["attr"] == attr
    assert (await ada.found(PATH))["count"] == 0


async def test_filters_of_an_old_client_become_a_query(ada: Project) -> None:
    filters = {
        "insight": "TRENDS", "events": [{"id": "b", "order": 1, "math": "dau"}, {"id": "a", "name": "a", "order": 0}],
        "interval": "week", "date_from": "-14d", "properties": {"plan": "pro", "age__gt": 3},
        "display": "ActionsBar", "filter_test_accounts": True,
    }  # fmt: skip
    made = await ada.made(PATH, {"filters": filters})

    assert made["filters"] == {}
    assert made["query"] == {
        "kind": "InsightVizNode",
        "source": {
            "kind": "TrendsQuery",
            "series": [
                {"kind": "EventsNode", "event": "a", "name": "a"},
                {"kind": "EventsNode", "event": "b", "math": "dau"},
            ],
            "interval": "week",
            "dateRange": {"date_from": "-14d"},
            "properties": [
                {"type": "event", "key": "plan", "operator": "exact", "value": "pro"},
                {"type": "event", "key": "age", "operator": "gt", "value": 3},
            ],
            "filterTestAccounts": True,
            "trendsFilter": {"display": "ActionsBar"},
        },
    }
    funnel = await ada.made(PATH, {"filters": {"insight": "FUNNELS", "events": [{"id": "a"}]}})
    assert (funnel["query"], funnel["filters"]["insight"]) == (None, "FUNNELS")
    changed = await ada.changed(f"{PATH}{funnel['id']}/", {"query": SEED["query"]})
    assert (changed["query"], changed["filters"]) == (SEED["query"], {})


async def test_bare_queries_of_one_client_are_wrapped(ada: Project) -> None:
    bare = SEED["query"]["source"]
    response = await ada.post(ada.path(PATH), {"query": bare}, headers={"x-posthog-client": "mcp"})
    assert response.json()["query"] == SEED["query"]
    assert (await named(ada, "plain", query=bare))["query"] == bare


async def test_filters_search_and_order(ada: Project, bob: Project) -> None:
    one = await named(ada, "One", saved=True, tags=["growth"], order=2)
    two = await named(ada, "Two", description="100% sure", order=1)
    three = await named(ada, "Three", query={"kind": "HogQLQuery", "query": "SELECT 1"}, favorited=True)
    await named(bob, "His")

    assert await names(ada, "") == ["Two", "One", "Three"]
    assert await names(ada, "?order=name") == ["One", "Three", "Two"]
    assert await names(ada, "?order=-created_at") == ["Three", "Two", "One"]
    assert await names(ada, "?saved=true") == ["One"]
    assert await names(ada, "?saved=false") == ["Two", "Three"]
    assert await names(ada, "?favorited=true") == ["Three"]
    assert await names(ada, '?tags=["growth","none"]') == ["One"]
    assert await names(ada, "?search=ROW") == ["One"]
    assert await names(ada, "?search=0%25%20s") == ["Two"]
    assert await names(ada, f"?short_id={two['short_id']}") == ["Two"]
    assert await names(ada, "?insight=SQL") == ["Three"]
    assert await names(ada, "?insight=TRENDS") == ["Two", "One"]
    author = one["created_by"]["id"]
    assert len(await names(ada, f"?created_by={author}")) == len(await names(ada, "?user=true")) == 3
    assert await names(ada, f"?created_by=[{author + 1}]") == []
    assert await names(ada, "?date_to=-1d") == await names(ada, "?created_date_to=2026-02-01") == []
    assert len(await names(ada, "?date_from=-1d&created_date_from=2026-02-01")) == 3
    assert await names(ada, "?limit=1&offset=1") == ["One"]
    for wrong, attr in (
        ("search=" + "x" * 201, "search"),
        ("created_by=x", "created_by"),
        ("date_from=x", "date_from"),
    ):
        assert (await ada.refused("GET", f"{PATH}?{wrong}"))["attr"] == attr

    assert (await ada.post(ada.path(f"{PATH}{three['id']}/viewed/"))).status_code == 201
    assert (await ada.found(f"{PATH}{three['id']}/"))["last_viewed_at"] is not None
    assert (await ada.post(ada.path(f"{PATH}viewed/"), {"insight_ids": [one["id"]]})).status_code == 201
    assert await names(ada, "?order=-last_viewed_at&last_viewed_date_from=-1d") == ["One", "Three"]
    await bob.refused("POST", f"{PATH}{three['id']}/viewed/", status=404)


async def test_a_list_takes_as_many_statements_whatever_its_length(ada: Project) -> None:
    await named(ada, "0", tags=["a"])
    await ada.found(PATH)
    with counted(*TABLES) as short:
        await ada.found(PATH)
    for number in range(4):
        await named(ada, str(number), tags=["a", "b"])
    with counted(*TABLES) as long:
        assert (await ada.found(PATH))["count"] == 5
    assert len(long) == len(short) > 1


async def test_parallel_changes_do_not_undo_each_other(ada: Project) -> None:
    made = await named(ada, "One")
    item = f"{PATH}{made['id']}/"
    await asyncio.gather(
        *(ada.changed(item, body) for body in ({"name": "N"}, {"description": "D"}, {"saved": True}, {"tags": ["t"]}))
    )
    found = await ada.found(item)
    assert (found["name"], found["description"], found["saved"], found["tags"]) == ("N", "D", True, ["t"])


async def test_scopes(ada: Project) -> None:
    reader = Project(ada.person, await ada.person.key("insight:read"))
    assert (await reader.found(PATH))["count"] == 0
    refused = await reader.refused("POST", PATH, SEED, status=403)
    assert refused["detail"] == "API key missing required scope 'insight:write'"
    assert (await reader.refused("GET", f"{PATH}my_last_viewed/", status=403))["code"] == "permission_denied"
