"""Cohorts that a flag's conditions name (rest-api §11, filters schema: cohort)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hedgerow.flags.conditions import refused
from hedgerow.flags.filters import conditions_of
from hedgerow.hogql import Cohort, ProjectSchema, ast
from hedgerow.hogql.walk import walk

DEPTH_MAX: Final = 10
"""How far cohorts of cohorts are followed."""


def check_cohorts(filters: Mapping[str, Any], schema: ProjectSchema) -> None:
    """Each cohort is one of the project, and none of them counts events. Raises ValidationFailed."""
    for each in conditions_of(filters):
        if each.get("type") != "cohort":
            continue
        found = _found(schema, each.get("value"))
        if found is None:
            raise refused(f"Cohort with id {each.get('value')} does not exist", "cohort_does_not_exist")
        if _reads_events(found, schema, DEPTH_MAX):
            text = f"Cohort '{found.name}' with filters on events cannot be used in feature flags."
            raise refused(text, "behavioral_cohort_found")


def with_cohort_names(filters: dict[str, Any], schema: ProjectSchema) -> dict[str, Any]:
    """The filters as they are answered: conditions on cohorts have `cohort_name` too."""
    if not any(each.get("type") == "cohort" for each in conditions_of(filters)):
        return filters
    groups = [
        {**group, "properties": [_named(each, schema) for each in group.get("properties") or []]}
        for group in filters["groups"]
    ]
    return {**filters, "groups": groups}


def _named(each: dict[str, Any], schema: ProjectSchema) -> dict[str, Any]:
    found = _found(schema, each.get("value")) if each.get("type") == "cohort" else None
    return each if found is None else {**each, "cohort_name": found.name}


def _found(schema: ProjectSchema, said: Any) -> Cohort | None:
    number = said if isinstance(said, int) and not isinstance(said, bool) else None
    if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) < 19:
        number = int(said)
    found = None if number is None else schema.cohort(number)
    return found[0] if found else None


def _reads_events(cohort: Cohort, schema: ProjectSchema, depth: int) -> bool:
    for node in walk(cohort.people):
        if isinstance(node, ast.JoinExpr) and isinstance(node.table, ast.Field) and node.table.chain[0] == "events":
            return True
        if isinstance(node, ast.CompareOperation) and node.op in {"in cohort", "not in cohort"} and depth:
            inner = _found(schema, node.right.value) if isinstance(node.right, ast.Constant) else None
            if inner is not None and _reads_events(inner, schema, depth - 1):
                return True
    return False
