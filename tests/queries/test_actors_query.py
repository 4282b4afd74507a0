"""ActorsQuery (queries §4.4), GroupsQuery (§4.5), PersonsNode (§4.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.queries.world import Asker, World

from hedgerow.core import ids

pytestmark = pytest.mark.stores


async def stores(project: Asker, table: str, **row: Any) -> None:
    line = json.dumps({"team_id": project.id, "is_deleted": False, "version": 1, **row}).encode()
    await project.world.stores.events.insert(table, line, token=str(ids.uuid7()))


async def person(project: Asker, *distinct_ids: str, day: int = 1, **properties: Any) -> str:
    made = str(ids.person_uuid(project.id, distinct_ids[0]))
    at = f"2026-01-{day:02} 00:00:00"
    await stores(project, "persons", id=made, created_at=at, properties=json.dumps(properties), is_identified=True)
    for each in distinct_ids:
        await stores(project, "person_distinct_ids", distinct_id=each, person_id=made)
    return made


async def group(project: Asker, key: str, *, index: int = 0, day: int = 1, **properties: Any) -> None:
    at = f"2026-01-{day:02} 00:00:00"
    await stores(
        project, "groups", group_type_index=index, group_key=key, created_at=at, updated_at=at,
        properties=json.dumps(properties),
    )  # fmt: skip


async def asked(project: Asker, kind: str, **node: Any) -> dict[str, Any]:
    response = await project.request("POST", json={"query": {"kind": kind, **node}, "refresh": "force_blocking"})
    assert response.status_code == 200, response.text
    return response.json()


async def actors(project: Asker, **node: Any) -> dict[str, Any]:
    return await asked(project, "ActorsQuery", **node)


async def emails(project: Asker, **node: Any) -> list[Any]:
    found = await actors(project, select=["properties.email"], **node)
    return [row[0] for row in found["results"]]


async def groups(project: Asker, **node: Any) -> list[str]:
    found = await asked(project, "GroupsQuery", group_type_index=0, select=["key"], **node)
    return [row[0] for row in found["results"]]


class TestActors:
    async def test_all_persons_in_the_shape_of_the_contract(self, world: World, project: Asker) -> None:
        await person(await world.project(), "foreign")
        made = await person(project, "ann", "ann's phone", email="ann@mail.example", plan={"a": 1})

        answer = await actors(project)

        assert answer["results"] == [
            [
                {
                    "id": made,
                    "properties": {"email": "ann@mail.example", "plan": {"a": 1}},
                    "is_identified": True,
                    "created_at": "2026-01-01T00:00:00Z",
                    "distinct_ids": ["ann", "ann's phone"],
                },
                made,
                1,
            ]
        ]
        assert answer["columns"] == ["person", "id", "person.$delete"]
        assert len(answer["types"]) == 3
        assert (answer["hasMore"], answer["limit"], answer["offset"], answer["missing_actors_count"]) == (
            False,
            100,
            0,
            0,
        )

    async def test_search_looks_at_names_and_every_id(self, project: Asker) -> None:
        ann = await person(project, "phone 7", email="ann@mail.example")
        await person(project, "b", email="bob@mail.example", name="Robert")

        assert await emails(project, search="ANN@") == ["ann@mail.example"]
        assert await emails(project, search="phone") == ["ann@mail.example"]
        assert await emails(project, search=ann[:13]) == ["ann@mail.example"]
        assert await emails(project, search="robert") == ["bob@mail.example"]
        assert await emails(project, search="nobody") == []

    async def test_filters_order_and_pages(self, project: Asker) -> None:
        for day, (name, plan) in enumerate((("ann", "pro"), ("bob", "free"), ("cy", "pro")), start=1):
            await person(project, name, day=day, email=f"{name}@x.example", plan=plan)

        wanted = [{"key": "plan", "value": "pro", "type": "person"}]
        assert await emails(project, properties=wanted, orderBy=["created_at DESC"]) == [
            "cy@x.example",
            "ann@x.example",
        ]
        assert await emails(project, fixedProperties=wanted, orderBy=["person"]) == ["ann@x.example", "cy@x.example"]
        either = {"type": "OR", "values": [{"key": "plan", "value": "free", "type": "person"}, *wanted]}
        assert len(await emails(project, properties=either)) == 3
        assert await emails(project, orderBy=["person DESC"]) == ["cy@x.example", "bob@x.example", "ann@x.example"]
        newest = await actors(project, select=["properties.email", "created_at"], limit=1)
        assert newest["results"] == [["cy@x.example", "2026-01-03T00:00:00Z"]]
        assert newest["hasMore"]
        assert await emails(project, orderBy=["person"], limit=1, offset=1) == ["bob@x.example"]

    async def test_sums(self, project: Asker) -> None:
        for name, plan in (("a", "pro"), ("b", "pro"), ("c", "free")):
            await person(project, name, plan=plan)

        assert (await actors(project, select=["properties.plan", "count()"]))["results"] == [["pro", 2], ["free", 1]]

    async def test_the_persons_that_a_query_gives_and_those_that_are_gone(self, project: Asker) -> None:
        ann = await person(project, "ann", email="ann@x.example")
        await person(project, "bob", email="bob@x.example")
        gone = str(ids.person_uuid(project.id, "gone"))
        for by in ("ann", "ann", "gone"):
            await project.sends("buy", by=by)
        source = {
            "kind": "HogQLQuery",
            "query": "SELECT person_id FROM events WHERE event = {event}",
            "values": {"event": "buy"},
        }

        answer = await actors(project, source=source, select=["person", "id", "person_display_name"])

        found = {row[1]: row for row in answer["results"]}
        assert found.keys() == {ann, gone}
        assert found[ann][0]["distinct_ids"] == ["ann"]
        assert found[ann][2] == {"display_name": "ann@x.example", "id": ann}
        assert found[gone][0] == {"id": gone}
        assert found[gone][2] == {"display_name": gone, "id": gone}
        assert answer["missing_actors_count"] == 1

    @pytest.mark.parametrize(
        ("node", "detail", "attr"),
        [
            (
                {"source": {"kind": "HogQLQuery", "query": "SELECT event FROM events"}},
                "Source query must have an id column",
                None,
            ),
            ({"source": {"kind": "InsightActorsQuery"}}, "Unsupported query kind: InsightActorsQuery", "query__source"),
            ({"source": {"kind": "HogQLQuery"}}, "This field is required.", "query__query"),
            ({"select": "person"}, None, "query__select"),
            ({"select": ["nothing"]}, "Unable to resolve field: nothing", None),
            ({"properties": [{"key": "a", "value": 1, "type": "event"}]}, None, None),
            ({"limit": "x"}, None, "query__limit"),
        ],
    )
    async def test_what_is_no_query_is_refused(
        self, project: Asker, node: dict[str, Any], detail: str | None, attr: str | None
    ) -> None:
        response = await project.request("POST", json={"query": {"kind": "ActorsQuery", **node}})

        assert response.status_code == 400, response.text
        assert detail is None or response.json()["detail"] == detail
        assert response.json()["attr"] == attr


class TestGroups:
    async def test_the_shape_of_the_answer(self, world: World, project: Asker) -> None:
        await group(await world.project(), "foreign", name="Foreign")
        await group(project, "acme", day=2, name="Acme", seats=3)
        await group(project, "nameless", day=1)
        await group(project, "other type", index=1)

        answer = await asked(project, "GroupsQuery", group_type_index=0)
        chosen = await asked(
            project, "GroupsQuery", group_type_index=0, select=["key", "properties.seats", "key", "group_name"]
        )

        assert answer["results"] == [
            [{"display_name": "Acme", "key": "acme"}],
            [{"display_name": "nameless", "key": "nameless"}],
        ]
        assert (answer["kind"], answer["columns"]) == ("GroupsQuery", ["group_name"])
        assert (answer["hasMore"], answer["limit"], answer["offset"]) == (False, 100, 0)
        assert chosen["columns"] == ["key", "properties.seats", "group_name"]
        assert chosen["results"][0] == ["acme", "3", {"display_name": "Acme", "key": "acme"}]
        assert chosen["types"][0] == "String"

    async def test_a_search_puts_the_exact_first_then_what_begins_so(self, project: Asker) -> None:
        for day, (key, name) in enumerate(
            (("1", "Tea"), ("2", "Teapots"), ("3", "Green tea"), ("tea", "Zen"), ("5", "Milk"))
        ):
            await group(project, key, day=day + 1, name=name)

        assert await groups(project, search="tea") == ["tea", "1", "2", "3"]
        assert await groups(project, search="%") == []

    async def test_filters_order_pages_and_sums(self, project: Asker) -> None:
        for day, seats in enumerate((3, 1, 2), start=1):
            await group(project, f"g{seats}", day=day, name=f"G{seats}", seats=seats)

        assert await groups(project) == ["g2", "g1", "g3"]
        assert await groups(project, orderBy=["key DESC"], limit=2) == ["g3", "g2"]
        assert await groups(project, orderBy=["key"], limit=2, offset=2) == ["g3"]
        wanted = [{"key": "seats", "value": "2", "type": "group", "group_type_index": 0}]
        assert await groups(project, properties=wanted) == ["g2"]
        assert (await asked(project, "GroupsQuery", group_type_index=0, select=["count(*)"]))["results"] == [[3]]

    @pytest.mark.parametrize("index", [None, -1, 5, "0"])
    async def test_the_type_is_one_of_five(self, project: Asker, index: Any) -> None:
        response = await project.request("POST", json={"query": {"kind": "GroupsQuery", "group_type_index": index}})

        assert (response.status_code, response.json()["attr"]) == (400, "query__group_type_index")


async def test_persons_node_is_never_run(project: Asker) -> None:
    response = await project.request("POST", json={"query": {"kind": "PersonsNode"}})

    assert (response.status_code, response.json()["detail"]) == (400, "Unsupported query kind: PersonsNode")
