"""The SQL store, the same on SQLite and PostgreSQL: transactions, parallel readers, values that come back as they were."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from tests.stores.organizations import AN_ORGANIZATION, organization

from hedgerow.core.identity.models import Organization, Project
from hedgerow.core.storage.metadata import Metadata

pytestmark = pytest.mark.stores


async def test_what_a_block_wrote_is_there_when_it_ended_well(metadata: Metadata) -> None:
    async with metadata.write() as session:
        session.add(organization())
    async with metadata.read() as session:
        assert (await session.scalars(select(Organization.name))).all() == [AN_ORGANIZATION["name"]]


async def test_nothing_of_a_block_is_there_when_it_raised(metadata: Metadata) -> None:
    async def add_and_fail() -> None:
        async with metadata.write() as session:
            session.add(organization())
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await add_and_fail()
    async with metadata.read() as session:
        assert (await session.scalars(select(Organization))).all() == []


async def test_a_reader_cannot_write(metadata: Metadata) -> None:
    async with metadata.read() as session:
        session.add(organization())
        with pytest.raises(Exception, match=r"read-?only|cannot be written"):
            await session.flush()
        await session.rollback()


async def test_a_reader_does_not_wait_for_the_writer_and_sees_the_last_commit(metadata: Metadata) -> None:
    async with metadata.write() as writer:
        writer.add(organization())
        await writer.flush()
        async with metadata.read() as reader:
            assert (await reader.scalars(select(Organization))).all() == []


async def test_many_writers_at_once_all_get_through(metadata: Metadata) -> None:
    async def add(number: int) -> None:
        async with metadata.write() as session:
            session.add(organization(slug=f"o-{number}"))

    await asyncio.gather(*(add(number) for number in range(40)))
    async with metadata.read() as session:
        assert len((await session.scalars(select(Organization))).all()) == 40


async def test_many_readers_at_once_all_get_through(metadata: Metadata) -> None:
    async def look() -> Any:
        async with metadata.read() as session:
            return await session.scalar(text("SELECT 1"))

    assert await asyncio.gather(*(look() for _ in range(40))) == [1] * 40


async def test_a_cancelled_writer_leaves_nothing_and_does_not_hold_the_door(metadata: Metadata) -> None:
    inside = asyncio.Event()

    async def add_and_linger() -> None:
        async with metadata.write() as session:
            session.add(organization())
            await session.flush()
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(add_and_linger())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with metadata.write() as session:
        session.add(organization(slug="next"))
    async with metadata.read() as session:
        assert (await session.scalars(select(Organization.slug))).all() == ["next"]


async def test_a_list_of_rows_goes_in_as_one_statement(metadata: Metadata) -> None:
    rows = [{**AN_ORGANIZATION, "id": organization().id, "slug": f"o-{number}"} for number in range(3_000)]
    async with metadata.connection() as connection:
        await connection.execute(insert(Organization), rows)
    async with metadata.connection(read_only=True) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM organizations")) == 3_000


async def test_a_row_that_refers_to_nothing_is_refused(metadata: Metadata) -> None:
    async def add_project_of_nobody() -> None:
        async with metadata.write() as session:
            session.add(project(organization().id))

    with pytest.raises(IntegrityError):
        await add_project_of_nobody()


async def test_an_error_text_does_not_carry_the_values(metadata: Metadata) -> None:
    async def add_twice() -> None:
        async with metadata.write() as session:
            session.add(organization(name="hush-hush"))
            session.add(organization(name="hush-hush"))

    with pytest.raises(IntegrityError) as caught:
        await add_twice()
    assert "hush-hush" not in str(caught.value)


async def test_a_deleted_project_number_is_never_given_again(metadata: Metadata) -> None:
    owner = organization()
    async with metadata.write() as session:
        session.add(owner)
        await session.flush()
        first = project(owner.id)
        session.add(first)
    async with metadata.write() as session:
        await session.delete(await session.get_one(Project, first.id))
    async with metadata.write() as session:
        second = project(owner.id)
        session.add(second)
    assert second.id > first.id


@pytest.mark.parametrize(
    "value",
    [
        {"b": 1, "a": 2},
        [1.0, 2**63 + 1, -0.5],
        {"nul": "a\0b", "half": "\ud83d", "emoji": "🦔", "empty": {}},
        {"deep": [[[[[]]]]]},
        {},
    ],
)
async def test_json_comes_back_as_it_was(metadata: Metadata, value: Any) -> None:
    async with metadata.write() as session:
        session.add(organization(settings={"value": value}))
    async with metadata.read() as session:
        found = (await session.scalars(select(Organization))).one().settings["value"]
    assert found == value
    assert not isinstance(value, dict) or list(found) == list(value)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 1, 12, 0, 0, 123456, UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
)
async def test_moments_come_back_in_utc_to_the_microsecond(metadata: Metadata, moment: datetime) -> None:
    async with metadata.write() as session:
        session.add(organization(created_at=moment))
    async with metadata.read() as session:
        found = (await session.scalars(select(Organization))).one().created_at
    assert found == moment
    assert found.tzinfo == UTC


async def test_a_moment_without_a_zone_is_a_bug(metadata: Metadata) -> None:
    async def add() -> None:
        async with metadata.write() as session:
            session.add(organization(created_at=datetime(2026, 3, 1, 12)))  # noqa: DTZ001

    with pytest.raises((StatementError, DBAPIError), match="time zone"):
        await add()


def project(organization_id: Any) -> Project:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    made = organization()
    return Project(
        uuid=made.id,
        organization_id=organization_id,
        name="p",
        api_token=f"phc_{made.id}",
        timezone="UTC",
        week_start_day=0,
        anonymize_ips=False,
        cookieless_server_hash_mode=0,
        ingested_event=False,
        created_at=moment,
        updated_at=moment,
        deleted_at=None,
        settings={},
    )
