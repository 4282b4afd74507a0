"""Compiled queries, kept by their text; compiled where they do not hold up the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from hedgerow.core.telemetry import log
from hedgerow.hogql import CompiledQuery, ProjectSchema, QueryError
from hedgerow.queries.apart import Apart, CompilerDied
from hedgerow.queries.gate import Gate
from hedgerow.queries.rows import wrapped

ENTRIES_MAX: Final = 2_000
TEXT_CHARACTERS_MAX: Final = 16 << 20
"""Of all texts that are kept, together."""
MANY_CELLS: Final = 500
LONG_BYTES: Final = 3_000
"""So much is compiled in the process beside this one, or in a thread until that has started: the event loop must not
stand still for so long."""
VERY_LONG_BYTES: Final = 30_000
"""So much waits for that process."""

T = TypeVar("T")


class AskedSchema:
    """A schema that notes what it was asked, so that a compiled query holds as long as the answers are the same."""

    def __init__(self, schema: ProjectSchema) -> None:
        """Ask `schema`."""
        self._schema = schema
        self.answers: dict[tuple[Any, ...], Any] = {}
        self.team_id: Final = schema.team_id

    @property
    def timezone(self) -> str:
        """The project's zone."""
        return self._note(("timezone",), self._schema.timezone)

    @property
    def week_start_day(self) -> int:
        """0 Sunday, 1 Monday."""
        return self._note(("week_start_day",), self._schema.week_start_day)

    @property
    def has_person_overrides(self) -> bool:
        """Whether any distinct id has moved to another person since its events came."""
        return self._note(("has_person_overrides",), self._schema.has_person_overrides)

    def property_type(self, owner: str, name: str, group_type_index: int | None = None) -> str | None:
        """The type of a property by its definition."""
        answer = self._schema.property_type(owner, name, group_type_index)
        return self._note(("property_type", owner, name, group_type_index), answer)

    def property_column(self, name: str) -> str | None:
        """The column of `events` that holds a property."""
        return self._note(("property_column", name), self._schema.property_column(name))

    def group_type_index(self, group_type: str) -> int | None:
        """The number of a group type."""
        return self._note(("group_type_index", group_type), self._schema.group_type_index(group_type))

    def cohort(self, key: int | str) -> Any:
        """Every cohort of this id or name."""
        return self._note(("cohort", key), self._schema.cohort(key))

    def action(self, key: int | str) -> Any:
        """Every action of this id or name."""
        return self._note(("action", key), self._schema.action(key))

    def view(self, name: str) -> Any:
        """Every saved query of this name."""
        return self._note(("view", name), self._schema.view(name))

    def _note(self, question: tuple[Any, ...], answer: T) -> T:
        self.answers[question] = answer
        return answer


def still_holds(answers: dict[tuple[Any, ...], Any], schema: ProjectSchema) -> bool:
    """Whether the schema would answer every question as it did."""
    for (name, *arguments), answer in answers.items():
        asked = getattr(schema, name)
        if (asked(*arguments) if arguments else asked) != answer:
            return False
    return True


class Compiled:
    """A compiled query, and what its first run taught about its columns."""

    __slots__ = ("answers", "characters", "query", "types", "wrapped")

    def __init__(self, query: CompiledQuery, answers: dict[tuple[Any, ...], Any], characters: int) -> None:
        """Made by `Compiler`."""
        self.query = query
        self.answers = answers
        self.characters = characters
        self.types: list[str] = []
        """ClickHouse's types of the columns, once it has answered with many moments."""
        self.wrapped: str | None = None
        """The query with its moments written out, if it has any and that can be said in SQL."""

    def learn(self, names: list[str], types: list[str], cells: int) -> None:
        """Note that a run left so many moments to rewrite. Few are cheaper so than the larger SQL is to analyse."""
        if not self.types and cells >= MANY_CELLS:
            self.types = types
            self.wrapped = wrapped(self.query.sql, names, types)


class Compiler:
    """Compiles, and remembers what it compiled."""

    def __init__(self, line: Gate) -> None:
        """Nothing is remembered yet. Askers of long texts stand in `line`."""
        self._line = line
        self._apart = Apart()
        self._kept: OrderedDict[Hashable, Compiled] = OrderedDict()
        self._characters = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compile")

    async def compile(
        self,
        text: str,
        key: Hashable | None,
        schema: ProjectSchema,
        work: Callable[[ProjectSchema], CompiledQuery],
        *,
        size: int,
        asker: str,
    ) -> Compiled:
        """What `work` makes of `text`; remembered under `key` unless that is None. Raises what `work` raises.

        `size` is how many bytes of text and values there are. Where there are many, `work` must go into a pickle.
        """
        if key is not None and (found := self._kept.get(key)) is not None and still_holds(found.answers, schema):
            self._kept.move_to_end(key)
            return found
        asked = AskedSchema(schema)
        if size < LONG_BYTES:
            query = work(asked)
        else:
            async with self._line.place(asker):
                query = await self._compile_aside(asked, work, size)
        compiled = Compiled(query, asked.answers, len(text) + len(query.sql) + len(query.hogql))
        if key is not None:
            self._keep(key, compiled)
        return compiled

    def close(self) -> None:
        """Wait for what is being compiled."""
        self._thread.shutdown(wait=True)
        self._apart.close()

    async def _compile_aside(
        self, schema: ProjectSchema, work: Callable[[ProjectSchema], CompiledQuery], size: int
    ) -> CompiledQuery:
        loop = asyncio.get_running_loop()
        if size < VERY_LONG_BYTES and not self._apart.is_ready:
            query = await loop.run_in_executor(self._thread, work, schema)
            self._thread.submit(self._apart.start)
            return query
        try:
            return await loop.run_in_executor(self._thread, self._apart.compile, work, schema)
        except CompilerDied as error:
            log("queries").error("compiler_died", error=str(error), size=size)
            raise QueryError("This query is too complex to compile.") from None

    def _keep(self, key: Hashable, compiled: Compiled) -> None:
        old = self._kept.pop(key, None)
        self._characters += compiled.characters - (0 if old is None else old.characters)
        self._kept[key] = compiled
        while len(self._kept) > ENTRIES_MAX or self._characters > TEXT_CHARACTERS_MAX:
            _, oldest = self._kept.popitem(last=False)
            self._characters -= oldest.characters
