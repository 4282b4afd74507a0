"""hogql §7: the allow-list is the contract's, names and counts; what each function answers is in `tests/hogql/function_examples.txt`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.contract.hogql.conftest import Shop

from hedgerow.hogql.functions import FUNCTIONS, find

CONTRACT = Path(__file__).resolve().parents[4] / "shared" / "contracts" / "hogql.md"
NOT_OFFERED = {"convertCurrency", "untuple", "JSONExtractKey"}
"""On `docs/hogql-differences.md`; the last is no function of ClickHouse."""
PROSE = frozenset(
    [
        "128",
        "16",
        "256",
        "32",
        "64",
        "8",
        "Decimal64",
        "Distance",
        "IP",
        "L1",
        "L2",
        "Linf",
        "Lp",
        "Names",
        "Norm",
        "Normalize",
        "add",
        "constant",
        "exactly",
        "family",
        "functions",
        "h3",
        "reinterpretAsInt",
        "reinterpretAsUInt",
        "scale",
        "the",
        "x",
    ]
)
"""Words and parts of names that stand between the names."""
_BRACES = re.compile(r"(\w*)\{([^{}]*)\}(\w*)")


def listed() -> set[str]:
    """The names of the contract's tables: what stands before an arrow, with `…{a, b}` and `-Int` written out."""
    text = CONTRACT.read_text(encoding="utf-8")
    section = text[text.index("## 7. ") : text.index("PostHog's own:")]
    rows = [row.split("|")[2] for row in section.splitlines() if row.startswith("| ") and "first argument" not in row]
    names: set[str] = set()
    for row in rows:
        plain = re.sub(r"\([^()]*\)(?:\([^()]*\))?", "", re.sub(r"`[^`]*`", "", row.replace("*", "")))
        plain = re.sub(r"→\s*[\w.…]+", "", plain)
        stem = ""
        for word in re.findall(r"-?[A-Za-z_]\w*", _BRACES.sub(" ", plain)):
            if word.startswith("-"):
                names.add(stem + word[1:])
                continue
            stem = next((each for each in ("JSONExtract", "tuple") if word.startswith(each)), stem)
            names.add(word)
        for prefix, middle, suffix in _BRACES.findall(plain):
            names |= {f"{prefix}{part.strip().split(' ')[0]}{suffix}" for part in middle.split(",")}
    return names - PROSE


def test_every_name_of_the_contract_is_known() -> None:
    names = listed()

    assert len(names) > 480
    assert {name for name in names if find(name) is None} == NOT_OFFERED - {"convertCurrency"}


def test_nothing_is_offered_that_is_said_to_be_missing() -> None:
    assert not [name for name in NOT_OFFERED if find(name)]


@pytest.mark.parametrize(
    "written", ["COUNT", "Sum", "NOW", "IF", "CONCAT", "COALESCE", "Lower", "TRIM", "ROUND", "ABS"]
)
def test_bold_names_are_found_in_any_letter_case(written: str) -> None:
    assert find(written) is not None


@pytest.mark.parametrize("written", ["TOSTRING", "countif", "ArrayMap", "JSONEXTRACTSTRING", "todate", "DATEDIFF"])
def test_other_names_are_not(written: str) -> None:
    assert find(written) is None


def test_every_aggregate_that_has_one_has_its_if_form() -> None:
    without = {"corr", "topK", "json_agg", "string_agg", "every", "countState", "countMerge"}
    plain = [
        name
        for name, each in FUNCTIONS.items()
        if each.kind == "aggregate" and not name.endswith(("If", "State", "Merge")) and name not in without
    ]

    assert [name for name in plain if f"{name}If" not in FUNCTIONS] == []


@pytest.mark.stores
@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("toInt(1, 2)", "Function 'toInt' expects 1 argument, found 2"),
        ("substring('a', 1)", "Function 'substring' expects 3 arguments, found 2"),
        ("plus(1)", "Function 'plus' expects 2 arguments, found 1"),
        ("concat('a')", "Function 'concat' expects at least 2 arguments, found 1"),
        ("count(1, 2)", "Aggregation 'count' expects at most 1 argument, found 2"),
        ("quantile(1)", "Aggregation 'quantile' requires parameters in addition to arguments"),
        ("toDecimal('1', number)", "toDecimal: the scale must be a constant from 0 to 18"),
        ("arrayReduce('sleep', [1])", "Invalid parametric function in 'arrayReduce', 'sleep' is not supported."),
        ("getSurveyResponse(number)", "getSurveyResponse first argument must be a constant"),
    ],
)
async def test_wrong_counts_and_constants_are_said(shop: Shop, call: str, text: str) -> None:
    refused = await shop.refusal(f"SELECT {call} FROM numbers(1)")
    assert text in refused[0]
