"""First set-up of a folder, and personal API keys made from the command line.

Whoever may read and write the data folder may make a key: that is what the folder's permissions say.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest, mask
from hedgerow.core.errors import StartupError
from hedgerow.core.identity.models import PersonalAPIKey, User
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway import FirstGateway
from hedgerow.settings import Settings
from hedgerow.workspace import first_setup

KEY_LABEL_MAX = 40


async def set_up(settings: Settings) -> dict[str, Any]:
    """Create organization, project, user and keys where there are none.

    Gives what `hedgerow init --json` prints: with the secrets when this call made them, without them later.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    clock = Clock()
    async with _opened(settings) as metadata:
        made = await first_setup(metadata, settings, clock, gateway=FirstGateway(settings, clock))
    return made.printed()


async def create_key(settings: Settings, label: str, scopes: Sequence[str]) -> str:
    """Make a personal API key of the first user; the secret is returned and not kept."""
    async with _opened(settings) as metadata:
        secret, _ = await _insert_key(metadata, label[:KEY_LABEL_MAX], scopes)
        return secret


async def list_keys(settings: Settings) -> list[PersonalAPIKey]:
    """All personal API keys, oldest first."""
    async with _opened(settings) as metadata, metadata.read() as session:
        return list(await session.scalars(select(PersonalAPIKey).order_by(PersonalAPIKey.created_at)))


@asynccontextmanager
async def borrowed_key(settings: Settings) -> AsyncGenerator[str]:
    """A personal API key that may query, and that is gone afterwards."""
    async with _opened(settings) as metadata:
        secret, key_id = await _insert_key(metadata, "hedgerow query", ["query:read"])
        try:
            yield secret
        finally:
            async with metadata.write() as session:
                await session.execute(delete(PersonalAPIKey).where(PersonalAPIKey.id == key_id))


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[Metadata]:
    metadata = await Metadata.open(settings)
    try:
        yield metadata
    finally:
        await metadata.close()


async def _insert_key(metadata: Metadata, label: str, scopes: Sequence[str]) -> tuple[str, str]:
    secret, key_id = ids.secret("phx_"), ids.short_id()
    moment: datetime = Clock().now()
    async with metadata.write() as session:
        user_id = await session.scalar(select(User.id).where(User.is_active).order_by(User.id).limit(1))
        if user_id is None:
            raise StartupError("This folder has no user yet; run `hedgerow init` first.")
        session.add(
            PersonalAPIKey(
                id=key_id,
                user_id=user_id,
                label=label,
                digest=digest(secret),
                mask=mask(secret),
                scopes=list(scopes),
                scoped_teams=None,
                scoped_organizations=None,
                created_at=moment,
                last_used_at=None,
                last_rolled_at=None,
            )
        )
    return secret, key_id
