"""HogQLAutocomplete (queries §3.3). `|` is the cursor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.queries.world import Asker, World

from hedgerow.queries.autocomplete import place_of, tables_of

pytestmark = pytest.mark.stores


async def asked(project: Asker, text: str, **node: Any) -> dict[str, Any]:
    at = text.index("|")
    query = {
        "kind": "HogQLAutocomplete", "language": "hogQL", "query": text.replace("|", "", 1), "startPosition": at,
        "endPosition": at, **node,
    }  # fmt: skip
    response = await project.request("POST", json={"query": query})
    assert response.status_code == 200, response.text
    return response.json()


async def labels(project: Asker, text: str, **node: Any) -> set[str]:
    return {each["label"] for each in (await asked(project, text, **node))["suggestions"]}


async def test_the_shape_of_the_answer(project: Asker) -> None:
    answer = await asked(project, "SELECT ev| FROM events")

    assert answer.keys() == {"suggestions", "incomplete_list", "timings", "query_status"}
    assert (answer["incomplete_list"], answer["query_status"]) == (False, None)
    by_label = {each["label"]: each for each in answer["suggestions"]}
    assert by_label["event"] == {
        "label": "event", "insertText": "event", "kind": "Variable", "detail": "String", "documentation": None,
    }  # fmt: skip
    assert by_label["count"] == {
        "label": "count", "insertText": "count()", "kind": "Function", "detail": None, "documentation": None,
    }  # fmt: skip
    assert by_label["person"]["kind"] == "Folder"
    assert "team_id" not in by_label


async def test_tables_behind_from_and_join(project: Asker) -> None:
    for text in ("SELECT * FROM |", "SELECT 1 FROM ev|", "SELECT * FROM events e JOIN pe|"):
        found = await asked(project, text)
        assert {each["kind"] for each in found["suggestions"]} == {"Folder"}
        assert {"events", "persons", "sessions", "query_log"} <= {each["label"] for each in found["suggestions"]}


async def test_fields_behind_a_dot(project: Asker) -> None:
    assert {"id", "created_at", "properties"} <= await labels(project, "SELECT person.| FROM events")
    assert {"event", "timestamp"} <= await labels(project, "SELECT e.| FROM events AS e")
    assert {"event", "timestamp"} <= await labels(project, "SELECT e.ev| FROM events e WHERE (")
    assert {"distinct_id", "person_id"} <= await labels(project, "SELECT events.pdi.| FROM events")
    assert {"$session_duration"} <= await labels(project, "SELECT session.$sess| FROM events")
    assert await labels(project, "SELECT nothing.| FROM events") == set()
    assert await labels(project, "SELECT event.| FROM events") == set()


async def test_properties_that_the_project_has(world: World, project: Asker) -> None:
    await (await world.project()).sends("a", {"foreign": 1})
    await project.sends("a", {"plan": "pro", "$browser": "x", "odd key": 1, "Planet": 2, "$set": {"email": "e"}})

    assert await labels(project, "SELECT properties.| FROM events") == {"plan", "$browser", "odd key", "Planet"}
    assert await labels(project, "SELECT e.properties.PLA| FROM events AS e") == {"plan", "Planet"}
    assert await labels(project, "SELECT properties.zz| FROM persons") == set()
    (odd,) = (await asked(project, "SELECT properties.odd| FROM events"))["suggestions"]
    assert odd["insertText"] == "`odd key`"


async def test_many_properties_are_cut_off(project: Asker) -> None:
    await project.sends("a", {f"key {number}": number for number in range(230)})

    answer = await asked(project, "SELECT properties.| FROM events")

    assert (len(answer["suggestions"]), answer["incomplete_list"]) == (220, True)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'ev|' FROM events",
        "SELECT 'ev|",
        "SELECT event -- ev|\nFROM events",
        "SELECT /* ev| */ 1",
        "SELECT 12|",
        "SELECT `ev|`",
    ],
)
async def test_nothing_inside_of_texts_numbers_and_comments(project: Asker, text: str) -> None:
    assert await labels(project, text) == set()


async def test_an_expression_is_over_its_source(project: Asker) -> None:
    assert "event" in await labels(project, "ev|", language="hogQLExpr")
    found = await labels(
        project, "|", language="hogQLExpr", sourceQuery={"kind": "HogQLQuery", "query": "select * from groups"}
    )
    assert {"key", "index"} <= found
    assert "event" not in found


async def test_other_languages_get_nothing_and_unknown_ones_are_refused(project: Asker) -> None:
    assert await labels(project, "let a|", language="hog") == set()
    query = {"kind": "HogQLAutocomplete", "language": "cobol", "query": "", "startPosition": 0, "endPosition": 0}
    response = await project.request("POST", json={"query": query})
    assert (response.status_code, response.json()["attr"]) == (400, "query__language")


@pytest.mark.parametrize("position", [-5, 10_000, 0])
async def test_positions_outside_of_the_text_are_its_ends(project: Asker, position: int) -> None:
    await asked(project, "SELECT | FROM events", startPosition=position, endPosition=position)


@given(
    st.lists(
        st.sampled_from(
            [
                "SELECT",
                "FROM",
                "JOIN",
                "events",
                "e",
                ".",
                "?.",
                "'",
                "`",
                '"',
                "(",
                "{",
                "<a",
                "--",
                "/*",
                "\n",
                " ",
                "AS",
                "posthog",
                "1",
                "f'",
                "$x",
            ]
        )
    ).map("".join)
)
def test_any_text_has_a_place_or_none(text: str) -> None:
    tables_of(text)
    place_of(text)
