"""How lists of flags are narrowed and ordered (rest-api §11)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import update
from tests.resources.house import Project
from tests.resources.statements import counted

from hedgerow.core.clock import from_us
from hedgerow.flags.models import FeatureFlag
from hedgerow.server import Hedgerow

pytestmark = pytest.mark.stores
PATH = "feature_flags/"
GROUPS: dict[str, Any] = {"groups": [{"properties": [], "rollout_percentage": 100}]}
VARIANTS = {"variants": [{"key": "a", "rollout_percentage": 50}, {"key": "b", "rollout_percentage": 50}]}


@pytest.fixture
async def eve(ada: Project) -> Project:
    """A project with flags of every kind."""
    for body in (
        {"key": "plain", "name": "Says variants"},
        {"key": "split", "filters": {**GROUPS, "multivariate": VARIANTS}, "tags": ["red"]},
        {"key": "remote", "is_remote_configuration": True, "evaluation_runtime": "server", "tags": ["blue"]},
        {"key": "off", "active": False, "evaluation_contexts": ["app"]},
        {"key": "old", "active": False, "archived": True},
        {"key": "survey-targeting-x"},
        {"key": "tried", "creation_context": "experiments", "name": "50%_off"},
    ):
        await ada.made(PATH, {"filters": GROUPS, **body})
    return ada


async def keys(project: Project, query: str) -> list[str]:
    return [row["key"] for row in (await project.found(f"{PATH}?{query}"))["results"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "tried off remote split plain"),
        ("active=true", "tried remote split plain"),
        ("active=false", "off"),
        ("archived=true", "old"),
        ("archived=false", "tried off remote split plain"),
        ("search=SPLIT", "split"),
        ("search=variants", "plain"),
        ("search=%25_", "tried"),
        ("type=multivariant", "split"),
        ("type=boolean", "tried off remote plain"),
        ("type=remote_config", "remote"),
        ("type=experiment", "tried"),
        ("evaluation_runtime=server", "remote"),
        ("has_evaluation_tags=true", "off"),
        ("has_evaluation_contexts=false", "tried remote split plain"),
        ("tags=" + quote(json.dumps(["Red", "blue"])), "remote split"),
        ("tags=" + quote(json.dumps(["green"])), ""),
        ("tags=nonsense", "tried off remote split plain"),
        ("excluded_properties=" + quote(json.dumps(["off", "tried"])), "remote split plain"),
        ("order=key", "off plain remote split tried"),
        ("order=-key&limit=2", "tried split"),
        ("order=created_at", "plain split remote off tried"),
        ("order=password", "tried off remote split plain"),
        ("created_by_id=999999999", ""),
        ("created_by_id=x", "tried off remote split plain"),
    ],
)
async def test_lists_are_narrowed_and_ordered(eve: Project, query: str, expected: str) -> None:
    assert await keys(eve, query) == expected.split()


async def test_flags_of_their_author(eve: Project) -> None:
    assert len(await keys(eve, f"created_by_id={eve.person.user.id}")) == 5


async def test_stale_ones(eve: Project, house: Hedgerow) -> None:
    long_ago = from_us(house.clock.now_us() - 40 * 86_400_000_000)
    mine = FeatureFlag.team_id == eve.id
    async with house.metadata.write() as session:
        await session.execute(
            update(FeatureFlag).where(mine, FeatureFlag.key.in_(["plain", "off", "split"])).values(created_at=long_ago)
        )
        await session.execute(
            update(FeatureFlag).where(mine, FeatureFlag.key == "tried").values(last_called_at=long_ago)
        )

    assert await keys(eve, "active=STALE&order=key") == ["plain", "tried"]


async def test_a_long_list_costs_no_more_statements(eve: Project) -> None:
    async def cost(query: str) -> int:
        with counted() as statements:
            await keys(eve, query)
        return len(statements)

    await cost("")
    assert 0 < await cost("limit=1") == await cost("limit=100")


async def test_pages_follow_each_other(eve: Project) -> None:
    first = await eve.found(f"{PATH}?limit=3&order=key")

    assert (first["count"], first["previous"], len(first["results"])) == (5, None, 3)
    assert "order=key" in first["next"]
    assert await keys(eve, "limit=3&offset=3&order=key") == ["split", "tried"]
