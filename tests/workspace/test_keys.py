"""Personal API keys (rest-api §21): shown once, limited, rolled, and never managed by a key itself."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from tests.workspace.world import Client, Person, World

from hedgerow.core.crypto import digest

pytestmark = pytest.mark.stores

KEYS = "/api/personal_api_keys/"
FIELDS = {
    "id", "label", "value", "mask_value", "created_at", "last_used_at", "last_rolled_at", "user_id", "scopes",
    "scoped_teams", "scoped_organizations",
}  # fmt: skip


async def made(client: Client, **fields: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, {"label": "ci", "scopes": ["insight:read"], **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def by(world: World, secret: str) -> Client:
    return world.client({"Authorization": f"Bearer {secret}"})


async def test_a_new_key_works_and_its_secret_is_shown_this_once(ada: Person) -> None:
    session = await ada.by_session()
    key = await made(session)
    assert set(key) == FIELDS
    assert len(key["id"]) == 10
    secret = key["value"]
    assert secret.startswith("phx_")
    assert key["mask_value"] == f"phx_...{secret[-4:]}"
    for shown in ((await session.get(KEYS)).json()[0], (await session.get(f"{KEYS}{key['id']}/")).json()):
        assert shown == {**key, "value": None}
    own = (await by(ada.world, secret).get(f"{KEYS}@current/")).json()
    assert (own["id"], own["value"], own["scopes"]) == (key["id"], None, ["insight:read"])
    assert (await by(ada.world, secret).get(f"{KEYS}{key['id']}")).status_code == 200


async def test_the_database_does_not_have_the_secret(ada: Person) -> None:
    secret = (await made(await ada.by_session()))["value"]
    async with ada.world.access.metadata.read() as session:
        rows = (await session.execute(text("SELECT * FROM personal_api_keys"))).all()
    stored = repr(rows)
    assert digest(secret) in stored
    assert secret not in stored
    assert secret[8:] not in stored


async def test_a_rolled_key_has_a_new_secret_and_the_old_one_ends_at_once(ada: Person) -> None:
    session = await ada.by_session()
    key = await made(session)
    old = by(ada.world, key["value"])
    assert (await old.get(f"{KEYS}@current/")).status_code == 200
    answer = await session.post(f"{KEYS}{key['id']}/roll/")
    rolled = answer.json()
    assert answer.status_code == 200
    assert rolled["value"] != key["value"]
    assert rolled["last_rolled_at"] is not None
    same = FIELDS - {"value", "mask_value", "last_rolled_at", "last_used_at"}
    assert {name: rolled[name] for name in same} == {name: key[name] for name in same}
    assert (await old.get(f"{KEYS}@current/")).status_code == 401
    assert (await by(ada.world, rolled["value"]).get(f"{KEYS}@current/")).status_code == 200


async def test_a_deleted_key_ends_at_once(ada: Person) -> None:
    session = await ada.by_session()
    key = await made(session)
    assert (await session.delete(f"{KEYS}{key['id']}/")).status_code == 204
    assert (await session.get(f"{KEYS}{key['id']}/")).status_code == 404
    assert (await by(ada.world, key["value"]).get(f"{KEYS}@current/")).status_code == 401


async def test_a_changed_key_is_changed_at_once(ada: Person) -> None:
    session = await ada.by_session()
    key = await made(session, scopes=["project:read"])
    client = by(ada.world, key["value"])
    assert (await client.get("/api/projects/")).status_code == 200
    sent = {"label": "new", "scopes": ["user:read"], "scoped_teams": [ada.project_id], "scoped_organizations": []}
    answer = await session.patch(f"{KEYS}{key['id']}/", sent)
    assert {name: answer.json()[name] for name in sent} == sent
    assert (await client.get("/api/projects/")).status_code == 403
    answer = await session.patch(f"{KEYS}{key['id']}/", {"scoped_teams": None})
    assert (answer.json()["scoped_teams"], answer.json()["label"]) == (None, "new")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", KEYS),
        ("POST", KEYS),
        ("GET", f"{KEYS}0123456789/"),
        ("PATCH", f"{KEYS}@current/"),
        ("DELETE", f"{KEYS}@current/"),
        ("POST", f"{KEYS}@current/roll/"),
    ],
)
@pytest.mark.parametrize("caller", ["personal key", "oauth token"])
async def test_a_key_manages_no_keys(ada: Person, caller: str, method: str, path: str) -> None:
    answer = await (await ada.asks_by(caller)).ask(method, path)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "This action does not support Personal API Key access"


async def test_a_key_of_somebody_else_is_not_found(ada: Person, bob: Person) -> None:
    key = await made(await ada.by_session())
    session = await bob.by_session()
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "roll/")):
        assert (await session.ask(method, f"{KEYS}{key['id']}/{path}")).status_code == 404
    assert (await session.get(KEYS)).json() == []
    assert (await session.get(f"{KEYS}@current/")).status_code == 404


@pytest.mark.parametrize("key_id", ["%00", "a-b", "\u00e4", "x" * 300])
async def test_strange_ids_are_not_found(ada: Person, key_id: str) -> None:
    assert (await (await ada.by_session()).get(f"{KEYS}{key_id}/")).status_code == 404


async def test_what_a_key_cannot_be(ada: Person, bob: Person) -> None:
    session = await ada.by_session()
    teams = "You must be a member of all teams that you are scoping the key to."
    organizations = "You must be a member of all organizations that you are scoping the key to."
    for fields, attr, detail in (
        ({"scopes": ["banana"]}, "scopes", "Invalid scope: banana"),
        ({"scopes": ["insight:read", "insight:admin"]}, "scopes", "Invalid scope: insight:admin"),
        ({"scopes": []}, "scopes", "This list may not be empty."),
        ({"scopes": None}, "scopes", "This field may not be null."),
        ({"label": " "}, "label", "This field may not be blank."),
        ({"label": "x" * 41}, "label", "Ensure this field has no more than 40 characters."),
        ({"scoped_teams": [ada.project_id, bob.project_id]}, "scoped_teams", teams),
        ({"scoped_teams": [2**70]}, "scoped_teams", teams),
        ({"scoped_organizations": [str(bob.organization_id)]}, "scoped_organizations", organizations),
        ({"scoped_organizations": ["x"]}, "scoped_organizations__0", "Must be a valid UUID."),
    ):
        answer = await session.post(KEYS, {"label": "ci", "scopes": ["*"], **fields})
        assert answer.status_code == 400
        assert (answer.json()["attr"], answer.json()["detail"]) == (attr, detail)
    assert (await session.post(KEYS)).json()["attr"] == "label"
    assert (await session.post(KEYS, {"label": "x"})).json()["code"] == "required"


async def test_ten_keys_are_enough(ada: Person) -> None:
    session = await ada.by_session()
    for _ in range(10):
        await made(session)
    answer = await session.post(KEYS, {"label": "ci", "scopes": ["*"]})
    assert answer.json() == {
        "type": "validation_error",
        "code": "invalid_input",
        "detail": "You can only have 10 personal API keys. Remove an existing key before creating a new one.",
        "attr": None,
    }
