"""Saved queries, named in FROM like tables (rest-api §26)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.resources.house import Project

pytestmark = pytest.mark.stores
PATH = "warehouse_saved_queries/"
FIELDS = [
    "id", "deleted", "name", "created_by", "created_at", "sync_frequency", "columns", "status", "last_run_at",
    "latest_error", "latest_history_id", "is_materialized", "managed_viewset_kind", "origin",
]  # fmt: skip


def body(name: str, hogql: str = "SELECT event, count() AS times FROM events GROUP BY event") -> dict[str, Any]:
    return {"name": name, "query": {"kind": "HogQLQuery", "query": hogql}}


async def test_a_view_is_a_table_like_any_other(ada: Project) -> None:
    await ada.sends("signed up", "u-1", {"plan": "pro"})
    made = await ada.made(PATH, body("per_event"))

    assert list(made) == [*FIELDS, "query"]
    assert made["query"] == body("")["query"]
    assert made["created_by"]["first_name"] == "Ada"
    assert [(column["key"], column["type"]) for column in made["columns"]] == [
        ("event", "string"),
        ("times", "integer"),
    ]
    assert await ada.rows("SELECT times FROM per_event WHERE event = 'signed up'") == [[1]]
    assert await ada.rows("SELECT p.times FROM events e JOIN per_event p ON p.event = e.event") == [[1]]
    await ada.sends("signed up", "u-2")
    assert await ada.rows("SELECT * FROM per_event") == [["signed up", 2]]


async def test_names_may_have_dots(ada: Project) -> None:
    await ada.made(PATH, body("team.per_event", "SELECT 1 AS one"))

    assert await ada.rows("SELECT one FROM team.per_event") == [[1]]


async def test_lists_are_short_and_their_pages_numbered(ada: Project) -> None:
    for name in ("first", "second"):
        await ada.made(PATH, body(name))
    page = await ada.found(PATH)

    assert (page["count"], page["next"], page["previous"]) == (2, None, None)
    assert [row["name"] for row in page["results"]] == ["second", "first"]
    assert list(page["results"][0]) == FIELDS
    assert [row["name"] for row in (await ada.found(PATH + "?search=FIR"))["results"]] == ["first"]
    assert (await ada.refused("GET", PATH + "?page=2", status=404))["detail"] == "Invalid page."
    assert (await ada.refused("GET", PATH + "?page=x", status=404))["detail"] == "Invalid page."


async def test_whoever_changes_a_query_says_which_one_they_saw(ada: Project) -> None:
    made = await ada.made(PATH, body("counted"))
    item = f"{PATH}{made['id']}/"
    other = {"kind": "HogQLQuery", "query": "SELECT count() AS n FROM events"}

    refused = await ada.refused("PATCH", item, {"query": other})
    assert refused["detail"] == "The query was modified by someone else."
    changed = await ada.changed(item, {"query": other, "edited_history_id": made["latest_history_id"]})
    assert changed["query"]["query"] == other["query"]
    assert changed["latest_history_id"] != made["latest_history_id"]
    assert [column["name"] for column in changed["columns"]] == ["n"]
    await ada.refused("PATCH", item, {"query": other, "edited_history_id": made["latest_history_id"]})
    renamed = await ada.changed(item, {"name": "renamed"})
    assert (renamed["name"], renamed["query"]) == ("renamed", other)
    assert await ada.rows("SELECT n FROM renamed") == [[0]]
    put = await ada.put(ada.path(item), {**body("put"), "sync_frequency": "1hour"})
    assert (put.status_code, put.json()["name"], put.json()["sync_frequency"]) == (200, "put", "1hour")


async def test_a_deleted_view_is_gone_and_its_name_is_free(ada: Project) -> None:
    made = await ada.made(PATH, body("passing"))
    assert (await ada.delete(ada.path(f"{PATH}{made['id']}/"))).status_code == 204

    await ada.refused("GET", f"{PATH}{made['id']}/", status=404)
    refused = await ada.refused("POST", "query/", {"query": {"kind": "HogQLQuery", "query": "SELECT 1 FROM passing"}})
    assert refused["detail"] == "Unknown table `passing`."
    await ada.made(PATH, body("passing"))


@pytest.mark.parametrize(
    ("sent", "attr", "code", "detail"),
    [
        ({"query": {"query": "SELECT 1"}}, "name", "required", "This field is required."),
        ({"name": "x"}, "query", "required", "This field is required."),
        (body("x", ""), "query", "blank", "This field may not be blank."),
        (body("", "SELECT 1"), "name", "blank", "This field may not be blank."),
        (body("1x"), "name", "invalid_input", None),
        (body("a-b"), "name", "invalid_input", None),
        (body("x" * 129), "name", "max_length", "Ensure this field has no more than 128 characters."),
        (body("events"), "name", "unique", "A table with this name already exists."),
        (body("x", "SELECT nothing FROM events"), "query", "invalid_input", "Unable to resolve field: nothing"),
        (body("x", "SELECT 1 +"), "query", "invalid_input", None),
        (body("x", "SELECT toInt('a') + 'b'"), "query", "illegal_type_of_argument", None),
        ({"name": "x", "query": {"kind": "TrendsQuery", "query": "SELECT 1"}}, "query", "invalid_input", None),
        ({"name": "x", "query": 5}, "query", "not_a_dict", None),
        (
            {**body("x"), "sync_frequency": "often"},
            "sync_frequency",
            "invalid_choice",
            '"often" is not a valid choice.',
        ),
    ],
)
async def test_what_is_wrong_is_said(ada: Project, sent: Any, attr: str, code: str, detail: str | None) -> None:
    refused = await ada.refused("POST", PATH, sent)

    assert (refused["type"], refused["code"], refused["attr"]) == ("validation_error", code, attr)
    assert detail is None or refused["detail"] == detail
    assert (await ada.found(PATH))["count"] == 0


async def test_a_name_is_given_once(ada: Project) -> None:
    answers = await asyncio.gather(*(ada.post(ada.path(PATH), body("same", "SELECT 1 AS one")) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]
    refused = next(answer.json() for answer in answers if answer.status_code == 400)
    assert (refused["code"], refused["attr"]) == ("unique", "name")


async def test_views_may_read_views_but_not_in_a_circle(ada: Project) -> None:
    inner = await ada.made(PATH, body("inner_view", "SELECT 7 AS n"))
    outer = await ada.made(PATH, body("outer_view", "SELECT n + 1 AS m FROM inner_view"))
    assert await ada.rows("SELECT m FROM outer_view") == [[8]]

    change = {"query": {"query": "SELECT m AS n FROM outer_view"}, "edited_history_id": inner["latest_history_id"]}
    assert (await ada.refused("PATCH", f"{PATH}{inner['id']}/", change))["detail"] == "Model contains a cycle"
    assert (await ada.refused("POST", PATH, body("me", "SELECT * FROM me")))["detail"] == "Model contains a cycle"
    await ada.made(PATH, body("own_name", "WITH own_name AS (SELECT 1 AS one) SELECT one FROM own_name"))
    assert await ada.found(f"{PATH}{outer['id']}/ancestors/") == {"ancestors": [inner["id"]]}
    assert await ada.found(f"{PATH}{inner['id']}/descendants/") == {"descendants": [outer["id"]]}
    assert await ada.found(f"{PATH}{inner['id']}/dependencies/") == {"upstream_count": 0, "downstream_count": 1}
    assert await ada.found(f"{PATH}{inner['id']}/run_history/") == {"run_history": []}


async def test_run_finds_the_columns_anew_and_nothing_is_materialized(ada: Project) -> None:
    inner = await ada.made(PATH, body("below", "SELECT 7 AS n"))
    outer = await ada.made(PATH, body("above", "SELECT * FROM below"))
    await ada.changed(
        f"{PATH}{inner['id']}/",
        {"query": {"query": "SELECT 'a' AS text"}, "edited_history_id": inner["latest_history_id"]},
    )
    again = await ada.made(f"{PATH}{outer['id']}/run/", {}, status=200)

    assert [(column["name"], column["type"]) for column in again["columns"]] == [("text", "string")]
    for action in ("materialize", "revert_materialization", "cancel"):
        await ada.refused("POST", f"{PATH}{outer['id']}/{action}/", {}, status=403)


async def test_another_project_has_views_of_its_own(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, body("mine", "SELECT 1 AS one"))

    await bob.refused("GET", f"{PATH}{made['id']}/", status=404)
    await bob.refused("PATCH", f"{PATH}{made['id']}/", {"name": "theirs"}, status=404)
    await bob.refused("POST", "query/", {"query": {"kind": "HogQLQuery", "query": "SELECT one FROM mine"}})
    assert (await bob.found(PATH))["count"] == 0
    stranger = await bob.get(ada.path(PATH))
    assert stranger.status_code == 403


async def test_scopes(ada: Project) -> None:
    reader = await ada.person.by_key("warehouse_view:read")

    assert (await reader.get(ada.path(PATH))).status_code == 200
    refused = await reader.post(ada.path(PATH), body("x"))
    assert refused.status_code == 403
    assert refused.json()["detail"] == "API key missing required scope 'warehouse_view:write'"


async def test_what_was_done_is_told(ada: Project) -> None:
    made = await ada.made(PATH, body("told", "SELECT 1 AS one"))
    await ada.changed(f"{PATH}{made['id']}/", {"name": "retold"})
    page = await ada.found(f"{PATH}{made['id']}/activity/")

    assert page["total_count"] == 2
    assert [entry["activity"] for entry in page["results"]] == ["updated", "created"]
    newest = page["results"][0]
    assert (newest["scope"], newest["item_id"], newest["user"]["first_name"]) == (
        "DataWarehouseSavedQuery", made["id"], "Ada",
    )  # fmt: skip
    assert newest["detail"]["changes"] == [
        {"type": "DataWarehouseSavedQuery", "action": "changed", "field": "name", "before": "told", "after": "retold"}
    ]
    assert (await ada.found(f"{PATH}activity/?limit=1&page=2"))["results"][0]["activity"] == "created"


async def test_an_editor_sees_them(ada: Project) -> None:
    await ada.made(PATH, body("listed", "SELECT 1 AS one"))
    response = await ada.post(ada.path("query/"), {"query": {"kind": "DatabaseSchemaQuery"}})

    table = response.json()["tables"]["listed"]
    assert (table["type"], table["name"], list(table["fields"])) == ("view", "listed", ["one"])
    assert table["fields"]["one"]["type"] == "integer"
