"""The end of a session of the pages. The gateway has its own, because it can run without the room that signs in."""

from __future__ import annotations

from sqlalchemy import delete

from hedgerow.core.crypto import digest
from hedgerow.core.http import Access
from hedgerow.core.identity.models import UserSession


async def end_session(access: Access, secret: str) -> None:
    """The session of this cookie is over, wherever else the cookie is kept. Raises `MetadataUnavailable`."""
    async with access.metadata.write() as session:
        await session.execute(delete(UserSession).where(UserSession.digest == digest(secret)))
    access.credentials.forget()
