"""What a caller may do with one thing (rest-api §1.8)."""

from __future__ import annotations

from hedgerow.core.http import Caller, Team
from hedgerow.core.identity.people import ADMIN


def access_level(caller: Caller, team: Team, author_id: int | None) -> str | None:
    """`manager` for who made it and for admins, `editor` for other users; a caller that is no user has none."""
    user = caller.user_or_nobody
    if user is None:
        return None
    return "manager" if user.id == author_id or caller.level_in(team.organization_id) >= ADMIN else "editor"
