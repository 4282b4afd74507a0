"""Status, dependents, remote configuration, many flags at once (rest-api §11)."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from tests.contract.rest.test_wrong_types import VALUES, taken
from tests.resources.house import Project

from hedgerow.flags.early_access import FeaturePatch
from hedgerow.flags.flag_bodies import FlagPatch

pytestmark = pytest.mark.stores
PATH = "feature_flags/"
GROUPS: dict[str, Any] = {"groups": [{"properties": [], "rollout_percentage": 100}]}


async def made(project: Project, key: str, **more: Any) -> int:
    return (await project.made(PATH, {"key": key, "filters": GROUPS, **more}))["id"]


def needs(flag_id: int) -> dict[str, Any]:
    each = {"key": str(flag_id), "type": "flag", "operator": "flag_evaluates_to", "value": True}
    return {"groups": [{"properties": [each]}]}


async def test_the_status_of_a_flag(ada: Project, bob: Project) -> None:
    flag_id = await made(ada, "a")
    place = f"{PATH}{flag_id}/status/"
    unknown = {"status": "unknown", "reason": "Flag could not be found"}

    assert await ada.found(place) == {"status": "active", "reason": "Flag is active and being evaluated"}
    assert await bob.found(place, 404) == unknown
    assert await ada.found(f"{PATH}x/status/", 404) == unknown
    await ada.changed(f"{PATH}{flag_id}/", {"active": False})
    assert (await ada.found(place))["status"] == "inactive"
    await ada.changed(f"{PATH}{flag_id}/", {"deleted": True})
    assert await ada.found(place) == {"status": "deleted", "reason": "Flag has been deleted"}


async def test_who_depends_on_a_flag(ada: Project, bob: Project) -> None:
    base = await made(ada, "base")
    above = await made(ada, "above", name="Above", filters=needs(base))
    await made(ada, "off", active=False, filters=needs(base))

    assert await ada.found(f"{PATH}{base}/dependent_flags/") == [{"id": above, "key": "above", "name": "Above"}]
    assert await ada.found(f"{PATH}{above}/dependent_flags/") == []
    await bob.refused("GET", f"{PATH}{base}/dependent_flags/", status=404)


async def test_remote_configuration_is_read_by_key_and_by_id(ada: Project, bob: Project) -> None:
    filters = {**GROUPS, "payloads": {"true": {"limit": 5}}}
    flag_id = await made(ada, "limits", filters=filters, is_remote_configuration=True, has_encrypted_payloads=True)
    await made(ada, "plain")
    secret = await ada.person.asks_by("project secret")
    page = await ada.person.by_session()

    for said in ("limits", flag_id):
        assert await ada.found(f"{PATH}{said}/remote_config/") == '{"limit":5}'
    by_secret = await secret.get(f"/api/projects/@current/{PATH}limits/remote_config?token={ada.person.project_token}")
    assert (by_secret.status_code, by_secret.json()) == (200, '{"limit":5}')
    assert (await page.get(ada.path(f"{PATH}limits/remote_config/"))).json() == "********* (encrypted)"
    for asker, said in ((ada, "plain"), (ada, "nothing"), (bob, "limits"), (bob, flag_id)):
        answer = await asker.get(asker.path(f"{PATH}{said}/remote_config/"))
        assert (answer.status_code, answer.content) == (404, b"")


async def test_keys_of_many(ada: Project, bob: Project) -> None:
    a, his = await made(ada, "a"), await made(bob, "his")

    assert await ada.made(f"{PATH}bulk_keys/", {"ids": [a, str(a), his, 10**20 - 1]}, 200) == {
        "keys": {str(a): "a"},
        "warning": f"Invalid flag IDs ignored: [{10**20 - 1}]",
    }
    assert await ada.made(f"{PATH}bulk_keys/", {"ids": []}, 200) == {"keys": {}}
    assert await ada.refused("POST", f"{PATH}bulk_keys/", {"ids": ["x", None]}) == {
        "error": "Invalid flag IDs provided"
    }


async def test_ids_that_a_list_would_have(ada: Project) -> None:
    a = await made(ada, "a")
    await made(ada, "b", active=False)

    assert await ada.found(f"{PATH}matching_ids/?active=true") == {"ids": [a], "total": 1}


async def test_many_are_deleted(ada: Project, bob: Project) -> None:
    base, his = await made(ada, "base"), await made(bob, "his")
    above = await made(ada, "above", filters=needs(base))
    kept = await made(ada, "kept")
    needing = await made(ada, "needing", filters=needs(kept))
    answer = await ada.made(f"{PATH}bulk_delete/", {"ids": [base, above, kept, his]}, 200)

    assert answer["deleted"] == [
        {"id": above, "key": "above", "rollout_state": "partial", "active_variant": None},
        {"id": base, "key": "base", "rollout_state": "fully_rolled_out", "active_variant": None},
    ]
    assert answer["errors"] == [
        {"id": his, "reason": "Flag not found"},
        {
            "id": kept,
            "key": "kept",
            "reason": f"Cannot delete this feature flag because other flags depend on it: needing (ID: {needing}). "
            "Please update or delete the dependent flags first.",
        },
    ]
    assert {row["key"] for row in (await ada.found(PATH))["results"]} == {"kept", "needing"}
    assert (await bob.found(PATH))["count"] == 1


async def test_those_of_a_list_are_deleted(ada: Project) -> None:
    await made(ada, "on")
    await made(ada, "off", active=False)
    answer = await ada.made(f"{PATH}bulk_delete/", {"filters": {"active": False}}, 200)

    assert [(each["key"], each["rollout_state"]) for each in answer["deleted"]] == [("off", "not_rolled_out")]
    assert [row["key"] for row in (await ada.found(PATH))["results"]] == ["on"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"ids": [1], "filters": {"search": "a"}}, "Provide either filters or ids, not both"),
        ({}, "Must provide either filters or ids"),
        ({"filters": {"x": 1}}, "Unknown filter keys: x"),
    ],
)
async def test_what_is_to_be_deleted_must_be_clear(ada: Project, body: dict[str, Any], error: str) -> None:
    assert await ada.refused("POST", f"{PATH}bulk_delete/", body) == {"error": error}


async def test_scopes(ada: Project) -> None:
    reader = await ada.person.by_key("feature_flag:read")

    assert (await reader.post(ada.path(f"{PATH}bulk_keys/"), {"ids": []})).status_code == 200
    assert (await reader.post(ada.path(f"{PATH}bulk_delete/"), {"ids": [1]})).status_code == 403
    assert (await reader.post(ada.path(PATH), {"key": "a", "filters": GROUPS})).status_code == 403


async def test_flags_of_a_key_in_the_projects_of_an_organization(ada: Project, bob: Project) -> None:
    flag_id = await made(ada, "shared")
    await made(bob, "shared")
    answer = await ada.get("/api/organizations/@current/feature_flags/shared/")

    assert [(each["flag_id"], each["team_id"]) for each in answer.json()] == [(flag_id, ada.id)]
    assert answer.json()[0]["created_by"]["email"] == ada.person.user.email
    assert (answer.json()[0]["rollout_percentage"], answer.json()[0]["active"]) == (100, True)
    hers = f"/api/organizations/{ada.person.organization_id}/feature_flags/shared/"
    assert (await ada.get(hers)).json() == answer.json()
    assert (await bob.get(hers)).status_code in {403, 404}
    assert (await ada.get("/api/organizations/@current/feature_flags/none/")).json() == []


@pytest.mark.parametrize(
    ("place", "body"), [(PATH, FlagPatch), ("early_access_feature/", FeaturePatch)], ids=["flag", "feature"]
)
async def test_a_value_of_the_wrong_type_names_the_field(ada: Project, place: str, body: Any) -> None:
    first = {"key": "typed", "filters": GROUPS} if place == PATH else {"name": "typed", "stage": "draft"}
    item = f"{place}{(await ada.made(place, first))['id']}/"
    hints = get_type_hints(body, include_extras=True)
    wrong = [(field, name) for field, kind in hints.items() for name in sorted(set(VALUES) - taken(kind))]
    for field, name in wrong:
        said = await ada.refused("PATCH", item, {field: VALUES[name]})
        assert (said["type"], said["attr"].split("__")[0]) == ("validation_error", field), (field, name, said)

    assert wrong
