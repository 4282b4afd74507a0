r"""From the bytes that ClickHouse wrote to the rows of a response: cut and joined, not rebuilt.

The format is `JSONCompactEachRowWithNamesAndTypes`: names on the first line, types on the second, then one row a line. A
line end inside a value is always written as `\n`, so lines can be counted and cut without reading the values.

One thing ClickHouse writes differently from PostHog: moments. ClickHouse says `2026-01-05T09:00:00.000000Z`, PostHog
`2026-01-05T10:00:00+01:00` (hogql §4). Such cells are rewritten here the first time; a query that is known to have them
is wrapped by `wrapped`, and then ClickHouse writes them as they should be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

FORMAT: Final = "JSONCompactEachRowWithNamesAndTypes"
SETTINGS: Final[dict[str, object]] = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_64bit_floats": 0,
    "output_format_json_quote_denormals": 0,
    "output_format_json_quote_decimals": 1,
    "output_format_json_validate_utf8": 1,
    "output_format_json_escape_forward_slashes": 0,
    "output_format_json_named_tuples_as_objects": 0,
    "date_time_output_format": "iso",
}
"""How ClickHouse is to write values (hogql §4)."""
PART_BYTES: Final = 1 << 17
"""Size of the pieces that rows are written in: other threads can run in between."""

_STORED_AS: Final = "LowCardinality("
_NAMES = msgspec.json.Decoder(list[str])
_CELLS = msgspec.json.Decoder(list[list[msgspec.Raw]])
_MOMENT = re.compile(r"DateTime(?:64)?\b")
_PLAIN_MOMENT = re.compile(r"(?:Nullable\()?(DateTime(?:64)?)(?:\((?:\d+, )?(?:'([^']+)')?\d*\))?\)?")

_NOTHING_TO_PAD = re.compile(r"DateTime(?:64\(6\b|\b)")
"""Moments in UTC whose fraction, if they have one, is written in the six digits that are wanted."""


class Rows(msgspec.Struct, frozen=True):
    """The rows of an answer, still as ClickHouse wrote them, and what it says about their columns."""

    names: list[str]
    """ClickHouse's own names of the columns."""
    types: list[str]
    answer: bytes
    start: int
    end: int
    """Where in `answer` the lines of the rows are."""
    count: int
    has_more: bool
    """Whether a row was cut off."""

    @property
    def size(self) -> int:
        """Bytes of the lines."""
        return self.end - self.start

    def parts(self, *, rewritten: bool) -> list[bytes]:
        """A list of rows as JSON, each a list, in pieces of moderate size; with moments as PostHog writes them."""
        write = _moments_in_lines(self.types) if rewritten else _lines
        parts: list[bytes] = [b"["]
        start = self.start
        while start < self.end:
            stop = self.answer.find(b"\n", min(start + PART_BYTES, self.end - 1))
            parts += [write(self.answer[start:stop]), b","]
            start = stop + 1
        if len(parts) > 1:
            parts.pop()
        parts.append(b"]")
        return parts


def read_rows(answer: bytes, limit: int | None = None) -> Rows:
    """Take apart what ClickHouse wrote. With a `limit`, rows from there on are cut off unread."""
    first = answer.index(b"\n")
    second = answer.index(b"\n", first + 1)
    start, end = second + 1, len(answer)
    count = answer.count(b"\n", start)
    has_more = limit is not None and count > limit
    if limit is not None and has_more:
        for _ in range(count - limit):
            end = max(answer.rfind(b"\n", start, end - 1) + 1, start)
        count = limit
    return Rows(
        names=_NAMES.decode(answer[:first]),
        types=[plain_type(kind) for kind in _NAMES.decode(answer[first + 1 : second])],
        answer=answer,
        start=start,
        end=end,
        count=count,
        has_more=has_more,
    )


def plain_type(kind: str) -> str:
    """A type without `LowCardinality(…)`: how a column is stored is nobody's business."""
    while (start := kind.find(_STORED_AS)) >= 0:
        end, depth = start + len(_STORED_AS), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(kind[end], 0)
            end += 1
        kind = kind[:start] + kind[start + len(_STORED_AS) : end - 1] + kind[end:]
    return kind


def has_moments(types: Sequence[str]) -> bool:
    """Whether any column holds moments, in whatever depth."""
    return any(_MOMENT.search(kind) for kind in types)


# -- in ClickHouse ------------------------------------------------------------------------------------------------------


def wrapped(sql: str, names: Sequence[str], types: Sequence[str]) -> str | None:
    """The query with its moments written as PostHog does, as text; None if that cannot be said in SQL.

    It can if the names of the columns differ, and moments stand alone: not in arrays or tuples.
    """
    if len(set(names)) != len(names):
        return None
    columns: list[str] = []
    for name, kind in zip(names, types, strict=True):
        quoted = "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
        if _MOMENT.search(kind) is None:
            columns.append(quoted)
            continue
        plain = _PLAIN_MOMENT.fullmatch(kind)
        if plain is None:
            return None
        columns.append(_moment_in_sql(quoted, plain[1], plain[2]))
    return f"SELECT {', '.join(columns)} FROM ({sql})"


def _moment_in_sql(column: str, kind: str, zone: str | None) -> str:
    text = f"formatDateTime({column}, '%Y-%m-%dT%H:%i:%S')"
    if kind == "DateTime64":
        fraction = f"formatDateTime({column}, '.%f')"
        text = f"concat({text}, if({fraction} IN ('.000000', '.000', '.0'), '', rpad({fraction}, 7, '0')))"
    if zone is None or zone == "UTC":
        return f"concat({text}, 'Z')"
    offset = f"formatDateTime({column}, '%z')"
    return f"concat({text}, substring({offset}, 1, 3), ':', substring({offset}, 4, 2))"


# -- in Python -------------------------------------------------------------------------------------------------------------


def _lines(lines: bytes) -> bytes:
    return lines.replace(b"\n", b",")


def _moments_in_lines(types: Sequence[str]) -> Callable[[bytes], bytes]:
    """Writes lines of rows with their moments as PostHog does. Cells of other columns are not read."""
    rewriters = [(number, _rewriter(kind)) for number, kind in enumerate(types) if _MOMENT.search(kind)]

    def write(lines: bytes) -> bytes:
        cells = _CELLS.decode(b"[" + _lines(lines) + b"]")
        for row in cells:
            for number, rewrite in rewriters:
                row[number] = msgspec.Raw(rewrite(bytes(row[number])))
        return msgspec.json.encode(cells)[1:-1]

    return write


def _rewriter(kind: str) -> Callable[[bytes], bytes]:
    plain = _PLAIN_MOMENT.fullmatch(kind)
    if plain is None:
        return lambda cell: json.dumps(_rewrite(json.loads(cell), kind), ensure_ascii=False).encode()
    zone = _zone(plain[2])
    if zone is UTC and _NOTHING_TO_PAD.search(kind):
        return lambda cell: cell[:-9] + b'Z"' if cell.endswith(b'.000000Z"') else cell
    return lambda cell: cell if cell == b"null" else b'"' + _moment(cell[1:-1].decode(), zone).encode() + b'"'


def _moment(text: str, zone: tzinfo) -> str:
    """`2026-01-05T09:00:00.000000Z` as Python writes it in the zone; without a fraction if that is zero."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if zone is UTC:
        return moment.isoformat().replace("+00:00", "Z")
    return moment.astimezone(zone).isoformat()


def _zone(name: str | None) -> tzinfo:
    return UTC if name is None or name == "UTC" else ZoneInfo(name)


def _rewrite(value: Any, kind: str) -> Any:
    """A nested value, by its type: arrays, tuples and maps are gone through."""
    if value is None or _MOMENT.search(kind) is None:
        return value
    outer, inner = _parts(kind)
    if outer == "Nullable":
        return _rewrite(value, inner[0])
    if outer == "Array":
        return [_rewrite(item, inner[0]) for item in value]
    if outer in {"Tuple", "Nested"} and isinstance(value, list):
        return [_rewrite(item, part) for item, part in zip(value, inner, strict=False)]
    if outer == "Map":
        return {_rewrite(key, inner[0]): _rewrite(item, inner[1]) for key, item in value.items()}
    plain = _PLAIN_MOMENT.fullmatch(kind)
    return value if plain is None or not isinstance(value, str) else _moment(value, _zone(plain[2]))


def _parts(kind: str) -> tuple[str, list[str]]:
    """`Tuple(a String, DateTime('UTC'))` as `Tuple` and its parts, names of fields left out."""
    outer, bracket, rest = kind.partition("(")
    if not bracket:
        return kind, []
    parts, depth, start, quoted = [], 0, 0, False
    rest = rest[:-1]
    for place, letter in enumerate(rest):
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if letter == "," and depth == 0:
                parts.append(rest[start:place])
                start = place + 1
    parts.append(rest[start:])
    return outer, [_without_name(part.strip()) for part in parts]


def _without_name(part: str) -> str:
    """The type of a tuple's field: `a DateTime('UTC')` is `DateTime('UTC')`."""
    named = re.fullmatch(r"(?:`(?:[^`\\]|\\.)*`|\w+) (.+)", part, re.DOTALL)
    return part if named is None else named[1]
