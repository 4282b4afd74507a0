"""A project sees its own rows and nothing of any other, not even in an error."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.hogql.project import Project, fresh_team_id
from tests.hogql.random_queries import Writer
from tests.hogql.reach import reach

from hedgerow.core.storage.events import EventStore, StoreError
from hedgerow.hogql import Action, Cohort, HogQLError, View, parse_expr, parse_select
from hedgerow.hogql.lowered import Column, Guard, Output, Select, TableRef
from hedgerow.hogql.lowered import From as Source
from hedgerow.hogql.print_clickhouse import Printer, UnguardedTable
from hedgerow.hogql.types import STRING
from hedgerow.queries.errors import QueryFailed, from_store

SECRET = "SECRET"
TABLES = (
    "events",
    "persons",
    "groups",
    "person_overrides",
    "person_distinct_ids",
    "person_properties_versions",
    "raw_sessions",
    "query_log",
)
EXAMPLES = 10_000 if os.environ.get("HEDGEROW_TEST_TIER") == "all" else 2_000
FUZZ_EXAMPLES = int(os.environ.get("HEDGEROW_FUZZ_EXAMPLES", "2000"))

REACHABLE = frozenset((Path(__file__).parent / "reachable_functions.txt").read_text(encoding="utf-8").split())
"""Functions of ClickHouse that a query may end up with: an addition here is one to think about."""
TABLES_READ = frozenset(
    {*TABLES, "session_replay_events", "log_entries", "cohort_people", "cohort_versions", "static_cohort_people"}
)
TABLE_FUNCTIONS = frozenset({"numbers", "generateSeries"})


@pytest.fixture(scope="module")
def ours(store: EventStore) -> Project:
    """A project with plain rows; beside it, in the same parts of the same tables, another one with marked rows."""
    ours, theirs = Project(store, fresh_team_id()), Project(store, fresh_team_id())
    for project, mark in ((ours, "7"), (theirs, SECRET)):
        for number in range(4):
            name = f"{mark}{number}"
            project.sends(
                mark,
                by=name,
                properties={"secret": mark, "$browser": mark, "nested": {"secret": mark}, "$set": {"$os": mark}},
                person_properties={"secret": mark, "number": number, "$browser": mark, "$os": mark},
                elements_chain=f'a:href="{mark}"text="{mark}"',
                **{"$group_0": mark, "$session_id": mark, "$window_id": mark},
            )
            session: dict[str, Any] = {"$session_id": f"019b8f00-0000-7000-8000-00000000000{number}"}
            project.sends(
                mark,
                by=name,
                properties={"$current_url": f"https://{mark}/", "utm_source": mark, "$external_click_url": mark},
                **session,
            )
            project.has_person(name, secret=mark)
        project.has_group(mark, secret=mark)
        project.stores("query_log", {"event_time": "1790000000", "query": mark, "exception": mark, "key_id": mark})
        project.moves(f"{mark}1", f"{mark}0")
    for table in TABLES:
        asyncio.run(store.command(f"OPTIMIZE TABLE {table} FINAL"))
    ours.schema.cohorts = [
        Cohort(1, "sevens", parse_select("SELECT person_id FROM person_distinct_ids WHERE distinct_id LIKE '7%'"))
    ]
    ours.schema.actions = [Action(1, "sevens", parse_expr("event = '7' AND properties.secret = '7'"))]
    ours.schema.views = [
        View("seen_", parse_select("SELECT event AS name, count() AS times FROM events GROUP BY name"))
    ]
    return ours


ATTACKS = [
    "SELECT count() FROM events WHERE _toInt64(event) = 1",
    "SELECT count() FROM events WHERE _toInt64(distinct_id) = 1",
    "SELECT count() FROM events PREWHERE _toInt64(distinct_id) = 1",
    "SELECT count() FROM events WHERE timestamp > '2020-01-01' AND _toInt64(distinct_id) >= 0 AND event LIKE '7%'",
    "SELECT count() FROM events WHERE _toDate(event) IN (SELECT toDate('2026-01-05'))",
    "SELECT count() FROM events WHERE _toInt64(assumeNotNull(properties.$browser)) > 0",
    "SELECT count() FROM events WHERE person.properties.secret = '7' AND _toInt64(distinct_id) = 1",
    "SELECT count() FROM events WHERE _toInt64(assumeNotNull(person.properties.secret)) = 1",
    "SELECT count() FROM events WHERE group_0.properties.secret = '7' AND _toInt64(`$group_0`) = 1",
    "SELECT count() FROM persons PREWHERE _toInt64(JSONExtractString(properties, 'secret')) = 1",
    "SELECT count() FROM raw_persons WHERE _toInt64(JSONExtractString(properties, 'secret')) = 1",
    "SELECT count() FROM raw_groups WHERE _toInt64(key) = 1",
    "SELECT query, exception, key_id FROM query_log",
    "SELECT count() FROM query_log WHERE _toInt64(query) = 1",
    "SELECT count() FROM events e JOIN persons p ON p.id = e.person_id AND _toInt64(e.distinct_id) = 1",
    "SELECT count() FROM events e ASOF JOIN events f ON e.event = f.event AND _toInt64(e.event) >= _toInt64(f.event)",
    "SELECT count() FROM events e FULL JOIN events f ON _toInt64(e.distinct_id) = _toInt64(f.distinct_id)",
    "SELECT count() FROM events e CROSS JOIN persons p WHERE _toInt64(e.distinct_id) = 1 AND p.properties.secret = '7'",
    "SELECT count() FROM (SELECT distinct_id AS d FROM events) WHERE _toInt64(d) = 1",
    "SELECT count() FROM events WHERE arrayExists(x -> _toInt64(x) = 1, splitByChar(',', distinct_id))",
    "SELECT event FROM events QUALIFY _toInt64(distinct_id) = 1",
    "SELECT count() FROM events SAMPLE 0.99 WHERE _toInt64(distinct_id) = 1",
    "SELECT CAST(tuple(1), 'Tuple(team_id Int64)') AS events, event FROM events AS events",
    "SELECT tuple(1) AS __hq0, event FROM events AS __hq0 WHERE __hq0.event != ''",
    "SELECT arrayMap(__hq0 -> event, [tuple(1)]) FROM events",
    "SELECT event FROM events WHERE event = '\\' OR 1 = 1 --'",
    "SELECT event AS `a`` FROM events --` FROM events",
    "SELECT event FROM events UNION ALL SELECT distinct_id FROM raw_person_distinct_ids",
    "SELECT event FROM events WHERE 1 = 1 OR 1 = 1",
    "SELECT e.event FROM persons p RIGHT JOIN events e ON 1 = 1",
    "SELECT e.event FROM events e FULL OUTER JOIN persons p ON 1 = 0",
    "SELECT any(event), groupUniqArray(distinct_id) FROM events",
    "SELECT properties FROM persons FINAL",
    "SELECT count() FROM events WHERE _toInt64(assumeNotNull(person.properties.$browser)) = 1",
    "SELECT count() FROM events WHERE _toInt64(assumeNotNull(poe.properties.$os)) = 1 AND event = '7'",
    "SELECT groupUniqArray(person.properties) FROM events WHERE person.properties.$os != 'x'",
    "SELECT person.properties.$browser FROM persons p RIGHT JOIN events e ON 1 = 0",
    "(SELECT event AS e FROM events) UNION ALL (SELECT distinct_id FROM events) ORDER BY _toInt64(e)",
    "(SELECT properties AS p FROM events) UNION ALL (SELECT properties FROM persons) ORDER BY _toInt64(p.secret)",
    "(SELECT 1 AS e) UNION ALL (SELECT 2) ORDER BY (SELECT groupUniqArray(event) FROM events), e",
    "SELECT event, count() FROM events GROUP BY ROLLUP(event) HAVING _toInt64(event) = 1",
    "SELECT count() FILTER (WHERE _toInt64(event) = 1) OVER (ORDER BY event NULLS FIRST) FROM events",
    "SELECT * FROM sessions",
    "SELECT * FROM raw_sessions",
    "SELECT count() FROM sessions WHERE _toInt64(distinct_id) = 1",
    "SELECT count() FROM raw_sessions WHERE _toInt64(assumeNotNull(entry_url)) = 1",
    "SELECT session.$urls, session.$entry_utm_source, session.distinct_id FROM events",
    "SELECT count() FROM events WHERE _toInt64(assumeNotNull(session.$entry_utm_source)) = 1",
    "SELECT s.distinct_id FROM events e FULL JOIN sessions s ON s.session_id = e.$session_id",
    "SELECT p.properties FROM person_distinct_ids d LEFT JOIN persons p ON p.id != d.person_id",
]


@pytest.mark.parametrize("hogql", ATTACKS)
def test_an_attack_brings_nothing_of_another_project(ours: Project, hogql: str) -> None:
    assert SECRET not in outcome(ours, hogql)


def test_random_queries_never_bring_a_foreign_row(ours: Project) -> None:
    ran = sum(checked(ours, seed) for seed in range(EXAMPLES))

    assert ran > EXAMPLES // 4, "many of the random queries must run, or they show nothing"


@pytest.mark.fuzz
def test_many_random_queries_never_bring_a_foreign_row(ours: Project) -> None:
    started = time.monotonic()
    ran = 0
    for done, seed in enumerate(range(EXAMPLES, EXAMPLES + FUZZ_EXAMPLES)):
        ran += checked(ours, seed)
        if done % 1_000 == 0:
            print(f"{done:>7} of {FUZZ_EXAMPLES}, {ran} ran, {time.monotonic() - started:.0f} s", file=sys.__stderr__)

    assert ran > FUZZ_EXAMPLES // 4


def checked(project: Project, seed: int) -> bool:
    """Run one random query; whether ClickHouse took it."""
    hogql = Writer(seed).query()
    try:
        sql = project.compiles(hogql).sql
    except HogQLError:
        return False
    tables = re.findall(r"(?:FROM|JOIN|,) `(\w+)` AS (__hq\d+)", sql)
    guards = re.findall(r"PREWHERE (?:and\()?equals\((__hq\d+)\.`team_id`, \{team:Int64\}\)", sql)
    assert sorted(alias for _, alias in tables) == sorted(guards), f"seed {seed}: {hogql}\n{sql}"
    assert not unlisted(sql), f"seed {seed}: {hogql}\n{sql}"
    found = outcome(project, hogql)
    assert SECRET not in found, f"seed {seed}: {hogql}"
    assert not found.startswith("failed"), f"a 500: {found}\nseed {seed}: {hogql}"
    return not found.startswith("error")


def unlisted(sql: str) -> frozenset[str]:
    """What the text reaches and is not meant to."""
    found = reach(sql)
    return (found.functions - REACHABLE) | (found.tables - TABLES_READ) | (found.table_functions - TABLE_FUNCTIONS)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sleep(3)",
        "SELECT 'x', file('/etc/passwd')",
        "SELECT * FROM `users`",
        "SELECT * FROM system.tables",
        "SELECT * FROM events AS e JOIN url('http://127.0.0.1/') AS u",
        "SELECT `sleep`(3)",
        "SELECT '\\\\', hostName ()",
        "SELECT equals('it''s', dictGet('a', 'b', 1))",
        "SELECT '{x:Int8}', {x:Array(String)}, joinGet('a', 'b', 1)",
    ],
)
def test_the_check_sees_what_is_not_meant_to_be_reached(sql: str) -> None:
    assert unlisted(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1 -- x",
        "SELECT 1 /* x */",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 FORMAT CSV",
    ],
)
def test_the_check_sees_what_only_clickhouse_has(sql: str) -> None:
    with pytest.raises(ValueError, match="in SELECT"):
        reach(sql)


def test_the_check_takes_texts_and_names_for_what_they_are() -> None:
    assert not unlisted(
        "SELECT 'sleep(1) -- ; '' \\' /*', `sleep(1);`, {p:Array(Tuple(String))} FROM `events` AS __hq0"
    )


def test_nothing_that_reaches_out_of_the_query_is_listed() -> None:
    """Of all that ClickHouse offers: nothing that waits, reads files, settings, dictionaries, other tables or the machine."""
    outside = re.compile(
        r"sleep|file|url\Z|remote|dict|joinGet|setting|host|version|current|throw|introspect|address|macro|uptime|build|zookeeper"
        r"|query(?!String)|server|fuzz|eval|s3|iceberg|catboost|hasColumn|tcpPort|display|structure|connection|transaction|getOS"
    )
    listed = {name for name in REACHABLE if outside.search(name)}

    assert listed == {"cutQueryString", "cutQueryStringAndFragment"} & listed


def outcome(project: Project, hogql: str) -> str:
    """What comes back: the rows, or the error as ClickHouse words it."""
    try:
        return str(project.asks(hogql))
    except HogQLError as error:
        return f"refused {error.message}"
    except StoreError as error:
        kind = "failed" if isinstance(from_store(error), QueryFailed) else "error"
        return f"{kind} {error.name} {error.message}"


@pytest.mark.parametrize(
    "hogql",
    [
        "SELECT * FROM system.tables",
        "SELECT * FROM numbers_mt(10)",
        "SELECT * FROM file('/etc/passwd')",
        "SELECT * FROM url('http://127.0.0.1/', 'CSV')",
        "SELECT * FROM remote('127.0.0.1', 'events')",
        "SELECT * FROM merge('.*')",
        "SELECT * FROM person_properties_versions",
        "SELECT * FROM person_overrides",
        "SELECT * FROM `events` AS e, `system`.`one`",
        "SELECT dictGet('d', 'a', 1)",
        "SELECT joinGet('d', 'a', 1)",
        "SELECT getSetting('readonly')",
        "SELECT sleep(1)",
        "SELECT file('/etc/passwd')",
        "SELECT hostName()",
        "SELECT version()",
        "SELECT currentDatabase()",
        "SELECT throwIf(1)",
        "SELECT runningAccumulate(1)",
        "SELECT toTypeName(lagInFrame(1))",
        "SELECT arrayReduce('groupArrayMovingSum(1)', [1])",
        "SELECT CAST(1 AS `String) FROM system.tables --`)",
        "SELECT _part FROM events",
        "SELECT _table FROM events",
        "SELECT properties_map FROM events",
        "SELECT inserted_at FROM events",
        "SELECT `event` FROM events SETTINGS max_threads = 1",
        "SELECT event FROM events INTO OUTFILE 'x'",
        "SELECT 1; SELECT 2",
        "INSERT INTO events VALUES (1)",
        "DROP TABLE events",
    ],
)
def test_what_is_not_offered_cannot_be_named(ours: Project, hogql: str) -> None:
    with pytest.raises(HogQLError):
        ours.compiles(hogql)


def test_the_printer_refuses_a_table_without_its_guard() -> None:
    def printed(ref: TableRef, *joined: Source) -> str:
        column = Column(table="__hq0", name="event", type=STRING)
        select = Select(outputs=[Output("event", "event", column, STRING)], sources=[Source(ref, "__hq0"), *joined])
        return Printer(1).query(select)

    assert "team_id" in printed(TableRef("events", "__hq0", Guard("__hq0", 1)))
    for wrong in (None, Guard("__hq1", 1), Guard("__hq0", 2)):
        with pytest.raises(UnguardedTable):
            printed(TableRef("events", "__hq0", wrong))
    behind = Source(TableRef("persons", "__hq1", Guard("__hq1", 1)), "__hq1", "LEFT JOIN")
    with pytest.raises(UnguardedTable):
        printed(TableRef("events", "__hq0", Guard("__hq0", 1)), behind)
