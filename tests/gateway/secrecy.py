"""Every secret that is made while tests run is looked for afterwards: in all tables, in all files, in all that was logged."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
import structlog

from hedgerow.core import ids
from hedgerow.core.storage.metadata import Base, Metadata
from hedgerow.settings import Settings

PUBLIC_COLUMNS = {"distinct_id", "client_id", "api_token", "salt"}
"""Random as a secret, and none: everybody may know them."""
PUBLIC_PREFIXES = {"phc_", "client-"}
CLIENT_ID = ("", 40)
"""What an application is registered under."""
CLIENTS_OF_THE_TESTS = {"httpx", "httpcore", "hpack", "asyncio"}


class _Log(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] not in CLIENTS_OF_THE_TESTS:
            self._lines.append(f"{record.name}: {record.getMessage()} {record.exc_info or ''}")


class _Told(structlog.PrintLogger):
    """Prints, and keeps what was printed."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(sys.stderr)
        self._lines = lines

    def msg(self, message: str) -> None:
        self._lines.append(message)
        super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


@contextmanager
def nothing_secret_is_left() -> Generator[None]:
    """Watch what is made in the block, and find none of it in the databases that were opened, their folders and the log."""
    made: set[str] = set()
    opened: dict[str, Settings] = {}
    lines: list[str] = []
    make, open_database = ids.secret, Metadata.open.__func__  # type: ignore[attr-defined]

    def secret(prefix: str, length: int = 43) -> str:
        new = make(prefix, length)
        if prefix not in PUBLIC_PREFIXES and (prefix, length) != CLIENT_ID:
            made.add(new)
        return new

    async def open_(kind: type[Metadata], settings: Settings) -> Self:  # type: ignore[misc]
        if settings.data_dir != Path(tempfile.gettempdir()):  # that is where databases are made to be copied
            opened[f"{settings.database_url} {settings.data_dir}"] = settings
        return await open_database(kind, settings)

    handler = _Log(lines)
    root = logging.getLogger()
    level = root.level
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ids, "secret", secret)
        patched.setattr(Metadata, "open", classmethod(open_))
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=repr),
            ],
            logger_factory=lambda *_: _Told(lines),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
            structlog.reset_defaults()
    dumps = [(settings, *asyncio.run(_dump(settings))) for settings in opened.values()]
    hidden = [one for one in made.difference(*(public for _, _, public in dumps)) if len(one) >= 20]
    for settings, rows, _ in dumps:
        _has_none(hidden, rows, "a table")
        for file in settings.data_dir.rglob("*"):
            if file.is_file() and file.name != "secret.keys":
                _has_none(hidden, file.read_bytes().decode("latin-1"), str(file))
    _has_none(hidden, "\n".join(lines), "the log")


async def _dump(settings: Settings) -> tuple[str, set[str]]:
    """Every value of every table, and those that are public."""
    values: list[str] = []
    public: set[str] = set()
    metadata = await Metadata.open(settings)
    try:
        async with metadata.connection(read_only=True) as connection:
            for table in Base.metadata.sorted_tables:
                for row in (await connection.execute(table.select())).mappings():
                    named: dict[str, Any] = dict(row)
                    public |= {_text(value) for name, value in named.items() if name in PUBLIC_COLUMNS}
                    values += [f"{table.name}.{name}: {_text(value)}" for name, value in named.items()]
    finally:
        await metadata.close()
    return "\n".join(values), public


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _has_none(secrets: list[str], text: str, where: str) -> None:
    found = [secret for secret in secrets if secret in text]
    assert not found, f"{len(found)} secrets stand in {where}, the first at: {_around(text, found[0])}"


def _around(text: str, secret: str) -> str:
    at = text.index(secret)
    return text[max(0, at - 200) : at] + "…" + text[at + len(secret) : at + len(secret) + 100]
