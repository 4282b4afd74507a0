"""Random HogQL over the real tables and functions, from a seed: typed, so that most of it runs, and failing on purpose.

Functions that fail on the values they meet are drawn as often as others: an error is as good a way out for a foreign
row as a result. Now and then a function of the list gets whatever arguments there are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import TypeVar

from tests.hogql.random_words import AGGREGATES, COMMENTS, JOINS, LINKED, PRODUCTIONS, WINDOWS, WORDS

from hedgerow.hogql.database import TABLES, Column, Table
from hedgerow.hogql.functions import FUNCTIONS

T = TypeVar("T")
Fields = dict[str, list[str]]
"""Type → the names that have it, as they are written."""

_TABLES = [table for table in TABLES.values() if table.guarded]
_SCALARS = [each for each in FUNCTIONS.values() if each.kind == "function"]
_ANY_AGGREGATES = [each for each in FUNCTIONS.values() if each.kind == "aggregate"]
_KINDS = {"String": "text", "JSON": "text", "UUID": "id", "Integer": "number", "Boolean": "number", "DateTime": "time"}
_LEAVES = {"text": "'7'", "number": "1", "truth": "1 = 1", "time": "now()", "id": "toUUID('')"}
_WORD = re.compile("@(" + "|".join(WORDS) + ")")
_SPACES = re.compile(r"""('(?:[^'\\]|\\.)*'|`[^`]*`|"[^"]*")| """)
_SETS = ["union all", "union distinct", "intersect", "intersect distinct", "except"]
_GROUPINGS = ["group by {}", "group by {}", "group by {}", "group by rollup({})", "group by cube({})", "group by all"]


class Writer:
    """Writes one query."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._aliases = 0

    def query(self) -> str:
        """A SELECT, or some in a set."""
        return self._spread(self._query())

    def _query(self) -> str:
        if self._one_in(8):
            parts = [self._select(1, ["text", "text"]) for _ in range(2 + self._one_in(4))]
            text = f" {self._pick(_SETS)} ".join(parts)
            if self._one_in(3):
                parts = [f"({part})" for part in parts]
                text = f" {self._pick(_SETS)} ".join(parts)
                text += self._pick(["", " order by k0", " order by k1 desc limit 3", " limit 5 offset 1"])
            return text
        return self._select(2, [self._kind() for _ in range(self._up_to(4))])

    def _kind(self) -> str:
        return self._pick(["text", "text", "number", "truth", "time", "id"])

    def _select(self, depth: int, kinds: list[str]) -> str:
        head, with_cte, extra = self._ctes(depth)
        source, fields = self._source(depth, with_cte=with_cte)
        fields.setdefault("text", []).extend(extra)
        texts = [self._expr(kind, fields, 3) for kind in kinds]
        grouped = self._one_in(4)
        columns = [f"{text} as k{place}" for place, text in enumerate(texts)]
        tail = ""
        if depth == 2:
            columns += self._more_columns(fields, grouped=grouped)
            tail = " window w_ as (partition by k0 order by k0)" if any("over w_" in each for each in columns) else ""
        distinct = "distinct " if self._one_in(8) else ""
        text = f"{head}select {distinct}{', '.join(columns)} from {source}"
        text += self._array_join(fields)
        text += f" prewhere {self._expr('truth', fields, 2)}" if self._one_in(10) else ""
        text += f" where {self._expr('truth', fields, 3)}" if not self._one_in(4) else ""
        if grouped:
            keys = ", ".join(f"k{place}" for place in range(len(texts)))
            text += " " + self._pick(_GROUPINGS).format(keys)
            text += self._pick(["", "", " having count() > 0", f" having {self._expr('truth', fields, 1)}"])
        text += tail
        text += f" qualify {self._window(fields)} > 0" if self._one_in(12) and not grouped else ""
        return text + self._order(fields, len(texts), grouped=grouped)

    def _ctes(self, depth: int) -> tuple[str, bool, list[str]]:
        ctes: list[str] = []
        with_table = depth > 0 and self._one_in(6)
        if with_table:
            ctes.append(f"inner_ as ({self._select(depth - 1, ['text', 'number'])})")
        extra: list[str] = []
        if self._one_in(8):
            ctes.append(
                f"{self._pick(['event', _LEAVES['text'], '7', '(select event from events limit 1)'])} as short_"
            )
            extra.append("toString(short_)")
        return (f"with {', '.join(ctes)} " if ctes else ""), with_table, extra

    def _more_columns(self, fields: Fields, *, grouped: bool) -> list[str]:
        if grouped:
            found = [self._aggregate(fields) for _ in range(self._up_to(2))]
            return [*found, *([self._any_aggregate(fields)] if self._one_in(3) else [])]
        found = [f"{self._window(fields)} as over_"] if self._one_in(7) else []
        found += [self._wild(fields)] if self._one_in(5) else []
        found += [self._pick(["*", "count() over w_", "tuple(*)", "columns('.*')"])] if self._one_in(12) else []
        return found

    def _aggregate(self, fields: Fields) -> str:
        text = self._filled(self._pick(AGGREGATES), fields, 2)
        return text + (f" filter (where {self._expr('truth', fields, 1)})" if self._one_in(6) else "")

    def _any_aggregate(self, fields: Fields) -> str:
        function = self._pick(_ANY_AGGREGATES)
        kinds = [self._pick(["number", "number", "text", "time"]) for _ in range(min(max(function.min_args, 1), 4))]
        kinds = [*kinds[:-1], "truth"] if function.name.endswith("If") else kinds
        params = f"({', '.join(['1'] * function.min_params)})" if function.min_params else ""
        return f"{function.name}{params}({', '.join(self._expr(kind, fields, 1) for kind in kinds)})"

    def _window(self, fields: Fields) -> str:
        return self._filled(self._pick(WINDOWS), fields, 1)

    def _array_join(self, fields: Fields) -> str:
        if not self._one_in(10):
            return ""
        word = self._pick(["array join", "left array join"])
        return f" {word} splitByChar('.', ifNull({self._expr('text', fields, 1)}, '')) as part"

    def _order(self, fields: Fields, columns: int, *, grouped: bool) -> str:
        text = ""
        if self._one_in(3):
            key = f"k{self._random.randrange(columns)}" if grouped or self._one_in(2) else self._expr("text", fields, 2)
            text += f" order by {key}{self._pick(['', ' desc', ' asc nulls first', ' desc nulls last'])}"
            if self._one_in(6):
                return f"{text} limit {self._up_to(5)} with ties"
        text += f" limit {self._up_to(3)} by k0" if self._one_in(10) else ""
        text += f" limit {self._up_to(20)}" if self._one_in(2) else ""
        return text + (f" offset {self._up_to(2)}" if self._one_in(8) else "")

    def _source(self, depth: int, *, with_cte: bool) -> tuple[str, Fields]:
        text, fields = self._one_source(depth, with_cte=with_cte)
        for _ in range(self._pick([0, 0, 0, 1, 2])):
            other, more = self._one_source(depth - 1, with_cte=with_cte)
            join = self._pick(JOINS)
            on = "" if "cross" in join else self._on(fields, more, asof="asof" in join)
            text += f" {join} {other}{on}"
            for kind, names in more.items():
                fields.setdefault(kind, []).extend(names)
        return text, fields

    def _on(self, fields: Fields, more: Fields, *, asof: bool) -> str:
        if self._one_in(6):
            return f" using {self._pick(['event', '(distinct_id)', 'k0', 'id'])}"
        on = f" on {self._expr('text', fields, 2)} = {self._expr('text', more, 2)}"
        if asof:
            return f"{on} and {self._expr('number', fields, 1)} >= {self._expr('number', more, 1)}"
        if self._one_in(3):
            on += f" and {self._expr('truth', self._pick([fields, more]), 2)}"
        return on

    def _one_source(self, depth: int, *, with_cte: bool) -> tuple[str, Fields]:
        self._aliases += 1
        alias = self._pick(["events", "__hq", "persons", "t", "`a b`", '"select"']) + str(self._aliases)
        alias = re.sub(r"([`\"])(\d+)\Z", r"\2\1", alias)
        inner: Fields = {"text": [f"{alias}.k0"], "number": [f"{alias}.k1"]}
        if with_cte and self._one_in(2):
            return f"inner_ as {alias}", inner
        if depth > 0 and self._one_in(4):
            return f"({self._select(depth - 1, ['text', 'number'])}) as {alias}", inner
        if self._one_in(12):
            text = self._pick([f"numbers({self._up_to(9)})", f"numbers(1, {self._up_to(9)})"])
            return f"{text} as {alias}", {"number": [f"{alias}.number"]}
        if self._one_in(15):
            return f"console_logs_log_entries as {alias}", {"text": [f"{alias}.message"]}
        if self._one_in(15):
            return f"seen_ as {alias}", {"text": [f"{alias}.name"], "number": [f"{alias}.times"]}
        table = self._pick(_TABLES)
        tail = self._pick(["", "", "", "", " final", " sample 0.9" if table.sample_by else ""])
        prefix = "posthog." if self._one_in(10) else ""
        return f"{prefix}{table.name} as {alias}{tail}", self._fields(table, alias)

    def _fields(self, table: Table, alias: str) -> Fields:
        found: Fields = {}
        for name, field in table.fields.items():
            if isinstance(field, Column) and field.type.family in _KINDS and name != "person_properties_id":
                found.setdefault(_KINDS[field.type.family], []).append(f"{alias}.{name}")
        found.setdefault("text", []).extend(f"{alias}.{name}" for name in LINKED.get(table.name, []))
        if table.name == "events":
            found.setdefault("id", []).append(f"{alias}.person_id")
            found.setdefault("truth", []).append("matchesAction('sevens')")
        return found

    def _expr(self, kind: str, fields: Fields, depth: int) -> str:
        names = fields.get(kind, [])
        if names and (depth <= 0 or self._one_in(3)):
            return self._pick(names)
        if depth <= 0:
            return _LEAVES[kind]
        return self._filled(self._pick(PRODUCTIONS[kind]), fields, depth)

    def _filled(self, text: str, fields: Fields, depth: int) -> str:
        return _WORD.sub(lambda match: self._part(match.group(1), fields, depth), text)

    def _part(self, word: str, fields: Fields, depth: int) -> str:
        if word == "column":
            return f"{self._pick(['event', 'distinct_id', 'properties.secret'])} from events where _toInt64(distinct_id) = 7"
        kind = self._pick(["text", "number", "time"]) if word == "any" else word
        return self._expr(kind, fields, depth - 1)

    def _wild(self, fields: Fields) -> str:
        function = self._pick(_SCALARS)
        kinds = [self._pick(["text", "text", "number", "time"]) for _ in range(min(max(function.min_args, 1), 4))]
        return f"{function.name}({', '.join(self._expr(kind, fields, 1) for kind in kinds)})"

    def _spread(self, text: str) -> str:
        """The text, now and then with comments for spaces and words in capitals."""
        if not self._one_in(4):
            return text
        return _SPACES.sub(
            lambda match: match.group(1) or (self._pick(COMMENTS) if self._one_in(5) else " "),
            text,
        )

    def _up_to(self, most: int) -> int:
        return self._random.randint(1, most)

    def _pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def _one_in(self, chance: int) -> bool:
        return self._random.randrange(chance) == 0
