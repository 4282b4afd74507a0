"""Random HogQL texts from a seed: most of them valid, some broken on purpose.

A text is grown from templates: `@E` is an expression, `@A` an expression without operators, `@N` a name, `@F` a field,
`@L` a list of expressions, `@S` a SELECT, `@W` what stands in a window, `@T` a type, `@U` a unit of time.
Texts stay short and shallow: the parser that they are compared with needs exponential time for nesting.
"""

from __future__ import annotations

import random
import re

_NAMES = ["a", "b", "event", "properties", "person", "timestamp", "$browser", "x", "y", "distinct_id", "_k", "t1"]
_QUOTED = ["`a b`", '"$os"', "`x``y`", '"d""e"']
#: Keywords that people use as names.
_SOFT = ["date", "id", "key", "day", "year", "first", "last", "name", "time", "values", "if", "top", "to", "replace"]

_ATOMS = [
    *("@F", "@F", "@F", "@F", "@F", "@F", "@F", "@F", "@F"),
    *("0", "1", "42", "1.5", ".5", "1.", "1e3", "1.5e-3", "0x1F", "0b101", "017", "9223372036854775808", "inf", "nan"),
    *("'x'", "''", "'it''s'", r"'a\'b'", "'1 day'", "'%q%'", "'é😀'", r"'a\nb'", "'2020-01-01'", r"'\\'"),
    *("null", "true", "FALSE", "*", "{x}", "{a.b}", "t.*", "-1", "- 2.5", "now()", "#1", "f'a{b}c'"),
]

_COMPARISONS = ["=", "==", "!=", "<>", "< ", "<=", ">", ">=", "=~", "!~", "~", "=~*", "!~*", "~*",
                "like", "ilike", "not like", "not ilike", "in", "not in"]  # fmt: skip

_EXPRS = [
    *(f"@E {operator} @E" for operator in ("+", "-", "*", "/", "%", "||") * 2),
    *(f"@E {operator} @E" for operator in _COMPARISONS),
    *(f"@E {operator} @E" for operator in ("and", "or", "AND", "Or", "and @E and", "or @E or", "and @E or") * 3),
    *("not @E", "-@E", "- @E", "not not @E", "NOT(@E)", "not (@L)"),
    *("@E is null", "@E is not null", "@E.1", "@E.b", "@E[1]", "@E[@E]", "@E[1:2]", "@E[:]", "@E?.c", "@E?.2"),
    *("@E?.['k']", "@E::int", "@E::date", "@E::timestamp with time zone", "@E ignore nulls", "@E(@A)"),
    *("@E between @E and @E", "@E not between @A and @A", "@E in (@L)", "@E not in (@L)", "@E in [@L]"),
    *("@E in cohort 1", "@E not in cohort 'x'", "@E is distinct from @E", "@E is not distinct from @A"),
    *("@E <=> @A", "@E ?? @E", "@E ? @E : @E", "@E as @N", "@E as 'b c'", "@E as q = @A"),
    *("(@E)", "(@E)", "(@E)", "(@E, @L)", "[@L]", "(@A,)", "[]", "array[@L]", "{'k': @E, 'l': @A}", "{@F}", "{}"),
    *("f(@L)", "f(@L)", "if(@E, @E, @E)", "count()", "COUNT(*)", "left(@A, 1)", "toDate(@E)", "any(@E)"),
    *("uniq(distinct @E)", "quantile(@A)(@L)", "f(@E,)", "f(@A order by @A desc)", "sum(@E) filter (where @E)"),
    *("f(@A) within group (order by @A)", "sum(@E) over (@W)", "f(@L) over w", "f(@A)(@A) over (@W)", "@F.f(@A)"),
    *("f(@S)", "f((@S))", "(@S)", "@A in (@S)", "exists(@S)", "@A not in (@S)"),
    *("case when @E then @E else @E end", "case @E when @A then @E when @A then @A end", "case when @E then @A end"),
    *("cast(@E as @T)", "try_cast(@A as @T)", "interval @A @U", "interval '12 days'", "@A - interval 1 @U"),
    *("trim(both 'x' from @E)", "trim(leading 'x' from @A)", "x -> @E", "(x, y) -> @E", "arrayMap(x -> @E, @A)"),
    *("lambda x, y: @E", "f(n := @E)", "f'a{@E}b'", "f'{@E}'", "<Tag a='1' b={@E} c />", "<T>text{@E}<b/></T>"),
    *("* exclude (a, b)", "t.* exclude (a)", "columns('r')", "columns(@L)", "(* replace (@A as b))", "f(*columns(a))"),
]

_COLUMNS = ["@E", "@E", "@E", "@E as @N", "@E as @N", "@E q", "@E r_1", "z: @E"]
_TABLES = [
    "events",
    "events",
    "persons",
    "a.b",
    "numbers(10)",
    "numbers(1, @A)",
    "{t}",
    "(@S)",
    "(@S)",
    "(values (1, 2))",
]
_TABLE_TAILS = [
    "",
    "",
    "",
    "",
    " e",
    " as e",
    " AS `e f`",
    " as v (a, b)",
    " final",
    " sample 0.1",
    " e sample 1/2 offset 1/3",
]
_JOINS = [
    *(
        ", @t",
        " cross join @t",
        " join @t on @E",
        " inner join @t on @E",
        " left join @t on @E",
        " left join @t using a",
    ),
    *(" right outer join @t using (a, b)", " full join @t on @E", " any left join @t on @E", " left any join @t on @E"),
    *(" asof join @t on @E", " semi left join @t on @E", " anti join @t on @E", " all inner join @t on @E"),
    *(" natural join @t", " global join @t on @E", " asof anti left join @t on @E"),
]

_SETS = ["union all", "union distinct", "union", "intersect", "intersect distinct", "except", "except all"]
_TYPES = ["Int", "String", "Nullable(String)", "Array(Int)", "DateTime64(3, 'UTC')", "int[]", "double precision"]
_UNITS = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"]
_FRAMES = [
    "rows 1 preceding",
    "range between unbounded preceding and current row",
    "rows between 1.5 preceding and 2 following",
]

_TOKEN = re.compile(r"'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"|[\w$]+|\s+|[<>=!~|?:]+|.", re.DOTALL)
_NOISE = ["(", ")", ",", "[", "]", "{", "}", "and", "or", "not", "as", "from", "where", "select", "in", "1", "x", "'s'",
          "+", "-", "*", ".", ":", "?", "->", "<", "by", "order", "limit", "union", "is", "null", "case", "end", "@", "::",
          "group", "with", "interval", "over", "join", "on", "distinct", "between", "f(", "/*", "--", "'", ";"]  # fmt: skip

_HOLE = re.compile(r"@([ENAFLSWTUt])")


class Texts:
    """A stream of texts. `next` gives one; `expr`, `select` and `broken` are what it is made of."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.choose = self.random.choice

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def maybe(self, template: str, probability: float) -> str:
        return template if self.chance(probability) else ""

    def grow(self, template: str, depth: int) -> str:
        """The template with every hole filled."""
        return _HOLE.sub(lambda hole: self._fill(hole[1], depth), template)

    def _fill(self, hole: str, depth: int) -> str:
        if hole == "E":
            return self.expr(depth)
        if hole == "S":
            return self.select(depth)
        if hole == "L":
            return ", ".join(self.expr(depth) for _ in range(self.choose([1, 2, 2, 3])))
        if hole == "W":
            window = self.maybe("partition by @L ", 0.5) + self.maybe("order by @E desc, @A ", 0.5)
            return self.grow(window + self.maybe(self.choose(_FRAMES), 0.4), depth)
        if hole == "t":
            tables = _TABLES if depth > 0 else _TABLES[:7]
            return self.grow(self.choose(tables) + self.choose(_TABLE_TAILS), depth)
        if hole == "A":
            return self.grow(self.choose(_ATOMS), 0)
        if hole == "F":
            return ".".join(self.name() for _ in range(self.choose([1, 1, 1, 2, 2, 3])))
        return self.name() if hole == "N" else self.choose(_TYPES if hole == "T" else _UNITS)

    def name(self) -> str:
        roll = self.random.random()
        return self.choose(_NAMES if roll < 0.8 else _SOFT if roll < 0.93 else _QUOTED)

    def expr(self, depth: int) -> str:
        if depth <= 0 or self.chance(0.2):
            return self._fill("A", 0)
        return self.grow(self.choose(_EXPRS), depth - 1)

    def simple_select(self, depth: int) -> str:
        columns = ", ".join(self.choose(_COLUMNS) for _ in range(self.choose([1, 1, 2, 3])))
        template = self.maybe(
            "with " + self.choose(["@N as (@S)", "@E as @N", "c (a, b) as (@S), 1 as d"]) + " ", 0.1 * (depth > 0)
        )
        template += f"select {self.maybe('distinct ', 0.1)}{columns}{self.maybe(',', 0.03)}"
        if self.chance(0.8):
            template += " from @t"
            while self.chance(0.25):
                template += self.choose(_JOINS)
            template += self.maybe(self.choose([" array join @A as aj", " left array join @E as aj"]), 0.05)
        template += self.maybe(" prewhere @E", 0.05) + self.maybe(" where @E", 0.4)
        groups = ["@L", "@L", "@L, a", "all", "cube(a, b)", "grouping sets ((a), (a, b), ())"]
        template += self.maybe(f" group by {self.choose(groups)}{self.maybe(' with totals', 0.1)}", 0.2)
        template += (
            self.maybe(" having @E", 0.1) + self.maybe(" qualify @E", 0.05) + self.maybe(" window w as (@W)", 0.05)
        )
        template += self.maybe(f" order by {self.choose(['@E', '@E desc', '@E asc, @E', '@A descending, @A'])}", 0.2)
        template += self.maybe(
            f" limit {self.choose(['1', '2, 3', '1 offset 2'])} by {self.choose(['@A', 'a, b'])}", 0.05
        )
        limits = [
            "limit 10",
            "limit {n}",
            "limit @E",
            "limit 5 with ties",
            "limit 5 %",
            "limit 3, 4",
            "offset 3",
            "limit 5 offset 2",
        ]
        template += self.maybe(f" {self.choose(limits)}", 0.2)
        return self.grow(template, depth - 1)

    def select(self, depth: int) -> str:
        text = self.simple_select(depth)
        if self.chance(0.12):
            return f"{text} {self.choose(_SETS)} {self.simple_select(depth)}"
        if self.chance(0.06):
            return f"({text}) {self.choose(_SETS)} ({self.simple_select(depth)}){self.maybe(' limit 3', 0.3)}"
        return text

    def spaced(self, text: str) -> str:
        """The text with other space and letter case between the same tokens."""
        out: list[str] = []
        for found in _TOKEN.findall(text):
            token = found
            if token.isspace() and self.chance(0.15):
                token = self.choose(["\n", "  ", "\t", " /* c */ ", " -- c\n", "\u00a0"])
            elif token.isalpha() and token.islower() and len(token) > 1 and self.chance(0.1):
                token = token.upper()
            out.append(token)
        return "".join(out)

    def broken(self, text: str) -> str:
        """The text with one to three tokens lost, doubled, swapped, put in or cut short."""
        tokens = _TOKEN.findall(text)
        for _ in range(self.choose([1, 1, 2, 3])):
            if not tokens:
                break
            place = self.random.randrange(len(tokens))
            roll = self.random.random()
            if roll < 0.3:
                del tokens[place]
            elif roll < 0.5:
                tokens.insert(place, tokens[place])
            elif roll < 0.8:
                tokens.insert(place, f" {self.choose(_NOISE)} ")
            elif roll < 0.9:
                other = self.random.randrange(len(tokens))
                tokens[place], tokens[other] = tokens[other], tokens[place]
            else:
                del tokens[place:]
        return "".join(tokens)

    def next(self) -> tuple[str, str]:
        """What to read a text as, `expr` or `select`, and the text."""
        kind = self.choose(["expr", "select"])
        depth = self.choose([1, 2, 2, 3])
        text = self.expr(depth) if kind == "expr" else self.select(depth - 1)
        if self.chance(0.3):
            text = self.spaced(text)
        if self.chance(0.35):
            text = self.broken(text)
        return kind, text
