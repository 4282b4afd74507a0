"""hogql §9: tags and dicts are tuples, and rows carry the lists as they are."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.hogql.conftest import Shop

pytestmark = pytest.mark.stores


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("<Sparkline data={[1, 2]} />", ["__hx_tag", "Sparkline", "data", [1, 2]]),
        ("<Sparkline data={[1, 2]} type='line' />", ["__hx_tag", "Sparkline", "data", [1, 2], "type", "line"]),
        (
            "<a href={concat('/', 'x')} target='_blank'>{'text'}</a>",
            ["__hx_tag", "a", "href", "/x", "target", "_blank", "children", "text"],
        ),
        ("<strong>bold</strong>", ["__hx_tag", "strong", "children", "bold"]),
        ("<strong>{1 + 1}</strong>", ["__hx_tag", "strong", "children", 2]),
        ("<em><b>a</b>{'c'}</em>", ["__hx_tag", "em", "children", [["__hx_tag", "b", "children", "a"], "c"]]),
        ("<RecordingButton sessionId={'s'} />", ["__hx_tag", "RecordingButton", "sessionId", "s"]),
        ("<a disabled />", ["__hx_tag", "a", "disabled", True]),
        ("{'a': 1, 'b': 'x'}", ["__hx_tag", "__hx_obj", "a", 1, "b", "x"]),
        ("{'a': {'b': 1}}", ["__hx_tag", "__hx_obj", "a", ["__hx_tag", "__hx_obj", "b", 1]]),
        ("sparkline([1, 2])", ["__hx_tag", "Sparkline", "data", [1, 2]]),
        ("recording_button('s')", ["__hx_tag", "RecordingButton", "sessionId", "s"]),
        (
            "recording_button('s', 'active')",
            ["__hx_tag", "RecordingButton", "sessionId", "s", "recordingStatus", "active"],
        ),
        ("explain_csp_report('{}')", ["__hx_tag", "ExplainCSPReport", "properties", "{}"]),
    ],
)
async def test_it_is_a_list(shop: Shop, expression: str, value: list[Any]) -> None:
    answer = await shop.answer(f"SELECT {expression} AS v")
    assert answer.rows == [[value]]
    assert answer.types[0].startswith("Tuple(String, String, String, ")


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("<a href='x'>{event}</a>", "tuple('__hx_tag', 'a', 'href', 'x', 'children', event)"),
        ("{'a': event}", "tuple('__hx_tag', '__hx_obj', 'a', event)"),
        ("sparkline([1])", "tuple('__hx_tag', 'Sparkline', 'data', [1])"),
        ("(1, <b>x</b>)", "tuple(1, tuple('__hx_tag', 'b', 'children', 'x'))"),
    ],
)
async def test_the_column_and_the_printed_query_show_the_tuple(shop: Shop, expression: str, name: str) -> None:
    answer = await shop.answer(f"SELECT {expression} FROM events LIMIT 1")
    assert answer.columns == [name]
    assert answer.body["hogql"] == f"SELECT\n    {name}\nFROM\n    events\nLIMIT 1"


async def test_a_tag_may_hold_columns(shop: Shop) -> None:
    answer = await shop.answer(
        "SELECT <a href={distinct_id}>{event}</a> AS link FROM events WHERE event = 'purchase' ORDER BY timestamp"
    )
    assert answer.columns == ["link"]
    assert answer.types == ["Tuple(String, String, String, String, String, String)"]
    assert answer.rows == [[["__hx_tag", "a", "href", who, "children", "purchase"]] for who in ("ann", "bob")]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("SELECT <a>x</b>", "Opening and closing HogQLX tags must match. Got a and b"),
        (
            "SELECT <a children='1'>x</a>",
            "Can't have a HogQLX tag with both children and a 'children' attribute",
        ),
        (
            "SELECT 1 FROM <HogQLQuery query='SELECT 1' />",
            "Only selecting from a table or a subquery is supported. Unexpected type: HogQLXTag",
        ),
    ],
)
async def test_tags_that_do_not_fit(shop: Shop, text: str, detail: str) -> None:
    assert (await shop.refusal(text))[0] == detail
