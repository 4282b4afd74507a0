"""rest-api §1.4: a value of the wrong type for each field that can be written. Generated from the bodies' own structs."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest
from tests.workspace.world import Person

from hedgerow.workspace.keys import KeyPatch
from hedgerow.workspace.organizations import MemberPatch, OrganizationPatch
from hedgerow.workspace.project_fields import ProjectPatch
from hedgerow.workspace.users import UserPatch

pytestmark = pytest.mark.stores

BODIES: dict[str, type[msgspec.Struct]] = {
    "/api/projects/@current/": ProjectPatch,
    "/api/organizations/@current/": OrganizationPatch,
    "/api/users/@me/": UserPatch,
    "/api/personal_api_keys/{key}/": KeyPatch,
    "/api/organizations/@current/members/{user}/": MemberPatch,
}
VALUES: dict[str, Any] = {"null": None, "text": "~", "number": 7.5, "flag": True, "list": [[1]], "object": {"a": {}}}


def taken(kind: Any) -> set[str]:
    """The names of VALUES that a type may take."""
    origin = get_origin(kind)
    if kind is Any:
        return set(VALUES)
    if origin is Annotated:
        return taken(get_args(kind)[0])
    if origin in {Union, types.UnionType}:
        return set().union(*(taken(inner) for inner in get_args(kind)))
    if origin is Literal:
        return set()
    names: dict[Any, set[str]] = {
        type(None): {"null"},
        str: {"text"},
        UUID: set(),
        bool: {"flag"},
        int: set(),
        float: {"number"},
        list: set() if get_args(kind) and get_args(kind)[0] is not Any else {"list"},
        dict: {"object"},
    }
    return names.get(origin or kind, set())


@pytest.mark.parametrize("path", BODIES)
async def test_a_value_of_the_wrong_type_names_the_field(ada: Person, path: str) -> None:
    client = await ada.by_session()
    made = await client.post("/api/personal_api_keys/", {"label": "k", "scopes": ["*"]})
    place = path.format(key=made.json()["id"], user=ada.user.uuid)
    tried = 0
    for field, kind in get_type_hints(BODIES[path], include_extras=True).items():
        for name in sorted(set(VALUES) - taken(kind)):
            answer = await client.patch(place, {field: VALUES[name]})
            case = (field, name, answer.text)
            assert answer.status_code == 400, case
            body = answer.json()
            assert body["type"] == "validation_error", case
            assert body["attr"].split("__")[0] == field, case
            assert body["detail"], case
            if name == "null":
                assert (body["code"], body["detail"]) == ("null", "This field may not be null."), case
            tried += 1
    assert tried > 0
