"""Flags whose conditions name other flags (rest-api §11, filters schema: flag)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Text, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Team, ValidationFailed, row_number
from hedgerow.core.identity.models import Project
from hedgerow.flags.conditions import refused
from hedgerow.flags.filters import conditions_of
from hedgerow.flags.models import FeatureFlag

NAMED_MAX: Final = 5
"""How many flags a refusal names."""


@dataclass(frozen=True)
class Node:
    """A flag, and the ids of those that its conditions name."""

    id: int
    key: str
    name: str
    active: bool
    needs: tuple[int, ...]


async def one_writer(session: AsyncSession, team: Team) -> None:
    """Let nobody else write flags of the project until the transaction ends: two changes could close a circle.

    Called before a row is read. SQLite has one writer anyway.
    """
    await session.execute(select(Project.id).where(Project.id == team.id).with_for_update(key_share=True))


def needed_by(filters: Mapping[str, Any]) -> Iterator[int]:
    """The ids of the flags that filters name. Raises ValidationFailed for what is no id."""
    for each in conditions_of(filters):
        if each.get("type") == "flag":
            number = row_number(each["key"])
            if number is None:
                text = "Flag dependencies must reference flag IDs (integers), not flag keys. Invalid reference: "
                raise refused(f"{text}'{each['key']}'")
            yield number


async def check_needed(
    session: AsyncSession, team: Team, flag_id: int | None, key: str, filters: Mapping[str, Any]
) -> None:
    """What filters name are other flags of the project, active, and none of them needs this one. Raises ValidationFailed.

    `flag_id` is None for a flag that is being made: nothing can need it yet.
    """
    needed = list(dict.fromkeys(needed_by(filters)))
    if not needed:
        return
    nodes = await _nodes(session, team, needed)
    for each in needed:
        if each == flag_id:
            raise refused(f"Feature flag '{key}' cannot depend on itself")
        if each not in nodes:
            raise refused(f"Flag dependency references non-existent flag with ID {each}")
        if not nodes[each].active:
            text = f"Cannot create dependency on disabled flag '{nodes[each].key}' (ID: {each}). "
            raise refused(text + "Flag dependencies must reference active flags only.")
    circle = None if flag_id is None else _way(nodes, needed, flag_id)
    if circle is not None:
        raise refused(f"Circular dependency detected: {' → '.join([key, *circle, key])}")


async def check_not_needed(session: AsyncSession, team: Team, flag_id: int, deed: str) -> None:
    """No active flag needs this one, which is about to be disabled or deleted (`deed`). Raises ValidationFailed."""
    found = await dependents(session, team, flag_id)
    if not found:
        return
    way_out = "delete" if deed == "delete" else "disable"
    raise ValidationFailed(
        f"Cannot {deed} this feature flag because other flags depend on it: {listed(found)}. "
        f"Please update or {way_out} the dependent flags first."
    )


async def check_may_be_active(session: AsyncSession, team: Team, filters: Mapping[str, Any]) -> None:
    """The flags that these filters name are active. Raises ValidationFailed."""
    needed = list(dict.fromkeys(needed_by(filters)))
    nodes = await _nodes(session, team, needed) if needed else {}
    disabled = [nodes[each] for each in needed if each in nodes and not nodes[each].active]
    if disabled:
        raise ValidationFailed(
            f"Cannot enable this feature flag because it depends on disabled flags: {listed(disabled)}. "
            "Please enable the dependency flags first."
        )


async def dependents(session: AsyncSession, team: Team, flag_id: int) -> list[Node]:
    """The active flags that name this one, by id."""
    return [
        node for _, node in sorted((await _nodes(session, team, ())).items()) if node.active and flag_id in node.needs
    ]


def listed(nodes: Sequence[Node]) -> str:
    """`a (ID: 1), b (ID: 2)`; of many, the first ones and a number."""
    names = [f"{node.key} (ID: {node.id})" for node in nodes[:NAMED_MAX]]
    if len(nodes) > NAMED_MAX:
        names.append(f"and {len(nodes) - NAMED_MAX} more")
    return ", ".join(names)


async def _nodes(session: AsyncSession, team: Team, also: Sequence[int]) -> dict[int, Node]:
    """The project's flags that name flags, and those of `also`: one statement."""
    statement = select(
        FeatureFlag.id, FeatureFlag.key, FeatureFlag.name, FeatureFlag.active, FeatureFlag.filters
    ).where(
        FeatureFlag.team_id == team.id,
        FeatureFlag.deleted.is_(False),
        FeatureFlag.id.in_(also) | cast(FeatureFlag.filters, Text).contains("flag_evaluates_to"),
    )
    return {
        row.id: Node(row.id, row.key, row.name, row.active, tuple(needed_by(row.filters)))
        for row in await session.execute(statement)
    }


def _way(nodes: Mapping[int, Node], starts: Sequence[int], goal: int) -> list[str] | None:
    """The keys on a way from one of `starts` to a flag that needs `goal`; None where there is none."""
    came_from: dict[int, int | None] = dict.fromkeys(starts)
    waiting = list(starts)
    while waiting:
        here = waiting.pop()
        for there in nodes[here].needs if here in nodes else ():
            if there == goal:
                way = [here]
                while (before := came_from[way[-1]]) is not None:
                    way.append(before)
                return [nodes[each].key for each in reversed(way)]
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    return None
