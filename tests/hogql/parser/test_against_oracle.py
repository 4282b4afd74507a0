"""The same tree as PostHog's parser, or both refuse: documented examples, a corpus, generated texts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hogql.parser.differences import DELIBERATE, unexplained
from tests.hogql.parser.generator import Texts
from tests.hogql.parser.oracle import MAX_LENGTH, Oracle, compare

_CORPUS = Path(__file__).with_name("corpus")
_ALL = os.environ.get("HEDGEROW_TEST_TIER") == "all"
_GENERATED = 5_000 if _ALL else 1_000
_FUZZED = int(os.environ.get("HEDGEROW_FUZZ_EXAMPLES", "2000"))


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    asked = Oracle()
    yield asked
    asked.close()


def _lines(name: str) -> list[str]:
    lines = (_CORPUS / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("## ")]


def _disagreements(oracle: Oracle, texts: list[tuple[str, str]]) -> list[str]:
    out: list[str] = []
    for rule, text in texts:
        left = unexplained(text, compare(oracle, rule, text))
        out += [f"{rule} {text!r}\n    {one}" for one in left[:2]]
    return out


def test_documented_examples(oracle: Oracle) -> None:
    texts = _lines("contract.txt")
    assert len(texts) > 60
    assert not _disagreements(oracle, [("select", text) for text in texts])


def test_corpus_of_queries(oracle: Oracle) -> None:
    texts = _lines("selects.txt")
    assert len(texts) > 250
    assert not _disagreements(oracle, [("select", text) for text in texts])


def test_corpus_of_expressions(oracle: Oracle) -> None:
    texts = _lines("expressions.txt")
    assert len(texts) > 500
    assert not _disagreements(oracle, [("expr", text) for text in texts])
    also_queries = [text for text in texts if text[0] in "({<"]
    assert not _disagreements(oracle, [("select", text) for text in also_queries])


@pytest.mark.parametrize("text", ["a", "a desc", "a.b asc nulls first", "count() DESC", "f(a) collate 'x'", "desc", ""])
def test_order_expressions(oracle: Oracle, text: str) -> None:
    assert not _disagreements(oracle, [("order", text)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "Hello {name}!",
        "{a}",
        r"a \{b} {c}",
        "it's 'so'",
        "{f'{x}'}",
        r"a\\{b}",
        r"\n\x41\'",
        "{",
        "{a",
        "a}",
    ],
)
def test_templates(oracle: Oracle, text: str) -> None:
    assert not _disagreements(oracle, [("template", text)])


@pytest.mark.parametrize(
    "text",
    [
        "<a>\n  <b/>\n</a>",
        "<a>x\n y</a>",
        "<a -- c\n b='1'/>",
        "<a\n>x</a>",
        "select 1 -- c\n+ 1",
        "a\u00a0b",
        "select\ufeff 1",
    ],
)
def test_texts_of_several_lines(oracle: Oracle, text: str) -> None:
    assert not _disagreements(oracle, [("select", text), ("expr", text)])


def _generated(seed: int, count: int) -> list[tuple[str, str]]:
    stream = Texts(seed)
    return [(rule, text) for rule, text in (stream.next() for _ in range(count)) if len(text) <= MAX_LENGTH]


@pytest.mark.timeout(600)
def test_generated_texts(oracle: Oracle) -> None:
    texts = _generated(2026, _GENERATED)
    assert len(texts) > 0.9 * _GENERATED
    assert not _disagreements(oracle, texts)


@pytest.mark.fuzz
def test_fuzz(oracle: Oracle) -> None:
    """`make fuzz`: other texts each day, and the seed in the message of what fails."""
    for seed in range(_FUZZED // 1_000 + 1):
        assert not _disagreements(oracle, _generated(7_000 + seed, 1_000)), f"seed {7_000 + seed}"


def test_every_deliberate_difference_is_one(oracle: Oracle) -> None:
    """Each known difference still occurs, so that the list holds nothing that was settled."""
    texts = {
        "GLOBAL IN": ("expr", "a global in (1, 2)"),
        "EXTRACT": ("expr", "extract(year from x)"),
        "INTERVAL '1 DAY' in capitals": ("expr", "interval '1 DAY'"),
        "a comparison without space before a name": ("expr", "a <b and c"),
        "FILTER of a window function": ("expr", "sum(a) filter (where b) over w"),
        "NULLS FIRST and LAST": ("order", "a nulls first"),
        "GROUP BY … WITH ROLLUP, WITH CUBE": ("select", "select a group by a with rollup"),
        "ORDER BY behind a query in parentheses": ("select", "(select a) order by a"),
        "LIMIT … OFFSET of the last query of a set": ("select", "select 1 union all select 2 limit 3 offset 4"),
        "lambdas with a block of statements": ("expr", "x -> {return 1}"),
        "a comment that is not closed": ("expr", "a /*"),
        "a tag with space behind its <": ("expr", "< a/>"),
        "JOIN … ON a, b": ("select", "select a from t join u on a, b"),
        "a table called from": ("select", "select a from from"),
        "a number that ends in a point before a keyword": ("expr", "1.in "),
        "SAMPLE … OFFSET before an expression": ("select", "select a from t sample 1/2 offset 1/3 < b"),
        "the span of a table": ("select", "select a from t as x sample 1"),
        "USING a, b without parentheses": ("select", "select a from t join u using a, f(1) as e"),
        "a SELECT as an argument": ("expr", "f(select (a))"),
        "operators as names": ("expr", "(select in a from t)"),
        "a comma that ends a row of VALUES": ("select", "select a from (values (1,))"),
        "a second alias of a table": ("select", "select a from t u v"),
        "FORMAT behind a table": ("select", "select a from t format csv"),
        "WITH ROLLUP and WITH CUBE without a plain list of keys": ("select", "select a group by all with cube"),
        "DISTINCT in f(…)(DISTINCT …) OVER": ("expr", "f(1)(distinct a) over w"),
        "a number of 400 digits": ("expr", "1" * 401),
    }
    assert set(texts) == {known.name for known in DELIBERATE}
    for known in DELIBERATE:
        rule, text = texts[known.name]
        found = compare(oracle, rule, text)
        assert any(known.explains(text, one) for one in found), (known.name, found)
