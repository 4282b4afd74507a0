"""Things of a project that HogQL can name (saved views, actions, cohorts), kept in memory: compiling cannot wait for SQL."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from hedgerow.core.clock import Clock

PROJECTS_MAX: Final = 1_000
FRESH_SECONDS: Final = 1.0
"""How long another worker may not notice a change."""


class HasName(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str: ...


Thing = TypeVar("Thing", bound=HasName)


class Named(Generic[Thing]):
    """A project's things of one kind."""

    def __init__(self, things: Sequence[Thing], loaded_at: float = 0.0) -> None:
        """Those that are not deleted."""
        self.loaded_at: Final = loaded_at
        found: dict[int | str, tuple[Thing, ...]] = {}
        for thing in things:
            found[thing.name] = (*found.get(thing.name, ()), thing)
            if isinstance(number := getattr(thing, "id", None), int):
                found[number] = (thing,)
        self.all: Final = tuple(things)
        self._found = found

    def find(self, key: int | str) -> tuple[Thing, ...]:
        """Those of an id, or of a name. The same tuple until the project's things change."""
        return self._found.get(key, ())


class Shelf(Generic[Thing]):
    """The things of many projects, each loaded when it is first asked for."""

    def __init__(
        self,
        load: Callable[[int], Awaitable[Sequence[Thing]]],
        clock: Clock,
        *,
        changed: Callable[[int], None],
        has_other_workers: bool,
    ) -> None:
        """`load` reads those of a project out of SQL. Other workers' changes are noticed a little later.

        `changed` hears of a project whose things changed: answers that were kept for it do not hold any more.
        """
        self._load = load
        self._changed = changed
        self._clock = clock
        self._fresh_seconds = FRESH_SECONDS if has_other_workers else None
        self._kept: OrderedDict[int, Named[Thing]] = OrderedDict()
        self._changes = 0

    async def of(self, team_id: int) -> Named[Thing]:
        """Those of a project. Raises MetadataUnavailable."""
        now = self._clock.monotonic()
        kept = self._kept.get(team_id)
        if kept is not None and (self._fresh_seconds is None or now - kept.loaded_at < self._fresh_seconds):
            self._kept.move_to_end(team_id)
            return kept
        changes = self._changes
        loaded = Named(await self._load(team_id), now)
        if changes == self._changes:  # else something was written while this was read
            self._kept[team_id] = loaded
            while len(self._kept) > PROJECTS_MAX:
                self._kept.popitem(last=False)
        return loaded

    def forget(self, team_id: int) -> None:
        """A project's things have changed: whoever writes them says so after the transaction."""
        self._changes += 1
        self._kept.pop(team_id, None)
        self._changed(team_id)
