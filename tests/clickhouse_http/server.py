"""A stand-in for a ClickHouse server: ClickHouse's HTTP interface, answered out of chDB. For tests only.

No ClickHouse server can be had where the tests run, so the path that talks HTTP is tested against this: the same engine
behind the wire that `clickhouse-connect` speaks. It has what that client and `EventStore` use: `/ping`, statements in the
body, in `?query=` or in a form, bound `param_…` values, settings as URL parameters, inserts with data in any format (also
compressed, also chunked), compressed answers, sessions, exception headers. What it lacks: users, passwords and roles (any
are taken), progress headers, results that stream (an answer is built whole), replication.

    python tests/clickhouse_http/server.py --data DIR [--port N]

prints `ready 127.0.0.1:PORT` when it answers, and serves until it is ended.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import socket
import sys
import tempfile
import threading
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import anyio
import anyio.to_thread
import brotli
import chdb
import lz4.frame
import uvicorn
import zstandard
from multipart import MultipartParser, parse_options_header

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

NOT_SETTINGS = frozenset(
    [
        "query",
        "database",
        "default_format",
        "query_id",
        "session_id",
        "session_timeout",
        "session_check",
        "wait_end_of_query",
        "buffer_size",
        "quota_key",
        "compress",
        "decompress",
        "role",
        "user",
        "password",
        "client_protocol_version",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "enable_http_compression",
        "cancel_http_readonly_queries_on_client_close",
    ]
)
"""URL parameters that HTTP itself uses; every other one without `param_` is a setting of the statement."""
INSERT = re.compile(
    rb"\s*(INSERT\s+INTO\s+(?:TABLE\s+)?[\w.`]+(?:\s*\((?:`[^`]*`|[^)`])*\))?)((?:\s+SETTINGS\s.*?)?\s+FORMAT\s+\w+)\s*(?:\n|$)",
    re.IGNORECASE | re.DOTALL,
)
"""`INSERT INTO t (a, b)` and `SETTINGS … FORMAT f` of an insert that brings its data along."""
STATUS_OF_CODE = {60: 404, 81: 404, 46: 404, 36: 400, 62: 400, 47: 404, 394: 500, 241: 500, 159: 500}
"""HTTP statuses as ClickHouse chooses them, where a client could tell; 500 for every other code."""


INFLATERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": zlib.decompressobj,
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
}
DEFLATERS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda data: zstandard.ZstdCompressor(level=1).compress(data),
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
    "br": lambda data: brotli.compress(data, quality=1),
}


def inflate(data: bytes, encoding: str) -> bytes:
    """The body as it was: a client may send several compressed frames one after the other."""
    if encoding == "br":
        return brotli.decompress(data)
    if encoding not in INFLATERS:
        return data
    parts: list[bytes] = []
    while data:
        inflater = INFLATERS[encoding]()
        parts.append(inflater.decompress(data))
        data = inflater.unused_data or b""
    return b"".join(parts)


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Engine:
    """The embedded engine. A request has a connection of its own, so that nothing it sets outlives it; a session keeps one."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.anchor = chdb.connect(folder)
        self.sessions: dict[str, tuple[Any, threading.Lock]] = {}
        self.lock = threading.Lock()

    def run(self, parameters: dict[str, str], query: bytes, data: bytes) -> tuple[bytes, dict[str, str]]:
        session = parameters.get("session_id")
        if not session:
            connection = chdb.connect(self.folder)
            try:
                return self.answer(connection, parameters, query, data)
            finally:
                connection.close()
        with self.lock:
            if session not in self.sessions:
                self.sessions[session] = (chdb.connect(self.folder), threading.Lock())
            connection, busy = self.sessions[session]
        if not busy.acquire(blocking=False):
            raise RuntimeError(
                f"Code: 373. DB::Exception: Session {session} is locked by a concurrent client. (SESSION_IS_LOCKED)"
            )
        try:
            return self.answer(connection, parameters, query, data)
        finally:
            busy.release()

    def answer(
        self, connection: Any, parameters: dict[str, str], query: bytes, data: bytes
    ) -> tuple[bytes, dict[str, str]]:
        if database := parameters.get("database"):
            connection.query(f"USE `{database}`")
        for name, value in parameters.items():
            if name not in NOT_SETTINGS and not name.startswith("param_"):
                connection.query(f"SET {name} = {quoted(value)}")
        bound = {name.removeprefix("param_"): value for name, value in parameters.items() if name.startswith("param_")}
        output = parameters.get("default_format") or "TabSeparated"
        insert = INSERT.match(query)
        if insert is None:
            result = connection.query(query + data, output, params=bound)
        else:
            data = query[insert.end() :] + data
            with tempfile.NamedTemporaryFile(suffix=".insert") as file:
                Path(file.name).write_bytes(data)
                text = insert[1] + b" FROM INFILE " + quoted(file.name).encode() + insert[2]
                result = connection.query(text, output, params=bound)
        summary = {
            "read_rows": str(result.storage_rows_read()),
            "read_bytes": str(result.storage_bytes_read()),
            "written_rows": str(result.rows_written()),
            "written_bytes": str(result.bytes_written()),
            "result_rows": str(result.rows_read()),
            "elapsed_ns": str(int(result.elapsed() * 1e9)),
        }
        formats = re.findall(rb"FORMAT\s+(\w+)\s*;?\s*$", query, re.IGNORECASE)
        return result.bytes() or b"", {
            "X-ClickHouse-Summary": json.dumps(summary),
            "X-ClickHouse-Format": formats[-1].decode() if formats else output,
            "X-ClickHouse-Timezone": "UTC",
        }


def form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a `multipart/form-data` body: `query`, and values that are too long for an address."""
    _, options = parse_options_header(content_type)
    with tempfile.TemporaryFile() as stream:
        stream.write(body)
        stream.seek(0)
        return {
            str(part.name): str(part.value) for part in MultipartParser(stream, options["boundary"], memory_limit=2**30)
        }


class Server:
    """The ASGI application."""

    def __init__(self, folder: str) -> None:
        self.engine = Engine(folder)
        self.threads: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.threads = self.threads or anyio.CapacityLimiter(100)
        body = bytearray()
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        given = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, content, headers = await anyio.to_thread.run_sync(
            self.respond, scope, given, bytes(body), limiter=self.threads, abandon_on_cancel=True
        )
        headers |= {"Content-Length": str(len(content)), "Content-Type": "text/plain; charset=UTF-8"}
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": content})

    def respond(self, scope: Scope, given: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        parameters = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        body = inflate(body, given.get("content-encoding", ""))
        if given.get("content-type", "").startswith("multipart/form-data"):
            parameters |= form_fields(given["content-type"], body)
            body = b""
        query, data = (parameters["query"].encode(), body) if "query" in parameters else (body, b"")
        if scope["path"] == "/ping" or not (query or data):
            return 200, b"Ok.\n", {}
        separator = b"\n" if data else b""
        try:
            content, headers = self.engine.run(parameters, query + separator, data)
        except Exception as error:  # noqa: BLE001 — whatever the engine says goes to the client, as ClickHouse does
            found = re.search(r"Code: (\d+)\.", str(error))
            code = int(found[1]) if found else 1002
            text = str(error)[found.start() :] if found else f"Code: 1002. DB::Exception: {error}. (UNKNOWN_EXCEPTION)"
            return (
                STATUS_OF_CODE.get(code, 500),
                f"{text} (version chDB)\n".encode(),
                {"X-ClickHouse-Exception-Code": str(code)},
            )
        wanted = [part.strip() for part in given.get("accept-encoding", "").split(",")]
        if parameters.get("enable_http_compression") == "1":
            for encoding in wanted:
                if encoding in DEFLATERS:
                    return 200, DEFLATERS[encoding](content), headers | {"Content-Encoding": encoding}
        return 200, content, headers


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for a ClickHouse server: its HTTP interface out of chDB.")
    parser.add_argument("--data", required=True, help="folder of the engine; made when it is missing")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", options.port))
    server = uvicorn.Server(
        uvicorn.Config(Server(options.data), log_level="error", lifespan="off", h11_max_incomplete_event_size=2**20)
    )
    print(f"ready 127.0.0.1:{listener.getsockname()[1]}", flush=True)  # connections wait in the backlog until it serves
    server.run(sockets=[listener])
    sys.exit(0)


if __name__ == "__main__":
    main()
