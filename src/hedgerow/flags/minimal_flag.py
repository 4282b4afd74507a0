"""A flag as surveys, early access features and experiments embed it (rest-api §11, Minimal flag)."""

from __future__ import annotations

from typing import Any

import msgspec

from hedgerow.flags.flag_context import FlagContext
from hedgerow.flags.models import FeatureFlag


class MinimalFlag(msgspec.Struct, frozen=True):
    """What others need of a flag."""

    id: int
    team_id: int
    name: str
    key: str
    filters: dict[str, Any]
    deleted: bool
    active: bool
    ensure_experience_continuity: bool
    has_encrypted_payloads: bool | None
    version: int
    evaluation_runtime: str
    bucketing_identifier: str | None
    evaluation_tags: list[str]
    evaluation_contexts: list[str]


def minimal_flag(context: FlagContext, row: FeatureFlag) -> MinimalFlag:
    """The flag, its filters as the caller may see them."""
    return MinimalFlag(
        id=row.id,
        team_id=row.team_id,
        name=row.name,
        key=row.key,
        filters=context.shown_filters(row.filters),
        deleted=row.deleted,
        active=row.active,
        ensure_experience_continuity=row.ensure_experience_continuity,
        has_encrypted_payloads=row.has_encrypted_payloads,
        version=row.version,
        evaluation_runtime=row.evaluation_runtime,
        bucketing_identifier=row.bucketing_identifier,
        evaluation_tags=row.evaluation_tags,
        evaluation_contexts=row.evaluation_tags,
    )
