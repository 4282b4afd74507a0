"""Query texts that are meant to hurt. Also what `bench/hostile.py` sends."""

from __future__ import annotations

from collections.abc import Callable

TEXTS: dict[str, Callable[[], str]] = {
    "1,000 parentheses": lambda: "SELECT " + "(" * 1_000 + "1" + ")" * 1_000,
    "1,000 parentheses that stay open": lambda: "SELECT " + "(" * 1_000,
    "100,000 parentheses": lambda: "SELECT " + "(" * 100_000,
    "16 nested if": lambda: "SELECT " + "if(1, 1, " * 16 + "1" + ")" * 16,
    "1,000 nested if": lambda: "SELECT " + "if(1, 1, " * 1_000 + "1" + ")" * 1_000,
    "a sum of 50,000": lambda: "SELECT " + " + ".join(["1"] * 50_000),
    "IN of 50,000": lambda: f"SELECT 1 WHERE 5 IN ({', '.join(map(str, range(50_000)))})",
    "50,000 columns": lambda: "SELECT " + ", ".join(["1"] * 50_000),
    "AND of 50,000": lambda: "SELECT 1 WHERE " + " AND ".join(["1 = 1"] * 50_000),
    "500 nested subqueries": lambda: "SELECT 1 FROM (" * 500 + "SELECT 1" + ")" * 500,
    "UNION of 2,000": lambda: " UNION ALL ".join(["SELECT 1"] * 2_000),
    "1,000 NOT": lambda: "SELECT " + "NOT " * 1_000 + "1",
    "1,000 minus signs": lambda: "SELECT " + "- " * 1_000 + "1",
    "1,000 lambdas": lambda: "SELECT " + "x -> " * 1_000 + "1",
    "CTEs that double": lambda: (
        "WITH a0 AS (SELECT 1 AS x)"
        + "".join(f", a{n + 1} AS (SELECT x FROM a{n} UNION ALL SELECT x FROM a{n})" for n in range(40))
        + " SELECT count() FROM a40"
    ),
    "columns that double": lambda: (
        "WITH 1 AS a0" + "".join(f", a{n} + a{n} AS a{n + 1}" for n in range(40)) + " SELECT a40"
    ),
    "half a megabyte of one name": lambda: "SELECT " + "a" * 500_000,
    "half a megabyte of dots": lambda: "SELECT a" + ".a" * 250_000,
    "half a megabyte of one string": lambda: "SELECT '" + "x" * 500_000 + "'",
    "half a megabyte of an open string": lambda: "SELECT '" + "x" * 500_000,
    "half a megabyte of backslashes": lambda: "SELECT '" + "\\" * 500_000 + "'",
    "half a megabyte of digits": lambda: "SELECT " + "9" * 500_000,
    "half a megabyte of blanks": lambda: "SELECT" + " " * 500_000 + "1",
    "half a megabyte of comments": lambda: "SELECT " + "/* */" * 100_000 + "1",
    "half a megabyte of an open comment": lambda: "SELECT /*" + "/*" * 250_000,
    "half a megabyte of braces": lambda: "SELECT " + "{" * 500_000,
    "half a megabyte of tags": lambda: "SELECT " + "<a>" * 160_000,
    "a megabyte of commas": lambda: "SELECT " + "," * 1_000_000,
    "more than a megabyte": lambda: "SELECT " + "1 " * 600_000,
    "a million rows of a million characters": lambda: "SELECT repeat('x', 1000000) FROM numbers(1000000) LIMIT 50000",
    "an array of a billion": lambda: "SELECT range(1000000000)",
    "a cross join of a trillion": lambda: "SELECT count() FROM numbers(1000000) a CROSS JOIN numbers(1000000) b",
    "a regular expression with much to try": lambda: f"SELECT match('{'a' * 5_000}', '(a*)*b')",
    "control characters": lambda: "SELECT '\x01\x02\x7f' \x0b\x0c, 1",
    "emoji": lambda: "SELECT 😀 FROM 😀",
    "a name in every quote": lambda: "SELECT `a``b`, \"c\"\"d\", 'e''f'",
}
