"""`/api/projects/:id/ingestion_warnings/`: what a project's clients sent that was refused or changed.

As in PostHog: one entry for each type of the last 30 days, with its newest examples. Equal warnings of an hour about one
distinct id are one example here; `count` and the sparkline count each of them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import get
from litestar.datastructures import State

from hedgerow.capture.warnings import DAY_US, KEPT_US, latest, summaries
from hedgerow.core.clock import from_us, iso
from hedgerow.core.http import NamedDependency, Page, PageRequest, Team, needs

EXAMPLES_MAX: Final = 50
SEARCH_CHARACTERS_MAX: Final = 200


class WarningOut(msgspec.Struct, frozen=True):
    """One example: what is known about the event, `count` being how often it came in that hour."""

    type: str
    timestamp: str
    details: msgspec.Raw
    count: int


class WarningsOfType(msgspec.Struct, frozen=True, rename="camel"):
    """All warnings of one type."""

    type: str
    last_seen: str
    sparkline: list[tuple[int, str]]
    """How many on each day that has any, oldest day first."""
    warnings: list[WarningOut]
    count: int


@get(
    [f"/api/{base}/{{project_id:str}}/ingestion_warnings/" for base in ("projects", "environments")],
    guards=[needs("ingestion_warning:read")],
)
async def list_warnings(
    state: State, team: NamedDependency[Team], page: NamedDependency[PageRequest]
) -> Page[WarningsOfType]:
    """Warnings by type, the latest first; with `q`, those whose type or details hold that text."""
    search = page.said().get("q", "")[:SEARCH_CHARACTERS_MAX]
    since_us = state["people"].clock.now_us() - KEPT_US
    chosen: dict[str, Any] = {"since_us": since_us, "search": search}
    async with state["metadata"].read() as session:
        found = await summaries(session, team.id, **chosen)
        entries = [
            WarningsOfType(
                summary.type,
                iso(from_us(summary.last_seen_us)),
                [(count, _day(number)) for number, count in sorted(summary.days.items())],
                [
                    WarningOut(row.type, iso(from_us(row.last_seen_us)), msgspec.Raw(row.details.encode()), row.count)
                    for row in await latest(session, team.id, kind=summary.type, **chosen, limit=EXAMPLES_MAX)
                ],
                summary.count,
            )
            for summary in found[page.offset : page.offset + page.limit]
        ]
    return page.page(entries, len(found))


def _day(number: int) -> str:
    return from_us(number * DAY_US).date().isoformat()


routes = [list_warnings]
