"""Work for a client that may hang up: then it is ended, since nobody would read what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from litestar.types import Receive

from hedgerow.queries.errors import ClientGone

T = TypeVar("T")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. When the client goes first, `work` is cancelled and `ClientGone` raised.

    `receive` is the request's, its body read already.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.wait({working})
        raise ClientGone
    finally:
        for task in (working, leaving):
            task.add_done_callback(_look)
            task.cancel()


def _look(task: asyncio.Future[Any]) -> None:
    """Take note of how a task ended that nobody waits for any more; else asyncio reports it as forgotten."""
    if not task.cancelled():
        task.exception()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
