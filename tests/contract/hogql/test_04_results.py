"""hogql §4: how values come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.hogql.cases import Case, asked, read_cases
from tests.contract.hogql.conftest import Shop

pytestmark = pytest.mark.stores

FILE = Path(__file__).with_name("04_results.txt")
CASES = read_cases(FILE)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
async def test_the_answer(shop: Shop, zoned: Shop, case: Case) -> None:
    await asked(FILE, case, shop, zoned)


async def test_other_kinds_list_types_flat(shop: Shop) -> None:
    """EventsQuery and SessionsQuery: one type a column, without the name."""
    events = await shop.node("EventsQuery", select=["event", "count()"], after="2026-01-01", orderBy=["event"])
    assert (events["columns"], events["types"]) == (["event", "count()"], ["String", "UInt64"])
    assert events["results"] == [["$autocapture", 1], ["$pageview", 6], ["purchase", 2]]
    sessions = await shop.node("SessionsQuery", select=["session_id", "$pageview_count"], after="2026-01-01")
    assert (sessions["columns"], sessions["types"]) == (["session_id", "$pageview_count"], ["String", "UInt64"])


async def test_star_of_an_events_query_and_its_person_hold_objects(shop: Shop) -> None:
    where = ["event = 'purchase'", "distinct_id = 'ann'"]
    body = await shop.node("EventsQuery", select=["*", "person", "properties"], where=where, after="2026-01-01")
    ((event, person, text),) = body["results"]
    assert event["properties"]["amount"] == 25
    assert person["properties"]["email"] == "ann@new.org"
    assert isinstance(text, str)


async def test_the_query_is_printed_back_with_its_limit(shop: Shop) -> None:
    body = (await shop.answer("select event, 1+1 from events where event='a' order by timestamp limit 5")).body
    assert body["hogql"] == (
        "SELECT\n    event,\n    plus(1, 1)\nFROM\n    events\nWHERE\n    equals(event, 'a')\n"
        "ORDER BY\n    timestamp ASC\nLIMIT 5"
    )
    assert (body["clickhouse"], body["explain"], body["metadata"]) == (None, None, None)


async def test_explain_adds_what_was_run(shop: Shop) -> None:
    body = (await shop.answer("SELECT event FROM events LIMIT 1", explain=True)).body
    assert body["clickhouse"].startswith("SELECT ")
    assert body["explain"]
    assert body["metadata"]["table_names"] == ["events"]
