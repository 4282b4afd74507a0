r"""From the bytes that ClickHouse wrote to the rows of a response: cut out, not rebuilt.

The format is `JSONCompact`: what is about the columns, then the rows, each on a line of its own, with the brackets and commas
that a list of lists needs. A line end inside a value is always written as `\n`, so the places to cut are found without
reading the values.

One thing ClickHouse writes differently from PostHog: moments. ClickHouse says `2026-01-05T09:00:00.000000Z`, PostHog
`2026-01-05T10:00:00+01:00` (hogql §4). Such cells are rewritten here the first time; a query that is known to have many
is wrapped by `wrapped`, and then ClickHouse writes them as they should be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

FORMAT: Final = "JSONCompact"
SETTINGS: Final[dict[str, object]] = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_64bit_floats": 0,
    "output_format_json_quote_denormals": 0,
    "output_format_json_quote_decimals": 1,
    "output_format_json_validate_utf8": 1,
    "output_format_json_escape_forward_slashes": 0,
    "output_format_json_named_tuples_as_objects": 0,
    "output_format_write_statistics": 1,
    "http_write_exception_in_output_format": 0,
    "date_time_output_format": "iso",
}
"""How ClickHouse is to write values (hogql §4)."""
PART_BYTES: Final = 1 << 20
"""Size of the pieces that rows are sent in."""
REWRITTEN_BYTES: Final = 1 << 17
"""Size of the pieces that moments are rewritten in: other threads can run in between."""

_META_STARTS: Final = len(b'{\n\t"meta":\n\t')
_DATA: Final = b'\n\t],\n\n\t"data":\n\t[\n'
_DATA_ENDS: Final = b"\n\t],\n\n\t"
_COUNT: Final = b'"rows": '
_STATISTICS: Final = re.compile(rb'"rows_read": (\d+),\s+"bytes_read": (\d+)\s+\}\s+\}\s*\Z')
_STATISTICS_BYTES: Final = 200
"""Where the last of it is."""
_ROW: Final = b"\t\t["
_NEXT_ROW: Final = b",\n" + _ROW

_STORED_AS: Final = "LowCardinality("
_CELLS = msgspec.json.Decoder(list[list[msgspec.Raw]])
_MOMENT = re.compile(r"DateTime(?:64)?\b")
_PLAIN_MOMENT = re.compile(r"(?:Nullable\()?(DateTime(?:64)?)(?:\((?:(\d+), )?(?:'([^']+)')?(\d*)\))?\)?")

_NOTHING_TO_PAD = re.compile(r"DateTime(?:64\(6\b|\b)")
"""Moments in UTC whose fraction, if they have one, is written in the six digits that are wanted."""
_NO_FRACTION: Final = b'.000000Z"'
"""What such a moment ends with where ClickHouse writes it otherwise than PostHog."""


_FEW: Final = 4
"""Rows are taken apart one by one where fewer than one in so many has a moment to rewrite."""
_WITH_OFFSET: Final = len("2026-01-05T09:00:00+01:00")


class _Column(msgspec.Struct, frozen=True):
    name: str
    type: str


_META = msgspec.json.Decoder(list[_Column])


class Rows(msgspec.Struct, frozen=True):
    """The rows of an answer, still as ClickHouse wrote them, and what it says about their columns."""

    names: list[str]
    """ClickHouse's own names of the columns."""
    types: list[str]
    answer: bytes
    start: int
    end: int
    """Where in `answer` the rows are, without the outer brackets."""
    count: int
    has_more: bool
    """Whether a row was cut off."""

    @property
    def size(self) -> int:
        """Bytes of the rows."""
        return self.end - self.start

    @property
    def cells_to_rewrite(self) -> int:
        """How many moments, about, are written otherwise than they should be."""
        if not has_moments(self.types):
            return 0
        if _are_nearly_right(self.types):
            return self.answer.count(_NO_FRACTION, self.start, self.end)
        return self.count

    def parts(self, *, rewritten: bool) -> list[bytes]:
        """A list of rows as JSON, each a list, in pieces of moderate size; with moments as PostHog writes them."""
        if rewritten:
            return [b"[", *self._rewritten(), b"]"]
        cuts = range(self.start, self.end, PART_BYTES)
        return [b"[", *(self.answer[cut : min(cut + PART_BYTES, self.end)] for cut in cuts), b"]"]

    def _rewritten(self) -> Iterator[bytes]:
        write = _moments_in_rows(self.types)
        start = self.start
        while start < self.end:
            stop = self.answer.find(_NEXT_ROW, start + REWRITTEN_BYTES, self.end)
            stop = self.end if stop < 0 else stop + 1
            yield write(self.answer[start:stop])
            start = stop


def read_rows(answer: bytes, limit: int | None = None) -> Rows:
    """Take apart what ClickHouse wrote. With a `limit`, rows from there on are cut off unread."""
    meta = answer.index(_DATA)
    columns = _META.decode(answer[_META_STARTS : meta + len(b"\n\t]")])
    start, end = meta + len(_DATA), answer.rindex(_DATA_ENDS)
    at = answer.index(_COUNT, end) + len(_COUNT)
    count = int(answer[at : answer.index(b"\n", at)].rstrip(b","))
    has_more = limit is not None and count > limit
    if limit is not None and has_more:
        for _ in range(count - limit):
            end = max(answer.rfind(_NEXT_ROW, start, end), start)
        count = limit
    return Rows(
        names=[column.name for column in columns],
        types=[plain_type(column.type) for column in columns],
        answer=answer,
        start=start,
        end=max(start, end),
        count=count,
        has_more=has_more,
    )


def read_amounts(answer: bytes) -> tuple[int, int]:
    """Rows and bytes that ClickHouse read for it."""
    found = _STATISTICS.search(answer[-_STATISTICS_BYTES:])
    return (0, 0) if found is None else (int(found[1]), int(found[2]))


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
        column = quoted(name)
        if _MOMENT.search(kind) is not None:
            moment = moment_in_sql(column, kind)
            if moment is None:
                return None
            column = moment
        columns.append(column)
    return f"SELECT {', '.join(columns)} FROM ({sql})"


def quoted(name: str) -> str:
    """A name in ClickHouse's SQL."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def moment_in_sql(column: str, kind: str) -> str | None:
    """The column's moments as PostHog writes them, as text; None for a type that is not moments alone."""
    plain = _PLAIN_MOMENT.fullmatch(kind)
    if plain is None:
        return None
    digits, zone = plain[2] or plain[4], plain[3]  # of the fraction; None for ClickHouse's three
    is_utc = zone is None or zone == "UTC"
    if plain[1] == "DateTime":
        text = f"formatDateTime({column}, '%Y-%m-%dT%H:%i:%S{'Z' if is_utc else ''}')"
    else:
        six = column if digits == "6" else f"toDateTime64({column}, 6)"
        text = f"replaceOne(formatDateTime({six}, '%Y-%m-%dT%H:%i:%S.%f{'Z' if is_utc else ''}'), '.000000', '')"
    if is_utc:
        return text
    offset = f"formatDateTime({column}, '%z')"
    return f"concat({text}, substring({offset}, 1, 3), ':', substring({offset}, 4, 2))"


# -- in Python -------------------------------------------------------------------------------------------------------------


def _are_nearly_right(types: Sequence[str]) -> bool:
    """Whether all moments are as they should be, but for fractions of zero."""
    return all(
        (plain := _PLAIN_MOMENT.fullmatch(kind)) is not None
        and _zone(plain[3]) is UTC
        and _NOTHING_TO_PAD.search(kind) is not None
        for kind in types
        if _MOMENT.search(kind)
    )


def _moments_in_rows(types: Sequence[str]) -> Callable[[bytes], bytes]:
    """Writes some rows with their moments as PostHog does. Cells of other columns are not read."""
    rewriters = [(number, _rewriter(kind)) for number, kind in enumerate(types) if _MOMENT.search(kind)]
    are_nearly_right = _are_nearly_right(types)

    def write(rows: bytes) -> bytes:
        if are_nearly_right and rows.count(_NO_FRACTION) * _FEW < rows.count(b"\n"):
            return b"".join(_few_rewritten(rows, write_all))
        return write_all(rows)

    def write_all(rows: bytes) -> bytes:
        has_comma = rows.endswith(b",")
        cells = _CELLS.decode(b"[" + (rows[:-1] if has_comma else rows) + b"]")
        for row in cells:
            for number, rewrite in rewriters:
                row[number] = msgspec.Raw(rewrite(bytes(row[number])))
        return msgspec.json.encode(cells)[1:-1] + (b"," if has_comma else b"")

    return write


def _few_rewritten(rows: bytes, write: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """The rows, those that may have a moment to rewrite written anew, the others as they are."""
    at = 0
    while (hit := rows.find(_NO_FRACTION, at)) >= 0:
        begin = rows.rfind(b"\n", 0, hit) + 1
        end = rows.find(b"\n", hit)
        end = len(rows) if end < 0 else end
        yield rows[at:begin]
        yield write(rows[begin:end])
        at = end
    yield rows[at:]


def _rewriter(kind: str) -> Callable[[bytes], bytes]:
    plain = _PLAIN_MOMENT.fullmatch(kind)
    if plain is None:
        return lambda cell: json.dumps(_rewrite(json.loads(cell), kind), ensure_ascii=False).encode()
    zone = _zone(plain[3])
    if zone is UTC and _NOTHING_TO_PAD.search(kind):
        return lambda cell: cell[:-9] + b'Z"' if cell.endswith(_NO_FRACTION) else cell
    if _NOTHING_TO_PAD.search(kind):
        return _in_zone(zone)
    return lambda cell: cell if cell == b"null" else b'"' + _moment(cell[1:-1].decode(), zone).encode() + b'"'


class _TenMinutes(dict[bytes, tuple[bytes, bytes] | None]):
    """`2026-01-05T09:0` → the same ten minutes in a zone, and its offset then; None where they have no offset of their own."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, start: bytes) -> tuple[bytes, bytes] | None:
        first, last = (_moment(start.decode() + rest, self._zone) for rest in ("0:00Z", "9:59Z"))
        fits = (first[15:19], last[15:19], first[19:]) == ("0:00", "9:59", last[19:]) and len(first) == _WITH_OFFSET
        found = self[start] = (first[:15].encode(), first[19:].encode()) if fits else None
        return found


def _in_zone(zone: tzinfo) -> Callable[[bytes], bytes]:
    """Moments with six digits or none, in a zone: the offset is looked up once for ten minutes."""
    known = _TenMinutes(zone)

    def rewrite(cell: bytes) -> bytes:
        if cell == b"null":
            return cell
        found = known[cell[1:16]]
        if found is None:
            return b'"' + _moment(cell[1:-1].decode(), zone).encode() + b'"'
        rest = cell[16:-9] if cell.endswith(_NO_FRACTION) else cell[16:-2]
        return b'"' + found[0] + rest + found[1] + b'"'

    return rewrite


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
    return value if plain is None or not isinstance(value, str) else _moment(value, _zone(plain[3]))


def _parts(kind: str) -> tuple[str, list[str]]:
    """`Tuple(a String, DateTime('UTC'))` as `Tuple` and its parts, names of fields left out."""
    outer, bracket, rest = kind.partition("(")
    if not bracket:
        return kind, []
    parts, depth, start, in_quotes = [], 0, 0, False
    rest = rest[:-1]
    for place, letter in enumerate(rest):
        if letter == "'":
            in_quotes = not in_quotes
        elif not in_quotes:
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
