"""Property filters as the API sends them, answered by real rows (queries §2.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore
from hedgerow.hogql import Cohort, HogQLError, parse_select, property_to_expr
from hedgerow.hogql.property_filters import FilterScope


@pytest.fixture(scope="module")
def shop(store: EventStore) -> Project:
    """Three events: `pro` has everything, `free` other values, `none` no properties at all."""
    shop = Project(store, fresh_team_id())
    shop.schema.properties = {
        ("event", "amount"): "Numeric",
        ("event", "gift"): "Boolean",
        ("event", "due"): "DateTime",
    }
    shop.schema.cohorts = [
        Cohort(5, "anns", parse_select("SELECT id FROM persons WHERE properties.email = 'ann@x.org'"))
    ]
    shop.has_person("ann", email="ann@x.org", plan="pro")
    shop.has_person("bob", email="bob@x.org")
    shop.has_group("acme", name="Acme")
    shop.sends(
        "pro",
        by="ann",
        properties={
            "plan": "Pro",
            "amount": 25,
            "gift": True,
            "due": "2026-02-01",
            "version": "1.10.2",
            "undefined": 7,
            "$exception_types": ["TypeError", "ValueError"],
            "$feature/beta": "test",
        },
        person_properties={"email": "ann@x.org"},
        elements_chain='a.btn.big:attr__href="/x"attr_id="go"href="/x"nth-child="1"text="Buy now";div.card:nth-child="2"',
        **{"$group_0": "acme"},
    )
    shop.sends(
        "free",
        by="bob",
        properties={
            "plan": "free",
            "amount": 5,
            "gift": False,
            "due": "2026-01-01",
            "version": "1.9.0",
            "undefined": 30,
        },
        person_properties={"email": "bob@x.org"},
        elements_chain='button:text="Cancel"',
    )
    shop.sends("none", by="cy")
    return shop


def read_date(text: str) -> datetime | None:
    return datetime(2026, 1, 15, tzinfo=UTC) if text == "-7d" else None


def found(shop: Project, *filters: Any, group: str = "AND") -> list[str]:
    """The names of the events that fit."""
    given = list(filters) if group == "AND" else {"type": group, "values": list(filters)}
    where = property_to_expr(given, "event", shop.schema, read_date)
    rows = shop.asks("SELECT event FROM events WHERE {where} ORDER BY event DESC", where=where)
    return [row[0] for row in rows]


def event(key: str, operator: str | None = None, value: Any = None, kind: str = "event", **more: Any) -> dict[str, Any]:
    return {"type": kind, "key": key, "operator": operator, "value": value, **more}


ALL = ["pro", "none", "free"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (event("plan", "exact", "Pro"), ["pro"]),
        (event("plan", None, ["Pro", "free"]), ["pro", "free"]),
        (event("plan", "exact", ["Pro"]), ["pro"]),
        (event("plan", "exact", []), ALL),
        (event("plan", "is_not", "Pro"), ["none", "free"]),
        (event("plan", "is_not", ["Pro", "free"]), ["none"]),
        (event("plan", "icontains", "PR"), ["pro"]),
        (event("plan", "icontains", ["PR", "FRE"]), ["pro", "free"]),
        (event("plan", "not_icontains", "PR"), ["none", "free"]),
        (event("plan", "not_icontains", ["PR", "x"]), ["free"]),
        (event("plan", "icontains_multi", ["PR"]), ["pro"]),
        (event("plan", "regex", "^P.o$"), ["pro"]),
        (event("plan", "regex", ["^P", "^f"]), ["pro", "free"]),
        (event("plan", "not_regex", "^P"), ["none", "free"]),
        (event("plan", "not_regex", ["^P", "^f"]), ["none"]),
        (event("plan", "is_set", "is_set"), ["pro", "free"]),
        (event("plan", "is_not_set", "is_not_set"), ["none"]),
        (event("amount", "exact", 25), ["pro"]),
        (event("amount", "exact", "25"), ["pro"]),
        (event("amount", "gt", 10), ["pro"]),
        (event("amount", "gte", "25"), ["pro"]),
        (event("amount", "lt", 10), ["free"]),
        (event("amount", "lte", 5), ["free"]),
        (event("amount", "min", 25), ["pro"]),
        (event("amount", "max", 5), ["free"]),
        (event("amount", "between", [5, 10]), ["free"]),
        (event("amount", "not_between", [5, 10]), ["pro"]),
        (event("undefined", "exact", 7), ["pro"]),
        (event("undefined", "gt", 8), ["free"]),
        (event("undefined", "in", [7, 30]), ["pro", "free"]),
        (event("undefined", "not_in", [7, 30]), ["none"]),
        (event("gift", "exact", "true"), ["pro"]),
        (event("gift", "exact", ["true", "false"]), ["pro", "free"]),
        (event("gift", "exact", False), ["free"]),
        (event("due", "is_date_after", "-7d"), ["pro"]),
        (event("due", "is_date_before", "2026-01-02"), ["free"]),
        (event("due", "is_date_exact", "2026-02-01"), ["pro"]),
        (event("version", "semver_gt", "1.9.9"), ["pro"]),
        (event("version", "semver_eq", "1.9.0"), ["free"]),
        (event("version", "semver_neq", "1.9.0"), ["pro", "none"]),
        (event("version", "semver_lte", "1.9.0"), ["free"]),
        (event("version", "semver_tilde", "1.10.0"), ["pro"]),
        (event("version", "semver_caret", "1.9.0"), ["pro", "free"]),
        (event("version", "semver_wildcard", "1.9.*"), ["free"]),
        (event("$exception_types", "exact", "ValueError"), ["pro"]),
        (event("$exception_types", "is_not", ["ValueError"]), ["none", "free"]),
        (event("$feature/beta", "exact", "test", "feature"), ["pro"]),
        (event("email", "exact", "ann@x.org", "person"), ["pro"]),
        (event("email", "is_not", "ann@x.org", "person"), ["none", "free"]),
        (event("distinct_id", "exact", "ann", "person"), ["pro"]),
        (event("name", "exact", "Acme", "group", group_type_index=0), ["pro"]),
        (event("distinct_id", "exact", ["ann", "bob"], "event_metadata"), ["pro", "free"]),
        (event("timestamp", "gt", "2026-01-06", "event_metadata"), []),
        (event("event = 'pro' OR event = 'none'", None, None, "hogql"), ["pro", "none"]),
        (event("id", "in", 5, "cohort"), ["pro"]),
        (event("id", "in", "5", "cohort"), ["pro"]),
        (event("id", "not_in", 5, "cohort"), ["none", "free"]),
        (event("id", None, 5, "cohort", negation=True), ["none", "free"]),
        (event("tag_name", "exact", "button", "element"), ["free"]),
        (event("tag_name", "is_not", ["a"], "element"), ["none", "free"]),
        (event("text", "exact", "Buy now", "element"), ["pro"]),
        (event("text", "icontains", "cancel", "element"), ["free"]),
        (event("text", "is_not", "Buy now", "element"), ["none", "free"]),
        (event("href", "exact", "/x", "element"), ["pro"]),
        (event("selector", "exact", ".big", "element"), ["pro"]),
        (event("selector", "exact", "#go", "element"), ["pro"]),
        (event("selector", "exact", "div > a.btn", "element"), ["pro"]),
        (event("selector", "exact", "div a", "element"), ["pro"]),
        (event("selector", "exact", "div.other > a", "element"), []),
        (event("selector", "exact", '[href="/x"]', "element"), ["pro"]),
        (event("selector", "exact", "a:nth-child(1)", "element"), ["pro"]),
        (event("selector", "exact", "b", "element"), []),
        (event("x", "exact", "y", "flag"), ALL),
        (event("", "exact", "y"), ALL),
        ({"key": "plan"}, ALL),
        ({"type": "AND", "values": []}, ALL),
        ({"type": "OR", "values": [event("plan", "exact", "Pro"), event("plan", "is_not_set")]}, ["pro", "none"]),
        (
            {
                "type": "OR",
                "values": [{"type": "AND", "values": [event("plan", "exact", "x")]}, event("amount", "gt", 10)],
            },
            ["pro"],
        ),
    ],
)
def test_a_filter_finds(shop: Project, given: dict[str, Any], expected: list[str]) -> None:
    assert found(shop, given) == expected


def test_filters_in_a_list_must_all_hold(shop: Project) -> None:
    assert found(shop, event("plan", "is_set"), event("amount", "lt", 10)) == ["free"]


def test_nothing_given_is_no_condition(shop: Project) -> None:
    assert found(shop) == ALL
    assert shop.asks("SELECT 1 WHERE {x}", x=property_to_expr(None, "event", shop.schema)) == [[1]]


@pytest.mark.parametrize(
    ("given", "scope", "message"),
    [
        (event("plan", "wat", "x"), "event", "PropertyOperator wat not implemented"),
        (event("a", "exact", "x"), "person", "The 'event' property filter does not work in 'person' scope"),
        (
            event("a", "exact", "x", "event_metadata"),
            "person",
            "'event_metadata' property filter does not work in 'person'",
        ),
        (event("a", "exact", "x", "wat"), "event", "type wat not implemented"),
        (event("inserted_at", "exact", "x", "event_metadata"), "event", "Unknown event metadata: inserted_at"),
        ({"type": "NOT", "values": []}, "event", 'PropertyGroupFilter of unknown type "NOT"'),
        (event("a", "between", [1]), "event", r"between operator requires a two-element array \[min, max\]"),
        (event("a", "between", [2, 1]), "event", "requires min value to be less than or equal to max value"),
        (event("a", "not_between", ["x", 1]), "event", "not_between operator requires numeric values"),
        (event("a", "semver_tilde", "x"), "event", r"Tilde operator requires a valid semver string \(e.g., '1.2.3'\)"),
        (
            event("tag_name", "icontains", "a", "element"),
            "event",
            "only supports exact and is_not operators, not icontains",
        ),
        (event("a", "exact", "x", "group"), "event", "needs a group_type_index"),
        (event("(", None, None, "hogql"), "event", "mismatched|Unexpected|expecting|no viable"),
        (7, "event", "A property filter is an object"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(shop: Project, given: Any, scope: FilterScope, message: str) -> None:
    with pytest.raises(HogQLError, match=message):
        property_to_expr(given, scope, shop.schema)


def test_persons_are_filtered_by_the_same_filters(shop: Project) -> None:
    def emails(*filters: dict[str, Any]) -> list[str]:
        where = property_to_expr(list(filters), "person", shop.schema)
        return [
            row[0] for row in shop.asks("SELECT properties.email FROM persons WHERE {where} ORDER BY 1", where=where)
        ]

    assert emails(event("plan", "exact", "pro", "person")) == ["ann@x.org"]
    assert emails(event("plan", "is_not_set", None, "person")) == ["bob@x.org"]
    assert emails(event("distinct_id", "exact", "bob", "person")) == ["bob@x.org"]
    assert emails(event("id", "in", 5, "cohort")) == ["ann@x.org"]


def test_groups_are_filtered_by_the_same_filters(shop: Project) -> None:
    where = property_to_expr([event("name", "icontains", "ac", "group", group_type_index=0)], "group", shop.schema)

    assert shop.asks("SELECT key FROM groups WHERE {where}", where=where) == [["acme"]]
