"""`hedgerow query --format …`: every row of a query into a file, however many there are."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import httpx
import uvicorn
from rich.console import Console
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hedgerow.commands.asking import nobody_answers, origin_of
from hedgerow.commands.setup import borrowed_key
from hedgerow.core.errors import StartupError
from hedgerow.server import Hedgerow
from hedgerow.settings import Settings

LOOK_SECONDS: Final = 0.5
BINARY: Final = {"arrow", "parquet"}


async def export(settings: Settings, hogql: str, fmt: str, path: Path | None) -> str | None:
    """Write the rows to `path`, or to standard output; why not, in one sentence, if they cannot be had.

    Beside a running server it asks that one. A file is there whole or not at all. Raises StartupError when neither the
    folder nor a server on it can be reached.
    """
    async with _origin(settings) as origin, borrowed_key(settings) as key:
        client = httpx.AsyncClient(
            base_url=origin, headers={"Authorization": f"Bearer {key}"}, timeout=settings.query_export_max_seconds + 10
        )
        async with client:
            try:
                with _opened(path) as target:
                    return await _copied(client, hogql, fmt, target)
            except httpx.ConnectError:
                raise nobody_answers(origin) from None
            except (httpx.TransportError, _CutOff):
                return "The answer ended before its time; the server's log says why."


class _CutOff(Exception):  # noqa: N818 — not shown
    """What was written is not the whole."""


async def _copied(client: httpx.AsyncClient, hogql: str, fmt: str, target: _Target) -> str | None:
    body = {"query": {"kind": "HogQLQuery", "query": hogql}}
    async with client.stream("POST", f"/api/projects/@current/query/?format={fmt}", json=body) as answer:
        if answer.status_code != 200:
            found = httpx.Response(answer.status_code, content=await answer.aread()).json()
            return str(found.get("detail") or found)
        with _shown(client, answer.headers["hedgerow-progress"]) as written:
            async for block in answer.aiter_raw():
                target.file.write(block)
                written(len(block))
    target.is_whole = True
    return None


class _Target:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.is_whole = False


@contextmanager
def _opened(path: Path | None) -> Generator[_Target]:
    """Where the rows go: a file beside the wanted one, which takes its place once it is whole."""
    if path is None:
        yield _Target(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    part = path.with_name(path.name + ".part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise StartupError(f"{path} cannot be written: {error.strerror}.") from None
    with file:
        target = _Target(file)
        try:
            yield target
        finally:
            if not target.is_whole:
                part.unlink()
    if target.is_whole:
        part.replace(path)


@contextmanager
def _shown(client: httpx.AsyncClient, where: str) -> Generator[Any]:
    """A line on standard error that moves, if somebody looks: rows read, bytes written, time."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _size: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Exporting", total=None)

        async def look() -> None:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                with suppress(httpx.TransportError, KeyError):  # it ends just now
                    found = (await client.get(where)).json()["query_status"]["query_progress"]
                    read, total = found["rows_read"], found["estimated_rows_total"]
                    progress.update(task, description=f"{read:,} of {max(read, total):,} rows read")

        looking = asyncio.create_task(look())
        try:
            yield lambda size: progress.advance(task, size)
        finally:
            looking.cancel()


@asynccontextmanager
async def _origin(settings: Settings) -> AsyncGenerator[str]:
    """Where to ask: the server that has the folder, or one of this process's own for as long as the block runs."""
    try:
        house = await Hedgerow.open(settings)
    except StartupError:
        yield origin_of(settings)
        return
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            config = uvicorn.Config(house, lifespan="off", log_level="critical")  # pyright: ignore[reportArgumentType]
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving
    finally:
        await house.close()


def refuse_bytes_on_a_terminal(fmt: str, path: Path | None) -> None:
    """Raises UsageError for a binary format that nobody redirected."""
    if fmt in BINARY and path is None and os.isatty(sys.stdout.fileno()):
        raise click.UsageError(f"{fmt} is nothing to read: name a file by -o.")
