"""A HogQL query over HTTP (queries §3.1)."""

from __future__ import annotations

import pytest
from tests.queries.world import Asker

pytestmark = pytest.mark.stores


async def test_the_seed_s_example_has_its_shape(project: Asker) -> None:
    for event, times in (("$pageview", 3), ("$autocapture", 2), ("$identify", 1)):
        for _ in range(times):
            await project.sends(event)

    answer = await project.answer("SELECT event, count() FROM events GROUP BY event ORDER BY count() DESC LIMIT 10")

    assert answer["columns"] == ["event", "count()"]
    assert answer["results"] == [["$pageview", 3], ["$autocapture", 2], ["$identify", 1]]
    assert answer["types"] == [["event", "String"], ["count()", "UInt64"]]
