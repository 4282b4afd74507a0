"""rest-api §1.4: one object for every error, whatever went wrong and on whichever route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.workspace.world import Client, Person, World

from hedgerow.workspace import routes

pytestmark = pytest.mark.stores

KINDS = {"authentication_error", "invalid_request", "server_error", "throttled_error", "validation_error"}
PLACES = {
    "{organization_id:str}": "@current",
    "{project_id:str}": "@current",
    "{user_id:str}": "@me",
    "{user_uuid:str}": "0191c0de-0000-0000-0000-0000000000aa",
    "{key_id:str}": "0123456789",
}


def every_route() -> Iterator[tuple[str, str]]:
    """Each method and path of the workspace, with something in place of each parameter."""
    for handler in routes:
        for path in handler.paths:
            for parameter, said in PLACES.items():
                path = path.replace(parameter, said)  # noqa: PLW2901
            yield from ((method, path) for method in handler.http_methods if method != "OPTIONS")


ROUTES = sorted(every_route())
WRITES = [(method, path) for method, path in ROUTES if method in {"POST", "PUT", "PATCH"}]
WITH_BODY = [
    (method, path)
    for method, path in WRITES
    if not path.endswith(("_token", "_backup", "/roll", "/logout"))  # these take none
]


def is_an_error(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"type", "code", "detail", "attr"}
    assert body["type"] in KINDS
    assert isinstance(body["code"], str)
    assert isinstance(body["detail"], str)
    return body


def test_there_are_routes() -> None:
    assert len(ROUTES) > 40


async def test_every_route_wants_to_know_who_asks(world: World) -> None:
    client = world.client()
    for method, path in ROUTES:
        if "login" not in path:
            assert is_an_error(await client.ask(method, path), 401)["code"] == "not_authenticated", (method, path)


async def test_every_route_refuses_a_key_without_its_scope(ada: Person) -> None:
    client = await ada.by_key("webhook:read")
    for method, path in ROUTES:
        if "log" not in path:
            assert is_an_error(await client.ask(method, path), 403)["code"] == "permission_denied", (method, path)


async def test_a_body_that_is_not_json(ada: Person) -> None:
    client = await ada.by_session()
    for method, path in WITH_BODY:
        headers = {"Content-Type": "application/json"}
        assert is_an_error(await client.ask(method, path, content="{", headers=headers), 400) == {
            "type": "invalid_request",
            "code": "parse_error",
            "detail": "JSON parse error - Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            "attr": None,
        }, (method, path)


async def test_a_body_of_another_type(ada: Person) -> None:
    client = await ada.by_session()
    for method, path in WITH_BODY:
        answer = await client.ask(method, path, content="hello", headers={"Content-Type": "text/plain"})
        assert is_an_error(answer, 415)["detail"] == 'Unsupported media type "text/plain" in request.', (method, path)


async def test_a_body_that_is_no_object(ada: Person) -> None:
    client = await ada.by_session()
    for method, path in WITH_BODY:
        for value in ([], "text", 1):
            is_an_error(await client.ask(method, path, value), 400)


async def test_a_verb_that_the_path_does_not_have(ada: Person) -> None:
    client = await ada.by_key()
    for path in sorted({path for _, path in ROUTES}):
        known = {method for method, other in ROUTES if other == path}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
            answer = await client.ask(method, path)
            assert is_an_error(answer, 405)["detail"] == f'Method "{method}" not allowed.'
            assert known <= {name.strip() for name in answer.headers["allow"].split(",")}


@pytest.mark.parametrize("path", ["/api/nothing/", "/api/projects/1/nothing", "/nothing", "/api/"])
async def test_a_path_that_is_none(world: World, path: str) -> None:
    assert is_an_error(await world.client().get(path), 404)["detail"] == "Endpoint not found."


async def test_a_host_that_is_not_ours(world: World) -> None:
    client: Client = world.client(base_url="http://evil.example:8000")
    assert is_an_error(await client.get("/api/projects/"), 421)["code"] == "misdirected_request"


async def test_a_body_that_is_too_large(ada: Person) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await (await ada.by_key()).ask("POST", "/api/projects/", content=b" " * 11_000_000, headers=headers)
    is_an_error(answer, 413)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", None),
        (b"\xff", "JSON parse error - 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b'{"name": NaN}', "JSON parse error - Out of range float values are not JSON compliant: 'NaN'"),
        (
            b'{"extra_settings": {"a": 1e400}}',
            "JSON parse error - Out of range float values are not JSON compliant: '1e400'",
        ),
        (b"[" * 200_000, "JSON parse error - nested too deeply"),
        (b'{"extra_settings": {"a": ' + b"[" * 398 + b'"\\u0041"' + b"]" * 398 + b"}}", None),
        (b'{"extra_settings": {"a": ' + b"[" * 399 + b"]" * 399 + b"}}", "JSON parse error - nested too deeply"),
        (b'{"extra_settings": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}", "JSON parse error - nested too deeply"),
        (b'{"extra_settings": {"a": [' + b"[1]," * 500 + b"1]}}", None),
        (b'{"name": "a\\u0000b"}', "Null characters are not allowed."),
        (b'{"name": "\\ud83d"}', "Surrogate characters are not allowed: U+D83D."),
        (b'{"extra_settings": {"a": ["\\ud83d"]}}', "Surrogate characters are not allowed: U+D83D."),
        (b'{"extra_settings": {"a": "\\ud83e\\udd94"}}', None),
    ],
)
async def test_bodies_at_the_edge(ada: Person, content: bytes, detail: str | None) -> None:
    headers = {"Content-Type": "application/json"}
    client = await ada.by_key()
    answer = await client.ask("PATCH", "/api/projects/@current/", content=content, headers=headers)
    if detail is None:
        assert answer.status_code == 200
    else:
        assert is_an_error(answer, 400)["detail"] == detail
