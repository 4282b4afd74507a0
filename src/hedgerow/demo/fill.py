"""Bringing the shop's story into a project: through a running server's `/batch/`, or through its own writer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hedgerow.core.clock import Clock
from hedgerow.core.errors import StartupError
from hedgerow.demo.shop import Shop, batches

BATCH_EVENTS = 1_000
IN_FLIGHT = 4
EXPECTED_EVENTS = 201_000
ATTEMPTS = 5

Send = Callable[[bytes], Awaitable[tuple[int, str]]]
"""Sends one body to `/batch/` and gives status and text of the answer."""


def story_end(clock: Clock) -> datetime:
    """The midnight (UTC) that today began with: filling again on the same day stores nothing twice."""
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


async def fill(send: Send, token: str, ends: datetime, *, shop: Shop | None = None) -> int:
    """Send the story, a few batches at a time, with a progress bar; gives the number of events.

    Sending it twice stores nothing twice: the uuids follow from the story. Raises StartupError when the server refuses.
    """
    story = batches(shop or Shop(ends=ends), BATCH_EVENTS)
    head = f'{{"api_key":"{token}","historical_migration":true,"batch":'.encode()
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        bar = progress.add_task("A garden shop's ninety days", total=EXPECTED_EVENTS)

        async def send_batches() -> int:
            sent = 0
            for body in story:
                count = await _send_one(send, head + body + b"}")
                progress.advance(bar, count)
                sent += count
            return sent

        total = sum(await asyncio.gather(*(send_batches() for _ in range(IN_FLIGHT))))
        progress.update(bar, total=total, completed=total)
    return total


async def _send_one(send: Send, body: bytes) -> int:
    for attempt in range(ATTEMPTS):
        status, text = await send(body)
        if status == 200:
            return body.count(b'"distinct_id":"')
        if status not in {429, 503}:
            raise StartupError(f"The demo was refused with {status}: {text[:200]}")
        await asyncio.sleep(0.2 * 2**attempt)
    raise StartupError("The server stayed too busy to take the demo.")


async def fill_over_http(url: str, token: str, ends: datetime) -> int:
    """Send the story to a server, as an SDK would. Raises StartupError when it cannot be reached or refuses."""
    try:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:

            async def send(body: bytes) -> tuple[int, str]:
                answer = await client.post("/batch/", content=body, headers={"Content-Type": "application/json"})
                return answer.status_code, answer.text

            return await fill(send, token, ends)
    except httpx.HTTPError as error:
        raise StartupError(f"{url} cannot be reached: {type(error).__name__}.") from None
