"""The rows behind the golden files: one small shop, the same for every case."""

from __future__ import annotations

from tests.hogql.project import Project

from hedgerow.hogql import Action, Cohort, parse_expr, parse_select


def fill(project: Project) -> None:
    """Four events of three people, two groups, and definitions for some properties."""
    schema = project.schema
    schema.properties = {
        ("event", "amount"): "Numeric",
        ("event", "gift"): "Boolean",
        ("event", "due"): "DateTime",
        ("person", "age"): "Numeric",
        ("group0", "seats"): "Numeric",
    }
    schema.group_types = ["company"]
    ann = "SELECT id FROM persons WHERE properties.email = 'ann@new.org'"
    schema.cohorts = [
        Cohort(5, "anns", parse_select(ann)),
        Cohort(6, "two", parse_select(ann)),
        Cohort(7, "two", parse_select(ann)),
    ]
    schema.actions = [Action(3, "paid", parse_expr("event = 'purchase' AND properties.amount > 10"))]
    project.has_person("ann", email="ann@new.org", age=30)
    project.has_person("bob", email="bob@new.org")
    project.has_group("acme", name="Acme", seats=12)
    project.sends(
        "$pageview",
        by="ann",
        at="2026-01-05 23:30:00.123",
        properties={"$browser": "Safari", "page": {"path": ["shop", "tea"]}, "plan": "pro"},
        person_properties={"email": "ann@old.org", "age": 29},
        **{"$group_0": "acme", "$session_id": "s1"},
    )
    project.sends(
        "purchase",
        by="ann",
        at="2026-01-06 08:00:00",
        properties={"$browser": "Safari", "amount": 25, "gift": True, "due": "2026-02-01", "plan": "pro"},
        person_properties={"email": "ann@new.org", "age": 30},
        **{"$group_0": "acme", "$session_id": "s1"},
    )
    project.sends(
        "purchase", by="bob", at="2026-01-07 09:00:00", properties={"amount": "7.5", "gift": "no", "plan": None}
    )
    project.sends("$pageview", by="anon", at="2026-01-08 10:00:00", properties={"$browser": "Chrome", "plan": ""})
