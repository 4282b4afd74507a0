"""Random HogQL over the real tables and functions, from a seed: typed, so that most of it runs, and failing on purpose.

Functions that fail on the values they meet are drawn as often as others: an error is as good a way out for a foreign
row as a result. Now and then a function of the list gets whatever arguments there are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from hedgerow.hogql.database import TABLES, Column, Table
from hedgerow.hogql.functions import FUNCTIONS

T = TypeVar("T")
Fields = dict[str, list[str]]
"""Type → the names that have it, as they are written."""

_TABLES = [table for table in TABLES.values() if table.guarded]
_SCALARS = [each for each in FUNCTIONS.values() if each.kind == "function"]
_AGGREGATES = ["count", "uniq", "any", "min", "max", "groupArray", "groupUniqArray", "topK(3)", "anyLast"]
_KINDS = {"String": "text", "JSON": "text", "UUID": "id", "Integer": "number", "Boolean": "number", "DateTime": "time"}
_LINKED = {
    "events": [
        "person.properties.secret",
        "person.properties",
        "pdi.distinct_id",
        "pdi.person.properties.secret",
        "group_0.key",
        "group_0.properties.secret",
        "poe.properties.secret",
        "person.properties.$browser",
        "poe.properties.$os",
        "properties.secret",
        "properties.$browser",
        "properties.nested.secret",
        "session.$entry_utm_source",
        "session.distinct_id",
    ],
    "persons": ["properties.secret", "pdi.distinct_id"],
    "raw_persons": ["properties.secret"],
    "groups": ["properties.secret"],
    "raw_groups": ["properties.secret"],
    "person_distinct_ids": ["person.properties.secret", "person.properties"],
}
_PRODUCTIONS = {
    "text": [
        *(
            "lower(@text)",
            "concat(@text, @text)",
            "ifNull(@text, '7')",
            "nullIf(@text, 'x')",
            "toString(@any)",
            "@text ?? 'x'",
        ),
        *("if(@truth, @text, @text)", "assumeNotNull(@text)", "replaceAll(@text, '7', '8')", "base64Decode(@text)"),
        *(
            "arrayElement(splitByChar('7', ifNull(@text, '')), 1)",
            "tryBase64Decode(@text)",
            "hex(@text)",
            "repeat(@text, 2)",
        ),
        *(
            "extract(@text, '.')",
            "JSONExtractString(@text, 'secret')",
            "arrayStringConcat([@text, @text], ',')",
            "'7'",
            "'x'",
        ),
        *(
            "toTypeName(@any)",
            "toJSONString(@any)",
            "multiIf(@truth, @text, @truth, @text, 'x')",
            "substring(@text, 1, 3)",
        ),
    ],
    "number": [
        *(
            "_toInt64(@text)",
            "_toInt8(@text)",
            "_toUInt64(@text)",
            "length(@text)",
            "toInt(@text)",
            "toFloat(@text)",
            "1",
            "0",
        ),
        *(
            "toIntOrZero(@text)",
            "(@number + @number)",
            "intDiv(@number, @number)",
            "cityHash64(@text)",
            "toUnixTimestamp(@time)",
        ),
        *("IPv4StringToNum(@text)", "if(@truth, @number, @number)", "dateDiff('day', @time, @time)", "toHour(@time)"),
        *("toUnixTimestamp(@text)", "abs(@number)", "arraySum(x -> _toInt64(x), [@text])", "toDayOfWeek(@time)"),
    ],
    "truth": [
        *(
            "@text = @text",
            "@text != @text",
            "@text like '%7%'",
            "@text =~ '^S'",
            "@text in ('7', 'x')",
            "@number > @number",
        ),
        *(
            "(@truth and @truth)",
            "(@truth or @truth)",
            "not @truth",
            "@time > '2026-01-01'",
            "@time < @time",
            "@text is null",
        ),
        *(
            "@id = @id",
            "@id in ('00000000-0000-0000-0000-000000000000')",
            "toBool(@text)",
            "_toInt64(@text) = 1",
            "isNotNull(@any)",
        ),
        *(
            "@number between 1 and 9",
            "_toDate(@text) = '2026-01-05'",
            "arrayExists(x -> _toInt64(x) = 7, [@text])",
            "1 = 1",
        ),
        *("@text not like @text", "@text is distinct from @text", "has([@text], @text)", "@text in (select @column)"),
        *("startsWith(@text, '7')", "match(@text, '7')", "toUUID(@text) = @id", "toIPv4(@text) = toIPv4('1.1.1.1')"),
    ],
    "time": [
        *(
            "toStartOfDay(@time)",
            "@time + interval 1 day",
            "toDateTime(@text)",
            "now()",
            "toTimeZone(@time, 'Asia/Tokyo')",
        ),
        *(
            "toDateTime64(@text, 3)",
            "toStartOfHour(@time)",
            "parseDateTimeBestEffort(@text)",
            "if(@truth, @time, @time)",
        ),
    ],
    "id": ["toUUID(@text)", "assumeNotNull(toUUID(@text))", "if(@truth, @id, @id)"],
}
_JOINS = [
    *(
        "join",
        "left join",
        "right join",
        "full outer join",
        "cross join",
        "any join",
        "left any join",
        "left semi join",
    ),
    *("left anti join", "right anti join", "inner join"),
]


class Writer:
    """Writes one query."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._aliases = 0

    def query(self) -> str:
        """A SELECT, or two in a set."""
        if self._one_in(8):
            operator = self._pick(["union all", "union distinct", "intersect", "except"])
            return f"{self._select(1, ['text', 'text'])} {operator} {self._select(1, ['text', 'text'])}"
        return self._select(2, [self._pick(["text", "number", "truth", "time", "id"]) for _ in range(self._up_to(4))])

    def _select(self, depth: int, kinds: list[str]) -> str:
        head = ""
        if depth > 0 and self._one_in(6):
            inner = ["text", "number"]
            head = f"with inner_ as ({self._select(depth - 1, inner)}) "
        source, fields = self._source(depth, with_cte=bool(head))
        texts = [self._expr(kind, fields, 3) for kind in kinds]
        grouped = self._one_in(4)
        columns = [f"{text} as k{place}" for place, text in enumerate(texts)]
        if depth == 2:
            columns += [f"{self._pick(_AGGREGATES)}({self._expr('text', fields, 2)})"] if grouped else []
            columns += ["row_number() over (order by 1)"] if self._one_in(9) and not grouped else []
            columns += [f"{self._wild(fields)}"] if self._one_in(6) and not grouped else []
        text = f"{head}select {'distinct ' if self._one_in(8) else ''}{', '.join(columns)} from {source}"
        if self._one_in(10):
            text += f" array join splitByChar('.', ifNull({self._expr('text', fields, 1)}, '')) as part"
        text += f" prewhere {self._expr('truth', fields, 2)}" if self._one_in(10) else ""
        text += f" where {self._expr('truth', fields, 3)}" if not self._one_in(4) else ""
        if grouped:
            text += " group by " + ", ".join(f"k{place}" for place in range(len(texts)))
            text += " having count() > 0" if self._one_in(3) else ""
        elif self._one_in(3):
            text += f" order by {self._expr('text', fields, 2)}"
        return text + (f" limit {self._up_to(20)}" if self._one_in(2) else "")

    def _source(self, depth: int, *, with_cte: bool) -> tuple[str, Fields]:
        text, fields = self._one_source(depth, with_cte=with_cte)
        for _ in range(self._pick([0, 0, 0, 1, 2])):
            other, more = self._one_source(depth - 1, with_cte=with_cte)
            join = self._pick(_JOINS)
            on = "" if "cross" in join else f" on {self._expr('text', fields, 2)} = {self._expr('text', more, 2)}"
            if on and self._one_in(3):
                on += f" and {self._expr('truth', self._pick([fields, more]), 2)}"
            text += f" {join} {other}{on}"
            for kind, names in more.items():
                fields.setdefault(kind, []).extend(names)
        return text, fields

    def _one_source(self, depth: int, *, with_cte: bool) -> tuple[str, Fields]:
        self._aliases += 1
        alias = self._pick(["events", "__hq", "persons", "t"]) + str(self._aliases)
        inner: Fields = {"text": [f"{alias}.k0"], "number": [f"{alias}.k1"]}
        if with_cte and self._one_in(2):
            return f"inner_ as {alias}", inner
        if depth > 0 and self._one_in(4):
            return f"({self._select(depth - 1, ['text', 'number'])}) as {alias}", inner
        table = self._pick(_TABLES)
        tail = self._pick(["", "", "", "", " final", " sample 0.9" if table.sample_by else ""])
        return f"{table.name} as {alias}{tail}", self._fields(table, alias)

    def _fields(self, table: Table, alias: str) -> Fields:
        found: Fields = {}
        for name, field in table.fields.items():
            if isinstance(field, Column) and field.type.family in _KINDS and name != "person_properties_id":
                found.setdefault(_KINDS[field.type.family], []).append(f"{alias}.{name}")
        found.setdefault("text", []).extend(f"{alias}.{name}" for name in _LINKED.get(table.name, []))
        return found

    def _expr(self, kind: str, fields: Fields, depth: int) -> str:
        names = fields.get(kind, [])
        if names and (depth <= 0 or self._one_in(3)):
            return self._pick(names)
        if depth <= 0:
            return {"text": "'7'", "number": "1", "truth": "1 = 1", "time": "now()", "id": "toUUID('')"}[kind]
        text = self._pick(_PRODUCTIONS[kind])
        while "@" in text:
            before, _, after = text.partition("@")
            word = next(
                word for word in ("text", "number", "truth", "time", "id", "any", "column") if after.startswith(word)
            )
            text = before + self._part(word, fields, depth) + after[len(word) :]
        return text

    def _part(self, word: str, fields: Fields, depth: int) -> str:
        if word == "column":
            return f"{self._pick(['event', 'distinct_id', 'properties.secret'])} from events where _toInt64(distinct_id) = 7"
        kind = self._pick(["text", "number", "time"]) if word == "any" else word
        return self._expr(kind, fields, depth - 1)

    def _wild(self, fields: Fields) -> str:
        function = self._pick(_SCALARS)
        kinds = [self._pick(["text", "text", "number", "time"]) for _ in range(min(max(function.min_args, 1), 4))]
        return f"{function.name}({', '.join(self._expr(kind, fields, 1) for kind in kinds)})"

    def _up_to(self, most: int) -> int:
        return self._random.randint(1, most)

    def _pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def _one_in(self, chance: int) -> bool:
        return self._random.randrange(chance) == 0
