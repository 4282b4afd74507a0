"""Alembic's entry: run the revisions on the connection, and in the transaction, that `core.storage.migrate` opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context

from hedgerow.core.storage.tables import Base

if TYPE_CHECKING:
    from sqlalchemy import Connection

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
context.run_migrations()
