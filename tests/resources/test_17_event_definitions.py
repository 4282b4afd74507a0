"""Event definitions: learnt from events, said things about, deleted (rest-api §17)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.resources.house import Project
from tests.resources.statements import counted

from hedgerow.server import Hedgerow

pytestmark = pytest.mark.stores
PATH = "event_definitions/"


async def sent(project: Project, house: Hedgerow, *events: str, **properties: Any) -> None:
    for name in events:
        await project.sends(name, "ann", properties)
    await house.taxonomy.save()


async def names(project: Project, query: str = "") -> list[str]:
    return [row["name"] for row in (await project.found(PATH + query))["results"]]


async def id_of(project: Project, name: str) -> str:
    return f"{PATH}{(await project.found(f'{PATH}by_name/?name={name}'))['id']}/"


async def test_an_event_is_learnt_and_said_things_about(ada: Project, house: Hedgerow) -> None:
    await sent(ada, house, "plan chosen")
    first = (await ada.found(PATH))["results"][0]
    item = f"{PATH}{first['id']}/"

    assert first == {
        "id": first["id"],
        "name": "plan chosen",
        "created_at": first["created_at"],
        "last_seen_at": first["created_at"],
        "last_updated_at": first["created_at"],
        "tags": [],
        "is_action": False,
        "action_id": None,
        "is_calculating": False,
        "last_calculated_at": None,
        "created_by": None,
        "post_to_slack": False,
        "default_columns": [],
        "owner": None,
        "description": "",
        "updated_at": None,
        "updated_by": None,
        "verified": False,
        "verified_at": None,
        "verified_by": None,
        "hidden": None,
        "enforcement_mode": "allow",
        "primary_property": None,
    }
    assert await ada.found(item) == first
    body = {"name": "x", "description": "d", "tags": ["B"], "owner": ada.person.user.id, "default_columns": ["a"]}
    changed = await ada.changed(item, {**body, "primary_property": "p", "post_to_slack": True})
    assert (changed["name"], changed["description"], changed["tags"]) == ("plan chosen", "d", ["b"])
    assert changed["owner"]["id"] == changed["updated_by"]["id"] == ada.person.user.id
    assert (changed["default_columns"], changed["primary_property"]) == (["a"], "p")
    await sent(ada, house, "plan chosen")
    assert await ada.found(item) == changed
    answer = await ada.ask("PUT", ada.path(item), {"description": "put"})
    assert (answer.json()["description"], answer.json()["tags"]) == ("put", ["b"])


async def test_hidden_and_verified_exclude_each_other(ada: Project, bob: Project, house: Hedgerow) -> None:
    await sent(ada, house, "e")
    item = await id_of(ada, "e")

    refused = await ada.refused("PATCH", item, {"hidden": True, "verified": True})
    assert (refused["detail"], refused["attr"]) == ("An event cannot be both hidden and verified", None)
    verified = await ada.changed(item, {"verified": True})
    assert (verified["verified"], verified["verified_by"]["id"]) == (True, ada.person.user.id)
    assert (await ada.changed(item, {"verified": True}))["verified_at"] == verified["verified_at"]
    hidden = await ada.changed(item, {"hidden": True})
    assert (hidden["hidden"], hidden["verified"], hidden["verified_at"], hidden["verified_by"]) == (
        True,
        False,
        None,
        None,
    )
    assert await names(ada, "?exclude_hidden=true") == []
    again = await ada.changed(item, {"verified": True})
    assert (again["hidden"], again["verified"]) == (False, True)
    assert await names(ada, "?verified=true") == ["e"]
    cleared = await ada.changed(item, {"verified": False})
    assert (cleared["verified"], cleared["verified_at"], cleared["verified_by"]) == (False, None, None)
    stranger = await ada.refused("PATCH", item, {"owner": bob.person.user.id})
    assert (stranger["code"], stranger["attr"]) == ("does_not_exist", "owner")
    assert (await ada.refused("PATCH", item, {"enforcement_mode": "x"}))["attr"] == "enforcement_mode"


async def test_a_deleted_event_comes_back_when_it_is_seen(ada: Project, house: Hedgerow) -> None:
    await sent(ada, house, "gone", "stays")
    item = await id_of(ada, "gone")
    await ada.changed(item, {"description": "old", "tags": ["t"]})

    assert (await ada.ask("DELETE", ada.path(item))).status_code == 204
    await ada.refused("GET", item, status=404)
    await sent(ada, house, "stays")
    assert await names(ada) == ["stays"]
    await sent(ada, house, "gone")
    back = await ada.found(f"{PATH}by_name/?name=gone")
    assert (back["description"], back["tags"]) == ("", [])


async def test_an_event_can_be_made_before_it_comes(ada: Project, house: Hedgerow) -> None:
    made = await ada.made(PATH, {"name": "soon", "description": "d", "tags": ["t"]})

    assert (made["created_at"], made["last_seen_at"], made["tags"]) == (None, None, ["t"])
    refused = await ada.refused("POST", PATH, {"name": "soon"})
    assert (refused["detail"], refused["attr"]) == ("Event definition with name 'soon' already exists", "name")
    assert (await ada.refused("POST", PATH, {"name": " "}))["code"] == "blank"
    assert (await ada.refused("POST", PATH, {"name": "x" * 401}))["code"] == "max_length"
    await sent(ada, house, "soon")
    seen = await ada.found(f"{PATH}{made['id']}/")
    assert seen["last_seen_at"] is not None
    assert seen["description"] == "d"
    answers = await asyncio.gather(*(ada.post(ada.path(PATH), {"name": "contested"}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]


async def test_lists_are_narrowed_and_ordered(ada: Project, house: Hedgerow) -> None:
    await sent(ada, house, "$pageview", "big Sale", "a_b", "axb")
    await ada.changed(await id_of(ada, "axb"), {"tags": ["x"]})

    assert await names(ada) == ["$pageview", "a_b", "axb", "big Sale"]
    assert await names(ada, "?event_type=event_custom&ordering=-name") == ["big Sale", "axb", "a_b"]
    assert await names(ada, "?event_type=event_posthog") == ["$pageview"]
    assert await names(ada, "?search=sale%20BIG") == ["big Sale"]
    assert await names(ada, "?search=a_b") == ["a_b"]
    assert await names(ada, '?names=["axb","nope"]') == ["axb"]
    assert await names(ada, '?tags=["X"]') == ["axb"]
    assert await names(ada, '?excluded_properties=["axb"]&event_type=event_custom') == ["a_b", "big Sale"]
    assert await names(ada, "?ordering=-last_seen_at::date&ordering=-name") == ["big Sale", "axb", "a_b", "$pageview"]
    assert await names(ada, "?limit=1&offset=1&ordering=name") == ["a_b"]
    assert (await ada.refused("GET", PATH + "?names=x"))["attr"] == "names"


async def test_types_for_typescript(ada: Project, house: Hedgerow) -> None:
    await sent(ada, house, 'paid "x"', seats=3, plan="pro")
    answer = await ada.get(ada.path(PATH + "typescript/"))

    assert answer.headers["content-type"].startswith("text/plain")
    assert (
        '    "paid \\"x\\"": {\n        "$ip"?: string\n        "plan"?: string\n        "seats"?: number\n    }'
        in answer.text
    )


async def test_another_projects_event_is_not_found(ada: Project, bob: Project, house: Hedgerow) -> None:
    await sent(ada, house, "hers")
    item = await id_of(ada, "hers")

    for method in ("GET", "PATCH", "DELETE"):
        await bob.refused(method, item, {} if method == "PATCH" else None, status=404)
    await bob.refused("GET", PATH + "by_name/?name=hers", status=404)
    reader = Project(ada.person, await ada.person.key("event_definition:read"))
    assert await names(reader) == ["hers"]
    await reader.refused("PATCH", item, {}, status=403)


async def test_a_list_takes_as_many_statements_for_many(ada: Project, house: Hedgerow) -> None:
    async def statements() -> int:
        with counted() as found:
            await ada.found(PATH)
        return len([each for each in found if "definition" in each or "tagged" in each or "users" in each])

    await sent(ada, house, "one")
    await ada.changed(await id_of(ada, "one"), {"tags": ["t"], "verified": True})
    few = await statements()
    await sent(ada, house, *(f"n{number}" for number in range(6)))
    for number in range(3):
        await ada.changed(await id_of(ada, f"n{number}"), {"tags": ["t"], "verified": True})
    assert await statements() == few
