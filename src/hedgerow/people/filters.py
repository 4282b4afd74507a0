"""The list's filters (rest-api §5): `email` and `distinct_id` as SQL; with `search` or `properties`, all of them as HogQL.

SQL has an index for the first two. The others read every person, which ClickHouse does in a fraction of the time, and a
property filter means the same there as in any query (queries §2.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec

from hedgerow.core.http.errors import ValidationFailed
from hedgerow.hogql import HogQLError, property_to_expr
from hedgerow.hogql.print_hogql import print_hogql

if TYPE_CHECKING:
    from hedgerow.hogql import ProjectSchema
    from hedgerow.hogql.filter_operators import ReadDate

FILTERS_MAX: Final = 50
DEPTH_MAX: Final = 5

_EMAIL: Final = "toString(properties.email) = {email}"
_DISTINCT_ID: Final = "id IN (SELECT person_id FROM person_distinct_ids WHERE distinct_id = {distinct_id})"
_SEARCH: Final = (
    "(toString(properties.email) ILIKE {search_like} OR toString(properties.name) ILIKE {search_like}"
    " OR toString(id) = {search} OR id IN (SELECT person_id FROM person_distinct_ids WHERE distinct_id = {search}))"
)


class Filters(msgspec.Struct, frozen=True):
    """What was asked for; an empty text asks for nothing."""

    email: str = ""
    distinct_id: str = ""
    search: str = ""
    properties: str = ""
    """JSON: a list of property filters, or a group of them."""
    cohort: int = 0
    """The cohort that they are in; 0 asks for none."""

    @property
    def need_hogql(self) -> bool:
        """Whether SQL has no index for it."""
        return bool(self.search.strip() or self.properties or self.cohort)


class Condition(NamedTuple):
    """A text in SQL or HogQL, and the values that it names."""

    text: str
    values: dict[str, Any]


def in_sql(filters: Filters) -> Condition:
    """`email` and `distinct_id` as a condition on the table `persons`; `:team_id` is bound by the caller."""
    parts, values = ["TRUE"], dict[str, Any]()
    if filters.email:
        parts.append("email = :email")
        values["email"] = filters.email
    if filters.distinct_id:
        parts.append(
            "uuid IN (SELECT person_uuid FROM person_distinct_ids AS ids"
            " WHERE ids.team_id = :team_id AND ids.distinct_id = :distinct_id)"
        )
        values["distinct_id"] = filters.distinct_id
    return Condition(" AND ".join(parts), values)


def in_hogql(filters: Filters, schema: ProjectSchema, read_date: ReadDate) -> Condition:
    """All filters as a condition on the table `persons`. Raises `ValidationFailed`."""
    parts, values = ["created_at <= now()"], dict[str, Any]()
    if filters.email:
        parts.append(_EMAIL)
        values["email"] = filters.email
    if filters.distinct_id:
        parts.append(_DISTINCT_ID)
        values["distinct_id"] = filters.distinct_id
    if filters.cohort:
        parts.append(f"id IN COHORT {int(filters.cohort)}")
    if search := filters.search.strip():
        parts.append(_SEARCH)
        escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values |= {"search": search, "search_like": f"%{escaped}%"}
    if filters.properties:
        try:
            condition = property_to_expr(_read(filters.properties), "person", schema, read_date)
        except HogQLError as error:
            raise ValidationFailed(error.message, attr="properties") from None
        parts.append(print_hogql(condition))
    return Condition(" AND ".join(parts), values)


def _read(text: str) -> object:
    """The filters, each checked to be one on a property of the person: a key that reads persons may ask for no more."""
    try:
        said = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise _unparsable() from None
    return _checked(said, DEPTH_MAX)


def _checked(said: object, depth: int) -> object:
    if not depth:
        raise _unparsable()
    if isinstance(said, list):
        values = cast("list[object]", said)
        if len(values) > FILTERS_MAX:
            raise _unparsable()
        return [_checked(each, depth - 1) for each in values]
    if not isinstance(said, dict):
        raise _unparsable()
    given = cast("dict[str, Any]", said)
    if "values" in given and "key" not in given:
        return {
            "type": str(given.get("type") or "AND").upper(),
            "values": _checked(given["values"] or [], depth - 1),
        }
    if not isinstance(given.get("key"), str):
        raise _unparsable()
    if given.get("type", "person") != "person":
        raise ValidationFailed("Persons are filtered by person properties only.", attr="properties")
    value = given.get("value")
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict | list) for each in value)):
        raise _unparsable()
    return {**given, "type": "person"}


def _unparsable() -> ValidationFailed:
    return ValidationFailed("Properties are unparsable!", attr="properties")
