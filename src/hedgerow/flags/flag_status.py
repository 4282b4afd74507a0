"""Whether a flag still does something (rest-api §11, status)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from hedgerow.flags.models import FeatureFlag

STALE_AFTER: Final = timedelta(days=30)
PERCENT: Final = 100
State = Literal["ACTIVE", "INACTIVE", "STALE", "ARCHIVED", "DELETED", "UNKNOWN"]


class Status(NamedTuple):
    """What a flag is, and why."""

    state: State
    reason: str


def status_of(row: FeatureFlag, now: datetime) -> Status:
    """The status of a flag at a moment."""
    if row.deleted:
        return Status("DELETED", "Flag has been deleted")
    if row.archived:
        return Status("ARCHIVED", "Flag has been archived")
    if not row.active:
        return Status("INACTIVE", "Flag is disabled")
    if row.last_called_at is not None:
        if (silent := now - row.last_called_at) > STALE_AFTER:
            return Status("STALE", f"Flag has not been called in {silent.days} days")
    elif now - row.created_at > STALE_AFTER and (reason := always(row.filters)) is not None:
        return Status("STALE", reason)
    return Status("ACTIVE", "Flag is active and being evaluated")


def always(filters: Mapping[str, Any]) -> str | None:
    """Which one value these filters give everybody, in words; None where it depends."""
    if not _everybody(filters):
        return None
    if not _variants(filters):
        return 'This boolean flag will always evaluate to "true"'
    variant = certain_variant(filters)
    return None if variant is None else f'This flag will always use the variant "{variant}"'


def certain_variant(filters: Mapping[str, Any]) -> str | None:
    """The variant that everybody gets; None where it depends, or where there are no variants."""
    groups: list[dict[str, Any]] = filters.get("groups") or []
    everybody, variants = _everybody(filters), _variants(filters)
    if not everybody or not variants:
        return None
    if len(groups) == 1 and everybody[0].get("variant") is not None:
        return everybody[0]["variant"]
    whole = [variant["key"] for variant in variants if variant.get("rollout_percentage") == PERCENT]
    others = {group.get("variant") for group in groups if group.get("variant") is not None}
    return whole[0] if whole and others <= {whole[0]} else None


def _everybody(filters: Mapping[str, Any]) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = filters.get("groups") or []
    return [group for group in groups if not group.get("properties") and _share(group) == PERCENT]


def _variants(filters: Mapping[str, Any]) -> list[dict[str, Any]]:
    return (filters.get("multivariate") or {}).get("variants") or []


def _share(group: Mapping[str, Any]) -> Any:
    share = group.get("rollout_percentage")
    return PERCENT if share is None else share
