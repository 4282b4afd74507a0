"""`hedgerow optimize`: columns of their own for properties that queries read most, while nothing serves the folder."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

import click
import msgspec
from sqlalchemy import func, select

from hedgerow.core.errors import StartupError
from hedgerow.core.http import Team
from hedgerow.core.identity.models import Project
from hedgerow.core.storage.events import StoreError, StoreUnavailable
from hedgerow.core.storage.promoted import CannotPromote, promote, property_columns, size_of
from hedgerow.hogql import HogQLContext, compile_select, parse_select
from hedgerow.hogql.ast import Field
from hedgerow.queries.hot_paths import hot_paths
from hedgerow.server import Hedgerow
from hedgerow.settings import Settings

TURNS: Final = 3
_LOGGED: Final = (
    "SELECT query, count() AS runs, sum(query_duration_ms) / 1000 AS seconds FROM query_log"
    " WHERE event_time >= now() - INTERVAL {days} DAY AND exception_code = 0 GROUP BY query ORDER BY seconds DESC LIMIT 1000"
)


class Promotion(msgspec.Struct, frozen=True):
    """What a column brought: milliseconds of the same question before and after, and its size."""

    key: str
    before_ms: float
    after_ms: float
    megabytes: float
    """0 where the parts are too small to tell."""


class Optimized(msgspec.Struct):
    """What was done, or would be."""

    promotions: list[Promotion]
    refusals: list[str]


async def optimize(
    settings: Settings, project_id: int | None, keys: Sequence[str], *, days: int, most: int, say: Callable[[str], None]
) -> Optimized:
    """Promote the named properties, or the `most` that a project's queries of the last `days` spent most time on.

    `say` hears what goes on. Without a `project_id` it is the first project. Raises StartupError when another process has
    the folder, when there is no such project, or when ClickHouse refuses.
    """
    house = await Hedgerow.open(settings)
    done = Optimized([], [])
    try:
        team = await _team(house, project_id)
        for key in keys or await _hot(house, team, days, most, say):
            try:
                done.promotions.append(await _promoted(house, team, key, say))
            except CannotPromote as error:
                done.refusals.append(str(error))
    except (StoreError, StoreUnavailable) as error:
        raise StartupError(f"ClickHouse refuses: {error}") from None
    finally:
        await house.close()
    return done


async def _team(house: Hedgerow, project_id: int | None) -> Team:
    if project_id is None:
        async with house.metadata.read() as session:
            project_id = await session.scalar(select(func.min(Project.id)).where(Project.deleted_at.is_(None)))
    team = None if project_id is None else await house.access.teams.by_id(project_id)
    if team is None:
        raise StartupError("There is no such project." if project_id else "This folder has no project yet.")
    return team


async def _hot(house: Hedgerow, team: Team, days: int, most: int, say: Callable[[str], None]) -> list[str]:
    schema = await house.schemas.of(team)
    logged = compile_select(_LOGGED.format(days=days), HogQLContext(schema=schema, limit_top=None))
    rows = await house.events.rows(logged.sql, logged.parameters, settings=logged.settings)
    found = await asyncio.to_thread(hot_paths, [(text, runs, seconds) for text, runs, seconds in rows], schema)
    for path in found[:most]:
        say(f"{path.key}: read by {path.runs:,} queries that took {path.seconds:,.1f} s")
    return [path.key for path in found[:most]]


async def _promoted(house: Hedgerow, team: Team, key: str, say: Callable[[str], None]) -> Promotion:
    before = await _milliseconds(house, team, key)
    say(f"{key}: filling its column …")
    column = await promote(house.events, key)
    house.schemas.columns = await property_columns(house.events)
    after = await _milliseconds(house, team, key)
    return Promotion(key, before, after, await size_of(house.events, column) / 1e6)


async def _milliseconds(house: Hedgerow, team: Team, key: str) -> float:
    """The median time of grouping all events of the project by the property."""
    question = parse_select(
        "SELECT {value} AS value, count() FROM events GROUP BY value", {"value": Field(chain=["properties", key])}
    )
    compiled = compile_select(question, HogQLContext(schema=await house.schemas.of(team)))
    times: list[float] = []
    for _ in range(TURNS):
        started = time.perf_counter()
        await house.events.rows(compiled.sql, compiled.parameters, settings=compiled.settings)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def print_optimized(done: Optimized) -> None:
    """A table of what the columns brought, and why others got none."""
    for refusal in done.refusals:
        click.echo(refusal, err=True)
    if not done.promotions and not done.refusals:
        click.echo("No query of these days read a property that has no column.")
    if done.promotions:
        click.echo(f"{'property':30} {'before':>12} {'after':>12} {'faster':>8} {'size':>10}")
    for each in done.promotions:
        times = f"{each.before_ms:9,.1f} ms {each.after_ms:9,.1f} ms"
        size = f"{each.megabytes:7.1f} MB" if each.megabytes else "-".rjust(10)
        click.echo(f"{each.key:30} {times} {each.before_ms / each.after_ms:7.1f}x {size}")
