"""Where a condition stands decides how fast it is, never which rows it finds."""

from __future__ import annotations

import random

import pytest
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore

SUBJECTS = [
    *("person.properties.plan", "person.properties.age", "person.properties.nothing", "person.created_at"),
    *("company.properties.name", "company.properties.seats", "company.key", "pdi.person.properties.plan"),
    *("pdi.distinct_id", "properties.plan", "properties.age", "event", "distinct_id", "person_id", "timestamp"),
]
TESTS = [
    *("{} = 'pro'", "{} != 'pro'", "{} LIKE '%r%'", "{} NOT LIKE '%r%'", "{} ILIKE 'P%'", "{} =~ '^p'", "{} !~ '^p'"),
    *("{} IS NULL", "{} IS NOT NULL", "{} IN ('pro', 'free')", "{} NOT IN ('pro', 'free')", "{} IN ('pro', NULL)"),
    *(
        "lower({}) = 'pro'",
        "upper({}) != 'PRO'",
        "NOT ({} = 'pro')",
        "ifNull({}, 'pro') = 'pro'",
        "{} = {}",
        "{} < 'q'",
    ),
    *("{} IS DISTINCT FROM 'pro'", "length({}) > 3", "concat({}, 'x') = 'prox'", "({} = 'pro' OR {} IS NULL)"),
    *(
        "({} != 'pro' AND {} IS NOT NULL)",
        "nullIf({}, 'pro') IS NULL",
        "NOT ({} NOT IN ('pro'))",
        "{} NOT IN ('x', NULL)",
    ),
]
OTHER_TYPES = {
    "person.properties.age": ["{} > 20", "{} <= 20", "{} != 30", "{} IS NULL", "{} BETWEEN 20 AND 30", "NOT ({} > 20)"],
    "company.properties.seats": ["{} > 5", "{} != 12", "{} IS NULL", "{} NOT IN (12)"],
    "properties.age": ["{} > 20", "{} != 30", "{} IS NULL"],
    "person.created_at": ["{} > '2026-01-01'", "{} < '2025-01-01'"],
    "timestamp": ["{} > '2026-01-02'", "{} <= '2026-01-02'", "toDate({}) = '2026-01-02'"],
    "person_id": ["{} = '00000000-0000-0000-0000-000000000000'", "toString({}) != 'x'"],
}


@pytest.fixture(scope="module", params=["on events", "joined", "moved"])
def shop(store: EventStore, request: pytest.FixtureRequest) -> Project:
    """Events with every mixture of known and missing persons, properties and groups."""
    shop = Project(store, fresh_team_id())
    shop.schema.properties = {
        ("person", "age"): "Numeric",
        ("event", "age"): "Numeric",
        ("group0", "seats"): "Numeric",
    }
    shop.schema.group_types = ["company"]
    shop.has_person("ann", plan="pro", age=30)
    shop.has_person("bob", plan="free")
    shop.has_person("cy", version=1, plan="pro")
    shop.has_person("cy", version=2, deleted=True)
    shop.has_group("acme", name="pro", seats=12)
    shop.has_group("bolt", seats=3)
    for number, (by, group) in enumerate(
        [(by, group) for by in ("ann", "bob", "cy", "di") for group in ("acme", "bolt", "")]
    ):
        shop.sends(
            ["pro", "free", "x"][number % 3],
            by=by,
            at=f"2026-01-0{number % 3 + 1} 10:00:00",
            properties=[{"plan": "pro", "age": 25}, {"plan": None}, {}][number % 3],
            person_properties=[{"plan": "pro", "age": 19}, {"plan": "free"}, {}, None][number % 4],
            **{"$group_0": group},
        )
    if request.param == "joined":
        shop.modifiers = type(shop.modifiers)(persons_on_events_mode="person_id_override_properties_joined")
    if request.param == "moved":
        shop.moves("di", "ann")
    return shop


def condition(chance: random.Random) -> str:
    """One to three tests, joined by AND or OR."""
    parts: list[str] = []
    for _ in range(chance.choice([1, 1, 2, 3])):
        subject = chance.choice(SUBJECTS)
        parts.append(chance.choice(OTHER_TYPES.get(subject, TESTS)).replace("{}", subject))
    return chance.choice([" AND ", " AND ", " OR "]).join(parts)


def test_a_condition_finds_the_rows_that_it_is_true_for(shop: Project) -> None:
    """As a column, a condition is computed for every row and every join stays; as WHERE, it is planned."""
    chance = random.Random(7)
    for _ in range(120):
        where = condition(chance)
        told = shop.asks(f"SELECT uuid, ({where}) AS c FROM events ORDER BY uuid")
        found = shop.asks(f"SELECT uuid FROM events WHERE {where} ORDER BY uuid")

        assert [row[0] for row in found] == [row[0] for row in told if row[1]], where
