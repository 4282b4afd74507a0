"""Every function of the list runs in ClickHouse, answers as it did, and is of the type that the list says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore
from hedgerow.hogql import HogQLError, parse_select
from hedgerow.hogql.functions import FUNCTIONS, find, nearest
from hedgerow.hogql.functions.registry import table
from hedgerow.hogql.resolve import Resolver
from hedgerow.hogql.types import Family

EXAMPLES = [
    tuple(line.rsplit("  =>  ", 1))
    for line in (Path(__file__).parent / "function_examples.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
ELSEWHERE = {"matchesAction", "getSurveyResponse", "uniqueSurveySubmissionsFilter"}
"""Need a project: golden/hogql/actions.txt, surveys.txt."""
OF_STATES = {"uniqExactMerge", "uniqUpToMerge", "sumMapMerge", "uniqMapMerge", "argMinMerge", "argMaxMerge"}
"""Merge what no function of the list makes: states that are stored."""
CLICKHOUSE: dict[Family, str] = {
    "String": r"String|FixedString|Enum|LowCardinality\(String",
    "Integer": r"U?Int\d+|Bool",
    "Float": r"Float|Decimal|U?Int",
    "Decimal": r"Decimal",
    "Boolean": r"Bool|UInt8|LowCardinality\(UInt8",
    "DateTime": r"DateTime",
    "Date": r"Date(?:32)?(?!Time)",
    "UUID": r"UUID",
    "Array": r"Array",
    "Tuple": r"Tuple",
    "Map": r"Map",
    "Interval": r"Interval",
}


@pytest.fixture(scope="module")
def project(store: EventStore) -> Project:
    return Project(store, fresh_team_id())


@pytest.mark.parametrize(("call", "expected"), EXAMPLES, ids=[call[:60] for call, _ in EXAMPLES])
def test_it_answers(project: Project, call: str, expected: str) -> None:
    hogql = f"SELECT {call}"
    answer = project.answer(hogql)

    if expected != "*":
        rows = [row[0] for row in answer["data"]]
        assert rows == json.loads(expected) or rows == [json.loads(expected)]
    kind = answer["meta"][0]["type"]
    claimed = Resolver(project.context()).subquery(parse_select(hogql)).outputs[0].type
    assert claimed.nullable or "Nullable" not in kind.partition("(")[0], f"{kind} can be NULL, the list says no"
    if claimed.family in CLICKHOUSE:
        assert re.match(rf"(?:Nullable\()?(?:LowCardinality\()?(?:{CLICKHOUSE[claimed.family]})", kind), (kind, claimed)


def test_every_function_has_an_example() -> None:
    called = {name for call, _ in EXAMPLES for name in re.findall(r"(\w+)\s*\(", call)}

    assert FUNCTIONS.keys() - called - ELSEWHERE - OF_STATES == set()


def test_merging_states_that_are_stored_is_known_to_clickhouse(project: Project) -> None:
    for name in OF_STATES:
        params = "(3)" if name == "uniqUpToMerge" else ""
        with pytest.raises(Exception, match="Illegal type"):
            project.asks(f"SELECT {name}{params}(number) FROM numbers(1)")


def test_names_are_found_in_any_letter_case_where_the_list_says_so() -> None:
    assert find("COUNT") is find("count")
    assert find("NoW") is find("now")
    assert find("TOSTRING") is None
    assert find("countif") is None


def test_a_near_name_is_proposed() -> None:
    assert nearest("coun") == "count"
    assert nearest("toStartOfMont") == "toStartOfMonth"
    assert nearest("qqqqqqqq") is None
    assert nearest("a" * 1_000) is None
    assert not (nearest("_toInt8x") or "").startswith("_")


@pytest.mark.parametrize("line", ["f", "f x any", "f 1 wat", "f 1 any => g"])
def test_a_line_that_is_not_one_is_noticed(line: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        table(line)


@pytest.mark.parametrize(
    "call",
    [
        "sleep(1)",
        "file('x')",
        "url('x')",
        "dictGet('a', 'b', 1)",
        "getMacro('x')",
        "evalMLMethod(1)",
        "catboostEvaluate(1)",
    ],
)
def test_what_is_not_on_the_list_cannot_be_called(project: Project, call: str) -> None:
    with pytest.raises(HogQLError, match="Unsupported function call"):
        project.compiles(f"SELECT {call}")
