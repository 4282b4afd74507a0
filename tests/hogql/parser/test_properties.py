"""What holds for every text."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hogql.parser.generator import Texts

from hedgerow.hogql import ast
from hedgerow.hogql.errors import HogQLError
from hedgerow.hogql.parser import parse_expr, parse_template, parse_tree
from hedgerow.hogql.walk import children, clone, same, walk

_EXAMPLES = 2_000 if os.environ.get("HEDGEROW_TEST_TIER") == "all" else 300
_SIGNS = (
    "abfF xX01.9'\"`{}()[]<>/*+-=!~?:;,#@$%|\\\n\t\u00a0é😀\x00\ud800select from where and or not in is null as by "
)


def _read(rule: str, text: str) -> ast.Node | None:
    """The tree; None when the text is refused, which is checked to have a place within the text."""
    refused: HogQLError
    try:
        return parse_expr(text) if rule == "expr" else parse_template(text) if rule == "template" else parse_tree(text)
    except HogQLError as error:
        refused = error
    assert refused.message
    assert refused.start is not None, (text, refused.message)
    assert refused.end is not None, (text, refused.message)
    assert 0 <= refused.start <= refused.end <= len(text), (text, refused.message)
    return None


@given(st.sampled_from(["expr", "select", "template"]), st.text(st.sampled_from(_SIGNS), max_size=60) | st.text())
@settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_read_or_refused_with_a_place(rule: str, text: str) -> None:
    tree = _read(rule, text)
    if tree is not None:
        assert same(clone(tree), tree)


def _check(seed: int, count: int) -> None:
    stream = Texts(seed)
    for _ in range(count):
        rule, text = stream.next()
        tree = _read(rule, text)
        if tree is None:
            continue
        for node in walk(tree):
            if node.start is None or node.end is None:
                continue
            assert 0 <= node.start <= node.end <= len(text), (text, node)
            for child in children(node):
                if child.start is not None and child.end is not None and not isinstance(node, ast.SelectQuery):
                    assert node.start <= child.start, (text, node, child)
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            is_using = isinstance(node, ast.Tuple) and text[node.start] != "("
            if isinstance(node, _READ_AGAIN) and not is_text and not is_using:
                again = _read("expr", text[node.start : node.end])
                assert same(again, node), (text, node, again)


#: Nodes whose own text means the same when it stands alone; strings in templates and the list of USING do not.
_READ_AGAIN = (ast.Constant, ast.CompareOperation, ast.BetweenExpr, ast.Array, ast.Tuple, ast.Placeholder,
               ast.WindowFunction, ast.Lambda, ast.TryCast)  # fmt: skip


def test_spans_of_generated_texts() -> None:
    _check(41, 1_000)


@pytest.mark.fuzz
def test_spans_of_many_generated_texts() -> None:
    for seed in range(int(os.environ.get("HEDGEROW_FUZZ_EXAMPLES", "2000")) // 1_000):
        _check(50_000 + seed, 1_000)
