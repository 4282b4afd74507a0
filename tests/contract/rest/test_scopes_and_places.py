"""rest-api §1.1 and §1.3: what a key may do and where, and what the project and organization in a path mean."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import get, post
from tests.workspace.world import CALLERS, Client, Person, World

from hedgerow.core.http import ApiRequest, NamedDependency, Team, needs, rest_app
from hedgerow.core.identity.scopes import RESOURCES, granted
from hedgerow.workspace import routes

pytestmark = pytest.mark.stores

THINGS = "/api/projects/{project_id:str}/things/"


@get(THINGS, guards=[needs("insight:read")])
async def list_things(team: NamedDependency[Team]) -> dict[str, int]:
    return {"team_id": team.id}


@post(THINGS, guards=[needs("insight:write")])
async def create_thing(team: NamedDependency[Team]) -> dict[str, int]:
    return {"team_id": team.id}


@get("/api/projects/{project_id:str}/secret_things/", guards=[needs("insight:read", project_secrets="accepted")])
async def secret_things(team: NamedDependency[Team]) -> dict[str, int]:
    return {"team_id": team.id}


@get("/api/projects/{project_id:str}/refused_things/", guards=[needs("insight:read", project_secrets="refused")])
async def refused_things(team: NamedDependency[Team]) -> dict[str, int]:
    return {"team_id": team.id}


@get("/api/projects/{project_id:str}/page_things/", guards=[needs(None)])
async def page_things(team: NamedDependency[Team]) -> dict[str, int]:
    return {"team_id": team.id}


@get("/api/thing/", guards=[needs("insight:read", subject="current")])
async def current_things(team: NamedDependency[Team]) -> dict[str, int]:
    return {"team_id": team.id}


@get("/api/organizations/{organization_id:str}/things/", guards=[needs("insight:read")])
async def organization_things(request: ApiRequest) -> dict[str, str]:
    return {"organization_id": str(request.organization_id)}


MORE = [
    list_things,
    create_thing,
    secret_things,
    refused_things,
    page_things,
    current_things,
    organization_things,
]


@pytest.fixture
async def world(world: World) -> World:
    """The workspace, and a room whose objects live in a project."""
    world.app = rest_app(world.access, [*routes, *MORE])
    return world


async def refused(client: Client, path: str, detail: str, method: str = "GET") -> None:
    answer = await client.ask(method, path)
    assert answer.status_code == 403, answer.text
    assert answer.json() == {
        "type": "authentication_error",
        "code": "permission_denied",
        "detail": detail,
        "attr": None,
    }


async def missing(client: Client, path: str, detail: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404, answer.text
    assert answer.json() == {"type": "invalid_request", "code": "not_found", "detail": detail, "attr": None}


# Scopes


async def test_write_brings_read_and_nothing_else(ada: Person) -> None:
    client = await ada.by_key("insight:write")
    assert (await client.get("/api/projects/@current/things/")).json() == {"team_id": ada.project_id}
    assert (await client.post("/api/projects/@current/things/")).status_code == 201
    await refused(client, "/api/projects/@current/", "API key missing required scope 'project:read'")


@pytest.mark.parametrize("caller", ["personal key", "oauth token"])
async def test_a_missing_scope_is_named(ada: Person, caller: str) -> None:
    client = await ada.asks_by(caller, "insight:read")
    path = "/api/projects/@current/things/"
    await refused(client, path, "API key missing required scope 'insight:write'", "POST")


@pytest.mark.parametrize("caller", ["personal key", "oauth token"])
async def test_a_route_without_a_scope_is_for_sessions(ada: Person, caller: str) -> None:
    path = "/api/projects/@current/page_things/"
    await refused(await ada.asks_by(caller), path, "This action does not support personal API key access")
    assert (await (await ada.by_session()).get(path)).status_code == 200


def test_every_resource_has_both_scopes() -> None:
    for resource in RESOURCES:
        assert granted([f"{resource}:write"]) == {f"{resource}:write", f"{resource}:read"}


def test_a_guard_for_a_scope_that_does_not_exist_is_a_bug() -> None:
    with pytest.raises(ValueError, match="banana"):
        needs("banana:read")


# Where a key may be used


async def test_a_key_for_other_projects(ada: Person) -> None:
    client = await ada.by_key(scoped_teams=[ada.project_id + 1])
    detail = f"API key does not have access to the requested project: ID {ada.project_id}."
    await refused(client, f"/api/projects/{ada.project_id}/things/", detail)
    await refused(client, "/api/projects/@current/", detail)


async def test_a_key_for_this_project(ada: Person) -> None:
    client = await ada.by_key(scoped_teams=[ada.project_id])
    assert (await client.get("/api/projects/@current/things/")).status_code == 200
    detail = "API keys with scoped projects are only supported on project-based endpoints."
    await refused(client, "/api/organizations/@current/", detail)
    await refused(client, "/api/organizations/@current/members/", detail)
    await refused(client, "/api/projects/", detail, "POST")


async def test_a_key_for_another_organization(ada: Person, bob: Person) -> None:
    client = await ada.by_key(scoped_organizations=[str(bob.organization_id)])
    detail = f"API key does not have access to the requested organization: ID {ada.organization_id}."
    await refused(client, "/api/projects/@current/things/", detail)
    await refused(client, "/api/organizations/@current/", detail)


async def test_a_limited_key_sees_a_list_that_is_cut(ada: Person) -> None:
    first, first_organization = ada.project_id, ada.organization_id
    await ada.has_organization("Second")
    only_here = await ada.by_key(scoped_organizations=[str(ada.organization_id)])
    found = (await only_here.get("/api/organizations/")).json()
    assert [row["id"] for row in found["results"]] == [str(ada.organization_id)]
    only_there = await ada.by_key(scoped_teams=[first])
    assert (await only_there.get("/api/projects/")).json()["results"] == []
    everywhere = await ada.by_key()
    assert (await everywhere.get("/api/organizations/")).json()["count"] == 2
    path = f"/api/organizations/{first_organization}/projects/"
    assert [row["id"] for row in (await everywhere.get(path)).json()["results"]] == [first]


@pytest.mark.parametrize("caller", ["personal key", "oauth token"])
async def test_oneself_can_be_seen_by_any_limited_key(ada: Person, bob: Person, caller: str) -> None:
    client = await ada.asks_by(caller, scoped_teams=[bob.project_id], scoped_organizations=[str(bob.organization_id)])
    assert (await client.get("/api/users/@me/")).json()["team"]["id"] == ada.project_id


async def test_an_organization_may_refuse_the_keys_of_its_members(ada: Person, bob: Person) -> None:
    await bob.joins(ada)
    owner = await ada.by_key()
    answer = await owner.patch("/api/organizations/@current/", {"members_can_use_personal_api_keys": False})
    assert answer.status_code == 200
    path = f"/api/projects/{ada.project_id}/things/"
    await refused(
        await bob.by_key(),
        path,
        "Organization 'Fernhill' does not allow using personal API keys. "
        "Contact an admin to enable personal API keys for this organization.",
    )
    assert (await (await bob.by_session()).get(path)).status_code == 200
    assert (await owner.get(path)).status_code == 200


# Projects in paths


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("base", ["projects", "environments"])
async def test_a_project_by_number_and_by_word(ada: Person, caller: str, slash: str, base: str) -> None:
    client = await ada.asks_by(caller)
    for said in (ada.project_id, "@current"):
        answer = await client.get(f"/api/{base}/{said}{slash}")
        assert answer.status_code == 200
        assert answer.json()["id"] == ada.project_id


@pytest.mark.parametrize("said", ["abc", "1.5", "-1", "0", "9" * 30, "99999999", "\u0661", "@me", "1%00"])
async def test_a_project_that_is_none(ada: Person, said: str) -> None:
    await missing(await ada.by_key(), f"/api/projects/{said}/things/", "Project not found.")


async def test_the_project_of_strangers(ada: Person, bob: Person) -> None:
    client = await ada.by_key()
    await refused(client, f"/api/projects/{bob.project_id}/things/", "You don't have access to the project.")
    await missing(client, f"/api/projects/{bob.project_id}/", "Not found.")
    await missing(client, f"/api/organizations/@current/projects/{bob.project_id}/", "Not found.")


async def test_a_project_token_in_the_query_decides(ada: Person, bob: Person) -> None:
    client = await ada.by_key()
    first, token = ada.project_id, ada.project_token
    await ada.has_organization("Second")
    for name in ("token", "api_key"):
        answer = await client.get(f"/api/projects/{ada.project_id}/things/?{name}={token}")
        assert answer.json() == {"team_id": first}
    path = f"/api/projects/@current/things/?token={bob.project_token}"
    await refused(client, path, "You don't have access to the project.")
    answer = await client.get("/api/projects/@current/things/?token=phc_unknown")
    assert answer.status_code == 401
    assert answer.json()["detail"] == "Incorrect authentication credentials."


async def test_a_project_token_in_a_form_decides(ada: Person) -> None:
    client = await ada.by_key()
    first, token = ada.project_id, ada.project_token
    await ada.has_organization("Second")
    answer = await client.ask("POST", "/api/projects/@current/things/", data={"token": token})
    assert answer.json() == {"team_id": first}


@pytest.mark.parametrize("caller", CALLERS)
async def test_a_user_without_a_project(world: World, caller: str) -> None:
    loner = await world.loner()
    client = await loner.asks_by(caller)
    await missing(client, "/api/projects/@current/things/", "Project not found.")
    await missing(client, "/api/organizations/@current/", "Current organization not found.")
    await missing(client, "/api/organizations/@current/things/", "You need to belong to an organization.")
    answer = await client.get("/api/thing/")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "This endpoint requires the current project to be set on your account."


async def test_a_route_without_a_project_means_the_current_one(ada: Person) -> None:
    assert (await (await ada.by_key()).get("/api/thing/")).json() == {"team_id": ada.project_id}


async def test_organizations_in_paths(ada: Person, bob: Person) -> None:
    client = await ada.by_key()
    nobodys = "0191c0de-0000-0000-0000-0000000000aa"
    path = f"/api/organizations/{str(ada.organization_id).upper()}/things/"
    assert (await client.get(path)).json() == {"organization_id": str(ada.organization_id)}
    for said in ("abc", "1", nobodys, nobodys.replace("-", "")):
        await missing(client, f"/api/organizations/{said}/things/", "Organization not found.")
    default = "You do not have permission to perform this action."
    await refused(client, f"/api/organizations/{bob.organization_id}/things/", default)
    await refused(client, f"/api/organizations/{bob.organization_id}/members/", default)
    await missing(client, f"/api/organizations/{bob.organization_id}/", "Not found.")
    await missing(client, f"/api/organizations/{nobodys}/", "Not found.")


# Project secrets


async def test_a_project_secret_reads_where_it_may(ada: Person, bob: Person) -> None:
    client = await ada.asks_by("project secret")
    for said in ("@current", ada.project_id):
        answer = await client.get(f"/api/projects/{said}/secret_things/?token={ada.project_token}")
        assert answer.json() == {"team_id": ada.project_id}
    detail = f"API key does not have access to the requested project: ID {bob.project_id}."
    await refused(client, f"/api/projects/{bob.project_id}/secret_things/", detail)
    await refused(client, f"/api/projects/@current/secret_things/?token={bob.project_token}", detail)


async def test_a_project_secret_is_refused_where_the_resource_knows_it(ada: Person) -> None:
    client = await ada.asks_by("project secret")
    path = "/api/projects/@current/refused_things/"
    await refused(client, path, "This action does not support project secret API key access")


async def test_a_wrong_project_secret(world: World) -> None:
    client = world.client({"Authorization": "Bearer phs_wrong"})
    answer = await client.get("/api/projects/@current/secret_things/")
    assert answer.status_code == 401
    assert answer.json()["detail"] == "Project secret API key found in request Authorization header is invalid."


async def test_a_personal_key_works_where_project_secrets_do(ada: Person) -> None:
    answer = await (await ada.by_key("insight:read")).get("/api/projects/@current/secret_things/")
    assert answer.json() == {"team_id": ada.project_id}


async def test_rotation_keeps_the_old_secret_until_it_is_deleted(ada: Person, world: World) -> None:
    owner = await ada.by_key()

    async def works(secret: str) -> bool:
        client = world.client({"Authorization": f"Bearer {secret}"})
        return (await client.get("/api/projects/@current/secret_things/")).status_code == 200

    async def rotate() -> Any:
        answer = await owner.patch("/api/projects/@current/rotate_secret_token/")
        assert answer.status_code == 200
        return answer.json()["secret_api_token"]

    first = ada.project_secret
    second = await rotate()
    assert [await works(secret) for secret in (first, second)] == [True, True]
    third = await rotate()
    assert [await works(secret) for secret in (first, second, third)] == [False, True, True]
    await owner.patch("/api/projects/@current/delete_secret_token_backup/")
    assert [await works(secret) for secret in (second, third)] == [False, True]
    assert (await owner.get("/api/projects/@current/")).json()["secret_api_token"] is None
