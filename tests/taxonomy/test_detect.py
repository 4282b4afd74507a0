"""The type that a property's first value shows (rest-api §18)."""

from __future__ import annotations

from typing import Any

import pytest

from hedgerow.taxonomy.detect import detect_type

NOW_US = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
NOW_SECONDS = NOW_US // 1_000_000


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("plan", "pro", "String"),
        ("plan", "", "String"),
        ("price", 12, "Numeric"),
        ("price", 12.5, "Numeric"),
        ("price", "12", "String"),
        ("paid", True, "Boolean"),
        ("paid", False, "Boolean"),
        ("paid", "true", "Boolean"),
        ("paid", " FALSE ", "Boolean"),
        ("paid", "True", "String"),
        ("nothing", None, None),
        ("list", [1], None),
        ("object", {"a": 1}, None),
        ("born", "2026-01-05", "DateTime"),
        ("born", "2026/01/05", "DateTime"),
        ("born", "05-01-2026", "DateTime"),
        ("born", "2026-01-05 10:00:00", "DateTime"),
        ("born", "2026-01-05T10:00:00.123Z", "DateTime"),
        ("born", "2026-01-05T10:00:00+01:00", "DateTime"),
        ("born", "Mon, 05 Jan 2026 10:00:00 +0000", "DateTime"),
        ("born", "2026-01", "String"),
        ("born", "2026-99-05", "String"),
        ("born", "2026-01-05 later", "String"),
        ("born", "2026-01-05" + " " * 100, "String"),
        ("visited_at", NOW_SECONDS, "DateTime"),
        ("timestamp", NOW_SECONDS * 1000, "DateTime"),
        ("UpdatedAt", NOW_SECONDS, "DateTime"),
        ("visited_at", 1_500_000_000, "Numeric"),
        ("visited_at", float(NOW_SECONDS), "Numeric"),
        ("visits", NOW_SECONDS, "Numeric"),
        ("candidate", True, "Boolean"),
        ("utm_campaign", 2026, "String"),
        ("$initial_utm_term", 7, "String"),
        ("$feature/beta", True, "String"),
        ("$feature_flag_response", True, "String"),
        ("$survey_response_2", 9, "String"),
        ("utm_campaign", None, None),
    ],
)
def test_a_value_shows_the_type(name: str, value: Any, wanted: str | None) -> None:
    assert detect_type(name, value, NOW_US) == wanted
