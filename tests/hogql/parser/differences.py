"""Where we differ from PostHog's parser on purpose: a name, the reason, and how to recognise it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hogql.parser.oracle import Mismatch


@dataclass(frozen=True)
class Difference:
    name: str
    why: str
    explains: Callable[[str, Mismatch], bool]


def _field(*names: str) -> Callable[[str, Mismatch], bool]:
    return lambda _text, found: found.path.rsplit(".", 1)[-1] in names and found.theirs is None


def _accepts_more(pattern: str) -> Callable[[str, Mismatch], bool]:
    expression = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return lambda text, found: str(found.theirs).startswith("refused") and expression.search(text) is not None


def _refuses(message: str) -> Callable[[str, Mismatch], bool]:
    return lambda _text, found: str(found.ours).startswith("refused") and message in str(found.ours)


def _text(pattern: str) -> Callable[[str, Mismatch], bool]:
    expression = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return lambda text, _found: expression.search(text) is not None


DELIBERATE = [
    Difference(
        "GLOBAL IN",
        "documented, and common in ClickHouse; theirs takes GLOBAL for an alias",
        _accepts_more(r"\bglobal\s+(not\s+)?in\b"),
    ),
    Difference(
        "EXTRACT", "documented; becomes the function of the part", _accepts_more(r"\bextract\s*\(\s*\w+\s+from\b")
    ),
    Difference(
        "INTERVAL '1 DAY' in capitals", "SQL has no case there", _accepts_more(r"\binterval\s+'\d+\s[a-z]*[A-Z]")
    ),
    Difference(
        "a comparison without space before a name",
        "after an operand a < compares: `a <b and c` is no tag",
        lambda text, found: str(found.theirs).startswith("refused") and re.search(r"<\s*\w", text) is not None,
    ),
    Difference("FILTER of a window function", "theirs drops it, and with it the condition", _field("filter_expr")),
    Difference("NULLS FIRST and LAST", "theirs drops the order that was asked for", _field("nulls")),
    Difference("GROUP BY … WITH ROLLUP, WITH CUBE", "theirs drops it, and with it rows", _field("group_by_mode")),
    Difference(
        "ORDER BY behind a query in parentheses",
        "theirs drops it; here it sorts the query, or is refused when that was cut by a LIMIT before",
        lambda text, found: _field("order_by", "interpolate")(text, found) or _refuses("ORDER BY behind")(text, found),
    ),
    Difference(
        "LIMIT … OFFSET of the last query of a set",
        "theirs gives the OFFSET to the set and leaves the LIMIT with the last query; here both stay together",
        lambda text, found: (
            "offset" in text.lower()
            and (found.path.endswith(".offset") or re.search(r"span of Select(Set)?Query$", found.path) is not None)
        ),
    ),
    Difference(
        "lambdas with a block of statements",
        "Hog programs do not run here",
        lambda _text, found: "'Block'" in str(found.theirs) and str(found.ours).startswith("refused"),
    ),
    Difference(
        "a comment that is not closed", "theirs reads `/*` as two operators", _text(r"/\*(?!.*\*/)|/\*(?:(?!\*/).)*/\*")
    ),
    Difference(
        "a tag with space behind its <",
        "theirs takes `< a/>` for a tag when it closes itself",
        lambda text, found: (
            str(found.ours).startswith("refused") and re.search(r"<\s|<\w+[^\w \t\n\r>/-]", text) is not None
        ),
    ),
    Difference(
        "JOIN … ON a, b",
        "theirs reads a list and refuses it; here the comma joins the next table, as in SQL",
        _accepts_more(r"\bon\b.*,"),
    ),
    Difference(
        "a table called from", "theirs takes it; nearly always a word is missing", _refuses('Cannot use "from"')
    ),
    Difference(
        "a number that ends in a point before a keyword",
        "`1. as x`: theirs looks further ahead",
        _text(r"\d\.\s*[a-z]"),
    ),
    Difference(
        "SAMPLE … OFFSET before an expression",
        "theirs takes the OFFSET for the query's when more than a ratio follows",
        _text(r"\bsample\b.*\boffset\b"),
    ),
    Difference(
        "the span of a table",
        "theirs leaves out FINAL, SAMPLE or a second alias, but not always",
        lambda _text, found: found.path.endswith(("span of JoinExpr", "span of PivotExpr", "span of UnpivotExpr")),
    ),
    Difference(
        "USING a, b without parentheses",
        "theirs goes on with the list through aliases and calls; here a table may follow, as in SQL",
        _text(r"\busing\s+[^\s(][^,]*,"),
    ),
    Difference(
        "a SELECT as an argument",
        "f(SELECT (a)): theirs prefers a function called select",
        _text(r"\(\s*select\s*[-+(*\[]"),
    ),
    Difference(
        "operators as names",
        "theirs tries every reading of `SELECT in a`; here a word between two operands is the operator",
        _text(
            r"\b(select|distinct|cohort|as|not|interval|case|when|from|join)\s+"
            r"((is|in|like|ilike|between|and|or|as|ignore)\b|\*)"
            r"|\bdistinct\s+(from|where|prewhere|having|qualify|group|order|limit|offset|window)\b"
        ),
    ),
    Difference(
        "a comma that ends a row of VALUES", "theirs takes it for a call of values()", _text(r"\bvalues\s*\(.*,\s*\)")
    ),
    Difference("a second alias of a table", "theirs lets the last one win", _refuses("A table has one alias")),
    Difference("FORMAT behind a table", "theirs takes both words for aliases", _refuses("FORMAT is not supported")),
    Difference(
        "WITH ROLLUP and WITH CUBE without a plain list of keys",
        "theirs drops it, and with it rows",
        _refuses("needs a plain list in GROUP BY"),
    ),
    Difference(
        "DISTINCT in f(…)(DISTINCT …) OVER", "theirs drops the DISTINCT", _refuses("DISTINCT is not supported in")
    ),
    Difference("a number of 400 digits", "nothing could hold it", _refuses("A number is too long")),
]


def unexplained(text: str, found: list[Mismatch]) -> list[Mismatch]:
    """The mismatches that no deliberate difference explains."""
    return [one for one in found if not any(known.explains(text, one) for known in DELIBERATE)]
