"""A condition on a property says the same whether it is asked of the text or of the raw JSON value (rules/raw_values)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore

SENT = [
    *(
        "a",
        "A",
        "ab",
        "",
        "null",
        "NULL",
        '"',
        '"a"',
        "nu",
        "1",
        "1.0",
        "true",
        "[1,2]",
        "{}",
        "é",
        "\\",
        "a\\b",
        "%",
        "_",
    ),
    *(1, 1.0, 0, True, False, None, [], [1, 2], ["a"], {}, {"a": None}),
]
"""Values that an SDK may send, one an event."""
TEXTS = st.sampled_from(
    [
        "a",
        "ab",
        "",
        "null",
        '"',
        '"a"',
        '"1"',
        "1",
        "1.0",
        "true",
        "[1,2]",
        '["a"]',
        "{}",
        '{"a":null}',
        "é",
        "\\\\",
        "\\",
        "%",
    ]
)
PATTERNS = st.text('anulNUL%_\\"1.[é', max_size=6)


@pytest.fixture(scope="module")
def project(store: EventStore) -> Project:
    made = Project(store, fresh_team_id())
    for number, value in enumerate(SENT):
        made.sends("sent", by=f"p{number}", properties=json.dumps({"v": value}))
    made.sends("sent", by="without", properties={})
    return made


def condition(op: str, written: str, right: str) -> str:
    return f"SELECT distinct_id FROM events WHERE {written} {op} {right} ORDER BY distinct_id LIMIT 1000"


def same(project: Project, op: str, right: str) -> None:
    """The property itself, and one that no rule recognises."""
    asked, as_text = (project.asks(condition(op, written, right)) for written in ("properties.v", "[properties.v][1]"))
    assert asked == as_text


@given(op=st.sampled_from(["=", "!="]), text=TEXTS)
def test_equal(project: Project, op: str, text: str) -> None:
    same(project, op, quoted(text))


@given(op=st.sampled_from(["IN", "NOT IN"]), texts=st.lists(TEXTS, min_size=1, max_size=3))
def test_member(project: Project, op: str, texts: list[str]) -> None:
    same(project, op, f"({', '.join(map(quoted, texts))},)")


@given(op=st.sampled_from(["LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE"]), pattern=PATTERNS)
def test_pattern(project: Project, op: str, pattern: str) -> None:
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        pattern += "\\"  # one that ends in the middle of an escape is refused either way
    same(project, op, quoted(f"%{pattern}%"))
    same(project, op, quoted(pattern))


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def test_an_array_access_is_not_recognised(project: Project) -> None:
    """Else the comparisons above compare nothing."""
    written, rewritten = (
        project.compiles(condition("=", each, "'a'")).sql for each in ("[properties.v][1]", "properties.v")
    )
    assert "equals(arrayElement" in written
    assert "in(__hq0.`properties_map`" in rewritten
