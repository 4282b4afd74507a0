"""Pages of persons end early where persons are heavy, and nobody is left out between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert
from tests.stores.databases import database_url

from hedgerow.core.storage.metadata import Metadata
from hedgerow.people import listing
from hedgerow.people.filters import Filters
from hedgerow.people.models import Person
from hedgerow.settings import Settings

TEAM, OTHER = 7, 8
COUNT = 3 * listing.SLICE + 1


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def metadata(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Metadata]:
    opened = await Metadata.open(Settings(data_dir=tmp_path_factory.mktemp("data"), database_url=database_url()))
    async with opened.write() as session:
        rows = [
            {
                "team_id": TEAM if number < COUNT else OTHER,
                "uuid": f"{number:036}",
                "created_at_us": 1_000 - number // 3,
                "properties": '{"text":"%s"}' % ("x" * 100),
                "email": None,
                "is_identified": False,
                "version": 1,
            }
            for number in range(COUNT + 5)
        ]
        await session.execute(insert(Person), rows)
    yield opened
    await opened.close()


@pytest.mark.anyio
@pytest.mark.parametrize("bytes_max", [1, 100 * listing.SLICE, 250 * listing.SLICE, 1 << 30])
async def test_pages_of_a_list(metadata: Metadata, monkeypatch: pytest.MonkeyPatch, bytes_max: int) -> None:
    monkeypatch.setattr(listing, "PAGE_BYTES", bytes_max)
    seen: list[str] = []
    sizes: list[int] = []
    while len(seen) < COUNT:
        found, count = await listing.list_persons(
            metadata, TEAM, Filters(), now_us=2_000, limit=10_000, offset=len(seen), names=None
        )
        assert found
        assert count == COUNT
        seen += [person.uuid for person in found]
        sizes.append(len(found))
    assert seen == [f"{number:036}" for number in range(COUNT)]
    assert max(sizes) <= max(listing.SLICE, bytes_max // 111 + listing.SLICE)
    assert (len(sizes) == 1) == (bytes_max == 1 << 30)


@pytest.mark.anyio
async def test_persons_that_hogql_found(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_BYTES", 100 * listing.SLICE)
    wanted = [f"{number:036}" for number in reversed(range(COUNT + 5))]  # the first five are another project's
    seen: list[str] = []
    offset = 0
    while offset < len(wanted):
        found, taken = await listing.persons_by_uuid(metadata, TEAM, wanted[offset:], None)
        assert 0 < taken <= listing.SLICE
        seen += [person.uuid for person in found]
        offset += taken
    assert seen == wanted[5:]
