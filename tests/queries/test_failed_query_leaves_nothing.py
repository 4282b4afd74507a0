"""A query that fails half-way leaves nothing behind for the next one, which may be another project's."""

from __future__ import annotations

import pytest

from hedgerow.core.storage.events import EventStore, StoreError


async def test_the_next_answer_holds_no_row_of_the_failed_query(single_lane_store: EventStore) -> None:
    half = "SELECT count() FROM numbers(1000000000000) UNION ALL SELECT 4242"

    with pytest.raises(StoreError) as raised:
        await single_lane_store.query(half, fmt="JSONCompactEachRow", settings={"max_execution_time": 0.3})

    assert raised.value.name == "TIMEOUT_EXCEEDED"
    assert await single_lane_store.query("SELECT 'mine'", fmt="JSONCompactEachRow") == b'["mine"]\n'
