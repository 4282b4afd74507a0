"""Texts to tokens."""

from __future__ import annotations

import pytest

from hedgerow.hogql.tokens import FULL_TEMPLATE, HOGQL, LOOKAHEAD, tokenize


def _shown(text: str, mode: str = HOGQL) -> list[str]:
    """Each token as its kind, with its text where the two differ."""
    tokens = tokenize(text, mode)
    words = [text[start:end] for start, end in zip(tokens.starts, tokens.ends, strict=True)]
    pairs = zip(tokens.kinds, words, strict=True)
    return [kind if kind in {word, word.upper()} else f"{kind}:{word}" for kind, word in pairs][:-LOOKAHEAD]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("  \n\t\u00a0\ufeff", []),
        ("Select a", ["SELECT", "IDENT:a"]),
        ("asc DESC yyyy Infinity", ["ASCENDING:asc", "DESC", "YEAR:yyyy", "INF:Infinity"]),
        ("$a _b c1", ["IDENT:$a", "IDENT:_b", "IDENT:c1"]),
        ('`a``b` "c"', ["QIDENT:`a``b`", 'QIDENT:"c"']),
        ("'a''b' '\\'' ''", ["STRING:'a''b'", "STRING:'\\''", "STRING:''"]),
        ("a.1.2 1.5", ["IDENT:a", ".", "DEC:1", ".", "DEC:2", "DEC:1", ".", "DEC:5"]),
        ("1e5 1.e-5 .5e1 0x1p3", ["FLOAT:1e5", "FLOAT:1.e-5", "FLOAT:.5e1", "FLOAT:0x1p3"]),
        ("0x1F 0b11 017 08 0o7", ["HEX:0x1F", "BIN:0b11", "OCT:017", "DEC:08", "OCT_PREFIX:0o7"]),
        ("= == != <> < <= >= <=>", ["==:=", "==", "!=", "!=:<>", "<", "<=", ">=", "<=>"]),
        ("~ =~ !~ ~* =~* !~*", ["=~:~", "=~", "!~", "=~*:~*", "=~*", "!~*"]),
        ("a ?? b ?.c ? d : e::f :=", ["IDENT:a", "??", "IDENT:b", "?.", "IDENT:c", "?", "IDENT:d", ":", "IDENT:e", "::", "IDENT:f", ":="]),
        ("a--b\nc//d\ne#f\ng/*h*/i", ["IDENT:a", "IDENT:c", "IDENT:e", "IDENT:g", "IDENT:i"]),
        ("#1", ["#", "DEC:1"]),
        ("x->y - > z", ["IDENT:x", "->", "IDENT:y", "-", ">", "IDENT:z"]),
        ("f'a{b}c'", ["TEMPLATE:f'", "TEXT:a", "{", "IDENT:b", "}", "TEXT:c", "TEMPLATE_END:'"]),
        ("f'{f'{x}'}'", ["TEMPLATE:f'", "{", "TEMPLATE:f'", "{", "IDENT:x", "}", "TEMPLATE_END:'", "}", "TEMPLATE_END:'"]),
        ("<a b='c'/>", ["TAG_OPEN:<", "IDENT:a", "IDENT:b", "=", "STRING:'c'", "/>"]),
        ("<a>b{c}</a>", ["TAG_OPEN:<", "IDENT:a", ">", "TAG_TEXT:b", "{", "IDENT:c", "}", "TAG_CLOSE:</", "IDENT:a", ">"]),
        ("a <b and c", ["IDENT:a", "<", "IDENT:b", "AND", "IDENT:c"]),
    ],
)  # fmt: skip
def test_tokens(text: str, tokens: list[str]) -> None:
    assert _shown(text) == tokens


def test_a_whole_text_as_template() -> None:
    assert _shown("a 'b' {c} \\{d}", FULL_TEMPLATE) == ["TEXT:a 'b' ", "{", "IDENT:c", "}", "TEXT: \\{d}"]


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("(" * 1_001, 1_000, "Brackets are nested more than 1000 deep"),
        ("a @", 2, "Unexpected character '@' (U+0040)"),
        ("é", 0, "Unexpected character U+00E9"),
        ("'abc", 0, "A quote is not closed: '"),
        ("'a\\q'", 0, "A quote is not closed: '"),
        ("`abc", 0, "A quote is not closed: `"),
        ("a }", 2, "Unmatched curly bracket"),
        ("/* a", 0, "A comment is not closed"),
        ("0b12", 0, "Malformed number 0b12"),
        ("F'a'", 0, "A template string starts with a lower-case f"),
        ("a </b>", 2, "A closing tag without its opening tag"),
        ("f'\\q'", 2, "An escape that a template string does not know"),
        ("<a b ?/>", 5, "Unexpected character '?' (U+003F)"),
    ],
)
def test_a_sign_that_begins_nothing_ends_the_tokens(text: str, place: int, reason: str) -> None:
    tokens = tokenize(text)
    bad = tokens.kinds.index("BAD")
    assert tokens.kinds[bad + 1 :] == ["EOF"] * LOOKAHEAD
    assert (tokens.starts[bad], tokens.bad) == (place, reason)
