"""What requests about flags send (rest-api §11)."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from hedgerow.core.http import ValidationFailed
from hedgerow.core.resources import sent

CONTEXTS_MAX: Final = 50
Runtime = Literal["all", "client", "server"]
Bucketing = Literal["distinct_id", "device_id"]
CreationContext = Literal[
    "feature_flags", "experiments", "surveys", "early_access_features", "web_experiments", "product_tours"
]


class FlagFields(msgspec.Struct, frozen=True, kw_only=True):
    """What can be written of a flag, whether it is new or not."""

    name: str | UnsetType = UNSET
    filters: dict[str, Any] | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    ensure_experience_continuity: bool | UnsetType | None = UNSET
    rollback_conditions: list[Any] | UnsetType | None = UNSET
    performed_rollback: bool | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    evaluation_tags: list[str] | UnsetType = UNSET
    evaluation_contexts: list[str] | UnsetType = UNSET
    evaluation_runtime: Runtime | UnsetType = UNSET
    bucketing_identifier: Bucketing | UnsetType | None = UNSET
    has_enriched_analytics: bool | UnsetType | None = UNSET
    is_remote_configuration: bool | UnsetType | None = UNSET
    has_encrypted_payloads: bool | UnsetType | None = UNSET
    creation_context: CreationContext | UnsetType = UNSET


class NewFlag(FlagFields, frozen=True, kw_only=True):
    """The body that makes one."""

    key: str


class FlagPatch(FlagFields, frozen=True, kw_only=True):
    """The body that changes one. `version` and `original_flag` are what its author saw when they began."""

    key: str | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET
    version: int | UnsetType | None = UNSET
    original_flag: dict[str, Any] | UnsetType | None = UNSET


class FlagPut(FlagPatch, frozen=True, kw_only=True):
    """The body that replaces one: fields that need not be there stay as they are."""

    key: str  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride] -- here it must be there


_ELSEWHERE: Final = frozenset({
    "key", "filters", "tags", "evaluation_tags", "evaluation_contexts", "version", "original_flag",
})  # fmt: skip
_NEVER_NULL: Final = frozenset({"ensure_experience_continuity", "has_enriched_analytics"})


def columns_of(body: FlagFields) -> dict[str, Any]:
    """Column → value, of the fields that go into the row as they are. Raises ValidationFailed."""
    fields = {name: value for name, value in sent(body).items() if name not in _ELSEWHERE}
    for name in _NEVER_NULL & fields.keys():
        fields[name] = bool(fields[name])
    contexts = body.evaluation_tags if isinstance(body.evaluation_contexts, UnsetType) else body.evaluation_contexts
    if not isinstance(contexts, UnsetType):
        fields["evaluation_tags"] = _contexts(contexts)
    return fields


def _contexts(said: list[str]) -> list[str]:
    if len(said) > CONTEXTS_MAX:
        text = f"evaluation_contexts must be a list of at most {CONTEXTS_MAX} items."
        raise ValidationFailed(text, attr="evaluation_contexts")
    return sorted({word for each in said if (word := each.strip().lower())})
