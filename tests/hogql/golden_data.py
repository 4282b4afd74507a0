"""The rows behind the golden files: one small shop, the same for every case."""

from __future__ import annotations

from typing import Any

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


def has_noisy_values(project: Project) -> None:
    """Events of one person whose version holds the values of an earlier visit."""
    project.schema.properties["person", "$screen_width"] = "Numeric"
    then = {"$browser": "Chrome", "$os": "Linux", "plan": "pro", "$screen_width": 800}
    sent: list[tuple[str, dict[str, object]]] = [
        ("nothing said", {}),
        ("said in passing", {"$browser": "Safari", "$os": "iOS", "$screen_width": 1024, "$pathname": "/new"}),
        ("set", {"$set": {"$browser": "Firefox", "$screen_width": 1280.5, "plan": "free"}, "$browser": "Safari"}),
        ("by another name", {"$os_name": "macOS"}),
        ("of a server", {"$os": "FreeBSD", "$is_server": True, "$browser": "none"}),
        ("$exception", {"$browser": "Safari", "$set": {"$os": "iOS"}}),
    ]
    for minute, (event, properties) in enumerate(sent):
        at = f"2026-01-09 10:{minute:02}:00"
        project.sends(event, by="noisy", at=at, properties=properties, person_properties=then)
    for minute, mode in enumerate(("propertyless", "force_upgrade")):
        project.sends(
            mode,
            by="noisy",
            at=f"2026-01-09 11:{minute:02}:00",
            properties={"$browser": "Safari"},
            person_mode=mode,
            person_properties=None if mode == "propertyless" else then,
        )


ANNS_VISIT = "019b8f00-0000-7000-8000-000000000001"
A_BOUNCE = "019b8f00-0000-7000-8000-000000000002"


def has_sessions(project: Project) -> None:
    """A visit over midnight whose last event arrives first, a visit of one page, and sessions that are none."""
    shop = "https://shop.example"
    sent: list[tuple[str, str, str, str, dict[str, Any]]] = [
        ("$autocapture", "ann", "2026-01-06 00:10:00", ANNS_VISIT, {"$current_url": f"{shop}/buy?x=1"}),
        (
            "$pageview",
            "anon",
            "2026-01-05 23:50:00",
            ANNS_VISIT,
            {
                "$current_url": f"{shop}/tea",
                "$referring_domain": "google.com",
                "utm_source": "",
                "gad_source": 1,
                "gclid": "g-1",
            },
        ),
        (
            "$pageview",
            "ann",
            "2026-01-05 23:58:00",
            ANNS_VISIT,
            {"$current_url": f"{shop}/buy", "utm_source": "late", "$external_click_url": "https://elsewhere.example/"},
        ),
        ("$pageview", "bob", "2026-01-07 09:00:00", A_BOUNCE, {"$current_url": f"{shop}/", "$web_vitals_LCP_value": 7}),
        ("$pageview", "bob", "2026-01-07 09:00:00", "9a7e3a0c-1111-4222-8333-444444444444", {}),
    ]
    for event, by, at, session, properties in sent:
        columns: dict[str, Any] = {"$session_id": session}
        project.sends(event, by=by, at=at, properties=properties, **columns)
