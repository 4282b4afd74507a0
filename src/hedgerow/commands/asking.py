"""`hedgerow query`: HogQL over the first project, through the server that has the folder or without one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import click
import httpx
from rich.console import Console
from rich.table import Table

from hedgerow.commands.serving import address_file
from hedgerow.commands.setup import borrowed_key
from hedgerow.core.errors import StartupError
from hedgerow.server import Hedgerow
from hedgerow.settings import Settings

ROWS_SHOWN_MAX = 10_000


@dataclass(frozen=True)
class Answer:
    """What came back: rows, or one sentence that says why not."""

    columns: list[str]
    rows: list[list[Any]]
    error: str | None = None


async def ask(settings: Settings, hogql: str) -> Answer:
    """Run the text. Raises StartupError when neither the folder nor a server on it can be reached."""
    try:
        house = await Hedgerow.open(settings)
    except StartupError:
        origin = origin_of(settings)
        async with borrowed_key(settings) as key:
            try:
                async with httpx.AsyncClient(base_url=origin, timeout=settings.query_max_seconds + 10) as client:
                    return await _post(client, key, hogql)
            except httpx.ConnectError:
                raise nobody_answers(origin) from None
    try:
        async with borrowed_key(settings) as key:
            transport = httpx.ASGITransport(app=house)  # pyright: ignore[reportArgumentType]
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await _post(client, key, hogql)
    finally:
        await house.close()


def nobody_answers(origin: str) -> StartupError:
    """What to say when the folder is taken and its server cannot be found."""
    return StartupError(
        f"Another process has the data folder, and nothing answers at {origin};"
        " set HEDGEROW_HOST and HEDGEROW_PORT as for the server."
    )


def origin_of(settings: Settings) -> str:
    """Where the server that has the folder can be reached."""
    try:
        return address_file(settings).read_text(encoding="utf-8")
    except OSError:
        return settings.origin


async def _post(client: httpx.AsyncClient, key: str, hogql: str) -> Answer:
    body = {"query": {"kind": "HogQLQuery", "query": hogql}}
    answer = await client.post("/api/projects/@current/query/", json=body, headers={"Authorization": f"Bearer {key}"})
    found = answer.json()
    if answer.status_code != 200:
        return Answer([], [], str(found.get("detail") or found))
    return Answer(found["columns"], found["results"])


def print_answer(answer: Answer, form: str | None) -> None:
    """A table, or JSON, on standard output."""
    if form == "json":
        click.echo(json.dumps({"columns": answer.columns, "results": answer.rows}, ensure_ascii=False))
        return
    table = Table(*(str(column) for column in answer.columns), header_style="bold")
    for row in answer.rows[:ROWS_SHOWN_MAX]:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console(file=sys.stdout).print(table)
