"""What the resolver knows about a value: its family, whether it can be NULL, what it is made of (hogql §5, §6).

ClickHouse knows the exact type; HogQL needs no more than is kept here: enough to decide how two values compare, which
overload a call takes, and what an array or a tuple holds. `ANY` stands for "not known": it counts as nullable.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Family = Literal[
    "Any",
    "Null",
    "String",
    "Integer",
    "Float",
    "Decimal",
    "Boolean",
    "DateTime",
    "Date",
    "UUID",
    "Interval",
    "Array",
    "Tuple",
    "Map",
    "JSON",
]
Owner = Literal["event", "person", "group"]


class ValueType(msgspec.Struct, frozen=True):
    """The type of an expression.

    `items` are the types inside an array (one), a map (key, value) or a tuple (each part). `owner` and `group_index`
    are set on a JSON text of properties and say whose definitions give its keys their types.
    """

    family: Family
    nullable: bool = False
    items: tuple[ValueType, ...] = ()
    owner: Owner | None = None
    group_index: int | None = None

    def or_null(self, nullable: bool = True) -> ValueType:
        """The same type, nullable too when `nullable` is set."""
        return msgspec.structs.replace(self, nullable=True) if nullable and not self.nullable else self

    def not_null(self) -> ValueType:
        """The same type without NULL."""
        return msgspec.structs.replace(self, nullable=False) if self.nullable else self

    @property
    def is_number(self) -> bool:
        """Whether arithmetic on it gives a number."""
        return self.family in _NUMBERS

    @property
    def is_time(self) -> bool:
        """Whether it is a moment or a day."""
        return self.family in {"DateTime", "Date"}

    @property
    def title(self) -> str:
        """The name that HogQL shows to a person."""
        return self.family


_NUMBERS = frozenset({"Integer", "Float", "Decimal", "Boolean"})
_NUMBER_ORDER: tuple[Family, ...] = ("Boolean", "Integer", "Float", "Decimal")

ANY = ValueType("Any", nullable=True)
NULL = ValueType("Null", nullable=True)
STRING = ValueType("String")
INTEGER = ValueType("Integer")
FLOAT = ValueType("Float")
DECIMAL = ValueType("Decimal")
BOOLEAN = ValueType("Boolean")
DATETIME = ValueType("DateTime")
DATE = ValueType("Date")
UUID = ValueType("UUID")
INTERVAL = ValueType("Interval")
STRINGS = ValueType("Array", items=(STRING,))
EVENT_PROPERTIES = ValueType("JSON", owner="event")
PERSON_PROPERTIES = ValueType("JSON", owner="person")

BY_NAME: dict[str, ValueType] = {
    "any": ANY,
    "null": NULL,
    "str": STRING,
    "int": INTEGER,
    "float": FLOAT,
    "decimal": DECIMAL,
    "bool": BOOLEAN,
    "datetime": DATETIME,
    "date": DATE,
    "uuid": UUID,
    "interval": INTERVAL,
    "strs": STRINGS,
    "ints": ValueType("Array", items=(INTEGER,)),
    "floats": ValueType("Array", items=(FLOAT,)),
    "array": ValueType("Array", items=(ANY,)),
    "tuple": ValueType("Tuple"),
    "map": ValueType("Map"),
}


def array_of(item: ValueType) -> ValueType:
    """An array of such items."""
    return ValueType("Array", items=(item,))


def tuple_of(items: tuple[ValueType, ...]) -> ValueType:
    """A tuple of such parts."""
    return ValueType("Tuple", items=items)


def element(of: ValueType) -> ValueType:
    """What an array holds; ANY when that is not known."""
    return of.items[0] if of.family == "Array" and of.items else ANY


def group_properties(index: int) -> ValueType:
    """The JSON text of a group's properties."""
    return ValueType("JSON", owner="group", group_index=index)


def common(types: list[ValueType]) -> ValueType:
    """The type that holds all of them, as `if`, `coalesce` and arrays need it; ANY when they do not meet.

    NULL constants only make the result nullable.
    """
    nullable = any(each.nullable for each in types)
    solid = [each for each in types if each.family != "Null"]
    if not solid:
        return NULL
    first = solid[0]
    if all(each.family == first.family for each in solid):
        if all(each.items == first.items for each in solid):
            return first.or_null(nullable)
        return ValueType(first.family, nullable=nullable)
    if all(each.family in _NUMBERS for each in solid):
        return max(solid, key=lambda each: _NUMBER_ORDER.index(each.family)).or_null(nullable)
    if all(each.is_time for each in solid):
        return DATETIME.or_null(nullable)
    return ANY
