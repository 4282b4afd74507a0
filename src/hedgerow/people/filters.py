"""The list's filters as SQL conditions: `search`, `email`, `distinct_id`, `properties` (rest-api §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from hedgerow.core.http.errors import ValidationFailed

if TYPE_CHECKING:
    from collections.abc import Callable

FILTERS_MAX: Final = 50
DEPTH_MAX: Final = 5

_VALUE: Final = {
    "sqlite": """(SELECT CASE found.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(found.value AS TEXT) END
        FROM json_each(persons.properties) AS found WHERE found.key = :{key} AND found.type <> 'null')""",
    "postgresql": "(CAST(persons.properties AS jsonb) ->> CAST(:{key} AS text))",
}
"""A person property as text; NULL where it is missing or null."""
_NUMBER: Final = {
    "sqlite": "CAST({value} AS REAL)",
    "postgresql": "CASE WHEN {value} ~ '^-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?$' THEN CAST({value} AS double precision) END",
}
_COMPARISONS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Condition(NamedTuple):
    """SQL and what it binds."""

    text: str
    parameters: dict[str, Any]


class Conditions(list[Condition]):
    """Conditions that must all hold."""

    @property
    def text(self) -> str:
        """SQL that holds where all do."""
        return " AND ".join(f"({condition.text})" for condition in self) or "TRUE"

    @property
    def parameters(self) -> dict[str, Any]:
        """What all bind."""
        return {name: value for condition in self for name, value in condition.parameters.items()}


class FilterReader:
    """Turns the query parameters of a list into conditions for one engine."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._count = 0

    def read(
        self, *, search: str | None, email: str | None, distinct_id: str | None, properties: str | None
    ) -> Conditions:
        """All conditions. Raises `ValidationFailed`."""
        found = Conditions()
        if email:
            found.append(Condition("email = :email", {"email": email}))
        if distinct_id:
            found.append(Condition(self._has_id("distinct_id"), {"distinct_id": distinct_id}))
        if search:
            found.append(self._search(search.strip()))
        if properties:
            try:
                said = msgspec.json.decode(properties)
            except (msgspec.DecodeError, UnicodeEncodeError):
                raise ValidationFailed("Properties are unparsable!", attr="properties") from None
            found.append(self._group(said if isinstance(said, dict) else {"type": "AND", "values": said}, DEPTH_MAX))
        return found

    def _has_id(self, name: str) -> str:
        return (
            "uuid IN (SELECT person_uuid FROM person_distinct_ids AS ids"
            f" WHERE ids.team_id = :team_id AND ids.distinct_id = :{name})"
        )

    def _search(self, search: str) -> Condition:
        name = _VALUE[self._dialect].format(key="search_key")
        text = (
            f"lower(email) LIKE :search_like ESCAPE '\\' OR lower({name}) LIKE :search_like ESCAPE '\\'"
            f" OR uuid = :search OR {self._has_id('search')}"
        )
        return Condition(text, {"search_key": "name", "search": search, "search_like": _contains(search)})

    def _group(self, group: dict[str, Any], depth: int) -> Condition:
        values = group.get("values")
        if not isinstance(values, list) or depth == 0 or len(values) > FILTERS_MAX:
            raise ValidationFailed("Properties are unparsable!", attr="properties")
        parts = [
            self._group(value, depth - 1) if isinstance(value, dict) and "values" in value else self._one(value)
            for value in values
        ]
        joined = (" OR " if str(group.get("type", "AND")).upper() == "OR" else " AND ").join(
            f"({p.text})" for p in parts
        )
        return Condition(joined or "TRUE", {k: v for part in parts for k, v in part.parameters.items()})

    def _one(self, said: object) -> Condition:
        if not isinstance(said, dict) or not isinstance(said.get("key"), str):
            raise ValidationFailed("Properties are unparsable!", attr="properties")
        if said.get("type", "person") != "person":
            raise ValidationFailed("Persons are filtered by person properties only.", attr="properties")
        self._count += 1
        key = f"key_{self._count}"
        value = _VALUE[self._dialect].format(key=key)
        operator = said.get("operator") or "exact"
        maker = _OPERATORS.get(operator)
        if maker is not None:
            made = maker(value, f"value_{self._count}", said.get("value"))
        elif operator in _COMPARISONS:
            made = self._compared(value, operator, said.get("value"))
        else:
            raise ValidationFailed(f'The operator "{operator}" is not supported here.', attr="properties")
        return Condition(made.text, {key: said["key"], **made.parameters})

    def _compared(self, value: str, operator: str, said: object) -> Condition:
        try:
            number = float(said)  # pyright: ignore[reportArgumentType]
        except (TypeError, ValueError):
            raise ValidationFailed("A valid number is required.", attr="properties") from None
        name = f"value_{self._count}"
        as_number = _NUMBER[self._dialect].format(value=value)
        return Condition(f"{as_number} {_COMPARISONS[operator]} :{name}", {name: number})


def _exact(value: str, name: str, said: object) -> Condition:
    texts = [_text(one) for one in said] if isinstance(said, list) else [_text(said)]
    names = [f"{name}_{number}" for number in range(len(texts[:FILTERS_MAX]))]
    wanted = ", ".join(f":{one}" for one in names) or "NULL"
    return Condition(f"coalesce({value} IN ({wanted}), FALSE)", dict(zip(names, texts, strict=False)))


def _contained(value: str, name: str, said: object) -> Condition:
    return Condition(f"coalesce(lower({value}) LIKE :{name} ESCAPE '\\', FALSE)", {name: _contains(_text(said))})


def _not(maker: Callable[[str, str, object], Condition]) -> Callable[[str, str, object], Condition]:
    def negated(value: str, name: str, said: object) -> Condition:
        inner = maker(value, name, said)
        return Condition(f"NOT ({inner.text})", inner.parameters)

    return negated


def _is_set(value: str, name: str, said: object) -> Condition:
    del name, said
    return Condition(f"{value} IS NOT NULL", {})


_OPERATORS: Final[dict[str, Callable[[str, str, object], Condition]]] = {
    "exact": _exact,
    "is_not": _not(_exact),
    "icontains": _contained,
    "not_icontains": _not(_contained),
    "is_set": _is_set,
    "is_not_set": _not(_is_set),
}


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _contains(text: str) -> str:
    return "%" + text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
