"""Which properties would gain from a column, as the queries tell."""

from __future__ import annotations

from tests.hogql.project import Schema

from hedgerow.queries.hot_paths import HotPath, hot_paths


def test_properties_without_a_column_count_by_the_time_of_their_queries() -> None:
    queries = [
        ("SELECT properties.plan, properties.$browser FROM events", 10, 1.0),
        ("SELECT count() FROM events WHERE properties.plan = 'a' AND properties.size > 3", 2, 4.0),
        ("SELECT properties['page'] FROM events AS e JOIN persons AS p ON p.id = e.person_id", 1, 9.0),
        ("SELECT properties.email, person.properties.plan FROM persons", 5, 50.0),
        ("SELECT person.properties.plan, group_0.properties.seats FROM events", 5, 50.0),
        ("SELECT nothing that compiles", 5, 50.0),
    ]

    assert hot_paths(queries, Schema(1)) == [HotPath("plan", 12, 5.0), HotPath("size", 2, 4.0)]
