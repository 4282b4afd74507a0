"""Actions: made, changed, hidden, brought back, asked in HogQL (rest-api §13)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from tests.resources.house import Project
from tests.workspace.world import NOW

from hedgerow.insights.models import Insight
from hedgerow.server import Hedgerow

pytestmark = pytest.mark.stores
PATH = "actions/"
EMPTY_STEP = {
    "event": None,
    "properties": None,
    "selector": None,
    "selector_regex": None,
    "tag_name": None,
    "text": None,
    "text_matching": None,
    "href": None,
    "href_matching": None,
    "url": None,
    "url_matching": "contains",
}


async def names(project: Project, query: str = "") -> list[str]:
    return [row["name"] for row in (await project.found(PATH + query))["results"]]


async def test_the_life_of_an_action(ada: Project) -> None:
    steps = [{"event": "$identify", "id": 7, "name": "old clients send these"}]
    made = await ada.made(PATH, {"name": "Signed up", "steps": steps, "tags": ["B", "a"]})
    item = f"{PATH}{made['id']}/"

    assert made == {
        "id": made["id"],
        "name": "Signed up",
        "description": "",
        "tags": ["a", "b"],
        "post_to_slack": False,
        "slack_message_format": "",
        "steps": [{**EMPTY_STEP, "event": "$identify"}],
        "created_at": made["created_at"],
        "created_by": made["created_by"],
        "deleted": False,
        "is_calculating": False,
        "last_calculated_at": made["created_at"],
        "team_id": ada.id,
        "is_action": True,
        "bytecode_error": None,
        "pinned_at": None,
        "creation_context": None,
        "user_access_level": "manager",
    }
    assert made["created_by"]["id"] == ada.person.user.id
    assert await ada.found(PATH) == {"count": 1, "next": None, "previous": None, "results": [made]}
    assert await ada.found(item) == made
    assert (await ada.changed(item, {"description": "d"}))["steps"] == made["steps"]
    assert (await ada.changed(item, {"steps": []}))["steps"] == []
    assert (await ada.changed(item, {"deleted": True}))["deleted"] is True
    assert await names(ada) == []
    assert (await ada.found(item))["deleted"] is True
    again = await ada.made(PATH, {"name": "Signed up"})
    refused = await ada.refused("PATCH", item, {"deleted": False})
    assert (refused["code"], refused["attr"]) == ("unique", "name")
    assert (await ada.changed(item, {"deleted": False, "name": "Other"}))["deleted"] is False
    assert await names(ada, "?ordering=name") == ["Other", "Signed up"]
    assert (await ada.refused("DELETE", item, status=405))["code"] == "method_not_allowed"
    activities = (await ada.found(item + "activity/"))["results"]
    assert [row["activity"] for row in activities] == ["restored", "deleted", "updated", "updated", "created"]
    assert {row["scope"] for row in activities} == {"Action"}
    answer = await ada.ask("PUT", ada.path(f"{PATH}{again['id']}/"), {"name": "Put"})
    assert (answer.status_code, answer.json()["name"]) == (200, "Put")


async def test_an_action_is_asked_in_hogql(ada: Project) -> None:
    chain = 'span:text="Buy";a.btn.btn-x:href="/buy";div'
    await ada.sends("$autocapture", "ann", {"$elements_chain": chain, "$current_url": "https://x.org/cart"})
    await ada.sends("paid", "bob", {"seats": 3})
    await ada.sends("seen", "cat", {"$current_url": "https://x.org/help"})
    click = {"event": "$autocapture", "selector": "a.btn > span", "text": "buy", "text_matching": "contains"}
    paid = {"event": "paid", "properties": [{"key": "seats", "type": "event", "operator": "gt", "value": 2}]}
    made = await ada.made(PATH, {"name": "Won", "steps": [click, paid]})
    item = f"{PATH}{made['id']}/"

    async def who(action: str) -> list[str]:
        rows = await ada.rows(f"SELECT distinct_id FROM events WHERE matchesAction({action}) ORDER BY distinct_id")
        return [row[0] for row in rows]

    assert await who(str(made["id"])) == ["ann", "bob"]
    assert await who("'Won'") == ["ann", "bob"]
    await ada.changed(item, {"steps": [{"url": "x.org"}]})
    assert await who("'Won'") == ["ann", "cat"]
    await ada.changed(item, {"steps": []})
    assert await who("'Won'") == []
    await ada.changed(item, {"deleted": True})
    query = {"kind": "HogQLQuery", "query": "SELECT count() FROM events WHERE matchesAction('Won')"}
    refused = await ada.refused("POST", "query/", {"query": query})
    assert "Could not find action" in refused["detail"]


@pytest.mark.parametrize(
    ("body", "code", "detail", "attr"),
    [
        ({"name": ""}, "blank", "This field may not be blank.", "name"),
        ({"name": "x" * 401}, "max_length", "Ensure this field has no more than 400 characters.", "name"),
        (
            {"slack_message_format": "x" * 1201},
            "max_length",
            "Ensure this field has no more than 1200 characters.",
            "slack_message_format",
        ),
        (
            {"steps": [{}, {"url_matching": "foo"}]},
            "invalid_choice",
            '"foo" is not a valid choice.',
            "steps__1__url_matching",
        ),
        (
            {"steps": [{"text_matching": "x"}]},
            "invalid_choice",
            '"x" is not a valid choice.',
            "steps__0__text_matching",
        ),
        (
            {"steps": [{"href": "(", "href_matching": "regex"}]},
            "invalid_input",
            "This is not a valid regular expression.",
            "steps__0__href",
        ),
        ({"steps": [{"selector": " "}]}, "blank", "This field may not be blank.", "steps__0__selector"),
        (
            {"steps": [{"url": "x" * 4001}]},
            "max_length",
            "Ensure this field has no more than 4000 characters.",
            "steps__0__url",
        ),
        ({"steps": [{}] * 201}, "max_length", "Ensure this field has no more than 200 elements.", "steps"),
        (
            {"steps": [{"properties": [{"type": "hogql", "key": "matchesAction('a')"}]}]},
            "invalid_input",
            "A step of an action cannot name an action.",
            "steps__0__properties",
        ),
        (
            {"steps": [{"properties": [{"type": "event", "key": "a", "operator": "wat", "value": 1}]}]},
            "invalid_input",
            "PropertyOperator wat not implemented",
            "steps__0__properties",
        ),
        ({"last_calculated_at": "yesterday"}, "invalid_input", None, "last_calculated_at"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    ada: Project, body: dict[str, Any], code: str, detail: str | None, attr: str
) -> None:
    refused = await ada.refused("POST", PATH, body)

    assert (refused["code"], refused["attr"]) == (code, attr)
    assert detail is None or refused["detail"] == detail
    assert await names(ada) == []


async def test_a_name_belongs_to_one_action(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, {"name": "Mine"})
    refused = await ada.refused("POST", PATH, {"name": "Mine"})

    assert (refused["code"], refused["attr"]) == ("unique", "name")
    assert refused["detail"] == f"This project already has an action with this name, ID {made['id']}"
    await bob.made(PATH, {"name": "Mine"})
    assert [(await ada.made(PATH, {}))["name"] for _ in range(2)] == [None, None]
    answers = await asyncio.gather(*(ada.post(ada.path(PATH), {"name": "contested"}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400]


async def test_another_projects_action_is_not_found(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, {"name": "hers"})
    item = f"{PATH}{made['id']}/"

    for method, tail in [("GET", item), ("PATCH", item), ("GET", item + "references/"), ("GET", item + "activity/")]:
        await bob.refused(method, tail, {} if method == "PATCH" else None, status=404)
    assert await names(bob) == []
    tagged = await bob.made(PATH + "bulk_update_tags/", {"ids": [made["id"]], "action": "set", "tags": ["x"]}, 200)
    assert tagged == {"updated": [], "skipped": [{"id": made["id"], "reason": "not_found"}]}


async def test_a_key_needs_the_scope(ada: Project) -> None:
    reader = Project(ada.person, await ada.person.key("action:read"))
    made = await ada.made(PATH, {"name": "a"})

    assert await names(reader) == ["a"]
    for method, tail in [("POST", PATH), ("PATCH", f"{PATH}{made['id']}/"), ("POST", PATH + "bulk_update_tags/")]:
        refused = await reader.refused(method, tail, {}, status=403)
        assert refused["detail"] == "API key missing required scope 'action:write'"
    other = Project(ada.person, await ada.person.key("insight:write"))
    await other.refused("GET", PATH, status=403)


async def test_lists_are_searched_ordered_and_cut(ada: Project) -> None:
    for number, name in enumerate(["b%", "a", "c"]):
        body = {"name": name, "tags": ["odd"] if number % 2 else [], "last_calculated_at": f"2026-01-0{number + 1}"}
        await ada.made(PATH, body)

    assert await names(ada) == ["c", "a", "b%"]
    assert await names(ada, "?ordering=-name") == ["c", "b%", "a"]
    assert await names(ada, "?ordering=wat") == ["c", "a", "b%"]
    assert await names(ada, "?search=%25") == ["b%"]
    assert await names(ada, '?tags=["odd"]') == ["a"]
    assert await names(ada, f"?created_by={ada.person.user.id},5&ordering=name") == ["a", "b%", "c"]
    assert await names(ada, "?created_by=999999999") == []
    part = await ada.found(PATH + "?limit=1&offset=1")
    assert ([row["name"] for row in part["results"]], part["count"]) == (["a"], 3)
    assert "offset=2" in part["next"]
    assert (await ada.refused("GET", PATH + "?tags=odd"))["attr"] == "tags"
    table = await ada.get(ada.path(PATH + "?format=csv"))
    lines = table.text.splitlines()
    assert table.headers["content-type"].startswith("text/csv")
    assert (lines[0].split(",")[:3], len(lines)) == (["id", "name", "description"], 4)


async def test_a_list_takes_as_many_statements_for_many(ada: Project) -> None:
    counted: list[str] = []

    def count(*arguments: Any) -> None:
        if any(table in arguments[2] for table in (" actions", " tagged_items", " users")):
            counted.append(arguments[2])

    async def statements() -> int:
        counted.clear()
        await ada.found(PATH)
        return len(counted)

    await ada.made(PATH, {"name": "first", "tags": ["t"]})
    await ada.found(PATH)
    event.listen(Engine, "before_cursor_execute", count)
    try:
        few = await statements()
        for number in range(5):
            await ada.made(PATH, {"name": f"n{number}", "tags": ["t"]})
        assert await statements() == few
    finally:
        event.remove(Engine, "before_cursor_execute", count)


async def test_pins_take_the_servers_time(ada: Project) -> None:
    made = await ada.made(PATH, {"name": "p", "pinned_at": "2001-01-01T00:00:00Z"})
    item = f"{PATH}{made['id']}/"

    assert made["pinned_at"] > made["created_at"]
    assert (await ada.changed(item, {"pinned_at": "2002-01-01T00:00:00Z"}))["pinned_at"] == made["pinned_at"]
    assert (await ada.changed(item, {"pinned_at": ""}))["pinned_at"] is None
    assert (await ada.changed(item, {"pinned_at": True}))["pinned_at"] is not None
    assert (await ada.changed(item, {"pinned_at": None}))["pinned_at"] is None


async def test_tags_of_many_change_at_once(ada: Project) -> None:
    ids = [(await ada.made(PATH, {"name": name, "tags": ["old"]}))["id"] for name in "ab"]
    path = PATH + "bulk_update_tags/"

    added = await ada.made(path, {"ids": [*ids, 999_999_999], "action": "add", "tags": ["New"]}, 200)
    assert added["updated"] == [{"id": each, "tags": ["new", "old"]} for each in ids]
    assert added["skipped"] == [{"id": 999_999_999, "reason": "not_found"}]
    removed = await ada.made(path, {"ids": ids[:1], "action": "remove", "tags": ["old"]}, 200)
    assert removed["updated"] == [{"id": ids[0], "tags": ["new"]}]
    await ada.made(path, {"ids": ids, "action": "set", "tags": []}, 200)
    assert [row["tags"] for row in (await ada.found(PATH))["results"]] == [[], []]
    assert (await ada.refused("POST", path, {"ids": ids, "action": "wat", "tags": []}))["attr"] == "action"


async def test_a_selector_that_finds_nothing_is_stored_with_a_warning(ada: Project) -> None:
    steps = [{"event": "$autocapture", "selector": said} for said in (".btn", ".a, .b")]
    shown = (await ada.made(PATH, {"name": "s", "steps": steps}))["steps"]

    assert "btn" in shown[0]["selector_regex"]
    assert ["selector_warning" in step for step in shown] == [False, True]


async def test_nothing_is_made_of_a_new_action(ada: Project) -> None:
    made = await ada.made(PATH, {"name": "lonely"})

    assert await ada.found(f"{PATH}{made['id']}/references/") == []
    listed = (await ada.found(PATH + "?include_reference_count=true"))["results"]
    assert [row["reference_count"] for row in listed] == [0]


async def test_an_insight_refers_to_its_actions(ada: Project, bob: Project, house: Hedgerow) -> None:
    ids = [(await ada.made(PATH, {"name": name}))["id"] for name in ("asked", "asked of old", "not asked")]
    query = {
        "kind": "InsightVizNode",
        "source": {"kind": "TrendsQuery", "series": [{"kind": "ActionsNode", "id": ids[0]}]},
    }
    async with house.metadata.write() as session:
        for project, short_id in ((ada, "mine1234"), (bob, "his12345")):
            session.add(
                Insight(
                    team_id=project.id,
                    created_at=NOW,
                    created_by_id=ada.person.user.id,
                    short_id=short_id,
                    name="Trend",
                    filters={"actions": [{"id": str(ids[1])}]},
                    query=query,
                    favorited=False,
                    saved=True,
                    updated_at=NOW,
                    last_modified_at=NOW,
                    deleted=False,
                )
            )

    found = await ada.found(f"{PATH}{ids[0]}/references/")
    assert [(row["type"], row["name"], row["url"], row["created_by"]["id"]) for row in found] == [
        ("insight", "Trend", "/insights/mine1234", ada.person.user.id)
    ]
    listed = (await ada.found(PATH + "?include_reference_count=true&ordering=id"))["results"]
    assert [row["reference_count"] for row in listed] == [1, 1, 0]
