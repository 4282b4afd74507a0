"""What an editor asks: is this text right, and what tables are there (queries §3.2, §3.4, hogql §12)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.queries.world import Asker

pytestmark = pytest.mark.stores


async def asked(project: Asker, **node: Any) -> dict[str, Any]:
    answer = await project.request("POST", json={"query": node})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def metadata(project: Asker, query: str, language: str = "hogQL", **node: Any) -> dict[str, Any]:
    return await asked(project, kind="HogQLMetadata", language=language, query=query, **node)


async def test_a_valid_text_has_notices_and_tables(project: Asker) -> None:
    answer = await metadata(project, "SELECT event FROM events WHERE session.$is_bounce")

    assert answer == {
        "query": "SELECT event FROM events WHERE session.$is_bounce",
        "isValid": True,
        "isUsingIndices": "undecisive",
        "errors": [],
        "warnings": [],
        "notices": [
            {"message": "Field 'event' is of type 'String'", "start": 7, "end": 12, "fix": None},
            {"message": "Field '$is_bounce' is of type 'Boolean'", "start": 31, "end": 49, "fix": None},
        ],
        "table_names": ["events"],
        "ch_table_names": ["events", "raw_sessions"],
        "query_status": None,
    }


@pytest.mark.parametrize(
    ("query", "message", "start", "end"),
    [
        ("SELECT foo FROM events", "Unable to resolve field: foo", 7, 10),
        ("SELECT 1 FROM nowhere", "Unknown table `nowhere`.", 14, 21),
        ("SELECT 1 +", "Unexpected end of query", 10, 10),
    ],
)
async def test_an_error_says_where(project: Asker, query: str, message: str, start: int, end: int) -> None:
    answer = await metadata(project, query)

    assert answer["errors"] == [{"message": message, "start": start, "end": end, "fix": None}]
    assert (answer["isValid"], answer["notices"], answer["table_names"]) == (False, [], [])


async def test_an_expression_is_over_events_or_what_the_editor_says(project: Asker) -> None:
    over_events = await metadata(project, "event = 'x'", "hogQLExpr")
    source = {"kind": "HogQLQuery", "query": "SELECT 1 FROM persons WHERE id = '1'"}
    over_persons = await metadata(project, "is_identified", "hogQLExpr", sourceQuery=source)
    missing = await metadata(project, "event", "hogQLExpr", sourceQuery=source)

    assert (over_events["isValid"], over_events["table_names"]) == (True, ["events"])
    assert over_persons["notices"] == [
        {"message": "Field 'is_identified' is of type 'Boolean'", "start": 0, "end": 13, "fix": None}
    ]
    assert missing["errors"] == [{"message": "Unable to resolve field: event", "start": 0, "end": 5, "fix": None}]


async def test_a_language_that_is_not_known_is_refused(project: Asker) -> None:
    answer = await project.request(
        "POST", json={"query": {"kind": "HogQLMetadata", "language": "klingon", "query": "1"}}
    )

    assert (answer.status_code, answer.json()["attr"]) == (400, "query__language")


async def test_the_tables_and_their_fields(project: Asker) -> None:
    answer = await asked(project, kind="DatabaseSchemaQuery")

    assert answer.keys() == {"tables", "joins", "query_status"}
    assert sorted(answer["tables"]) == ["events", "groups", "persons", "query_log", "sessions"]
    events = answer["tables"]["events"]
    assert {name: events[name] for name in ("type", "id", "name", "row_count")} == {
        "type": "posthog", "id": "events", "name": "events", "row_count": None,
    }  # fmt: skip
    fields = events["fields"]
    assert fields["event"] == {
        "name": "event", "hogql_value": "event", "type": "string", "schema_valid": True, "table": None,
        "fields": None, "chain": None, "id": None,
    }  # fmt: skip
    types = {name: field["type"] for name, field in fields.items()}
    assert types["timestamp"] == "datetime"
    assert types["properties"] == "json"
    assert types["elements_chain_texts"] == "array"
    assert types["poe"] == "virtual_table"
    assert (fields["person"]["type"], fields["person"]["table"]) == ("lazy_table", "persons")
    assert (fields["session"]["type"], fields["session"]["table"]) == ("lazy_table", "sessions")
    assert fields["$session_id"]["hogql_value"] == "$session_id"
    assert all("team_id" not in table["fields"] for table in answer["tables"].values())
    assert "$channel_type" in answer["tables"]["sessions"]["fields"]
