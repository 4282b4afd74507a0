"""What people paste from PostHog's pages about SQL runs, or is listed in docs/hogql-differences.md."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.hogql.golden_data import fill, has_sessions
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.clock import Clock
from hedgerow.core.storage.events import EventStore
from hedgerow.hogql import HogQLContext, compile_select, parse_select
from hedgerow.queries.placeholders import Filler

LINES = (Path(__file__).parent / "public_examples.txt").read_text(encoding="utf-8").splitlines()
EXAMPLES = [line for line in LINES if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def project(store: EventStore) -> Project:
    made = Project(store, fresh_team_id())
    fill(made)
    has_sessions(made)
    return made


def test_there_are_enough() -> None:
    assert len(set(EXAMPLES)) == len(EXAMPLES) >= 150


@pytest.mark.parametrize("text", EXAMPLES, ids=[text[:70] for text in EXAMPLES])
def test_it_runs(project: Project, text: str) -> None:
    """As the endpoint would run it, with no filters given; every column of the query comes back."""
    query = Filler(None, None, None).fill(parse_select(text), project.schema, Clock())
    compiled = compile_select(query, HogQLContext(schema=project.schema, page=True))

    settings = {**compiled.settings, "readonly": 2}
    answer = msgspec.json.decode(asyncio.run(project.store.query(compiled.sql, compiled.parameters, settings=settings)))

    assert len(answer["meta"]) == len(compiled.columns) > 0
    assert all(len(row) == len(compiled.columns) for row in answer["data"])
