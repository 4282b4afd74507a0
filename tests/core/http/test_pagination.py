"""Pages (rest-api §1.5): what is ignored, what the neighbours' addresses keep, and that nothing breaks out of them."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from litestar import get

from hedgerow.core.http import Access, NamedDependency, Page, PageRequest, rest_app


@get("/api/numbers/")
async def numbers(page: NamedDependency[PageRequest]) -> Page[int]:
    return page.cut([*range(250)])


@pytest.fixture
async def asked(access: Access) -> Any:
    async def ask(path: str, **changes: Any) -> dict[str, Any]:
        access.settings = msgspec.structs.replace(access.settings, **changes)
        transport = httpx.ASGITransport(rest_app(access, [numbers]))  # pyright: ignore[reportArgumentType]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return (await client.get(path)).json()

    return ask


async def test_the_first_page_has_a_hundred(asked: Any) -> None:
    body = await asked("/api/numbers/")
    assert (body["count"], body["results"]) == (250, [*range(100)])
    assert body["next"] == "http://127.0.0.1:8000/api/numbers/?limit=100&offset=100"
    assert body["previous"] is None


async def test_neighbours_lead_through_the_whole_list_and_back(asked: Any) -> None:
    seen: list[int] = []
    body = await asked("/api/numbers/?limit=60")
    seen += body["results"]
    while body["next"]:
        body = await asked(body["next"])
        seen += body["results"]
    assert seen == [*range(250)]
    while body["previous"]:
        body = await asked(body["previous"])
    assert body["results"][0] == 0


async def test_other_parameters_are_kept(asked: Any) -> None:
    body = await asked("/api/numbers/?search=a%26b&tag=x&tag=y&limit=10&offset=5&empty=")
    assert body["next"] == ("http://127.0.0.1:8000/api/numbers/?search=a%26b&tag=x&tag=y&empty=&limit=10&offset=15")
    assert body["previous"] == "http://127.0.0.1:8000/api/numbers/?search=a%26b&tag=x&tag=y&empty=&limit=10"


@pytest.mark.parametrize("said", ["0", "-1", "abc", "", "1.5", "1e3", "9" * 40, "\u0661", "%00", "%FF", str(2**63)])
async def test_a_limit_that_is_none_is_ignored(asked: Any, said: str) -> None:
    assert len((await asked(f"/api/numbers/?limit={said}"))["results"]) == 100


@pytest.mark.parametrize("said", ["-1", "abc", "9" * 40, str(2**63)])
async def test_an_offset_that_is_none_is_ignored(asked: Any, said: str) -> None:
    assert (await asked(f"/api/numbers/?offset={said}"))["results"][0] == 0


async def test_there_is_no_largest_limit(asked: Any) -> None:
    assert len((await asked("/api/numbers/?limit=100000"))["results"]) == 250


async def test_an_offset_beyond_the_end(asked: Any) -> None:
    body = await asked("/api/numbers/?offset=1000&limit=10")
    assert (body["results"], body["next"]) == ([], None)
    assert body["previous"] == "http://127.0.0.1:8000/api/numbers/?limit=10&offset=990"


async def test_addresses_begin_with_the_public_url_if_there_is_one(asked: Any) -> None:
    body = await asked("/api/numbers", public_url="https://hedgerow.example/")
    assert body["next"] == "https://hedgerow.example/api/numbers?limit=100&offset=100"


async def test_nothing_breaks_out_of_an_address(asked: Any) -> None:
    body = await asked("/api/numbers/?x=%0d%0aSet-Cookie:a%3Db%22%3E%3Cscript%3E")
    assert body["next"] == (
        "http://127.0.0.1:8000/api/numbers/?x=%0D%0ASet-Cookie%3Aa%3Db%22%3E%3Cscript%3E&limit=100&offset=100"
    )
