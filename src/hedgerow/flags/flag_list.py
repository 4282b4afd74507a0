"""Which flags a list shows, and in which order (rest-api §11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, Text, and_, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Team, row_number
from hedgerow.core.resources import contains, has_tag
from hedgerow.flags.flag_status import STALE_AFTER, always
from hedgerow.flags.flags import SCOPE
from hedgerow.flags.models import FeatureFlag

HAS_VARIANTS: Final = '"variants":[{'
"""How filters with variants are stored: inside a text its quotes would be escaped."""
OWNED: Final = ("survey-targeting-", "product-tour-targeting-")
"""How the keys of flags begin that belong to surveys and product tours."""
TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}
ORDERS: Final = frozenset({
    "id", "key", "name", "active", "created_at", "updated_at", "version", "last_called_at", "evaluation_runtime",
})  # fmt: skip
NAMES: Final = frozenset({
    "active", "archived", "created_by_id", "search", "type", "evaluation_runtime", "excluded_properties", "tags",
    "has_evaluation_tags", "has_evaluation_contexts",
})  # fmt: skip
"""What a list can be narrowed by."""
Condition = ColumnElement[bool]


async def selected(session: AsyncSession, team: Team, said: Mapping[str, str], now: datetime) -> Select[FeatureFlag]:
    """The flags that a list with these parameters shows, not yet ordered. A value that cannot be meant is passed over.

    `active=STALE` costs one statement here.
    """
    statement = select(FeatureFlag).where(FeatureFlag.team_id == team.id, FeatureFlag.deleted.is_(False))
    statement = statement.where(*(~FeatureFlag.key.startswith(prefix, autoescape=True) for prefix in OWNED))
    statement = statement.where(FeatureFlag.archived.is_(TRUTHS.get(said.get("archived", ""), False)))
    for name, condition_of in _CONDITIONS.items():
        if (value := said.get(name)) and (condition := condition_of(value)) is not None:
            statement = statement.where(condition)
    if words := _words(said.get("tags")):
        statement = statement.where(has_tag(team.id, SCOPE, FeatureFlag.id, words))
    if said.get("active", "").upper() == "STALE":
        statement = statement.where(FeatureFlag.active.is_(True), await _stale(session, team, now))
    return statement


def ordered(statement: Select[FeatureFlag], said: Mapping[str, str]) -> Select[FeatureFlag]:
    """In the order that was asked for, else newest first; always total."""
    order = said.get("order") or ""
    name = order.removeprefix("-")
    if name not in ORDERS:
        return statement.order_by(FeatureFlag.created_at.desc(), FeatureFlag.id.desc())
    column = getattr(FeatureFlag, name)
    if order.startswith("-"):
        return statement.order_by(column.desc().nulls_last(), FeatureFlag.id.desc())
    return statement.order_by(column.asc().nulls_last(), FeatureFlag.id.asc())


async def _stale(session: AsyncSession, team: Team, now: datetime) -> Condition:
    before = now - STALE_AFTER
    never_called = (FeatureFlag.last_called_at.is_(None), FeatureFlag.created_at < before)
    old = select(FeatureFlag.id, FeatureFlag.filters).where(
        FeatureFlag.team_id == team.id, FeatureFlag.deleted.is_(False), FeatureFlag.active.is_(True), *never_called
    )
    ids = [row.id for row in await session.execute(old) if always(row.filters) is not None]
    return or_(FeatureFlag.last_called_at < before, and_(*never_called, FeatureFlag.id.in_(ids)))


def _active(value: str) -> Condition | None:
    return FeatureFlag.active.is_(TRUTHS[value]) if value in TRUTHS else None


def _created_by(value: str) -> Condition | None:
    number = row_number(value)
    return None if number is None else FeatureFlag.created_by_id == number


def _search(value: str) -> Condition:
    return contains(FeatureFlag.key, value) | contains(FeatureFlag.name, value)


def _type(value: str) -> Condition | None:
    has_variants = cast(FeatureFlag.filters, Text).contains(HAS_VARIANTS, autoescape=True)
    kinds: dict[str, Condition] = {
        "boolean": ~has_variants,
        "multivariant": has_variants,
        "experiment": FeatureFlag.creation_context == "experiments",
        "remote_config": FeatureFlag.is_remote_configuration.is_(True),
    }
    return kinds.get(value)


def _without(value: str) -> Condition | None:
    keys = _words(value)
    return FeatureFlag.key.not_in(keys) if keys else None


def _has_contexts(value: str) -> Condition | None:
    if value not in TRUTHS:
        return None
    has_none = cast(FeatureFlag.evaluation_tags, Text) == "[]"
    return ~has_none if TRUTHS[value] else has_none


_CONDITIONS: Final[dict[str, Callable[[str], Condition | None]]] = {
    "active": _active,
    "created_by_id": _created_by,
    "search": _search,
    "type": _type,
    "evaluation_runtime": lambda value: FeatureFlag.evaluation_runtime == value,
    "excluded_properties": _without,
    "has_evaluation_tags": _has_contexts,
    "has_evaluation_contexts": _has_contexts,
}


def _words(said: Any) -> list[str]:
    """The texts of a JSON list; none where it is something else."""
    try:
        return msgspec.json.decode(said or "[]", type=list[str])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return []
