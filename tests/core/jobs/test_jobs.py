"""Jobs: run once, run again after any death, tried again a bounded number of times, and seen meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.core.jobs.conftest import MakeWorker

from hedgerow.core import telemetry
from hedgerow.core.clock import ManualClock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.jobs import Job, Jobs, LeaseLost, Progress
from hedgerow.core.storage.events import StoreUnavailable
from hedgerow.core.storage.metadata import Metadata

pytestmark = pytest.mark.stores
START = datetime(2026, 9, 1, tzinfo=UTC)


async def until(ask: Callable[[], Awaitable[Any]], seconds: float = 20) -> Any:
    """Ask until the answer is true."""
    async with asyncio.timeout(seconds):
        while not (found := await ask()):  # noqa: ASYNC110 — the condition is in a database
            await asyncio.sleep(0.01)
        return found


async def finished(jobs: Jobs, number: int) -> Job:
    async def look() -> Job | None:
        job = await jobs.get(number)
        return job if job is not None and job.state in {"done", "failed"} else None

    return await until(look)


async def test_a_job_gets_its_payload_and_is_done(worker: MakeWorker):
    jobs = worker()
    seen: list[Any] = []

    async def count(payload: Any, progress: Progress) -> None:
        seen.append(payload)

    jobs.register("count", count)
    await jobs.start()
    number = await jobs.add("count", {"sheep": [1, "ä"]}, team_id=7)
    job = await finished(jobs, number)
    assert (job.state, job.progress, job.error, job.attempts, job.team_id) == ("done", 1.0, None, 1, 7)
    assert seen == [{"sheep": [1, "ä"]}]
    assert [one.id for one in await jobs.of_project(7)] == [number]
    assert await jobs.unfinished() == []


async def test_progress_can_be_seen_while_it_runs(worker: MakeWorker):
    jobs, go_on, half = worker(), asyncio.Event(), asyncio.Event()

    async def slow(payload: Any, progress: Progress) -> None:
        await progress(0.5)
        half.set()
        await go_on.wait()

    jobs.register("slow", slow)
    await jobs.start()
    number = await jobs.add("slow", None)
    await half.wait()
    job = await jobs.get(number)
    assert job is not None
    assert (job.state, job.progress) == ("running", 0.5)
    assert [one.id for one in await jobs.unfinished()] == [number]
    go_on.set()
    assert (await finished(jobs, number)).progress == 1.0


async def test_of_one_kind_and_key_only_one_is_unfinished(worker: MakeWorker):
    jobs, go_on = worker(), asyncio.Event()

    async def wait(payload: Any, progress: Progress) -> None:
        await go_on.wait()

    jobs.register("wait", wait)
    numbers = {await jobs.add("wait", None, key="a") for _ in range(3)}
    assert len(numbers) == 1
    assert await jobs.add("wait", None, key="b") not in numbers
    await jobs.start()
    go_on.set()
    await finished(jobs, numbers.pop())
    again = await jobs.add("wait", None, key="a")
    assert again not in numbers
    await finished(jobs, again)


async def test_a_job_of_a_transaction_that_fails_does_not_exist(worker: MakeWorker, metadata: Metadata):
    jobs = worker()

    async def add_and_fail() -> None:
        async with metadata.connection() as connection:
            await jobs.add("x", None, connection=connection)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await add_and_fail()
    assert await jobs.unfinished() == []


async def test_what_fails_is_tried_again_later_and_given_up_in_the_end(worker: MakeWorker):
    clock = ManualClock(START)
    jobs = worker(clock=clock)
    runs: list[float] = []

    async def fail(payload: Any, progress: Progress) -> None:
        runs.append(clock.monotonic())
        raise ValueError("no such sheep")

    jobs.register("fail", fail, attempts=3)
    await jobs.start()
    number = await jobs.add("fail", None)
    for attempt in (1, 2):
        job = await until(lambda attempt=attempt: _waits_after(jobs, number, attempt))
        assert job.error == "ValueError: no such sheep"
        clock.advance(2.0**attempt - 0.001)
        jobs.look()
        still = await jobs.get(number)
        assert still is not None
        assert still.attempts == attempt
        clock.advance(0.002)
        jobs.look()
    job = await finished(jobs, number)
    assert (job.state, job.attempts, job.error) == ("failed", 3, "ValueError: no such sheep")
    assert len(runs) == 3
    assert [one.id for one in await jobs.unfinished()] == [number]


async def _waits_after(jobs: Jobs, number: int, attempts: int) -> Job | None:
    job = await jobs.get(number)
    return job if job is not None and job.state == "waiting" and job.attempts == attempts and job.error else None


@pytest.mark.parametrize("outage", [StoreUnavailable("gone"), MetadataUnavailable("gone")])
async def test_an_outage_is_no_attempt(worker: MakeWorker, outage: Exception):
    clock = ManualClock(START)
    jobs = worker(clock=clock)
    times = 0

    async def fail_thrice(payload: Any, progress: Progress) -> None:
        nonlocal times
        times += 1
        if times <= 3:
            raise outage

    jobs.register("thrice", fail_thrice, attempts=1)
    await jobs.start()
    number = await jobs.add("thrice", None)

    async def moved_on() -> bool:
        clock.advance(6)
        jobs.look()
        job = await jobs.get(number)
        return job is not None and job.state == "done"

    await until(moved_on)
    job = await jobs.get(number)
    assert job is not None
    assert (job.attempts, times) == (1, 4)


async def test_many_workers_never_run_one_job_at_the_same_time(worker: MakeWorker):
    running: Counter[int] = Counter()
    ran: Counter[int] = Counter()
    doubles: list[int] = []

    async def work(payload: Any, progress: Progress) -> None:
        running[payload] += 1
        if running[payload] > 1:
            doubles.append(payload)
        await progress(0.5)
        await asyncio.sleep(0)
        running[payload] -= 1
        ran[payload] += 1

    workers = [worker() for _ in range(4)]
    for jobs in workers:
        jobs.register("work", work)
    numbers = [await workers[0].add("work", number) for number in range(40)]
    for jobs in workers:
        await jobs.start()
    for number in numbers:
        await finished(workers[0], number)
    assert doubles == []
    assert ran == Counter(dict.fromkeys(range(40), 1))


async def test_a_dead_workers_job_is_taken_when_its_lease_ends_and_not_before(worker: MakeWorker):
    clock = ManualClock(START)
    dead, living = worker(clock=clock), worker(clock=clock)
    begun = asyncio.Event()
    ran: list[str] = []

    async def hang(payload: Any, progress: Progress) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def work(payload: Any, progress: Progress) -> None:
        ran.append(payload)

    dead.register("work", hang)
    living.register("work", work)
    await dead.start()
    number = await dead.add("work", "x")
    await begun.wait()
    _kill(dead)
    await living.start()
    other = await living.add("work", "y")
    await finished(living, other)
    assert ran == ["y"]
    clock.advance(61)
    living.look()
    job = await finished(living, number)
    assert (ran, job.attempts) == (["y", "x"], 2)


def _kill(jobs: Jobs) -> None:
    """As a kill leaves it: nothing runs any more, and SQL was told nothing."""
    for task in jobs._tasks:
        task.cancel()
    jobs._tasks = []

    async def nothing(*_args: Any, **_named: Any) -> None:
        pass

    jobs._store.put_back = nothing


async def test_who_is_alone_takes_what_a_killed_process_left_at_once(worker: MakeWorker):
    dead, begun = worker(), asyncio.Event()

    async def hang(payload: Any, progress: Progress) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def work(payload: Any, progress: Progress) -> None:
        pass

    dead.register("work", hang)
    await dead.start()
    number = await dead.add("work", None)
    await begun.wait()
    _kill(dead)
    next_one = worker(is_alone=True)
    next_one.register("work", work)
    await next_one.start()
    assert (await finished(next_one, number)).attempts == 2


async def test_an_orderly_stop_puts_the_job_back_and_is_no_attempt(worker: MakeWorker):
    first, second, begun = worker(), worker(), asyncio.Event()
    ended: list[str] = []

    async def hang(payload: Any, progress: Progress) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("first")

    async def work(payload: Any, progress: Progress) -> None:
        ended.append("second")

    first.register("work", hang, attempts=1)
    second.register("work", work, attempts=1)
    await first.start()
    number = await first.add("work", None)
    await begun.wait()
    await first.stop()
    await second.start()
    job = await finished(second, number)
    assert (job.state, job.attempts, ended) == ("done", 1, ["first", "second"])


async def test_who_lost_the_lease_is_told_and_says_nothing_about_the_job(worker: MakeWorker):
    clock = ManualClock(START)
    slow, quick = worker(clock=clock), worker(clock=clock)
    begun, go_on, lost = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work_slowly(payload: Any, progress: Progress) -> None:
        if begun.is_set():  # its own process took it over
            return
        begun.set()
        await go_on.wait()
        try:
            await progress(0.9)
        except LeaseLost:
            lost.set()
            raise

    async def work(payload: Any, progress: Progress) -> None:
        pass

    slow.register("work", work_slowly)
    quick.register("work", work)
    await slow.start()
    number = await slow.add("work", None)
    await begun.wait()
    clock.advance(61)
    await quick.start()
    await finished(quick, number)
    go_on.set()
    await lost.wait()
    await slow.stop()
    job = await quick.get(number)
    assert job is not None
    assert (job.state, job.progress, job.error, job.attempts) == ("done", 1.0, None, 2)


async def test_work_that_outlives_its_lease_is_ended(worker: MakeWorker):
    """The worker renews while it works; one whose row another has is interrupted without its asking."""
    jobs, begun, ended = worker(lease_seconds=0.2), asyncio.Event(), asyncio.Event()

    async def hang(payload: Any, progress: Progress) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    jobs.register("hang", hang)
    await jobs.start()
    number = await jobs.add("hang", None)
    await begun.wait()
    job = await jobs.get(number)
    assert job is not None
    await jobs._store.put_back(job, "failed", None, 0, 0, forgiven=False)
    async with asyncio.timeout(20):
        await ended.wait()


async def test_waiting_jobs_are_counted_for_prometheus(worker: MakeWorker):
    jobs = worker()
    jobs.register("known", lambda payload, progress: asyncio.sleep(0))
    for _ in range(3):
        await jobs.add("of another version", None)
    await jobs.start()

    async def counted() -> bool:
        return b"hedgerow_jobs_waiting 3.0" in telemetry.metrics()

    await until(counted)
