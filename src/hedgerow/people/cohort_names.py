"""Cohorts as HogQL names them: `person_id IN COHORT 5` (hogql §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from hedgerow.hogql import Cohort, ast, parse_select
from hedgerow.people import models

if TYPE_CHECKING:
    from hedgerow.core.storage.metadata import Metadata

_CALCULATED: Final = "SELECT person_id FROM raw_cohort_people WHERE cohort_id = {id} AND version = {version}"
_LISTED: Final = "SELECT person_id FROM static_cohort_people WHERE cohort_id = {id}"


@dataclass(frozen=True)
class NamedCohort(Cohort):
    """A cohort, and what those ask who may not use every kind of it."""

    is_static: bool
    is_behavioral: bool
    """Whether its own definition asks what somebody did."""


class CohortNames:
    """Reads a project's cohorts out of SQL."""

    def __init__(self, metadata: Metadata) -> None:
        """Read from `metadata`."""
        self._metadata = metadata

    async def load(self, team_id: int) -> list[Cohort]:
        """Those that are not deleted, each a `NamedCohort`. Raises MetadataUnavailable."""
        table = models.Cohort
        statement = select(table.id, table.name, table.is_static, table.is_behavioral, table.version)
        statement = statement.where(table.team_id == team_id, table.deleted.is_(False)).order_by(table.id)
        async with self._metadata.read() as session:
            rows = (await session.execute(statement)).all()
        return [
            NamedCohort(number, name or "", people(number, version, is_static=is_static), is_static, is_behavioral)
            for number, name, is_static, is_behavioral, version in rows
        ]


def people(cohort_id: int, version: int | None, *, is_static: bool) -> ast.SelectQuery | ast.SelectSetQuery:
    """Selects the person ids of a list, or of one calculation; nobody where there was none yet."""
    values: dict[str, ast.Expr] = {"id": ast.Constant(value=cohort_id), "version": ast.Constant(value=version or 0)}
    return parse_select(_LISTED if is_static else _CALCULATED, values)
