"""How much a key or a connection may still be used (gateway §5.2): counted in SQL, so that no restart and no second worker
gives more.

A budget's window is a whole minute, hour or day of UTC. What a call will use is reserved before it goes on, and given back
if it never went; bytes are only known afterwards, so one call may overdraw them once.
"""

from __future__ import annotations

import math
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import delete, update
from sqlalchemy.dialects import postgresql, sqlite

from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.answers import Headers, too_many
from hedgerow.gateway.models import BudgetCount
from hedgerow.gateway.policy import SPAN_SECONDS, Budget, Policy
from hedgerow.gateway.verdict import Call

KEPT_US: Final = 2 * 86_400 * 1_000_000


class Reservation(msgspec.Struct):
    """What one call holds of one budget."""

    scope: str
    window_us: int
    taken: int
    budget: Budget
    left: int
    resets_in: int
    """Seconds."""


class Budgets:
    """Counts. One for the process; a call without budgets costs nothing here."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        """Count in `metadata`."""
        self._metadata = metadata
        self._clock = clock

    async def reserve(self, call: Call, *owners: tuple[str, UUID, Policy]) -> list[Reservation]:
        """Take what the call needs from every budget of `("key", id, policy)`, `("connection", id, policy)`.

        Raises `GatewayError` 429 `budget_exhausted`, and then nothing is taken; `MetadataUnavailable`.
        """
        wanted = [
            (f"{kind}:{owner}:{budget.unit}:{budget.per}", budget)
            for kind, owner, policy in owners
            for budget in policy.budgets
            if _need(budget, call) is not None
        ]
        taken: list[Reservation] = []
        for scope, budget in wanted:
            reservation = await self._take(scope, budget, _need(budget, call) or 0)
            if reservation.left < 0:
                await self.settle(taken, went=False, size=0)
                raise _exhausted(reservation)
            taken.append(reservation)
        return taken

    async def left(self, call: Call, *owners: tuple[str, UUID, Policy]) -> dict[str, dict[str, int]]:
        """What is left of every budget that a call would count in; nothing is taken. Raises `MetadataUnavailable`."""
        found: dict[str, dict[str, int]] = {}
        for kind, owner, policy in owners:
            for budget in policy.budgets:
                if _need(budget, call) is not None:
                    span_us = SPAN_SECONDS[budget.per] * 1_000_000
                    now_us = self._clock.now_us()
                    key = (f"{kind}:{owner}:{budget.unit}:{budget.per}", now_us - now_us % span_us)
                    async with self._metadata.read() as session:
                        row = await session.get(BudgetCount, key)
                    used = 0 if row is None else row.used
                    found[f"{kind}:{budget.unit}-{budget.per}"] = {
                        "limit": budget.limit,
                        "left": max(0, budget.limit - used),
                    }
        return found

    async def settle(self, reservations: list[Reservation], *, went: bool, size: int) -> None:
        """The call is over: give back what it did not use, add the bytes that it moved."""
        for one in reservations:
            change = size if one.budget.unit == "bytes" and went else -one.taken if not went else 0
            if change:
                async with self._metadata.connection() as connection:
                    await connection.execute(
                        update(BudgetCount)
                        .where(BudgetCount.scope == one.scope, BudgetCount.window_us == one.window_us)
                        .values(used=BudgetCount.used + change)
                    )

    async def forget_old(self) -> None:
        """Drop windows that are over. Raises `MetadataUnavailable`."""
        async with self._metadata.connection() as connection:
            oldest = self._clock.now_us() - KEPT_US
            await connection.execute(delete(BudgetCount).where(BudgetCount.window_us < oldest))

    async def _take(self, scope: str, budget: Budget, need: int) -> Reservation:
        span_us = SPAN_SECONDS[budget.per] * 1_000_000
        now_us = self._clock.now_us()
        window_us = now_us - now_us % span_us
        resets_in = math.ceil((window_us + span_us - now_us) / 1_000_000)
        made = Reservation(scope, window_us, need, budget, -1, resets_in)
        highest = budget.limit if budget.unit != "bytes" else budget.limit - 1  # any call needs some
        if need > highest:
            return made
        insert = sqlite.insert if self._metadata.dialect == "sqlite" else postgresql.insert
        statement = insert(BudgetCount).values(scope=scope, window_us=window_us, used=need)
        statement = statement.on_conflict_do_update(
            index_elements=["scope", "window_us"],
            set_={"used": BudgetCount.used + need},
            where=BudgetCount.used + need <= highest,
        ).returning(BudgetCount.used)
        async with self._metadata.connection() as connection:
            used = (await connection.execute(statement)).scalar_one_or_none()
        if used is not None:
            made.left = budget.limit - used
        return made


def budget_headers(reservations: list[Reservation]) -> Headers:
    """`RateLimit` and `RateLimit-Policy` of the budget that has least left."""
    if not reservations:
        return []
    least = min(reservations, key=lambda one: one.left)
    return _headers(least, max(0, least.left))


def _headers(one: Reservation, left: int) -> Headers:
    name = f"{one.budget.unit}-{one.budget.per}"
    return [
        (b"ratelimit", f'"{name}";r={left};t={one.resets_in}'.encode()),
        (b"ratelimit-policy", f'"{name}";q={one.budget.limit};w={SPAN_SECONDS[one.budget.per]}'.encode()),
    ]


def _need(budget: Budget, call: Call) -> int | None:
    """What a call takes of a budget at first; None if it is not counted there."""
    if budget.unit == "queries":
        return 1 if call.is_query else None
    if budget.unit == "writes":
        return None if call.is_read else 1
    return 0 if budget.unit == "bytes" else 1


def _exhausted(one: Reservation) -> Exception:
    return too_many(
        "budget_exhausted",
        f"The budget of {one.budget.limit} {one.budget.unit} a {one.budget.per} is used up.",
        one.resets_in,
        _headers(one, 0),
    )
