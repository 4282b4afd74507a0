"""What a request about flags knows besides its body: the project's names, the keys of payloads, who reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar.datastructures import State
from litestar.di import Provide

from hedgerow.core.clock import Clock
from hedgerow.core.http import Access, Caller, NamedDependency, Team
from hedgerow.flags.cohorts import with_cohort_names
from hedgerow.flags.payloads import Vault, hidden, opened
from hedgerow.hogql import ProjectSchema


@dataclass(frozen=True)
class FlagContext:
    """One request's view of a project's flags."""

    team: Team
    caller: Caller
    schema: ProjectSchema
    vault: Vault
    clock: Clock

    def shown_filters(self, filters: Mapping[str, Any]) -> dict[str, Any]:
        """Filters as this caller sees them: sealed payloads are for personal keys alone."""
        seen = opened(self.vault, self.team.id, filters) if self.caller.kind == "personal key" else hidden(filters)
        return with_cohort_names(seen or {"groups": []}, self.schema)


async def provide_context(
    state: State, team: NamedDependency[Team], caller: NamedDependency[Caller], access: NamedDependency[Access]
) -> FlagContext:
    """The dependency `context`."""
    return FlagContext(team, caller, await state["schema_of"](team), state["gateway"].control.vault, access.clock)


SHARED: Final[dict[str, Any]] = {"dependencies": {"context": Provide(provide_context)}}
