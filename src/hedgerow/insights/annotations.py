"""Annotations are made, changed, hidden and brought back (rest-api §14)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select

from hedgerow.core.http import Access, Caller, Team, ValidationFailed, integer_id, parse_moment
from hedgerow.core.http.fields import INTEGER_MAX
from hedgerow.core.resources import Edit, Subject, editing, find, sent, set_tags
from hedgerow.insights.models import Annotation, Dashboard, Insight

SCOPE: Final = "Annotation"
INSIGHT: Final = "dashboard_item"
NO_RECORDINGS: Final = "Recording scope is deprecated"
NO_DASHBOARD: Final = "Dashboard not found."
SHOWN: Final = (
    "content", "date_marker", "scope", "emoji", "insight_id", "dashboard_id", "hidden_in_user_interface", "deleted",
)  # fmt: skip
Scope = Literal["dashboard_item", "dashboard", "project", "organization", "tag", "recording"]


class AnnotationBody(msgspec.Struct, frozen=True):
    """What makes or changes an annotation; every field may be left out."""

    content: Annotated[str, msgspec.Meta(max_length=8192)] | UnsetType | None = UNSET
    date_marker: str | UnsetType | None = UNSET
    creation_type: Literal["USR", "GIT"] | UnsetType = UNSET
    dashboard_item: int | UnsetType | None = UNSET
    dashboard_id: int | UnsetType | None = UNSET
    deleted: bool | UnsetType = UNSET
    scope: Scope | UnsetType = UNSET
    emoji: Annotated[str, msgspec.Meta(max_length=16)] | UnsetType | None = UNSET
    hidden_in_user_interface: bool | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET


async def create_annotation(access: Access, caller: Caller, team: Team, body: AnnotationBody) -> Annotation:
    """Check and store a new one. Raises ValidationFailed."""
    async with editing(access, caller, team) as edit:
        row = Annotation(
            **edit.made(),
            content=None,
            date_marker=None,
            creation_type="USR",
            scope=INSIGHT,
            insight_id=None,
            dashboard_id=None,
            emoji=None,
            hidden_in_user_interface=None,
            deleted=False,
            updated_at=edit.clock.now(),
        )
        await _write(edit, row, sent(body))
        edit.session.add(row)
        await edit.session.flush()
        await set_tags(edit.session, team.id, SCOPE, row.id, _tags(row, sent(body)))
        edit.note_created(Subject(SCOPE, row.id, row.content))
    return row


async def change_annotation(
    access: Access, caller: Caller, team: Team, said_id: str, body: AnnotationBody
) -> Annotation:
    """Change what the body has; also of one that is hidden. Raises NotFound, ValidationFailed."""
    said = sent(body)
    async with editing(access, caller, team) as edit:
        row = await find(edit.session, Annotation, team, integer_id(said_id), to_change=True)
        before = _shown(row)
        await _write(edit, row, said)
        if "tags" in said or row.scope != "tag":
            await set_tags(edit.session, team.id, SCOPE, row.id, _tags(row, said))
        row.updated_at = edit.clock.now()
        edit.note_updated(Subject(SCOPE, row.id, row.content), before, _shown(row))
    return row


async def _write(edit: Edit, row: Annotation, said: dict[str, Any]) -> None:
    if said.get("scope") == "recording":
        raise ValidationFailed(NO_RECORDINGS, attr="scope")
    for name in ("content", "creation_type", "scope", "hidden_in_user_interface", "deleted"):
        if name in said:
            setattr(row, name, said[name])
    if "date_marker" in said:
        marker = said["date_marker"]
        row.date_marker = None if marker is None else parse_moment(marker, "date_marker")
    if "emoji" in said:
        row.emoji = said["emoji"] or None
    if "dashboard_item" in said:
        row.insight_id = await _own(edit, Insight, said["dashboard_item"])
        if row.insight_id != said["dashboard_item"]:
            detail = f'Invalid pk "{said["dashboard_item"]}" - object does not exist.'
            raise ValidationFailed(detail, code="does_not_exist", attr="dashboard_item")
    if "dashboard_id" in said:
        row.dashboard_id = await _own(edit, Dashboard, said["dashboard_id"])
        if row.dashboard_id != said["dashboard_id"]:
            raise ValidationFailed(NO_DASHBOARD, attr="dashboard_id")


async def _own(edit: Edit, table: type[Insight | Dashboard], said: int | None) -> int | None:
    """The id, if the project has such a row that is not deleted."""
    if said is None or not 0 < said <= INTEGER_MAX:
        return None
    where = (table.id == said, table.team_id == edit.team.id, table.deleted.is_(False))
    with edit.session.no_autoflush:
        return await edit.session.scalar(select(table.id).where(*where))


def _tags(row: Annotation, said: dict[str, Any]) -> list[str]:
    return said.get("tags", []) if row.scope == "tag" else []


def _shown(row: Annotation) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in SHOWN}
    return {**shown, "date_marker": None if row.date_marker is None else row.date_marker.isoformat()}
