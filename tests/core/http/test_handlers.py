"""What an exception becomes, and what it does not tell; msgspec's findings in PostHog's words."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import get
from litestar.exceptions import HTTPException, InternalServerException
from msgspec import Meta
from structlog.testing import capture_logs

from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.http import (
    Access,
    ApiError,
    BodyTooLarge,
    Conflict,
    MethodNotAllowed,
    NotAcceptable,
    PermissionDenied,
    ProtectedError,
    ServiceUnavailable,
    Throttled,
    rest_app,
)
from hedgerow.core.http.errors import __doc__ as tree
from hedgerow.core.http.wording import convert_body, reworded


async def asked(access: Access, error: Exception) -> httpx.Response:
    @get("/api/x/")
    async def fail() -> None:
        raise error

    transport = httpx.ASGITransport(rest_app(access, [fail]))  # pyright: ignore[reportArgumentType]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get("/api/x/?personal_api_key=hush-hush")


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (Conflict("x"), 409, "server_error", "conflict"),
        (ProtectedError(), 409, "invalid_request", "protected_error"),
        (PermissionDenied(), 403, "authentication_error", "permission_denied"),
        (NotAcceptable(), 406, "invalid_request", "not_acceptable"),
        (MethodNotAllowed(MethodNotAllowed.HARD_DELETE), 405, "invalid_request", "method_not_allowed"),
        (BodyTooLarge(), 413, "server_error", "request_entity_too_large"),
        (Throttled(1), 429, "throttled_error", "throttled"),
        (ServiceUnavailable("x", retry_after=7, code="busy"), 503, "server_error", "busy"),
        (HTTPException("x", status_code=418), 418, "invalid_request", "parse_error"),
        (InternalServerException("hush-hush"), 500, "server_error", "error"),
        (KeyError("hush-hush"), 500, "server_error", "error"),
        (MetadataUnavailable("hush-hush"), 503, "server_error", "service_unavailable"),
    ],
)
async def test_the_envelope(access: Access, error: Exception, status: int, kind: str, code: str) -> None:
    with capture_logs():
        answer = await asked(access, error)
    body = answer.json()
    assert (answer.status_code, body["type"], body["code"], body["attr"]) == (status, kind, code, None)
    assert "hush-hush" not in answer.text
    if status in {429, 503}:
        assert int(answer.headers["retry-after"]) > 0


async def test_an_error_may_carry_more(access: Access) -> None:
    body = (await asked(access, ApiError("x", attr="a__b", extra={"n": 1}))).json()
    assert (body["attr"], body["extra"]) == ("a__b", {"n": 1})


async def test_a_bug_is_logged_with_its_place_and_without_the_query(access: Access) -> None:
    with capture_logs() as logs:
        await asked(access, KeyError("x"))
    (entry,) = [entry for entry in logs if entry["event"] == "unhandled_error"]
    assert (entry["method"], entry["path"]) == ("GET", "/api/x")
    assert isinstance(entry["exc_info"], KeyError)


def test_every_error_stands_in_the_tree() -> None:
    for kind in ApiError.__subclasses__():
        if kind.__module__ == ApiError.__module__:
            assert f"{kind.__name__} " in str(tree)
            assert str(kind.status) in str(tree)


class Inner(msgspec.Struct):
    n: int
    kind: Literal["a", "b"] = "a"


class Body(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1, max_length=4)] = "x"
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    count: Annotated[int, Meta(ge=0, le=9)] | None = None
    on: bool = True
    inner: Inner | None = None
    many: Annotated[list[Inner], Meta(min_length=1, max_length=2)] | None = None
    by_name: dict[str, Inner] = {}
    uuid: UUID | None = None
    word: Annotated[str, Meta(pattern="^[a-z]+$")] = "a"


@pytest.mark.parametrize(
    ("body", "attr", "code", "detail"),
    [
        ({"name": 1}, "name", "invalid_input", "Not a valid string."),
        ({"name": None}, "name", "null", "This field may not be null."),
        ({"name": ""}, "name", "blank", "This field may not be blank."),
        ({"name": "xxxxx"}, "name", "max_length", "Ensure this field has no more than 4 characters."),
        ({"ratio": "x"}, "ratio", "invalid_input", "A valid number is required."),
        ({"ratio": 0}, "ratio", "min_value", "Ensure this value is greater than 0.0."),
        ({"ratio": 1}, "ratio", "max_value", "Ensure this value is less than 1.0."),
        ({"count": "x"}, "count", "invalid_input", "A valid integer is required."),
        ({"count": 1.5}, "count", "invalid_input", "A valid integer is required."),
        ({"count": 10}, "count", "max_value", "Ensure this value is less than or equal to 9."),
        ({"count": -1}, "count", "min_value", "Ensure this value is greater than or equal to 0."),
        ({"on": "perhaps"}, "on", "invalid_input", "Must be a valid boolean."),
        ({"inner": "x"}, "inner", "not_a_dict", 'Expected a dictionary of items but got type "str".'),
        ({"inner": [1]}, "inner", "not_a_dict", 'Expected a dictionary of items but got type "list".'),
        ({"inner": {}}, "inner__n", "required", "This field is required."),
        ({"inner": {"n": 1, "kind": "c - d"}}, "inner__kind", "invalid_choice", '"c - d" is not a valid choice.'),
        ({"many": {}}, "many", "not_a_list", 'Expected a list of items but got type "dict".'),
        ({"many": []}, "many", "empty", "This list may not be empty."),
        ({"many": [{"n": 1}] * 3}, "many", "max_length", "Ensure this field has no more than 2 elements."),
        ({"many": [{"n": 1}, {"n": "x"}]}, "many__1__n", "invalid_input", "A valid integer is required."),
        ({"by_name": {"k": {"n": "x"}}}, "by_name__n", "invalid_input", "A valid integer is required."),
        ({"uuid": "x"}, "uuid", "invalid_input", "Must be a valid UUID."),
        ({"word": "A"}, "word", "invalid_input", "This value does not match the required pattern."),
        ([], None, "invalid_input", "Invalid data. Expected a dictionary, but got list."),
        ("x", None, "invalid_input", "Invalid data. Expected a dictionary, but got str."),
        (None, None, "invalid_input", "Invalid data. Expected a dictionary, but got NoneType."),
    ],
)
def test_the_words(body: Any, attr: str | None, code: str, detail: str) -> None:
    with pytest.raises(ApiError) as caught:
        convert_body(body, Body)
    assert (caught.value.attr, caught.value.code, caught.value.detail) == (attr, code, detail)


def test_texts_that_look_like_numbers_are_taken_as_forms_send_them() -> None:
    body = convert_body({"count": "7", "ratio": "0.25", "on": "false"}, Body)
    assert (body.count, body.ratio, body.on) == (7, 0.25, False)


def test_a_name_with_a_dot_or_a_dash_stays_readable() -> None:
    error = msgspec.ValidationError("Object missing required field `a - at `$.b`")
    assert reworded(error).code in {"required", "invalid_input"}
