"""Actions are made, changed, hidden and brought back; HogQL finds them on a shelf (rest-api §13)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select

from hedgerow.core.clock import Clock
from hedgerow.core.http import Access, Caller, Team, ValidationFailed, at_most, parse_moment
from hedgerow.core.resources import Edit, Subject, editing, find, flush_or, sent, set_tags, tags_of
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import log
from hedgerow.hogql import Action, HogQLError, ProjectSchema, ast
from hedgerow.matching import Step, condition_of
from hedgerow.taxonomy.action_steps import checked_steps, stored_step
from hedgerow.taxonomy.models import NAME_LENGTH, ActionRow
from hedgerow.taxonomy.named import Shelf

SCOPE: Final = "Action"
MESSAGE_LENGTH: Final = 1_200
PLAIN: Final = ("description", "post_to_slack", "deleted")
IDS_MAX: Final = 500


class ActionBody(msgspec.Struct, frozen=True):
    """What a body makes or changes; all of it may be left out."""

    name: str | UnsetType | None = UNSET
    description: str | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    post_to_slack: bool | UnsetType = UNSET
    slack_message_format: str | UnsetType = UNSET
    steps: list[Step] | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET
    last_calculated_at: str | UnsetType = UNSET
    pinned_at: str | bool | UnsetType | None = UNSET


class TagsBody(msgspec.Struct, frozen=True):
    """Tags for many at once: `action` is `add`, `remove` or `set`."""

    ids: list[int]
    action: str
    tags: list[str]


class Tagged(msgspec.Struct, frozen=True):
    """The tags that one has now."""

    id: int
    tags: list[str]


class NotTagged(msgspec.Struct, frozen=True):
    """One that was left alone, and why."""

    id: int
    reason: str


class TagsOut(msgspec.Struct, frozen=True):
    """What became of each."""

    updated: list[Tagged]
    skipped: list[NotTagged]


class SavedAction:
    """An action as it stands on the shelf."""

    def __init__(self, action_id: int, name: str, steps: Sequence[Step]) -> None:
        """One that is not deleted."""
        self.id: Final = action_id
        self.name: Final = name
        self._steps = steps
        self._made: tuple[Action, dict[tuple[Any, ...], Any]] | None = None

    def action(self, schema: ProjectSchema) -> Action:
        """What HogQL sees: the same until a property that the steps ask for has another type."""
        if self._made is not None:
            made, asked = self._made
            if all(schema.property_type(*question) == answer for question, answer in asked.items()):
                return made
        noted = _Noted(schema)
        try:
            condition = condition_of(self._steps, cast("ProjectSchema", noted))
        except HogQLError as error:
            log("taxonomy").warning("action_not_read", action=self.id, error=error.message[:300])
            condition = ast.Constant(value=False)
        self._made = Action(self.id, self.name, condition), noted.asked
        return self._made[0]


class _Noted:
    """A schema that notes which properties' types were asked."""

    def __init__(self, schema: ProjectSchema) -> None:
        self._schema = schema
        self.timezone = schema.timezone
        self.asked: dict[tuple[Any, ...], Any] = {}

    def property_type(self, *question: Any) -> str | None:
        self.asked[question] = self._schema.property_type(*question)
        return self.asked[question]


class Actions:
    """The actions of all projects. One per process."""

    def __init__(
        self, metadata: Metadata, clock: Clock, *, changed: Callable[[int], None], has_other_workers: bool
    ) -> None:
        """`changed` and `has_other_workers` as in `Shelf`."""
        self._metadata = metadata
        self.shelf: Shelf[SavedAction] = Shelf(self._load, clock, changed=changed, has_other_workers=has_other_workers)

    async def _load(self, team_id: int) -> list[SavedAction]:
        statement = select(ActionRow).where(ActionRow.team_id == team_id, ActionRow.deleted.is_(False))
        async with self._metadata.read() as session:
            rows = (await session.scalars(statement.order_by(ActionRow.id))).all()
        return [SavedAction(row.id, row.name or "", [stored_step(step) for step in row.steps]) for row in rows]

    async def create(
        self, access: Access, caller: Caller, team: Team, schema: ProjectSchema, body: ActionBody
    ) -> ActionRow:
        """Check and store a new one. Raises ValidationFailed."""
        steps = await _steps(body, schema)

        def write(edit: Edit) -> ActionRow:
            made = edit.made()
            row = ActionRow(
                **made,
                name=None,
                description="",
                post_to_slack=False,
                slack_message_format="",
                steps=[],
                last_calculated_at=made["created_at"],
                pinned_at=None,
                deleted=False,
            )
            edit.session.add(row)
            return row

        return await self._write(access, caller, team, body, steps=steps, row_of=write)

    async def change(
        self, access: Access, caller: Caller, team: Team, schema: ProjectSchema, *, action_id: int, body: ActionBody
    ) -> ActionRow:
        """Change what the body has. Raises NotFound, ValidationFailed."""
        steps = await _steps(body, schema)
        return await self._write(access, caller, team, body, steps=steps, action_id=action_id)

    async def _write(
        self,
        access: Access,
        caller: Caller,
        team: Team,
        body: ActionBody,
        *,
        steps: list[dict[str, Any]] | None,
        action_id: int | None = None,
        row_of: Callable[[Edit], ActionRow] | None = None,
    ) -> ActionRow:
        taken = ValidationFailed("", attr="name", code="unique")
        name: str | None = None
        try:
            async with editing(access, caller, team) as edit:
                if row_of is not None:
                    row, before = row_of(edit), None
                else:
                    row = await find(edit.session, ActionRow, team, action_id or 0, to_change=True)
                    before = await _shown(edit, row)
                with edit.session.no_autoflush:
                    _apply(edit, row, body, steps)
                name = row.name
                await flush_or(edit.session, taken)
                if not isinstance(body.tags, UnsetType):
                    await set_tags(edit.session, team.id, SCOPE, row.id, body.tags)
                    await edit.session.flush()
                subject = Subject(SCOPE, row.id, row.name)
                if before is None:
                    edit.note_created(subject)
                else:
                    edit.note_updated(subject, before, await _shown(edit, row))
        except ValidationFailed as error:
            if error is taken:
                taken.detail = (
                    f"This project already has an action with this name, ID {await _holder(access, team, name)}"
                )
            raise
        self.shelf.forget(team.id)
        return row

    async def tag(self, access: Access, caller: Caller, team: Team, body: TagsBody) -> TagsOut:
        """Change the tags of many. Raises ValidationFailed."""
        if body.action not in {"add", "remove", "set"}:
            text = f'"{body.action[:100]}" is not a valid choice.'
            raise ValidationFailed(text, attr="action", code="invalid_choice")
        if len(body.ids) > IDS_MAX:
            text = f"Ensure this field has no more than {IDS_MAX} elements."
            raise ValidationFailed(text, attr="ids", code="max_length")
        said = {tag for each in body.tags if (tag := each.strip().lower())}
        updated: list[Tagged] = []
        async with editing(access, caller, team) as edit:
            where = (ActionRow.team_id == team.id, ActionRow.deleted.is_(False), ActionRow.id.in_(set(body.ids)))
            rows = (await edit.session.scalars(select(ActionRow).where(*where).order_by(ActionRow.id))).all()
            had = await tags_of(edit.session, team.id, SCOPE, (row.id for row in rows))
            for row in rows:
                before = had.get(str(row.id), [])
                wanted = {"set": said, "add": said | set(before), "remove": set(before) - said}[body.action]
                after = await set_tags(edit.session, team.id, SCOPE, row.id, wanted)
                edit.note_updated(Subject(SCOPE, row.id, row.name), {"tags": before}, {"tags": after})
                updated.append(Tagged(row.id, after))
        found = {each.id for each in updated}
        return TagsOut(updated, [NotTagged(each, "not_found") for each in body.ids if each not in found])


async def _steps(body: ActionBody, schema: ProjectSchema) -> list[dict[str, Any]] | None:
    return None if isinstance(body.steps, UnsetType) else await asyncio.to_thread(checked_steps, body.steps, schema)


def _apply(edit: Edit, row: ActionRow, body: ActionBody, steps: list[dict[str, Any]] | None) -> None:
    fields = sent(body)
    if "name" in fields:
        row.name = _name(fields["name"])
    if "slack_message_format" in fields:
        row.slack_message_format = at_most(fields["slack_message_format"], MESSAGE_LENGTH, "slack_message_format")
    for name in PLAIN:
        if name in fields:
            setattr(row, name, fields[name])
    if steps is not None:
        row.steps = steps
    if not isinstance(body.last_calculated_at, UnsetType):
        row.last_calculated_at = parse_moment(body.last_calculated_at, "last_calculated_at")
    if "pinned_at" in fields:
        row.pinned_at = (row.pinned_at or edit.clock.now()) if body.pinned_at else None


async def _shown(edit: Edit, row: ActionRow) -> Mapping[str, Any]:
    tags = await tags_of(edit.session, edit.team.id, SCOPE, [row.id])
    names = ("name", "description", "steps", "deleted", "post_to_slack", "slack_message_format")
    pinned = None if row.pinned_at is None else row.pinned_at.isoformat()
    return {**{name: getattr(row, name) for name in names}, "pinned_at": pinned, "tags": tags.get(str(row.id), [])}


async def _holder(access: Access, team: Team, name: str | None) -> int | None:
    """Whose name it is already."""
    async with access.metadata.read() as session:
        return await session.scalar(
            select(ActionRow.id).where(
                ActionRow.team_id == team.id, ActionRow.name == name, ActionRow.deleted.is_(False)
            )
        )


def _name(name: str | None) -> str | None:
    if name is not None and not name.strip():
        raise ValidationFailed("This field may not be blank.", attr="name", code="blank")
    return None if name is None else at_most(name, NAME_LENGTH, "name")
