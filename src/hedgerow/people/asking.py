"""Persons that HogQL finds: the page of a filtered list, newest first, and how many there are in all (rest-api §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from hedgerow.core.http.errors import ValidationFailed
from hedgerow.hogql import ProjectSchema
from hedgerow.people.filters import Condition, Filters, in_hogql
from hedgerow.queries.dates import parse_date
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.schemas import QueryRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hedgerow.core.clock import Clock
    from hedgerow.core.http import Team

    SchemaOf = Callable[[Team], Awaitable[ProjectSchema]]

_PAGE: Final = "SELECT toString(id) AS person FROM persons WHERE {} ORDER BY created_at DESC, person LIMIT {} OFFSET {}"
_COUNT: Final = "SELECT count() FROM persons WHERE {}"


class Engine(Protocol):
    """What answers queries; `queries.Queries` does."""

    async def answer(self, team: Team, key: str, request: QueryRequest, size: int) -> tuple[int, tuple[bytes, ...]]:
        """The HTTP status and the body, in pieces."""
        ...


class _Answer(msgspec.Struct):
    results: list[tuple[Any]]


_read = msgspec.json.Decoder(_Answer).decode


class Asking:
    """The questions of one caller about one project."""

    def __init__(self, engine: Engine, schema_of: SchemaOf, team: Team, key: str, clock: Clock) -> None:
        """`key` is whose places at the gate the queries take."""
        self._engine = engine
        self._schema_of = schema_of
        self._team = team
        self._key = key
        self._clock = clock

    async def page(self, filters: Filters, limit: int, offset: int) -> tuple[list[str], int]:
        """The uuids of a page, and the length of the whole list. Raises an `ApiError`."""
        now = self._clock.now().astimezone(ZoneInfo(self._team.timezone))
        condition = in_hogql(filters, await self._schema_of(self._team), lambda text: parse_date(text, now))
        try:
            found = await self._rows(_PAGE.format(condition.text, limit, offset), condition)
        except QueryRefused as error:  # a regular expression that is none, values that do not compare
            raise ValidationFailed(error.detail, attr="properties") from None
        uuids = [row[0] for row in found]
        if offset == 0 and len(uuids) < limit:
            return uuids, len(uuids)
        ((count,),) = await self._rows(_COUNT.format(condition.text), condition)
        return uuids, int(count)

    async def _rows(self, text: str, condition: Condition) -> list[tuple[Any]]:
        query = {"kind": "HogQLQuery", "query": text, "values": condition.values}
        request = QueryRequest(query=query, refresh="force_blocking")
        _, body = await self._engine.answer(self._team, self._key, request, len(text))
        return _read(b"".join(body)).results
