"""hogql §6: what a stored JSON value is without a definition and with one, moments and zones, NULL in comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.contract.hogql.cases import Case, asked, read_cases
from tests.contract.hogql.conftest import Shop

pytestmark = pytest.mark.stores

FILE = Path(__file__).with_name("06_properties.txt")
CASES = read_cases(FILE)
STORED = {
    "missing": "{}",
    "null": '{"x":null}',
    "text": '{"x":"abc"}',
    "empty": '{"x":""}',
    "word null": '{"x":"null"}',
    "escapes": '{"x":"a\\"b\\\\c"}',
    "integer": '{"x":12}',
    "decimal": '{"x":1.5}',
    "true": '{"x":true}',
    "false": '{"x":false}',
    "object": '{"x":{"a":1}}',
    "list": '{"x":[1,"b"]}',
}
"""An event for each stored value, by its name."""
AS_TEXT = {
    "missing": None, "null": None, "text": "abc", "empty": "", "word null": "null", "escapes": 'a\\"b\\\\c',
    "integer": "12", "decimal": "1.5", "true": "true", "false": "false", "object": '{"a":1}', "list": '[1,"b"]',
}  # fmt: skip
AS_NUMBER = {"integer": 12.0, "decimal": 1.5}
AS_TRUTH = {"true": True, "false": False}
PAIRS: dict[str, tuple[str | None, str | None]] = {
    "both": (None, None),
    "left": (None, "x"),
    "right": ("x", None),
    "same": ("x", "x"),
    "other": ("x", "y"),
}
"""Two properties of an event, `a` and `b`: which is NULL."""
NULL_RULES = {
    "a = b": (1, 0, 0, 1, 0),
    "a LIKE b": (1, 0, 0, 1, 0),
    "a ILIKE b": (1, 0, 0, 1, 0),
    "a =~ b": (1, 0, 0, 1, 0),
    "a =~* b": (1, 0, 0, 1, 0),
    "a != b": (0, 1, 1, 0, 1),
    "a NOT LIKE b": (0, 1, 1, 0, 1),
    "a NOT ILIKE b": (0, 1, 1, 0, 1),
    "a !~ b": (0, 1, 1, 0, 1),
    "a !~* b": (0, 1, 1, 0, 1),
    "a < b": (0, 0, 0, 0, 1),
    "a <= b": (0, 0, 0, 1, 1),
    "a > b": (0, 0, 0, 0, 0),
    "a >= b": (0, 0, 0, 1, 0),
    "a BETWEEN b AND 'z'": (0, 0, 0, 1, 0),
    "equals(a, b)": (1, 0, 0, 1, 0),
    "notEquals(a, b)": (0, 1, 1, 0, 1),
    "a = 'x'": (0, 0, 1, 1, 1),
    "a != 'x'": (1, 1, 0, 0, 0),
    "a LIKE 'x'": (0, 0, 1, 1, 1),
    "a NOT ILIKE 'X'": (1, 1, 0, 0, 0),
    "a < 'y'": (0, 0, 1, 1, 1),
    "a IN ('x', 'y')": (0, 0, 1, 1, 1),
    "a NOT IN ('x', 'y')": (1, 1, 0, 0, 0),
    "a IN (NULL, 'x')": (1, 1, 1, 1, 1),
    "a = NULL": (1, 1, 0, 0, 0),
    "a IS NULL": (1, 1, 0, 0, 0),
    "a != NULL": (0, 0, 1, 1, 1),
    "a IS NOT NULL": (0, 0, 1, 1, 1),
    "NOT (a = 'x')": (1, 1, 0, 0, 0),
    "a = 'x' OR b = 'x'": (0, 1, 1, 1, 1),
}
"""A condition, and what it is for each of PAIRS in their order. Never NULL."""


@pytest.fixture(scope="module")
def values(empty: Shop) -> Shop:
    """An event for each stored value, as `stored`; one for each pair, as `pair`."""
    project = empty.rows
    project.schema.properties |= {("event", "number"): "Numeric", ("event", "truth"): "Boolean"}
    project.schema.properties |= {("event", "moment"): "DateTime", ("event", "word"): "String"}
    for name, text in STORED.items():
        typed = [text.replace('"x"', f'"{key}"', 1) for key in ("x", "number", "truth", "word")]
        project.sends("stored", by=name, properties="{" + ",".join(each[1:-1] for each in typed if each != "{}") + "}")
    for name, (left, right) in PAIRS.items():
        pair = {"a": left, "b": right}
        project.sends("pair", by=name, properties={key: value for key, value in pair.items() if value is not None})
    for name, moment in (("day", "2026-02-01"), ("iso", "2026-02-01T10:00:00Z"), ("other", "soon")):
        project.sends("moment", by=name, properties={"moment": moment})
    return empty


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
async def test_the_answer(shop: Shop, zoned: Shop, case: Case) -> None:
    await asked(FILE, case, shop, zoned)


async def _by_name(shop: Shop, expression: str, event: str = "stored") -> tuple[str, dict[str, Any]]:
    answer = await shop.answer(f"SELECT distinct_id, {expression} AS v FROM events WHERE event = '{event}'")
    return answer.types[1], dict(answer.rows)


async def test_a_value_without_a_definition_is_a_text(values: Shop) -> None:
    assert await _by_name(values, "properties.x") == ("Nullable(String)", AS_TEXT)


async def test_a_text_s_definition_changes_nothing(values: Shop) -> None:
    assert await _by_name(values, "properties.word") == ("Nullable(String)", AS_TEXT)


async def test_a_number_s_definition_makes_a_number_or_null(values: Shop) -> None:
    wanted = {name: AS_NUMBER.get(name) for name in STORED}
    assert await _by_name(values, "properties.number") == ("Nullable(Float64)", wanted)


async def test_a_truth_s_definition_makes_a_bool_or_null(values: Shop) -> None:
    wanted = {name: AS_TRUTH.get(name) for name in STORED}
    assert await _by_name(values, "properties.truth") == ("Nullable(Bool)", wanted)


async def test_a_moment_s_definition_makes_a_moment_or_null(values: Shop) -> None:
    kind, found = await _by_name(values, "properties.moment", "moment")
    assert kind == "Nullable(DateTime64(6, 'UTC'))"
    assert found == {"day": "2026-02-01T00:00:00Z", "iso": "2026-02-01T10:00:00Z", "other": None}


async def test_a_number_s_definition_is_left_out_inside_of_or_zero(values: Shop) -> None:
    _, found = await _by_name(values, "toFloatOrZero(properties.number)")
    assert found == {name: None if name in {"missing", "null"} else AS_NUMBER.get(name, 0.0) for name in STORED}


async def test_without_a_definition_a_number_is_not_compared_with_a_text(values: Shop) -> None:
    response = await values.asker.post("SELECT count() FROM events WHERE properties.x > 5")
    assert (response.status_code, response.json()["code"]) == (400, "no_common_type")


@pytest.mark.parametrize("condition", NULL_RULES)
async def test_a_comparison_is_never_null(values: Shop, condition: str) -> None:
    text = condition.replace("a", "properties.a", 1) if condition[0] == "a" else condition
    for name in "ab":
        text = text.replace(f"({name}", f"(properties.{name}").replace(f" {name}", f" properties.{name}")
    kind, found = await _by_name(values, text, "pair")
    assert kind == "UInt8"
    assert tuple(found[name] for name in PAIRS) == NULL_RULES[condition]


async def test_in_a_join_s_condition_null_equals_nothing(values: Shop) -> None:
    side = "(SELECT properties.a AS k FROM events WHERE event = 'pair')"
    answer = await values.answer(f"SELECT count() FROM {side} AS l JOIN {side} AS r ON l.k = r.k")
    assert answer.rows == [[9]]
