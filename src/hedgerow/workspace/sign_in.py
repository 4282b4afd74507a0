"""Signing in and out of the pages: a password becomes a session, which is a cookie here and a digest in the database."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select

from hedgerow.core import ids
from hedgerow.core.crypto import digest, verify_password
from hedgerow.core.http import Access, ValidationFailed
from hedgerow.core.identity.models import User, UserSession

SAME_SITE_PATH_MAX = 16_000


async def sign_in(access: Access, email: str, password: str, *, user_agent: str, replaces: str | None) -> str:
    """A new session's secret. `replaces` is the session that the browser had, which ends.

    Every sign-in has a new secret, so one that somebody else put into the browser beforehand is worth nothing. A wrong
    address takes as long as a wrong password. Raises `ValidationFailed`, `Throttled`.
    """
    email = email.strip().lower()
    await access.limiter.check("sign-in", digest(email))
    async with access.metadata.read() as session:
        user = await session.scalar(select(User).where(User.email == email, User.is_active.is_(True)))
    if not await verify_password(password, None if user is None else user.password_hash) or user is None:
        raise ValidationFailed("Invalid email or password.", code="invalid_credentials")
    secret = ids.secret("", 43)
    moment = access.clock.now()
    async with access.metadata.write() as session:
        await session.execute(delete(UserSession).where(UserSession.expires_at <= moment))
        if replaces is not None:
            await session.execute(delete(UserSession).where(UserSession.digest == digest(replaces)))
        session.add(
            UserSession(
                digest=digest(secret),
                user_id=user.id,
                created_at=moment,
                expires_at=moment + timedelta(days=access.settings.session_days),
                last_used_at=moment,
                user_agent=user_agent.encode("ascii", "replace").decode().replace("\0", "?")[:200],
            )
        )
        (await session.get_one(User, user.id)).last_login = moment
    access.credentials.forget()
    return secret


async def sign_out(access: Access, session_digest: str) -> None:
    """End a session."""
    async with access.metadata.write() as session:
        await session.execute(delete(UserSession).where(UserSession.digest == session_digest))
    access.credentials.forget()


def same_site_path(said: str) -> str:
    """Where to go after signing in: a path on this server, or `/` for anything that could lead elsewhere."""
    plain = said.isascii() and said.isprintable() and " " not in said and "\\" not in said
    if plain and said.startswith("/") and not said.startswith("//") and len(said) <= SAME_SITE_PATH_MAX:
        return said
    return "/"
