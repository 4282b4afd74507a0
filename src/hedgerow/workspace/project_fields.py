"""The settings of a project that can be written, and what each is when nobody wrote it (rest-api §3)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal
from zoneinfo import available_timezones

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hedgerow.core.http import ValidationFailed
from hedgerow.workspace.currencies import CURRENCIES

Text = str | UnsetType
Flag = bool | UnsetType
NullableFlag = bool | None | UnsetType
Objects = list[dict[str, Any]]
NullableObject = dict[str, Any] | None | UnsetType
NullableArray = list[Any] | None | UnsetType
NullableTexts = list[str] | None | UnsetType
RowNumber = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class ProjectPatch(msgspec.Struct, frozen=True, kw_only=True):
    """What may be sent to create or change a project. What is absent stays; null clears where it is allowed.

    Read-only and unknown fields in a body are ignored, as PostHog does.
    """

    name: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    product_description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET
    access_control: Flag = UNSET
    app_urls: list[str | None] | UnsetType = UNSET
    slack_incoming_webhook: Annotated[str, Meta(max_length=500)] | UnsetType | None = UNSET
    anonymize_ips: Flag = UNSET
    completed_snippet_onboarding: Flag = UNSET
    test_account_filters: Objects | UnsetType = UNSET
    test_account_filters_default_checked: NullableFlag = UNSET
    path_cleaning_filters: Objects | UnsetType | None = UNSET
    is_demo: Flag = UNSET
    timezone: Text = UNSET
    data_attributes: list[str] | UnsetType = UNSET
    person_display_name_properties: NullableTexts = UNSET
    correlation_config: NullableObject = UNSET
    autocapture_opt_out: NullableFlag = UNSET
    autocapture_exceptions_opt_in: NullableFlag = UNSET
    autocapture_web_vitals_opt_in: NullableFlag = UNSET
    autocapture_web_vitals_allowed_metrics: NullableArray = UNSET
    autocapture_exceptions_errors_to_ignore: NullableArray = UNSET
    capture_console_log_opt_in: NullableFlag = UNSET
    capture_performance_opt_in: NullableFlag = UNSET
    capture_dead_clicks: NullableFlag = UNSET
    session_recording_opt_in: Flag = UNSET
    session_recording_sample_rate: float | str | UnsetType | None = UNSET
    session_recording_minimum_duration_milliseconds: Annotated[int, Meta(ge=0, le=30000)] | UnsetType | None = UNSET
    session_recording_linked_flag: NullableObject = UNSET
    session_recording_network_payload_capture_config: Any = UNSET
    session_recording_masking_config: Any = UNSET
    session_replay_config: Any = UNSET
    session_recording_url_trigger_config: NullableArray = UNSET
    session_recording_url_blocklist_config: NullableArray = UNSET
    session_recording_event_trigger_config: NullableArray = UNSET
    session_recording_trigger_match_type_config: Literal["all", "any"] | UnsetType | None = UNSET
    session_recording_retention_period: Literal["30d", "90d", "1y", "5y"] | UnsetType = UNSET
    survey_config: NullableObject = UNSET
    week_start_day: Annotated[int, Meta(ge=0, le=1)] | UnsetType | None = UNSET
    primary_dashboard: RowNumber | UnsetType | None = UNSET
    live_events_columns: NullableTexts = UNSET
    recording_domains: list[str | None] | UnsetType | None = UNSET
    cookieless_server_hash_mode: Annotated[int, Meta(ge=0, le=2)] | UnsetType | None = UNSET
    human_friendly_comparison_periods: NullableFlag = UNSET
    inject_web_apps: NullableFlag = UNSET
    surveys_opt_in: NullableFlag = UNSET
    heatmaps_opt_in: NullableFlag = UNSET
    flags_persistence_default: NullableFlag = UNSET
    feature_flag_confirmation_enabled: NullableFlag = UNSET
    default_evaluation_environments_enabled: NullableFlag = UNSET
    web_analytics_pre_aggregated_tables_enabled: NullableFlag = UNSET
    feature_flag_confirmation_message: str | UnsetType | None = UNSET
    extra_settings: NullableObject = UNSET
    modifiers: NullableObject = UNSET
    has_completed_onboarding_for: NullableObject = UNSET
    onboarding_tasks: NullableObject = UNSET
    default_data_theme: RowNumber | UnsetType | None = UNSET
    revenue_analytics_config: dict[str, Any] | UnsetType = UNSET
    marketing_analytics_config: dict[str, Any] | UnsetType = UNSET
    base_currency: Text = UNSET
    experiment_recalculation_time: str | UnsetType | None = UNSET


NOTHING: Final = ProjectPatch()
"""An empty body."""

COLUMNS: Final = frozenset({"name", "timezone", "week_start_day", "anonymize_ips", "cookieless_server_hash_mode"})
"""Fields that are columns of `projects`; the others stand in its `settings`."""

ADMIN_FIELDS: Final = frozenset({"name", "product_description", "access_control"})
"""Fields that only administrators may change; the rest is configuration, open to every member."""

DEFAULTS: Final[dict[str, Any]] = {
    **dict.fromkeys(ProjectPatch.__struct_fields__),
    **dict.fromkeys(
        (
            "access_control",
            "anonymize_ips",
            "completed_snippet_onboarding",
            "is_demo",
            "session_recording_opt_in",
        ),
        False,
    ),
    "name": "Default project",
    "app_urls": [],
    "test_account_filters": [],
    "path_cleaning_filters": [],
    "timezone": "UTC",
    "data_attributes": ["data-attr"],
    "session_recording_retention_period": "30d",
    "revenue_analytics_config": {},
    "marketing_analytics_config": {},
    "base_currency": "USD",
}
"""What a field is when nobody wrote it."""

OBJECT_OR_NULL: Final = (
    "session_recording_network_payload_capture_config",
    "session_recording_masking_config",
    "session_replay_config",
)
MERGED: Final = frozenset({"survey_config"})
"""Objects that a write adds to instead of replacing them."""

_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?")


def changes(patch: ProjectPatch) -> dict[str, Any]:
    """The fields that the patch has, checked and in the form that is stored. Raises `ValidationFailed`."""
    found = {name: value for name in ProjectPatch.__struct_fields__ if (value := getattr(patch, name)) is not UNSET}
    for name in OBJECT_OR_NULL:
        if not isinstance(found.get(name), dict | None):
            raise ValidationFailed("Must provide a dictionary or None.", attr=name)
    for name, check in _CHECKS.items():
        if found.get(name) is not None:
            found[name] = check(found[name], name)
    return found


def _name(value: str, attr: str) -> str:
    if not (name := value.strip()):
        raise ValidationFailed("This field may not be blank.", attr=attr, code="blank")
    return name


def _timezone(value: str, attr: str) -> str:
    if value not in available_timezones():
        raise ValidationFailed(f'"{value}" is not a valid choice.', attr=attr, code="invalid_choice")
    return value


def _currency(value: str, attr: str) -> str:
    if value not in CURRENCIES:
        raise ValidationFailed(f'"{value}" is not a valid choice.', attr=attr, code="invalid_choice")
    return value


def _sample_rate(value: float | str, attr: str) -> str:
    """As decimal text with two places, which is what PostHog stores and SDKs read."""
    try:
        rate = float(value)
    except ValueError:
        raise ValidationFailed("A valid number is required.", attr=attr) from None
    if not rate >= 0:
        raise ValidationFailed("Ensure this value is greater than or equal to 0.", attr=attr, code="min_value")
    if rate > 1:
        raise ValidationFailed("Ensure this value is less than or equal to 1.", attr=attr, code="max_value")
    return f"{rate:.2f}"


def _linked_flag(value: dict[str, Any], attr: str) -> dict[str, Any]:
    if set(value) not in ({"id", "key"}, {"id", "key", "variant"}):
        raise ValidationFailed(
            "Must provide a dictionary with only 'id' and 'key' keys. _or_ only 'id', 'key', and 'variant' keys.",
            attr=attr,
        )
    return value


def _clock_time(value: str, attr: str) -> str:
    if not _CLOCK_TIME.fullmatch(value):
        raise ValidationFailed(
            "Time has wrong format. Use one of these formats instead: hh:mm[:ss[.uuuuuu]].", attr=attr
        )
    return value if value.count(":") == 2 else f"{value}:00"


_CHECKS: Final = {
    "name": _name,
    "timezone": _timezone,
    "base_currency": _currency,
    "session_recording_sample_rate": _sample_rate,
    "session_recording_linked_flag": _linked_flag,
    "experiment_recalculation_time": _clock_time,
}
