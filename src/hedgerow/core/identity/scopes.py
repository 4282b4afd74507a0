"""What a key may do: `resource:read`, `resource:write`, or `*` (rest-api §1.3)."""

from __future__ import annotations

from collections.abc import Iterable

RESOURCES = (
    "access_control",
    "action",
    "activity_log",
    "alert",
    "annotation",
    "batch_export",
    "cohort",
    "comment",
    "dashboard",
    "dashboard_template",
    "early_access_feature",
    "element",
    "endpoint",
    "error_tracking",
    "event_definition",
    "experiment",
    "experiment_holdout",
    "experiment_saved_metric",
    "export",
    "external_data_source",
    "feature_flag",
    "group",
    "heatmap",
    "hog_function",
    "ingestion_warning",
    "insight",
    "insight_variable",
    "integration",
    "notebook",
    "organization",
    "organization_member",
    "person",
    "plugin",
    "project",
    "property_definition",
    "query",
    "session_recording",
    "session_recording_playlist",
    "sharing_configuration",
    "subscription",
    "survey",
    "user",
    "warehouse_table",
    "warehouse_view",
    "web_analytics",
    "webhook",
)
"""Everything that a scope can name."""

EVERYTHING = "*"
SCOPES = frozenset(f"{resource}:{action}" for resource in RESOURCES for action in ("read", "write"))


def is_scope(text: str) -> bool:
    """Whether a key may hold this scope."""
    return text == EVERYTHING or text in SCOPES


def granted(scopes: Iterable[str]) -> frozenset[str]:
    """Every scope that these give: `write` brings `read`. `*` stays as it is."""
    held = set(scopes)
    held.update(f"{scope.removesuffix(':write')}:read" for scope in scopes if scope.endswith(":write"))
    return frozenset(held)
