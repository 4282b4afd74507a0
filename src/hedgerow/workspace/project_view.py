"""A project, whole, as `/api/projects/:id/` and `/api/environments/:id/` answer it: the union of both (rest-api §3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec
from litestar.datastructures import State

from hedgerow.core.clock import iso
from hedgerow.core.http import Caller
from hedgerow.core.identity.models import Project
from hedgerow.core.identity.people import ADMIN
from hedgerow.workspace.project_fields import COLUMNS, DEFAULTS


class GroupType(msgspec.Struct, frozen=True):
    """A kind of group that a project has."""

    group_type: str
    group_type_index: int
    name_singular: str | None = None
    name_plural: str | None = None
    detail_dashboard: int | None = None
    default_columns: list[str] | None = None
    created_at: datetime | None = None


class GroupTypeSource(Protocol):
    """Who knows the kinds of groups. `server` puts one into `app.state.group_types`; without one there are none."""

    async def group_types(self, team_id: int) -> list[GroupType]:
        """The kinds of a project, by index."""
        ...


async def project_view(project: Project, caller: Caller, state: State, *, secret: str | None = None) -> dict[str, Any]:
    """Every field. `secret` is the secret key in the one answer that shows it; stored is only its digest."""
    source: GroupTypeSource | None = state.get("group_types")
    group_types = [] if source is None else await source.group_types(project.id)
    level = caller.level_in(project.organization_id)
    settings = {name: project.settings.get(name, default) for name, default in DEFAULTS.items() if name not in COLUMNS}
    return {
        "id": project.id,
        "uuid": project.uuid,
        "organization": project.organization_id,
        "project_id": project.id,
        "api_token": project.api_token,
        "secret_api_token": secret,
        "secret_api_token_backup": None,
        "created_at": iso(project.created_at),
        "updated_at": iso(project.updated_at),
        "ingested_event": project.ingested_event,
        "default_modifiers": {},
        "person_on_events_querying_enabled": True,
        "user_access_level": "admin" if level >= ADMIN else "member",
        "effective_membership_level": level or None,
        "has_group_types": bool(group_types),
        "group_types": group_types,
        "live_events_token": None,
        "product_intents": [],
        "managed_viewsets": {},
        **{name: getattr(project, name) for name in COLUMNS},
        **settings,
    }
