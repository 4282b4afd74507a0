"""What people paste from PostHog's pages about SQL runs, or is listed in docs/hogql-differences.md."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.contract.hogql.cases import WRITES, Case, read_cases, write_answer
from tests.hogql.golden_data import fill, has_sessions
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.clock import Clock
from hedgerow.core.storage.events import EventStore
from hedgerow.hogql import HogQLContext, compile_select, parse_select
from hedgerow.queries.placeholders import Filler

FILE = Path(__file__).with_name("public_examples.txt")
EXAMPLES = read_cases(FILE)


@pytest.fixture(scope="module")
def project(store: EventStore) -> Project:
    made = Project(store, fresh_team_id())
    fill(made)
    has_sessions(made)
    return made


def test_there_are_enough() -> None:
    assert len({case.text for case in EXAMPLES}) == len(EXAMPLES) >= 150
    assert sum(case.rows is not None for case in EXAMPLES) >= 60


@pytest.mark.parametrize("case", EXAMPLES, ids=[case.id for case in EXAMPLES])
def test_it_runs(project: Project, case: Case) -> None:
    """As the endpoint would run it, with no filters given; every column of the query comes back, with the rows noted."""
    query = Filler(None, None, None).fill(parse_select(case.text), project.schema, Clock())
    compiled = compile_select(query, HogQLContext(schema=project.schema, page=True))

    settings = {**compiled.settings, "readonly": 2}
    answer = msgspec.json.decode(asyncio.run(project.store.query(compiled.sql, compiled.parameters, settings=settings)))

    assert len(answer["meta"]) == len(compiled.columns) > 0
    assert all(len(row) == len(compiled.columns) for row in answer["data"])
    types = [column["type"].replace("LowCardinality(String)", "String") for column in answer["meta"]]
    if WRITES and case.rows is not None:
        write_answer(FILE, case.text, compiled.columns, types, answer["data"])
    else:
        case.agrees(compiled.columns, types, answer["data"])
