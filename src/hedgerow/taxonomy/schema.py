"""What HogQL asks about a project, answered from memory (`hogql.ProjectSchema`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from hedgerow.core.storage.schema.columns import EVENT_PROPERTY_COLUMNS
from hedgerow.hogql import Action, Cohort, View
from hedgerow.taxonomy.actions import SavedAction
from hedgerow.taxonomy.memory import EVENTS, PERSONS
from hedgerow.taxonomy.models import GROUP
from hedgerow.taxonomy.named import Named, Shelf
from hedgerow.taxonomy.observer import Taxonomy
from hedgerow.taxonomy.saved_queries import SavedView


class Project(Protocol):
    """What is read of a project; `core.identity.Team` has it."""

    @property
    def id(self) -> int: ...
    @property
    def timezone(self) -> str: ...
    @property
    def week_start_day(self) -> int: ...


class People(Protocol):
    """What the room `people` knows of a project."""

    async def group_types(self, team_id: int) -> Mapping[str, int]:
        """Group types and their numbers."""
        ...

    async def has_person_overrides(self, team_id: int) -> bool:
        """Whether any stored event carries a person id that a merge made stale."""
        ...


class StoredSchema:
    """One project at one moment; property types are those known when they are asked for."""

    def __init__(
        self,
        project: Project,
        taxonomy: Taxonomy,
        group_types: Mapping[str, int],
        overrides: bool,
        columns: Mapping[str, str],
        *,
        cohorts: Named[Cohort],
        actions: Named[SavedAction],
        views: Named[SavedView],
    ) -> None:
        """Made by `Schemas.of`, which loads what is needed first."""
        self.team_id: Final = project.id
        self.timezone: Final = project.timezone
        self.week_start_day: Final = project.week_start_day
        self.has_person_overrides: Final = overrides
        self._taxonomy = taxonomy
        self._group_types = group_types
        self._columns = columns
        self._cohorts = cohorts
        self._actions = actions
        self._views = views

    def property_type(self, owner: str, name: str, group_type_index: int | None = None) -> str | None:
        """The type of a property of `owner`: event, person or group (which has an index)."""
        if owner == "group":
            if group_type_index is None:
                return None
            return self._taxonomy.property_type(self.team_id, (GROUP, group_type_index), name)
        return self._taxonomy.property_type(self.team_id, PERSONS if owner == "person" else EVENTS, name)

    def property_names(self, owner: str, group_type_index: int | None, contains: str, most: int) -> list[str]:
        """Names of known properties of `owner` that hold a text, in order, at most so many."""
        of = (GROUP, group_type_index or 0) if owner == "group" else PERSONS if owner == "person" else EVENTS
        return self._taxonomy.property_names(self.team_id, of, contains, most)

    def property_column(self, name: str) -> str | None:
        """The column of `events` that holds a property."""
        return self._columns.get(name)

    def group_type_index(self, group_type: str) -> int | None:
        """The number of a group type."""
        return self._group_types.get(group_type)

    def cohort(self, key: int | str) -> tuple[Cohort, ...]:
        """Every cohort of this id or name."""
        return self._cohorts.find(key)

    def action(self, key: int | str) -> tuple[Action, ...]:
        """Every action of this id or name."""
        return tuple(each.action(self) for each in self._actions.find(key))

    def view(self, name: str) -> tuple[View, ...]:
        """The saved query of this name."""
        return tuple(each.view for each in self._views.find(name))

    def views(self) -> tuple[SavedView, ...]:
        """Every saved query, with its columns."""
        return self._views.all


class Schemas:
    """Gives the schema of a project."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        people: People,
        columns: Mapping[str, str] = EVENT_PROPERTY_COLUMNS,
        *,
        cohorts: Shelf[Cohort] | None = None,
        actions: Shelf[SavedAction] | None = None,
        views: Shelf[SavedView] | None = None,
    ) -> None:
        """Property types come from `taxonomy`, columns of properties are `columns`, the rest comes from `people`.

        What a query can name besides tables stands on shelves; without one there is nothing of the kind.
        """
        self.columns = columns
        """Event property → its column; whoever adds one replaces the whole."""
        self._taxonomy = taxonomy
        self._people = people
        self._cohorts = cohorts
        self._actions = actions
        self._views = views

    async def of(self, project: Project) -> StoredSchema:
        """The schema as it is now. Raises MetadataUnavailable."""
        await self._taxonomy.load(project.id)
        group_types = await self._people.group_types(project.id)
        overrides = await self._people.has_person_overrides(project.id)
        return StoredSchema(
            project,
            self._taxonomy,
            group_types,
            overrides,
            self.columns,
            cohorts=Named(()) if self._cohorts is None else await self._cohorts.of(project.id),
            actions=Named(()) if self._actions is None else await self._actions.of(project.id),
            views=Named(()) if self._views is None else await self._views.of(project.id),
        )
