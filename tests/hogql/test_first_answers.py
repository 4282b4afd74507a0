"""A query goes from text to rows."""

from __future__ import annotations

from tests.hogql.project import Project


def test_events_are_counted_by_name(project: Project) -> None:
    project.sends("$pageview")
    project.sends("$pageview", by="bob")
    project.sends("signup")

    rows = project.asks("SELECT event, count() FROM events WHERE event != 'x' GROUP BY event ORDER BY event")

    assert rows == [["$pageview", 2], ["signup", 1]]


def test_a_property_groups_whether_it_has_a_column_or_not(project: Project) -> None:
    project.sends("a", properties={"$browser": "Safari", "plan": "pro"})
    project.sends("a", properties={"$browser": "Safari", "plan": "free"})

    assert project.asks("SELECT properties.$browser, count() FROM events GROUP BY 1") == [["Safari", 2]]
    assert project.asks("SELECT properties.plan FROM events ORDER BY 1") == [["free"], ["pro"]]
