"""Property definitions: learnt from events, said things about, deleted (rest-api §18)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.resources.house import Project
from tests.resources.statements import counted

from hedgerow.server import Hedgerow

pytestmark = pytest.mark.stores
PATH = "property_definitions/"
MINE = "?excluded_properties=" + '["$ip"]'


async def sent(project: Project, house: Hedgerow, name: str, **properties: Any) -> None:
    await project.sends(name, "ann", properties)
    await house.taxonomy.save()


async def names(project: Project, query: str = MINE) -> list[str]:
    return [row["name"] for row in (await project.found(PATH + query))["results"]]


async def id_of(project: Project, name: str, query: str = "") -> str:
    return f"{PATH}{(await project.found(f'{PATH}?properties={name}{query}'))['results'][0]['id']}/"


async def test_a_property_is_learnt_and_said_things_about(ada: Project, house: Hedgerow) -> None:
    await sent(ada, house, "paid", seats=3)
    item = await id_of(ada, "seats")
    first = await ada.found(item)

    assert first == {
        "id": first["id"],
        "name": "seats",
        "is_numerical": True,
        "property_type": "Numeric",
        "tags": [],
        "is_seen_on_filtered_events": None,
        "description": "",
        "owner": None,
        "updated_at": None,
        "updated_by": None,
        "verified": False,
        "verified_at": None,
        "verified_by": None,
        "hidden": None,
    }
    assert (await ada.refused("PATCH", item, {"hidden": True, "verified": True}))["detail"] == (
        "A property cannot be both hidden and verified"
    )
    changed = await ada.changed(item, {"name": "x", "description": "d", "tags": ["T"], "verified": True})
    assert (changed["name"], changed["description"], changed["tags"], changed["verified"]) == (
        "seats",
        "d",
        ["t"],
        True,
    )
    assert (await ada.refused("PATCH", item, {"property_type": "x"}))["attr"] == "property_type"
    await sent(ada, house, "paid", seats=3)
    assert await ada.found(item) == changed


async def test_a_type_that_is_set_is_how_queries_read_it(ada: Project, house: Hedgerow) -> None:
    await sent(ada, house, "paid", seats=3)
    item = await id_of(ada, "seats")
    question = "SELECT toTypeName(properties.seats) FROM events"

    assert "Float" in (await ada.rows(question))[0][0]
    changed = await ada.changed(item, {"property_type": "String"})
    assert (changed["property_type"], changed["is_numerical"]) == ("String", False)
    assert "String" in (await ada.rows(question))[0][0]
    await sent(ada, house, "paid", seats=4)
    assert (await ada.found(item))["property_type"] == "String"


async def test_a_deleted_property_comes_back_when_it_is_seen(ada: Project, house: Hedgerow) -> None:
    await sent(ada, house, "paid", gone=1, stays=1)
    item = await id_of(ada, "gone")

    assert (await ada.ask("DELETE", ada.path(item))).status_code == 204
    await ada.refused("GET", item, status=404)
    assert await names(ada) == ["stays"]
    await sent(ada, house, "paid", gone=1)
    assert await names(ada) == ["gone", "stays"]


async def test_lists_are_narrowed_and_ordered(ada: Project, house: Hedgerow) -> None:
    await sent(
        ada, house, "paid", seats=3, plan="pro", **{"$feature/x": "on", "distinct_id": "d", "$session_entry_url": "u"}
    )
    await sent(ada, house, "left", why="price", plan="pro", **{"$set": {"mail": "a@x.org"}})

    assert await names(ada) == ["$feature/x", "plan", "seats", "why"]
    await ada.changed(await id_of(ada, "why"), {"verified": True})
    assert await names(ada) == ["why", "$feature/x", "plan", "seats"]
    assert await names(ada, '?event_names=["paid"]&exclude_core_properties=true') == ["plan", "seats", "why"]
    seen = (await ada.found(PATH + '?event_names=["paid"]&properties=seats,why'))["results"]
    assert [(row["name"], row["is_seen_on_filtered_events"]) for row in seen] == [("seats", True), ("why", False)]
    assert await names(ada, MINE + '&event_names=["left"]&filter_by_event_names=true') == ["why", "plan"]
    assert await names(ada, "?is_numerical=true") == ["seats"]
    assert await names(ada, "?is_feature_flag=true") == ["$feature/x"]
    assert "$feature/x" not in await names(ada, "?is_feature_flag=false")
    assert await names(ada, "?search=EA%20ts") == ["seats"]
    assert await names(ada, "?type=person&search=mail") == ["mail"]
    await ada.changed(await id_of(ada, "seats"), {"hidden": True})
    assert await names(ada, MINE + "&exclude_hidden=true&exclude_core_properties=true") == ["why", "plan"]
    part = await ada.found(PATH + MINE + "&limit=1&offset=1")
    assert (len(part["results"]), part["count"]) == (1, 4)
    together = await ada.found(PATH + "seen_together/?event_names=paid&event_names=left&property_name=seats")
    assert together == {"paid": True, "left": False}
    assert (await ada.refused("GET", PATH + "seen_together/?event_names=a"))["attr"] == "property_name"


async def test_sessions_have_the_same_everywhere(ada: Project) -> None:
    found = (await ada.found(PATH + "?type=session&search=duration"))["results"]

    assert [(row["id"], row["property_type"], row["is_numerical"]) for row in found] == [
        ("$builtin_$session_duration", "Numeric", True)
    ]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("?type=group", "`group_type_index` must be set for `group` type"),
        ("?group_type_index=0", "`group_type_index` can only set for `group` type"),
        ("?type=group&group_type_index=5", "Invalid value for `group_type_index`"),
        ('?type=person&event_names=["a"]', "`event_names` can only be set for `event` type"),
        ("?type=wat", '"wat" is not a valid choice.'),
        ("?event_names=a", "event_names must be a JSON list of names."),
    ],
)
async def test_what_cannot_be_asked_is_refused(ada: Project, query: str, detail: str) -> None:
    assert (await ada.refused("GET", PATH + query))["detail"] == detail


async def test_another_projects_property_is_not_found(ada: Project, bob: Project, house: Hedgerow) -> None:
    await sent(ada, house, "paid", hers=1)
    item = await id_of(ada, "hers")

    for method in ("GET", "PATCH", "DELETE"):
        await bob.refused(method, item, {} if method == "PATCH" else None, status=404)
    assert await names(bob) == []
    reader = Project(ada.person, await ada.person.key("property_definition:read"))
    assert await names(reader) == ["hers"]
    await reader.refused("PATCH", item, {}, status=403)


async def test_a_list_takes_as_many_statements_for_many(ada: Project, house: Hedgerow) -> None:
    async def statements() -> int:
        with counted() as found:
            await ada.found(PATH)
        return len([each for each in found if "definition" in each or "tagged" in each or "users" in each])

    await sent(ada, house, "paid", one=1)
    await ada.changed(await id_of(ada, "one"), {"tags": ["t"], "verified": True})
    few = await statements()
    await sent(ada, house, "paid", **{f"n{number}": 1 for number in range(6)})
    for number in range(3):
        await ada.changed(await id_of(ada, f"n{number}"), {"tags": ["t"], "verified": True})
    assert await statements() == few
