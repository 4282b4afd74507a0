"""The request as every REST route gets it: a body in any of the forms that PostHog reads, who asks, and where.

A body may be JSON, a form or multipart (rest-api §1.4). In each case `json()` is what a route's `data` is made of. JSON
that cannot be read answers with Python's own words, as PostHog does. Strings with NUL or half a surrogate pair are
refused here, once, because no SQL database keeps them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn, cast
from uuid import UUID

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.types import Empty

from hedgerow.core.http.callers import Caller
from hedgerow.core.http.errors import ApiError, ParseFailed, UnsupportedMediaType, ValidationFailed
from hedgerow.core.identity.teams import Team

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
DEPTH_MAX = 400
"""How deep arrays and objects may stand in each other: what is read here is written again on a deeper stack."""
TOO_DEEP = "JSON parse error - nested too deeply"
_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_DECODE = msgspec.json.Decoder[Any]().decode


class ApiRequest(Request[Any, Any, Any]):
    """A request whose guard (`core.http.needs`) has noted who asks and what the path speaks of."""

    caller: Caller
    """Who asks. Set by the guard of the route."""
    team: Team
    """The project of the path, if the path has one."""
    organization_id: UUID
    """The organization of the path, if the path has one."""

    async def json(self) -> Any:
        """The body as JSON values; a form becomes an object of texts, with a list where a name repeats.

        Raises `ParseFailed`, `UnsupportedMediaType`, `ValidationFailed`.
        """
        if self._json is Empty:
            self._json = await self._read()
        return self._json

    async def _read(self) -> Any:
        media_type = self.content_type[0].lower()
        body = await self.body()
        if not body:
            return {}
        if media_type == "application/json":
            return parse_json(body)
        if media_type in FORMS:
            return await self._read_form()
        raise UnsupportedMediaType.of(media_type)

    async def _read_form(self) -> dict[str, Any]:
        try:
            form = await self.form()
        except ApiError:
            raise
        except Exception as error:
            raise ParseFailed("Multipart form parse error - the body is not a form.") from error
        values: dict[str, Any] = {}
        for name, value in cast("Iterable[tuple[str, Any]]", form.multi_items()):
            plain = (await value.read()).decode("utf-8", "replace") if isinstance(value, UploadFile) else value
            refuse_unstorable(plain, name)
            values[name] = [*_as_list(values[name]), plain] if name in values else plain
        return values


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def parse_json(body: bytes) -> Any:
    """The values of a JSON text. Raises `ParseFailed` with Python's wording, `ValidationFailed` for NUL and half pairs."""
    try:
        value = _DECODE(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        value = _parse_slowly(body)
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_deep(value):
        raise ParseFailed(TOO_DEEP)
    if _SUSPICIOUS.search(body):
        _walk(value, None)
    return value


def _is_deep(value: Any) -> bool:
    """Whether arrays and objects stand in each other more than `DEPTH_MAX` deep."""
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        containers = [item for item in level if isinstance(item, list | dict)]
        if not containers:
            return False
        level = [
            inner
            for item in containers
            for inner in cast("Iterable[Any]", item.values() if isinstance(item, dict) else item)
        ]
    return True


def _parse_slowly(body: bytes) -> Any:
    """Say what is wrong in the words of Python's parser; or take what only that one takes (half a surrogate pair)."""
    try:
        return json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ParseFailed(TOO_DEEP) from None
    except ValueError as error:
        raise ParseFailed(f"JSON parse error - {error}") from None


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")


def _walk(value: Any, attr: str | None) -> None:
    if isinstance(value, str):
        refuse_unstorable(value, attr)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            _walk(item, attr)
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            refuse_unstorable(key, attr)
            _walk(item, key if attr is None else f"{attr}__{key}")


def refuse_unstorable(text: Any, attr: str | None) -> None:
    """Raise `ValidationFailed` for a string that a SQL database cannot keep."""
    if not isinstance(text, str):
        return
    if "\0" in text:
        raise ValidationFailed("Null characters are not allowed.", attr=attr, code="null_characters_not_allowed")
    if half := _HALF_PAIR.search(text):
        raise ValidationFailed(
            f"Surrogate characters are not allowed: U+{ord(half[0]):X}.",
            attr=attr,
            code="surrogate_characters_not_allowed",
        )
