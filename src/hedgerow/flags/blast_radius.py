"""How many persons or groups a condition of a flag reaches (rest-api §11, user_blast_radius)."""

from __future__ import annotations

from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from hedgerow.core.http import Access, Team, ValidationFailed
from hedgerow.flags.cohorts import check_cohorts
from hedgerow.flags.filters import checked_filters, conditions_of
from hedgerow.flags.flag_context import FlagContext
from hedgerow.hogql import HogQLError, print_hogql, property_to_expr
from hedgerow.queries.dates import parse_date
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.schemas import QueryRequest

MISSING: Final = "Missing condition for which to get blast radius"
_PERSONS: Final = "SELECT countIf({}), count() FROM persons"
_GROUPS: Final = "SELECT countIf({}), count() FROM groups WHERE index = {}"


class Engine(Protocol):
    """What answers queries; `queries.Queries` does."""

    async def answer(self, team: Team, key: str, request: QueryRequest, size: int) -> tuple[int, tuple[bytes, ...]]:
        """The HTTP status and the body, in pieces."""
        ...


class BlastRadiusRequest(msgspec.Struct, frozen=True):
    """A condition, and the group type that it is about; None where it is about persons."""

    condition: dict[str, Any] | None = None
    group_type_index: int | None = None


class BlastRadius(msgspec.Struct, frozen=True):
    """How many a condition reaches, whatever share of them the flag is rolled out to, and how many there are."""

    users_affected: int
    total_users: int
    affected: int
    total: int


class _Answer(msgspec.Struct):
    results: list[tuple[int, int]]


async def blast_radius(engine: Engine, access: Access, context: FlagContext, said: BlastRadiusRequest) -> BlastRadius:
    """Count by HogQL. What other flags say is not known of everybody: such conditions count as met.

    Raises ValidationFailed for a condition that a flag cannot have.
    """
    if said.condition is None:
        raise ValidationFailed(MISSING)
    index = said.group_type_index
    filters = checked_filters({"groups": [said.condition], "aggregation_group_type_index": index}, None)
    async with access.metadata.read() as session:
        await check_cohorts(session, context.team, filters)
    conditions = [each for each in conditions_of(filters) if each.get("type") != "flag"]
    now = context.clock.now().astimezone(ZoneInfo(context.team.timezone))
    try:
        scope = "person" if index is None else "group"
        met = print_hogql(property_to_expr(conditions, scope, context.schema, lambda text: parse_date(text, now)))
        text = _PERSONS.format(met) if index is None else _GROUPS.format(met, index)
        request = QueryRequest(query={"kind": "HogQLQuery", "query": text}, refresh="force_blocking")
        key = f"{context.caller.kind} {context.caller.grant.digest}"
        _, body = await engine.answer(context.team, key, request, len(text))
    except HogQLError as error:
        raise ValidationFailed(error.message, attr="condition") from None
    except QueryRefused as error:
        raise ValidationFailed(error.detail, attr="condition") from None
    ((affected, total),) = msgspec.json.decode(b"".join(body), type=_Answer).results
    return BlastRadius(affected, total, affected, total)
