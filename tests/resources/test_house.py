"""The house that the tests of this folder stand on takes events and answers about them."""

from __future__ import annotations

import pytest
from tests.resources.house import Project

pytestmark = pytest.mark.stores


async def test_what_is_sent_is_found_by_whoever_sent_it_alone(ada: Project, bob: Project) -> None:
    await ada.sends("signed up", "u-1", {"plan": "pro"})

    assert await ada.rows("SELECT event, properties.plan FROM events") == [["signed up", "pro"]]
    assert await bob.rows("SELECT event FROM events") == []
