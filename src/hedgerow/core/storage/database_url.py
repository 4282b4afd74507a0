"""`HEDGEROW_DATABASE_URL`, read: which engine, where, and how to name it without its password."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hedgerow.core.errors import StartupError

if TYPE_CHECKING:
    from hedgerow.settings import Settings


class DatabaseUrl(msgspec.Struct, frozen=True):
    """Where the SQL database is."""

    dialect: Literal["sqlite", "postgresql"]
    url: URL
    """For SQLAlchemy, driver included."""
    path: Path | None
    """The file, if it is SQLite."""

    @property
    def label(self) -> str:
        """A name for messages: the file, or host, port and database; never the password."""
        if self.path is not None:
            return str(self.path)
        host = self.url.host or self.url.query.get("host") or "localhost"
        return f"{host}:{self.url.port or 5432}/{self.url.database or ''}"


def database_url(settings: Settings) -> DatabaseUrl:
    """Read the setting; empty means `hedgerow.db` in the data folder.

    Raises `StartupError` for anything but `sqlite:///FILE` and `postgresql://…`.
    """
    text = settings.database_url
    if not text:
        return _sqlite(settings.data_dir / "hedgerow.db")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        message = (
            "HEDGEROW_DATABASE_URL is not a URL: write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE."
        )
        raise StartupError(message) from None
    match url.get_backend_name():
        case "sqlite":
            if not url.database or url.database == ":memory:":
                message = "HEDGEROW_DATABASE_URL must name a file: write sqlite:///FILE."
                raise StartupError(message)
            return _sqlite(Path(url.database))
        case "postgresql" | "postgres":
            return DatabaseUrl("postgresql", _for_asyncpg(url), None)
        case other:
            message = f'HEDGEROW_DATABASE_URL must begin with sqlite:/// or postgresql://, not with "{other}".'
            raise StartupError(message)


def _sqlite(path: Path) -> DatabaseUrl:
    path = path.expanduser().absolute()
    return DatabaseUrl("sqlite", URL.create("sqlite+aiosqlite", database=str(path)), path)


def _for_asyncpg(url: URL) -> URL:
    """The same place for asyncpg, which says `ssl` where libpq's URLs say `sslmode`."""
    url = url.set(drivername="postgresql+asyncpg")
    if "sslmode" in url.query:
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url
