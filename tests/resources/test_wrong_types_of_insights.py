"""rest-api §1.4: a value of the wrong type for each field of insights, dashboards and annotations that can be written."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec
import pytest
from tests.contract.rest.test_wrong_types import VALUES, taken
from tests.resources.house import Project

from hedgerow.insights.annotations import AnnotationBody
from hedgerow.insights.dashboards import DashboardPatch
from hedgerow.insights.insights import InsightBody

pytestmark = pytest.mark.stores
BODIES: dict[str, type[msgspec.Struct]] = {
    "insights/": InsightBody,
    "dashboards/": DashboardPatch,
    "annotations/": AnnotationBody,
}


@pytest.mark.parametrize("path", BODIES)
async def test_a_value_of_the_wrong_type_names_the_field(ada: Project, path: str) -> None:
    made = await ada.made(path, {})
    item = f"{path}{made['id']}/"
    before = await ada.found(item)
    for field, kind in get_type_hints(BODIES[path], include_extras=True).items():
        for name in sorted(set(VALUES) - taken(kind)):
            refused = await ada.refused("PATCH", item, {field: VALUES[name]})
            assert refused["type"] == "validation_error", (field, name, refused)
            assert refused["attr"].split("__")[0] == field, (field, name, refused)
    after: dict[str, Any] = await ada.found(item)
    moving = {"last_accessed_at", "last_viewed_at"}
    assert {key: value for key, value in after.items() if key not in moving} == {
        key: value for key, value in before.items() if key not in moving
    }


@pytest.mark.parametrize("path", BODIES)
async def test_no_text_breaks_the_store(ada: Project, path: str) -> None:
    field = "content" if path == "annotations/" else "description"
    for text in ("a\0b", "'; --", "%s", "\\u0000"):
        response = await ada.post(ada.path(path), {field: text})
        assert response.status_code in {201, 400}, response.text
    assert (await ada.get(ada.path(path))).status_code == 200
