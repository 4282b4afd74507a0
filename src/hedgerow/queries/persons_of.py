"""The persons that rows of other kinds show (queries §4.1, §4.4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from hedgerow.hogql import CompiledQuery, HogQLContext, Modifiers, ProjectSchema, ast, compile_select, parse_select
from hedgerow.queries.run import Run

DISPLAY_NAMES: Final = ("email", "Email", "$email", "name", "Name", "username", "Username", "UserName")
"""Properties that a person is shown by, where the project names none; the first that is there."""
TEXT: Final = (
    "SELECT distinct_id, person.id, person.created_at, person.properties FROM person_distinct_ids"
    " WHERE distinct_id IN {distinct_ids}"
)


class Person(msgspec.Struct, frozen=True):
    """A person as a row shows it."""

    uuid: str
    created_at: str
    properties: msgspec.Raw


class _Compilation(msgspec.Struct, frozen=True):
    distinct_ids: tuple[str, ...]
    modifiers: Modifiers

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        listed = ast.Tuple(exprs=[ast.Constant(value=each) for each in self.distinct_ids])
        query = parse_select(TEXT, {"distinct_ids": listed})
        return compile_select(query, HogQLContext(schema=schema, modifiers=self.modifiers, limit_top=None))


async def persons_of(run: Run, modifiers: Modifiers, distinct_ids: Collection[str]) -> dict[str, Person]:
    """Distinct id → the person that has it now. Raises an ApiError."""
    if not distinct_ids:
        return {}
    compiled = await run.compile(TEXT, None, _Compilation(tuple(sorted(distinct_ids)), modifiers))
    answered = await run.rows(compiled, None)
    rows = msgspec.json.decode(b"".join(answered.parts), type=list[tuple[str, str | None, str | None, str | None]])
    return {
        distinct_id: Person(uuid, created_at or "", msgspec.Raw((properties or "{}").encode()))
        for distinct_id, uuid, created_at, properties in rows
        if uuid and created_at
    }


def display_name(names: Sequence[str] | None, otherwise: ast.Expr, *, of: str | None) -> ast.Expr:
    """The first property of `names` that is not empty; `of` is the field that has the properties, None for the row."""
    owner = [] if of is None else [of]
    texts: list[ast.Expr] = [
        ast.Call(
            name="nullIf",
            args=[
                ast.Call(name="toString", args=[ast.Field(chain=[*owner, "properties", name])]),
                ast.Constant(value=""),
            ],
        )
        for name in (names or DISPLAY_NAMES)
    ]
    return ast.Call(name="coalesce", args=[*texts, otherwise])
