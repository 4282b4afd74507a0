"""Property filters of the API as HogQL expressions (queries §2.3).

A filter is what JSON gave: `{"type", "key", "operator", "value"}`; a list of filters is an AND; `{"type": "AND" | "OR",
"values": […]}` nests. What a filter means where a property is missing is what HogQL's comparisons mean (hogql §6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from hedgerow.hogql import ast
from hedgerow.hogql.context import ProjectSchema
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.filter_operators import ReadDate, Subject, compared
from hedgerow.hogql.parser import parse_expr
from hedgerow.hogql.rules.timezone import read_moment
from hedgerow.hogql.selectors import selector_regex, tag_regex

FilterScope = Literal["event", "person", "group", "session"]
"""What a row is: it decides where `properties.x` of a type is found, and which types make sense."""

_ALWAYS = frozenset({"flag", "empty"})
_COHORTS = frozenset({"cohort", "static-cohort", "precalculated-cohort"})
_KNOWN = {
    "event": frozenset({"event"}),
    "feature": frozenset({"event"}),
    "person": frozenset({"event", "person"}),
    "group": frozenset({"event", "group"}),
    "session": frozenset({"event", "session"}),
    "event_metadata": frozenset({"event"}),
    "element": frozenset({"event"}),
}
_METADATA = frozenset(
    {"event", "timestamp", "distinct_id", "person_id", "created_at", "uuid", "$session_id", "$window_id", "person_mode"}
    | {f"$group_{index}" for index in range(5)}
)
_GROUP_TYPES = 5


def property_to_expr(
    value: object, scope: FilterScope, schema: ProjectSchema, read_date: ReadDate | None = None
) -> ast.Expr:
    """The condition that a filter, a list of filters or a group of filters stands for.

    `read_date` reads the values of date operators; without it there are no relative dates (`-7d`). Raises HogQLError for
    a filter that cannot be meant.
    """
    if value is None:
        return ast.Constant(value=True)
    if isinstance(value, list | tuple):
        return _joined(
            "AND", [property_to_expr(each, scope, schema, read_date) for each in cast("list[object]", value)]
        )
    if not isinstance(value, Mapping):
        raise QueryError("A property filter is an object, a list of filters, or a group of filters")
    given = cast("Mapping[str, Any]", value)
    if "values" in given and "key" not in given:
        kind = given.get("type")
        if kind not in {"AND", "OR"}:
            raise QueryError(f'PropertyGroupFilter of unknown type "{kind}"')
        inner: Any = given["values"]
        parts = [property_to_expr(each, scope, schema, read_date) for each in inner or ()]
        return _joined(str(kind), parts)
    return _Filter(given, scope, schema, read_date).expr()


def _joined(kind: str, parts: Sequence[ast.Expr]) -> ast.Expr:
    if not parts:
        return ast.Constant(value=True)
    if len(parts) == 1:
        return parts[0]
    return ast.And(exprs=list(parts)) if kind == "AND" else ast.Or(exprs=list(parts))


class _Filter:
    """One filter."""

    def __init__(
        self, given: Mapping[str, Any], scope: FilterScope, schema: ProjectSchema, read_date: ReadDate | None
    ) -> None:
        self.given = given
        self.scope: FilterScope = scope
        self.schema = schema
        self.read_date = read_date or (lambda text: read_moment(text, schema.timezone))
        self.type = given.get("type")
        self.key = given.get("key")
        self.operator = given.get("operator") or "exact"

    def expr(self) -> ast.Expr:
        if not isinstance(self.type, str) or self.type in _ALWAYS:
            return ast.Constant(value=True)
        if self.type == "hogql":
            return parse_expr(str(self.key)) if self.key else ast.Constant(value=True)
        if self.type in _COHORTS:
            return self._cohort()
        scopes = _KNOWN.get(self.type)
        if scopes is None:
            raise QueryError(f"property_to_expr for type {self.type} not implemented")
        if self.scope not in scopes:
            raise QueryError(f"The '{self.type}' property filter does not work in '{self.scope}' scope")
        if self.key is None or self.key == "":
            return ast.Constant(value=True)
        if self.type == "element":
            return self._element()
        if self.type == "person" and self.key == "distinct_id":
            return self._distinct_id()
        return self._compared(self._subject())

    def _compared(self, subject: Subject) -> ast.Expr:
        return compared(subject, str(self.operator), self.given.get("value"), self.read_date)

    def _subject(self) -> Subject:
        key = str(self.key)
        if self.type in {"event", "feature"}:
            if key == "$elements_chain":
                return Subject(["elements_chain"])
            return Subject(["properties", key], self.schema.property_type("event", key), key)
        if self.type == "person":
            chain = ["properties", key] if self.scope == "person" else ["person", "properties", key]
            return Subject(chain, self.schema.property_type("person", key), key)
        if self.type == "group":
            return self._group(key)
        if self.type == "session":
            return Subject([key] if self.scope == "session" else ["session", key], "session", key)
        if key not in _METADATA:
            raise QueryError(f"Unknown event metadata: {key}")
        return Subject([key], "column", key)

    def _group(self, key: str) -> Subject:
        index = self.given.get("group_type_index")
        if isinstance(index, float) and index.is_integer():
            index = int(index)
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < _GROUP_TYPES:
            raise QueryError("A group property filter needs a group_type_index from 0 to 4")
        chain = ["properties", key] if self.scope == "group" else [f"group_{index}", "properties", key]
        return Subject(chain, self.schema.property_type("group", key, index), key)

    def _person_field(self) -> ast.Expr:
        return ast.Field(chain=["id"] if self.scope == "person" else ["person_id"])

    def _distinct_id(self) -> ast.Expr:
        """Any of the person's distinct ids."""
        people = ast.SelectQuery(
            select=[ast.Field(chain=["person_id"])],
            select_from=ast.JoinExpr(table=ast.Field(chain=["person_distinct_ids"])),
            where=self._compared(Subject(["distinct_id"], "column")),
        )
        return ast.CompareOperation(left=self._person_field(), right=people, op="in")

    def _cohort(self) -> ast.Expr:
        value = self.given.get("value")
        if value is None:
            return ast.Constant(value=True)
        negated = bool(self.given.get("negation")) or self.operator in {"not_in", "is_not"}
        values = cast("list[Any]", value) if isinstance(value, list) else [value]
        parts: list[ast.Expr] = [
            ast.CompareOperation(
                left=self._person_field(),
                right=ast.Constant(value=_cohort_key(each)),
                op="not in cohort" if negated else "in cohort",
            )
            for each in values
        ]
        return _joined("AND" if negated else "OR", parts)

    def _element(self) -> ast.Expr:
        """An element of the autocaptured chain."""
        value = self.given.get("value")
        values = [
            str(each) for each in (cast("list[Any]", value) if isinstance(value, list) else [value]) if each is not None
        ]
        if self.key == "text":
            return self._any_of("elements_chain_texts")
        if self.key == "href":
            return self._compared(Subject(["elements_chain_href"], "column"))
        if self.key not in {"tag_name", "selector"}:
            raise QueryError(f"property_to_expr for element property {self.key} not implemented")
        if self.operator not in {"exact", "is_not"}:
            raise QueryError(
                f"property_to_expr for element {self.key} only supports exact and is_not operators, not {self.operator}"
            )
        if not values:
            return ast.Constant(value=True)
        found = _joined("OR", [_element_matches(str(self.key), each) for each in values])
        return found if self.operator == "exact" else ast.Not(expr=found)

    def _any_of(self, column: str) -> ast.Expr:
        """Whether any element of an array column fits."""
        negative = self.operator.startswith(("is_not", "not_"))
        operator = _POSITIVE.get(str(self.operator), str(self.operator))
        body = compared(Subject(["v"], "column"), operator, self.given.get("value"), self.read_date)
        found = ast.Call(name="arrayExists", args=[ast.Lambda(args=["v"], expr=body), ast.Field(chain=[column])])
        return ast.Not(expr=found) if negative else found


_POSITIVE = {
    "is_not": "exact",
    "not_icontains": "icontains",
    "not_regex": "regex",
    "is_not_set": "is_set",
    "not_between": "between",
    "not_in": "in",
    "not_icontains_multi": "icontains_multi",
}


def _cohort_key(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _element_matches(kind: str, value: str) -> ast.Expr:
    pattern = tag_regex(value) if kind == "tag_name" else selector_regex(value)
    return ast.Call(name="match", args=[ast.Field(chain=["elements_chain"]), ast.Constant(value=pattern)])
