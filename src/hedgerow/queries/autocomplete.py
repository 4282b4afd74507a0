"""HogQLAutocomplete: what may stand at the cursor of an editor (queries §3.3).

The text before the cursor mostly does not parse. So its tokens are read, not its tree: the chain of names at the cursor, the
word before it, and every table that stands behind a FROM or JOIN anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from hedgerow.hogql.database import TABLES, Column, Expression, Field, LazyJoin, Ruled, Table, Traverser, VirtualTable
from hedgerow.hogql.functions import FUNCTIONS
from hedgerow.hogql.tokens import tokenize
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.nodes import Node, NodeKind
from hedgerow.queries.placeholders import HogQLFilters
from hedgerow.queries.run import KindAnswer, Run

PROPERTIES_MAX: Final = 220
"""More than these would drown an editor."""
LANGUAGES: Final = frozenset({"hogQL", "hogQLExpr", "hogTemplate", "hog", "hogJson", "liquid"})
READ: Final = frozenset({"hogQL", "hogQLExpr"})
"""Those whose texts are HogQL; the others get no suggestions."""
_TYPES: Final = {"JSON": "Object", "UUID": "String", "Any": "Unknown"}
_BARE: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_NAMES: Final = frozenset({"IDENT", "QIDENT"})
_TABLE_WORDS: Final = frozenset({"FROM", "JOIN"})
_DOTS: Final = frozenset({".", "?."})
_SOURCE: Final = "select * from events"
_OWN: Final = re.compile(r"(?:--|//|#(?![0-9]))[^\n]*\Z")


class HogQLAutocomplete(Node, frozen=True, kw_only=True):
    """The node. Positions are offsets in characters."""

    language: str
    query: str
    start: int = msgspec.field(name="startPosition")
    end: int = msgspec.field(name="endPosition")
    source_query: dict[str, Any] | None = msgspec.field(default=None, name="sourceQuery")
    globals: dict[str, Any] | None = None
    filters: HogQLFilters | None = None


class Suggestion(msgspec.Struct, frozen=True, rename="camel"):
    """One thing that may stand there."""

    label: str
    insert_text: str
    kind: str
    detail: str | None = None
    documentation: str | None = None


class Suggestions(msgspec.Struct, kw_only=True):
    """The response."""

    suggestions: list[Suggestion]
    incomplete_list: bool
    timings: list[dict[str, Any]]
    query_status: None = None


@runtime_checkable
class Named(Protocol):
    """A schema that can list the properties that it knows."""

    def property_names(self, owner: str, group_type_index: int | None, contains: str, most: int) -> Sequence[str]:
        """Names that hold a text, in order, at most so many."""
        ...


class HogQLAutocompleteKind(NodeKind[HogQLAutocomplete]):
    """See `registry.Kind`."""

    name = "HogQLAutocomplete"
    node = HogQLAutocomplete
    is_plain = True

    def check(self, node: HogQLAutocomplete) -> None:
        """Raise `QueryRefused` for what the fields alone do not tell."""
        if node.language not in LANGUAGES:
            raise QueryRefused(f"Unsupported language: {node.language[:100]}", attr="query__language")

    def interval(self, node: HogQLAutocomplete) -> None:
        """Nothing of it is kept."""
        del node

    async def calculate(self, node: HogQLAutocomplete, run: Run) -> KindAnswer:
        """Look at the text around the cursor."""
        if len(node.query.encode(errors="replace")) > run.settings.query_max_text_bytes:
            raise QueryRefused("Query size exceeded.", code="query_size_exceeded", attr="query__query")
        found: list[Suggestion] = []
        is_incomplete = False
        if node.language in READ:
            source = (
                str((node.source_query or {}).get("query") or _SOURCE) if node.language == "hogQLExpr" else node.query
            )
            at = min(max(node.end, 0), len(node.query))
            place = place_of(node.query[:at])
            if place is not None:
                found, is_incomplete = suggested(place, tables_of(source), run.schema)
        run.close()
        return KindAnswer(
            None, Suggestions(suggestions=found, incomplete_list=is_incomplete, timings=run.timings), may_be_kept=False
        )


class Place(msgspec.Struct, frozen=True):
    """Where the cursor is."""

    chain: tuple[str, ...]
    """Names before it, each followed by a dot."""
    begun: str
    """The part of a name that is there."""
    is_table: bool
    """Whether a table is wanted."""


def place_of(before: str) -> Place | None:
    """The place at the end of a text; None inside of a string, a number or a comment."""
    tokens = tokenize(before)
    kinds, count = tokens.kinds, tokens.kinds.index("EOF")
    ends = tokens.ends
    if "BAD" in kinds or _OWN.search(before[ends[count - 1] if count else 0 :]):
        return None
    begun, last = "", count - 1
    if last >= 0 and ends[last] == len(before):
        if kinds[last] in {"STRING", "DEC", "OCT", "HEX", "BIN", "FLOAT", "QIDENT"}:
            return None
        word = before[tokens.starts[last] : ends[last]]
        if _BARE.fullmatch(word):  # a keyword may be the beginning of a name
            begun, last = word, last - 1
    chain: list[str] = []
    while last >= 1 and kinds[last] in _DOTS and kinds[last - 1] in _NAMES:
        chain.insert(0, _plain(before[tokens.starts[last - 1] : ends[last - 1]]))
        last -= 2
    return Place(tuple(chain), begun, is_table=not chain and last >= 0 and kinds[last] in _TABLE_WORDS)


def tables_of(text: str) -> dict[str, Table]:
    """The tables that a text names, by their aliases."""
    tokens = tokenize(text)
    kinds = tokens.kinds
    words = [_plain(text[start:end]) for start, end in zip(tokens.starts, tokens.ends, strict=True)]
    found: dict[str, Table] = {}
    for place, kind in enumerate(kinds):
        if kind not in _TABLE_WORDS:
            continue
        at = place + 1
        if words[at : at + 2] == ["posthog", "."]:
            at += 2
        if at >= len(words) or words[at] not in TABLES:
            continue
        alias = at + 2 if kinds[at + 1 : at + 2] == ["AS"] else at + 1
        name = words[alias] if alias < len(words) and kinds[alias] in _NAMES else words[at]
        found[name] = TABLES[words[at]]
    return found


def suggested(place: Place, tables: Mapping[str, Table], schema: object) -> tuple[list[Suggestion], bool]:
    """What may stand there, and whether there is more."""
    if place.is_table:
        return [Suggestion(name, name, "Folder", "Table") for name in TABLES], False
    if place.chain:
        return _behind(place, tables, schema)
    fields = {field.name: field for table in tables.values() for field in _shown(table.fields.values())}
    found = [_of_field(field) for field in fields.values()]
    found += [Suggestion(name, name, "Folder", "Table") for name in tables if name not in fields]
    found += [Suggestion(name, f"{name}()", "Function") for name in sorted(FUNCTIONS) if not name.startswith("_")]
    return found, False


def _behind(place: Place, tables: Mapping[str, Table], schema: object) -> tuple[list[Suggestion], bool]:
    """Fields or properties behind a chain of names."""
    first, *rest = place.chain
    starts = [(tables[first], rest)] if first in tables else [(table, [first, *rest]) for table in tables.values()]
    for table, names in starts:
        fields, owner, index = table.fields, "", None
        for name in names:
            field = fields.get(name)
            if owner or field is None:
                fields, owner = {}, ""
                break
            if isinstance(field, LazyJoin):
                fields = TABLES[field.table].fields
                index = next((int(value) for key, value in field.where if key == "index"), index)
            elif isinstance(field, VirtualTable):
                fields = {each.name: each for each in field.fields}
            elif isinstance(field, Ruled) and field.rule == "person":
                fields = TABLES["persons"].fields
            else:
                fields, owner = {}, _owner_of(field)
        if fields:
            return [_of_field(field) for field in _shown(fields.values())], False
        if owner and isinstance(schema, Named):
            known = list(schema.property_names(owner, index, place.begun, PROPERTIES_MAX + 1))
            shown = [Suggestion(name, _quoted(name), "Variable", "Property") for name in known[:PROPERTIES_MAX]]
            return shown, len(known) > PROPERTIES_MAX
    return [], False


def _owner_of(field: Field) -> str:
    if isinstance(field, Column) and field.type.family == "JSON":
        return field.type.owner or ""
    return "person" if isinstance(field, Ruled) and field.rule == "person_properties_on_event" else ""


def _shown(fields: Any) -> Iterator[Field]:
    return (field for field in fields if field.name != "team_id")


def _of_field(field: Field) -> Suggestion:
    kind, detail = "Variable", "String"
    if isinstance(field, Column):
        detail = _TYPES.get(field.type.family, field.type.family)
    elif isinstance(field, LazyJoin | VirtualTable) or (isinstance(field, Ruled) and field.rule == "person"):
        kind, detail = "Folder", "Table"
    elif isinstance(field, Expression | Traverser):
        detail = "Expression"
    return Suggestion(field.name, _quoted(field.name), kind, detail)


def _quoted(name: str) -> str:
    return name if _BARE.fullmatch(name) else "`" + name.replace("\\", "\\\\").replace("`", "``") + "`"


def _plain(word: str) -> str:
    return word[1:-1] if word[:1] in {"`", '"'} and len(word) > 1 else word
