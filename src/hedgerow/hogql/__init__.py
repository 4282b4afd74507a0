"""HogQL: text → tree → resolved → ClickHouse SQL with bound values (`docs/`, contract hogql).

    parse_select, parse_expr    text to a tree; HogQLError says where it went wrong
    compile_select              a text or a tree to what ClickHouse runs, for one project
    property_to_expr            a property filter of the API as an expression

What the language must know about a project it asks of a `ProjectSchema`, which higher rooms fulfil.
"""

from __future__ import annotations

from hedgerow.hogql.compile import compile_select
from hedgerow.hogql.context import (
    Action,
    Cohort,
    CompiledQuery,
    HogQLContext,
    Modifiers,
    Notice,
    ProjectSchema,
    View,
)
from hedgerow.hogql.errors import HogQLError, NotSupported, QueryError
from hedgerow.hogql.parser import parse_expr, parse_order_expr, parse_select
from hedgerow.hogql.print_hogql import print_hogql
from hedgerow.hogql.property_filters import property_to_expr

__all__ = [
    "Action",
    "Cohort",
    "CompiledQuery",
    "HogQLContext",
    "HogQLError",
    "Modifiers",
    "NotSupported",
    "Notice",
    "ProjectSchema",
    "QueryError",
    "View",
    "compile_select",
    "parse_expr",
    "parse_order_expr",
    "parse_select",
    "print_hogql",
    "property_to_expr",
]
