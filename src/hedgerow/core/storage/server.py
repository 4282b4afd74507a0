"""ClickHouse on a server, over its HTTP interface, by clickhouse-connect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hedgerow.core.errors import StartupError
from hedgerow.core.storage.clickhouse_errors import StoreError, StoreUnavailable, from_text
from hedgerow.core.storage.events import Engine
from hedgerow.settings import Settings

CHUNK_BYTES = 1 << 16
SECURE = {"clickhouses", "https"}


def open_server(settings: Settings) -> tuple[Callable[[], Engine], Callable[[], None]]:
    """Reach the server once and make its database. Raises StartupError with one sentence."""
    url = urlsplit(settings.clickhouse_url)
    if url.scheme not in {"clickhouse", "http", *SECURE} or not url.hostname:
        raise StartupError("HEDGEROW_CLICKHOUSE_URL must look like clickhouse://user:password@host:8123/database.")
    database = url.path.strip("/") or "default"

    def connect(database: str = database) -> Engine:
        import clickhouse_connect  # 130 MB of imports that the embedded engine does without
        from clickhouse_connect.driver.exceptions import ClickHouseError

        try:
            client = clickhouse_connect.get_client(
                host=url.hostname or "",
                port=url.port or (8443 if url.scheme in SECURE else 8123),
                secure=url.scheme in SECURE,
                username=unquote(url.username or "default"),
                password=unquote(url.password or ""),
                database=database,
                autogenerate_session_id=False,
                connect_timeout=5,
                send_receive_timeout=int(settings.query_max_seconds) + 30,
            )
        except (ClickHouseError, OSError) as error:
            raise _translated(error) from None
        return ServerEngine(client)

    try:
        if database != "default":
            first = connect("default")
            first.query(f"CREATE DATABASE IF NOT EXISTS `{database.replace('`', '')}`", {}, {}, "TabSeparated")
            first.close()
        connect().close()
    except (StoreError, StoreUnavailable) as error:
        where = f"{url.hostname}:{url.port or 8123}"
        raise StartupError(f"ClickHouse at {where} does not answer: {str(error).splitlines()[0][:200]}") from None
    return connect, lambda: None


class ServerEngine:
    """One client of a ClickHouse server (see `events.Engine`)."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def query(self, sql: str, parameters: Mapping[str, object], settings: Mapping[str, object], fmt: str) -> bytes:
        return self._call(
            lambda: self._client.raw_query(
                sql, dict(parameters), settings=dict(settings), fmt=None if fmt == "Null" else fmt
            )
        )

    def insert(self, table: str, columns: Sequence[str], lines: bytes | Path, settings: Mapping[str, object]) -> None:
        block = lines.read_bytes() if isinstance(lines, Path) else lines
        self._call(
            lambda: self._client.raw_insert(
                table, list(columns), insert_block=block, settings=dict(settings), fmt="JSONEachRow"
            )
        )

    def stream(
        self, sql: str, parameters: Mapping[str, object], settings: Mapping[str, object], fmt: str
    ) -> Iterator[bytes]:
        source = self._call(lambda: self._client.raw_stream(sql, dict(parameters), settings=dict(settings), fmt=fmt))
        try:
            while block := self._call(lambda: source.read(CHUNK_BYTES)):
                yield block
        finally:
            source.close()

    def close(self) -> None:
        self._client.close()

    @staticmethod
    def _call(work: Callable[[], Any]) -> Any:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        try:
            return work()
        except (ClickHouseError, OSError) as error:
            raise _translated(error) from None


def _translated(error: Exception) -> StoreError | StoreUnavailable:
    text = str(error)
    return from_text(text[text.find("Code:") :] if "Code:" in text else text)
