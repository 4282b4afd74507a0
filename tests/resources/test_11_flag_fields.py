"""Every field of a flag that can be written, conflicts, PUT, deletion (rest-api §11)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update
from tests.resources.house import Project, RunningClock

from hedgerow.core.clock import from_us
from hedgerow.core.http import ServiceUnavailable
from hedgerow.flags.models import EarlyAccessFeature, FeatureFlag
from hedgerow.flags.payloads import opened
from hedgerow.flags.rewrapping import payloads_of_others, rewrap_payloads
from hedgerow.gateway.vault import KEY_FILE, Vault
from hedgerow.server import Hedgerow
from hedgerow.settings import Settings

pytestmark = pytest.mark.stores
PATH = "feature_flags/"
EVERYBODY: dict[str, Any] = {"groups": [{"properties": [], "rollout_percentage": 100}]}
HIDDEN = "********* (encrypted)"


def body(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "filters": EVERYBODY, **more}


async def test_what_is_written_is_answered(ada: Project) -> None:
    said = {
        "name": "About it",
        "active": False,
        "archived": True,
        "evaluation_runtime": "server",
        "bucketing_identifier": "device_id",
        "rollback_conditions": [{"threshold": 1}],
        "performed_rollback": True,
        "is_remote_configuration": True,
        "has_encrypted_payloads": False,
        "has_enriched_analytics": True,
        "tags": ["x"],
        "evaluation_contexts": ["app", "docs"],
    }
    made = await ada.made(PATH, body("all", creation_context="surveys", **said))

    assert {name: made[name] for name in said} == said
    assert (made["evaluation_tags"], made["status"], made["user_access_level"]) == (
        ["app", "docs"],
        "ARCHIVED",
        "manager",
    )
    assert (made["experiment_set"], made["experiment_set_metadata"], made["surveys"], made["features"]) == (
        [],
        [],
        [],
        [],
    )
    assert made["last_modified_by"]["email"] == made["created_by"]["email"] == ada.person.user.email
    assert (await ada.found(PATH + "?archived=true"))["results"] == [await ada.found(f"{PATH}{made['id']}/")]
    changed = await ada.changed(f"{PATH}{made['id']}/", {"evaluation_tags": [" Web "], "evaluation_runtime": "client"})
    assert (changed["evaluation_contexts"], changed["evaluation_runtime"], changed["version"]) == (["web"], "client", 2)


async def test_a_new_flag_has_defaults(ada: Project) -> None:
    made = await ada.made(PATH, body("plain"))

    assert {name: made[name] for name in ("name", "active", "archived", "rollback_conditions", "last_called_at")} == {
        "name": "",
        "active": True,
        "archived": False,
        "rollback_conditions": None,
        "last_called_at": None,
    }
    assert (made["performed_rollback"], made["evaluation_runtime"], made["status"]) == (False, "all", "ACTIVE")


@pytest.mark.parametrize(
    ("fields", "attr", "code"),
    [
        ({"evaluation_runtime": "moon"}, "evaluation_runtime", "invalid_choice"),
        ({"bucketing_identifier": "moon"}, "bucketing_identifier", "invalid_choice"),
        ({"creation_context": "moon"}, "creation_context", "invalid_choice"),
        ({"evaluation_contexts": ["x"] * 51}, "evaluation_contexts", "invalid_input"),
        ({"has_encrypted_payloads": True}, "has_encrypted_payloads", "invalid_input"),
        ({"archived": True}, None, "invalid_input"),
        ({"bucketing_identifier": "device_id", "ensure_experience_continuity": True}, None, "invalid_input"),
        ({"key": ""}, "key", "blank"),
        ({"key": "k" * 401}, "key", "max_length"),
    ],
)
async def test_values_that_are_refused(ada: Project, fields: dict[str, Any], attr: str | None, code: str) -> None:
    said = await ada.refused("POST", PATH, {**body("wrong"), **fields})

    assert (said["attr"], said["code"]) == (attr, code)
    assert (await ada.found(PATH))["count"] == 0


async def test_an_archived_flag_is_not_enabled(ada: Project) -> None:
    item = f"{PATH}{(await ada.made(PATH, body('a')))['id']}/"
    assert (await ada.refused("PATCH", item, {"archived": True}))["detail"].startswith("Cannot archive an enabled")
    await ada.changed(item, {"archived": True, "active": False})
    said = await ada.refused("PATCH", item, {"active": True})
    assert said["detail"].startswith("Cannot enable an archived feature flag.")
    assert (await ada.changed(item, {"archived": False, "active": True}))["status"] == "ACTIVE"


async def test_being_activated_forgets_a_rollback(ada: Project) -> None:
    item = f"{PATH}{(await ada.made(PATH, body('a', active=False, performed_rollback=True)))['id']}/"

    assert (await ada.changed(item, {"name": "x"}))["performed_rollback"] is True
    assert (await ada.changed(item, {"active": True}))["performed_rollback"] is False


async def test_payloads_are_sealed(ada: Project, house: Hedgerow) -> None:
    said = body("secret", is_remote_configuration=True, has_encrypted_payloads=True)
    said["filters"] = {**EVERYBODY, "payloads": {"true": '{"token": "s3cret"}'}}
    made = await ada.made(PATH, said)
    item = f"{PATH}{made['id']}/"
    page = await ada.person.by_session()

    async def stored() -> str:
        async with house.metadata.read() as session:
            row = await session.scalar(select(FeatureFlag).where(FeatureFlag.id == made["id"]))
            assert row is not None
            return str(row.filters)

    assert made["filters"]["payloads"] == {"true": '{"token": "s3cret"}'}
    assert "s3cret" not in await stored()
    assert (await page.get(ada.path(item))).json()["filters"]["payloads"] == {"true": HIDDEN}
    again = await page.patch(ada.path(item), {"filters": {**EVERYBODY, "payloads": {"true": HIDDEN}}})
    assert again.json()["filters"]["payloads"] == {"true": HIDDEN}
    assert (await ada.found(item))["filters"]["payloads"] == {"true": '{"token": "s3cret"}'}
    await ada.changed(item, {"filters": {**EVERYBODY, "payloads": {"true": {"token": "n3w"}}}})
    assert "n3w" not in await stored()
    assert "n3w" not in str(await ada.found(item + "activity/"))
    assert (await ada.changed(item, {"has_encrypted_payloads": False}))["filters"]["payloads"] == {
        "true": '{"token":"n3w"}'
    }
    assert "n3w" in await stored()
    wrong = {**EVERYBODY, "payloads": {"true": HIDDEN}}
    assert (await ada.refused("POST", PATH, {"key": "x", "filters": wrong}))["attr"] == "filters"


async def test_a_change_on_top_of_anothers_is_a_conflict(ada: Project) -> None:
    seen = await ada.made(PATH, body("shared", name="one"))
    item = f"{PATH}{seen['id']}/"
    await ada.changed(item, {"name": "two"})
    late = {"version": seen["version"], "original_flag": seen}
    said = await ada.refused("PATCH", item, {"name": "three", **late}, status=409)

    assert (said["type"], said["code"], said["attr"]) == ("server_error", "conflict", None)
    assert said["detail"] == (
        f"The feature flag was updated by {ada.person.user.email} since you started editing it. "
        "Please refresh and try again."
    )
    assert (await ada.changed(item, {"active": False, **late}))["name"] == "two"
    assert (await ada.changed(item, {"name": "three", "version": 1}))["name"] == "three"
    assert (await ada.changed(item, {"name": "four"}))["version"] == 5


async def test_put_needs_the_key(ada: Project) -> None:
    item = f"{PATH}{(await ada.made(PATH, body('put', name='kept')))['id']}/"
    said = await ada.refused("PUT", item, {"name": "x"})

    assert (said["code"], said["attr"]) == ("required", "key")
    answer = await ada.ask("PUT", ada.path(item), body("put2", active=False))
    assert (answer.json()["key"], answer.json()["active"], answer.json()["name"]) == ("put2", False, "kept")


async def test_a_deleted_key_is_used_again_and_the_old_row_is_gone(ada: Project) -> None:
    old = await ada.made(PATH, body("again", tags=["old"]))
    await ada.changed(f"{PATH}{old['id']}/", {"deleted": True})
    new = await ada.made(PATH, body("again"))

    assert (new["id"] != old["id"], new["tags"]) == (True, [])
    await ada.refused("GET", f"{PATH}{old['id']}/", status=404)


async def test_a_flag_of_a_feature_is_not_deleted(ada: Project, house: Hedgerow) -> None:
    made = await ada.made(PATH, body("feature"))
    async with house.metadata.write() as session:
        session.add(
            EarlyAccessFeature(
                id=UUID(int=7),
                team_id=ada.id,
                created_at=house.clock.now(),
                created_by_id=None,
                feature_flag_id=made["id"],
                name="New",
                description="",
                stage="beta",
                documentation_url="",
                payload={},
            )
        )
    said = await ada.refused("PATCH", f"{PATH}{made['id']}/", {"deleted": True})

    assert said["detail"].startswith("Cannot delete a feature flag that is in use with early access features.")
    features = (await ada.found(f"{PATH}{made['id']}/"))["features"]
    assert [(each["name"], each["flagKey"], each["documentationUrl"]) for each in features] == [("New", "feature", "")]


async def test_a_new_key_is_what_enrollment_asks_for(ada: Project) -> None:
    condition = {"key": "$feature_enrollment/old", "type": "person", "operator": "exact", "value": ["true"]}
    groups = [{"properties": [condition], "rollout_percentage": 100}]
    made = await ada.made(PATH, {"key": "old", "filters": {**EVERYBODY, "super_groups": groups}})
    changed = await ada.changed(f"{PATH}{made['id']}/", {"key": "new"})

    assert changed["filters"]["super_groups"][0]["properties"][0]["key"] == "$feature_enrollment/new"


async def test_a_flag_that_nobody_asks_for_is_stale(ada: Project, house: Hedgerow) -> None:
    assert isinstance(house.clock, RunningClock)
    always = await ada.made(PATH, body("always"))
    half = await ada.made(PATH, {"key": "half", "filters": {"groups": [{"rollout_percentage": 50}]}})
    long_ago = from_us(house.clock.now_us() - 40 * 86_400_000_000)
    async with house.metadata.write() as session:
        await session.execute(
            update(FeatureFlag).where(FeatureFlag.id.in_([always["id"], half["id"]])).values(created_at=long_ago)
        )
    assert (await ada.found(f"{PATH}{always['id']}/"))["status"] == "STALE"
    assert (await ada.found(f"{PATH}{half['id']}/"))["status"] == "ACTIVE"
    async with house.metadata.write() as session:
        await session.execute(update(FeatureFlag).where(FeatureFlag.id == half["id"]).values(last_called_at=long_ago))
    assert (await ada.found(f"{PATH}{half['id']}/"))["status"] == "STALE"


async def test_payloads_follow_a_new_master_key(ada: Project, house: Hedgerow, settings: Settings) -> None:
    said = body("moved", is_remote_configuration=True, has_encrypted_payloads=True)
    said["filters"] = {**EVERYBODY, "payloads": {"true": '"s3cret"'}}
    made = await ada.made(PATH, said)
    old = (settings.data_dir / KEY_FILE).read_text(encoding="utf-8").split()[0]
    new = Fernet.generate_key().decode()
    ring = Vault([new, old])

    assert await payloads_of_others(house.metadata, ring) == await rewrap_payloads(house.metadata, ring) > 0
    assert await payloads_of_others(house.metadata, ring) == await rewrap_payloads(house.metadata, ring) == 0
    async with house.metadata.read() as session:
        row = await session.scalar(select(FeatureFlag).where(FeatureFlag.id == made["id"]))
    assert row is not None
    assert opened(Vault([new]), row.team_id, row.filters)["payloads"] == {"true": '"s3cret"'}
    assert row.version == made["version"], "nobody changed the flag"
    with pytest.raises(ServiceUnavailable):
        opened(Vault([old]), row.team_id, row.filters)
    await rewrap_payloads(house.metadata, Vault([old, new]))
    assert (await ada.found(f"{PATH}{made['id']}/"))["filters"]["payloads"] == {"true": '"s3cret"'}
