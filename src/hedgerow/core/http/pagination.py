"""Pages of lists: `limit` and `offset` in, `{count, next, previous, results}` out (rest-api §1.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request

from hedgerow.core.http.errors import ValidationFailed

LIMIT_DEFAULT = 100
NUMBER_MAX = 2**63 - 1
"""What both SQL engines take as LIMIT and OFFSET."""

Row = TypeVar("Row")


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """One page of a list."""

    count: int
    next: str | None
    previous: str | None
    results: Sequence[Row]


class PageRequest(msgspec.Struct, frozen=True):
    """Which part of a list is wanted. `url` is the absolute address that was asked, without its query."""

    limit: int
    offset: int
    url: str
    query: tuple[tuple[str, str], ...]

    def said(self) -> dict[str, str]:
        """The parameters by name; of one that stands there twice, the last. Raises `ValidationFailed` for a NUL."""
        said = dict(self.query)
        for name, value in said.items():
            if "\0" in value:
                raise ValidationFailed(
                    "Null characters are not allowed.", code="null_characters_not_allowed", attr=name.replace("\0", "")
                )
        return said

    def page(self, results: Sequence[Row], count: int) -> Page[Row]:
        """The page, with the addresses of its neighbours; `count` is the length of the whole list."""
        return Page(count, self.next_url(count), self.previous_url(), results)

    def cut(self, rows: Sequence[Row]) -> Page[Row]:
        """The page of a list that is wholly at hand."""
        return self.page(rows[self.offset : self.offset + self.limit], len(rows))

    def next_url(self, count: int) -> str | None:
        """The next page, if there is one. Absolute; every other parameter is kept."""
        if self.offset + self.limit >= count:
            return None
        return self.url_with(limit=self.limit, offset=self.offset + self.limit)

    def previous_url(self) -> str | None:
        """The page before, if there is one. The first page is named without `offset`."""
        if self.offset <= 0:
            return None
        return self.url_with(limit=self.limit, offset=self.offset - self.limit if self.offset > self.limit else None)

    def url_with(self, **changes: Any) -> str:
        """The address that was asked, with some parameters changed, and those that are None left out."""
        kept = [(name, value) for name, value in self.query if name not in changes]
        kept += [(name, str(value)) for name, value in changes.items() if value is not None]
        return f"{self.url}?{urlencode(kept)}" if kept else self.url


def page_request(request: Request[Any, Any, Any], default: int = LIMIT_DEFAULT) -> PageRequest:
    """Read `limit` and `offset`. What is not a whole number in range is ignored, as PostHog's framework does."""
    query = tuple(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="replace"))
    values = dict(query)
    return PageRequest(
        limit=_number(values.get("limit"), least=1, default=default),
        offset=_number(values.get("offset"), least=0, default=0),
        url=absolute_url(request),
        query=query,
    )


def absolute_url(request: Request[Any, Any, Any]) -> str:
    """The address that was asked, without its query.

    Where the settings name a public URL that is its beginning; else it is the scheme of the connection and the host that
    was asked, which the allow-list has let in. The path is percent-encoded again, so nothing in it can end a header or a
    line.
    """
    settings = request.app.state.access.settings
    path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    origin = settings.public_url.rstrip("/") or f"{request.scope['scheme']}://{request.headers.get('host', '')}"
    return f"{origin}{path}"


def _number(text: str | None, *, least: int, default: int) -> int:
    if text is None or not (text.isascii() and text.strip().isdecimal()) or len(text) > 20:
        return default
    number = int(text)
    return number if least <= number <= NUMBER_MAX else default
