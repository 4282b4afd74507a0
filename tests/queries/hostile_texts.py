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
    "an array of 300 million": lambda: "SELECT range(300000000)",
    "an array resized to a billion": lambda: "SELECT arrayResize([1], 1000000000)",
    "a billion times the same": lambda: "SELECT arrayWithConstant(1000000000, 'x')",
    "a text of ten billion": lambda: "SELECT repeat('x', 10000000000)",
    "a text padded to a billion": lambda: "SELECT lpad('x', 1000000000, 'y')",
    "a text that doubles": lambda: (
        "WITH repeat('x', 1000) AS a0"
        + "".join(f", concat(a{n}, a{n}) AS a{n + 1}" for n in range(30))
        + " SELECT length(a30) FROM numbers(10)"
    ),
    "groupArray of everything": lambda: "SELECT length(groupArray(number)) FROM numbers(10000000000)",
    "a sort of everything": lambda: "SELECT number FROM numbers(10000000000) ORDER BY cityHash64(number) DESC, number",
    "groups of everything": lambda: "SELECT cityHash64(number) AS k, count() FROM numbers(10000000000) GROUP BY k",
    "everything counted exactly": lambda: "SELECT count(DISTINCT number) FROM numbers(10000000000)",
    "a window over everything": lambda: (
        "SELECT sum(number) OVER (ORDER BY cityHash64(number)) FROM numbers(10000000000) LIMIT 5"
    ),
    "holes filled without end": lambda: (
        "SELECT number FROM numbers(2) ORDER BY number WITH FILL FROM 0 TO 100000000000 LIMIT 5 BY number"
    ),
    "arrays joined without end": lambda: "SELECT count() FROM numbers(1000000) ARRAY JOIN range(1000000) AS n",
    "lambdas in lambdas in lambdas": lambda: (
        "SELECT arraySum(x -> arraySum(y -> arraySum(range(x + y)), range(3000)), range(3000)) FROM numbers(1000)"
    ),
    "groups of a regular expression with much to try": lambda: (
        "SELECT length(extractAllGroupsVertical(repeat('a', 200000), '((a?){50})*b|(a+)+$'))"
    ),
    "a join of everything with everything": lambda: (
        "SELECT count() FROM numbers(1000000000) AS a JOIN numbers(1000000000) AS b ON a.number = b.number"
    ),
    "control characters": lambda: "SELECT '\x01\x02\x7f' \x0b\x0c, 1",
    "emoji": lambda: "SELECT 😀 FROM 😀",
    "a name in every quote": lambda: "SELECT `a``b`, \"c\"\"d\", 'e''f'",
}
