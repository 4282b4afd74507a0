"""ClickHouse inside this process: chDB on a folder. One process a folder.

chDB's own connection is used rather than clickhouse-connect's client for it: that one sets and resets each setting in a
statement of its own and writes every insert to a temporary file (6 ms instead of 2.4 ms for a single row), and its
imports cost 130 MB (docs/decisions/0005-embedded-driver.md).
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode
from uuid import UUID

from hedgerow.core.errors import StartupError
from hedgerow.core.storage.clickhouse_errors import StoreUnavailable, from_text
from hedgerow.core.storage.events import Engine
from hedgerow.settings import Settings

MEMORY_SHARE = 0.7  # of the machine, for the whole engine
MARK_CACHE_BYTES = 256 << 20
INLINE_BYTES = 128 << 10  # up to here an insert's rows stand in the statement; above, ClickHouse reads them in parallel
SMALL_INSERT = {"max_threads": 1, "max_insert_threads": 1, "input_format_parallel_parsing": 0}
"""Threads that a small insert would start only to wait for: 64 events cost 19 ms of CPU without them, 29 with."""
HAS_MEMORY_FILES = hasattr(os, "memfd_create")
"""This is Linux: a file without a name can be made, and an open one has a path of its own."""
PIPE_BYTES = 1 << 20
"""What ClickHouse may write ahead of whoever reads a stream, where the system lets a pipe be so wide."""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def open_folder(settings: Settings) -> tuple[Callable[[], Engine], Callable[[], None]]:
    """Lock the folder and start the engine in it.

    Gives a function that makes a connection and one that lets go. Raises StartupError when another process has the
    folder, and when it cannot be written or read.
    """
    folder = Path("/" + settings.effective_clickhouse_url.removeprefix("chdb:").lstrip("/"))
    lock = _lock(folder)
    try:
        import chdb  # the engine's 200 MB are loaded where they are used

        first = chdb.connect(_connection_string(folder, settings))
    except (RuntimeError, OSError) as error:
        lock.close()
        raise StartupError(f"The event store in {folder} cannot be opened: {_first_line(error)}") from None

    def connect() -> Engine:
        try:
            return EmbeddedEngine(chdb.connect(_connection_string(folder, settings)))
        except RuntimeError as error:
            raise StoreUnavailable(_first_line(error)) from None

    def release() -> None:
        first.close()
        lock.close()

    return connect, release


class EmbeddedEngine:
    """One chDB connection (see `events.Engine`)."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._busy = threading.Lock()

    def query(self, sql: str, parameters: Mapping[str, object], settings: Mapping[str, object], fmt: str) -> bytes:
        with self._busy:
            try:
                answer = self._connection.query(sql + _settings_clause(settings), fmt, params=_parameters(parameters))
                return answer.bytes()
            except (RuntimeError, UnicodeDecodeError) as error:
                self._drain()
                raise from_text(_said(error)) from None

    def insert(self, table: str, columns: Sequence[str], lines: bytes | Path, settings: Mapping[str, object]) -> None:
        head = f"INSERT INTO {table} ({', '.join(f'`{name}`' for name in columns)})"
        if isinstance(lines, Path):
            if HAS_MEMORY_FILES and lines.stat().st_size > INLINE_BYTES:
                with lines.open("rb") as file:  # by number: ClickHouse would read `*` and `{}` in a name as patterns
                    self._insert_file(head, f"/proc/self/fd/{file.fileno()}", settings)
                return
            lines = lines.read_bytes()
        if len(lines) <= INLINE_BYTES:
            settings = {**settings, **SMALL_INSERT}
            self._run(f"{head}{_settings_clause(settings)} FORMAT JSONEachRow\n{lines.decode()}")
            return
        with _memory_file(lines) as (path, _file):
            self._insert_file(head, path, settings)

    def _insert_file(self, head: str, path: str, settings: Mapping[str, object]) -> None:
        self._run(f"{head} FROM INFILE '{path}'{_settings_clause(settings)} FORMAT JSONEachRow")

    def stream(
        self, sql: str, parameters: Mapping[str, object], settings: Mapping[str, object], fmt: str
    ) -> Iterator[bytes]:
        """ClickHouse writes into a pipe: chDB's own streaming makes a document of its own of each block, which is none in
        Parquet, Arrow or CSV with names.
        """
        reading, writing = os.pipe()
        _widen(writing)
        said: list[RuntimeError | UnicodeDecodeError] = []

        def write() -> None:
            target = f" INTO OUTFILE '/dev/fd/{writing}' TRUNCATE FORMAT {fmt}"
            try:
                self._connection.query(
                    sql + target + _settings_clause(settings), "Null", params=_parameters(parameters)
                )
            except (RuntimeError, UnicodeDecodeError) as error:
                said.append(error)
            finally:
                os.close(writing)

        with self._busy:
            thread = threading.Thread(target=write, name="clickhouse-stream")
            thread.start()
            try:
                while block := os.read(reading, PIPE_BYTES):
                    yield block
            finally:
                os.close(reading)  # whoever still writes is told that nobody reads
                thread.join()
                if said:
                    self._drain()
            if said:
                raise from_text(_said(said[0])) from None

    def close(self) -> None:
        with self._busy:
            self._connection.close()

    def _run(self, statement: str) -> None:
        with self._busy:
            try:
                self._connection.query(statement, "Null")
            except (RuntimeError, UnicodeDecodeError) as error:
                self._drain()
                raise from_text(_said(error)) from None

    def _drain(self) -> None:
        """Throw away what a failed query had written: chDB puts it in front of this connection's next answer."""
        with contextlib.suppress(RuntimeError, UnicodeDecodeError):
            self._connection.query("SELECT 1", "Null")


def _said(error: RuntimeError | UnicodeDecodeError) -> str:
    """ClickHouse's message. One that quotes a value of broken UTF-8 arrives as an error of its own, with its bytes."""
    return error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else str(error)


def _lock(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder.parent / (folder.name + ".lock")).open("ab")
    except OSError as error:
        raise StartupError(f"The data folder {folder.parent} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StartupError(
            f"Another Hedgerow process is using {folder.parent}; stop it first, or give this one a folder of its own."
        ) from None
    if not os.access(folder, os.W_OK):
        lock.close()
        raise StartupError(f"The data folder {folder} cannot be written: permission denied.")
    return lock


def _widen(pipe: int) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # a user may have so many pages in pipes, no more
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class _memory_file:  # noqa: N801 — used as a context manager function
    """`data` as a path that ClickHouse can read: in memory on Linux, a temporary file elsewhere."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> tuple[str, IO[bytes]]:
        if HAS_MEMORY_FILES:
            self._file: IO[bytes] = os.fdopen(os.memfd_create("insert"), "wb", buffering=0)
            self._write_all()
            return f"/proc/self/fd/{self._file.fileno()}", self._file
        self._file = tempfile.NamedTemporaryFile(buffering=0)
        self._write_all()
        return self._file.name, self._file

    def _write_all(self) -> None:
        rest = memoryview(self._data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _connection_string(folder: Path, settings: Settings) -> str:
    """The folder, and the engine's ceilings: its caches would otherwise grow to 10 GiB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    options = {
        "max_server_memory_usage": settings.clickhouse_memory_bytes or int(total * MEMORY_SHARE),
        "mark_cache_size": MARK_CACHE_BYTES,
        "index_mark_cache_size": MARK_CACHE_BYTES // 4,
        "index_uncompressed_cache_size": MARK_CACHE_BYTES // 4,
    }
    return os.path.realpath(folder) + "?" + urlencode(options)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _settings_clause(settings: Mapping[str, object]) -> str:
    if not settings:
        return ""
    parts: list[str] = []
    for name, value in settings.items():
        if not _IDENTIFIER.match(name):
            raise ValueError(f"not a setting: {name!r}")
        parts.append(f"{name} = {_literal(value)}")
    return " SETTINGS " + ", ".join(parts)


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _parameters(values: Mapping[str, object]) -> dict[str, str] | None:
    return {name: parameter_text(value) for name, value in values.items()} if values else None


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"})
_QUOTED_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def parameter_text(value: object) -> str:
    """A value of a bound parameter as ClickHouse reads it (its TabSeparated form)."""
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if value is None:
        return "\\N"
    return _inner(value) if isinstance(value, list | tuple) else _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, date | UUID | int | float):
        return str(value)
    raise TypeError(f"cannot bind a {type(value).__name__}")


def _inner(value: object) -> str:
    """A value inside an array or tuple: strings are quoted there."""
    if isinstance(value, str):
        return "'" + value.translate(_QUOTED_ESCAPES) + "'"
    if value is None:
        return "NULL"
    if isinstance(value, tuple | list):
        items: Sequence[object] = value
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        return opening + ",".join(map(_inner, items)) + closing
    if isinstance(value, datetime | date | UUID):
        return "'" + _scalar(value) + "'"
    return _scalar(value)
