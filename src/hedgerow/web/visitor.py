"""What somebody who opens a page may see without a key: nothing, unless they are signed in or sit at the machine.

The project token is public by nature, and a newcomer must find it; the names of events are not. So pages show both only
to a signed-in user (their current project) and to a browser on this very machine (the first project): the request comes
from a loopback address, for a loopback name, through no proxy. A page elsewhere cannot read along: our pages answer no
other origin, cannot be framed, and the server refuses host names that it does not know.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final

from litestar import Request
from sqlalchemy import select

from hedgerow.core.http.access import Access
from hedgerow.core.http.sessions import SESSION_COOKIE
from hedgerow.core.identity.models import Project
from hedgerow.core.identity.teams import Team

_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


async def visible_project(request: Request[Any, Any, Any]) -> Team | None:
    """The project whose public token and latest events this visitor may see, or None."""
    access: Access = request.app.state.access
    if cookie := request.cookies.get(SESSION_COOKIE):
        grant = await access.credentials.session(cookie)
        if grant is not None and grant.user is not None and grant.user.team_id is not None:
            return await access.teams.by_id(grant.user.team_id)
    return await _first_project(access) if is_at_the_machine(request) else None


def is_at_the_machine(request: Request[Any, Any, Any]) -> bool:
    """Whether the request was made on this machine, by a browser that called it by a loopback name."""
    if any(header in request.headers for header in _PROXY_HEADERS):
        return False
    peer = request.client.host if request.client else ""
    return is_loopback(peer) and is_loopback(_host_name(request.headers.get("host", "")))


def is_loopback(name: str) -> bool:
    """`localhost`, a name under it, or an address of the loopback range."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _host_name(host: str) -> str:
    """The host without its port: `[::1]:8000` is `[::1]`."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower().rstrip(".")


async def _first_project(access: Access) -> Team | None:
    async with access.metadata.read() as session:
        oldest = select(Project.id).where(Project.deleted_at.is_(None)).order_by(Project.id).limit(1)
        team_id = await session.scalar(oldest)
    return None if team_id is None else await access.teams.by_id(team_id)
