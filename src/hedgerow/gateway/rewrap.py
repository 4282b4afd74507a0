"""A new master key (gateway §3.6): data keys are wrapped anew, credentials stay as they are. It may stop and go on anywhere."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import CursorResult, func, select, update

from hedgerow.core.errors import StartupError
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.vault import KEY_FILE, CannotUnseal, Vault

BATCH: Final = 200


async def rewrap(metadata: Metadata, vault: Vault) -> int:
    """Wrap every data key that another master key wrapped by the first one of the ring; how many.

    A credential that is replaced meanwhile is left alone. Raises `CannotUnseal`, `MetadataUnavailable`.
    """
    count = 0
    last = None
    while True:
        async with metadata.read() as session:
            found = select(ConnectionRow.id, ConnectionRow.data_key, ConnectionRow.version).where(
                ConnectionRow.data_key.is_not(None), ConnectionRow.master_key_id != vault.master_key_id
            )
            if last is not None:
                found = found.where(ConnectionRow.id > last)
            rows = (await session.execute(found.order_by(ConnectionRow.id).limit(BATCH))).all()
        if not rows:
            return count
        last = rows[-1][0]
        wrapped = [(row_id, version, *vault.rewrap(data_key)) for row_id, data_key, version in rows if data_key]
        async with metadata.write() as session:
            for row_id, version, data_key, master_key_id in wrapped:
                done = cast(
                    "CursorResult[Any]",
                    await session.execute(
                        update(ConnectionRow)
                        .where(ConnectionRow.id == row_id, ConnectionRow.version == version)
                        .values(data_key=data_key, master_key_id=master_key_id)
                        .execution_options(synchronize_session=False)
                    ),
                )
                count += done.rowcount


async def refuse_wrong_ring(metadata: Metadata, vault: Vault) -> None:
    """Raise `StartupError` where credentials were sealed with master keys that are not there (gateway §3.6).

    Else each call would fail by itself, and look as if the accounts had failed.
    """
    async with metadata.read() as session:
        found = select(ConnectionRow.master_key_id, func.min(ConnectionRow.data_key))
        rows = (
            await session.execute(
                found.where(ConnectionRow.data_key.is_not(None)).group_by(ConnectionRow.master_key_id).limit(20)
            )
        ).all()
    for _, data_key in rows:
        try:
            vault.rewrap(data_key or b"")
        except CannotUnseal:
            raise StartupError(
                "Credentials of connections were sealed with another secret key: put back HEDGEROW_SECRET_KEYS or the file "
                f"{KEY_FILE} in the data folder that they were sealed with."
            ) from None


async def others(metadata: Metadata, vault: Vault) -> int:
    """How many credentials still need another master key than the first one."""
    async with metadata.read() as session:
        found = (
            select(func.count())
            .select_from(ConnectionRow)
            .where(ConnectionRow.data_key.is_not(None), ConnectionRow.master_key_id != vault.master_key_id)
        )
        return await session.scalar(found) or 0


def put_first(file: Path) -> None:
    """Put a new key before those of the file, which must be there. It is whole at any moment. Raises OSError."""
    new = base64.urlsafe_b64encode(secrets.token_bytes(32)) + b"\n"
    _replace(file, new + file.read_bytes())


def keep_first(file: Path) -> None:
    """Drop every key but the first. Raises OSError."""
    _replace(file, file.read_bytes().split()[0] + b"\n")


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(file)
