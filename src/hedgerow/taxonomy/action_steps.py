"""Steps of actions as they come and go over the wire, checked before they are stored (rest-api §13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import re2
from msgspec import UNSET, UnsetType

from hedgerow.core.http import ValidationFailed, at_most
from hedgerow.hogql import HogQLContext, HogQLError, ProjectSchema, ast, compile_select, parse_select
from hedgerow.hogql.selectors import LENGTH_MAX, is_selector, selector_regex
from hedgerow.hogql.walk import walk
from hedgerow.matching import MATCHING, Step, condition_of

STEPS_MAX: Final = 200
TEXTS: Final = ("event", "selector", "tag_name", "text", "href", "url")
MATCHED: Final = ("text", "href", "url")
OTHER_ACTION: Final = "A step of an action cannot name an action."
NOT_A_SELECTOR: Final = "This selector is not one that elements can be found by, so that it matches nothing."


class StepOut(msgspec.Struct, frozen=True):
    """A step, whole."""

    event: str | None
    properties: list[dict[str, Any]] | None
    selector: str | None
    selector_regex: str | None
    tag_name: str | None
    text: str | None
    text_matching: str | None
    href: str | None
    href_matching: str | None
    url: str | None
    url_matching: str | None
    selector_warning: str | UnsetType = UNSET


def step_out(raw: dict[str, Any]) -> StepOut:
    """A stored step as it is shown."""
    step = stored_step(raw)
    warned = bool(step.selector) and not is_selector(step.selector or "")
    return StepOut(
        **{name: getattr(step, name) for name in step.__struct_fields__},
        selector_regex=selector_regex(step.selector) if step.selector else None,
        selector_warning=NOT_A_SELECTOR if warned else UNSET,
    )


def stored_step(raw: dict[str, Any]) -> Step:
    """A step as SQL has it."""
    return msgspec.convert(raw, Step)


def checked_steps(steps: Sequence[Step], schema: ProjectSchema) -> list[dict[str, Any]]:
    """The steps as SQL is to have them. Raises ValidationFailed, with the place in `attr`.

    What its filters mean is compiled, so it belongs into a thread.
    """
    if len(steps) > STEPS_MAX:
        raise ValidationFailed(
            f"Ensure this field has no more than {STEPS_MAX} elements.", attr="steps", code="max_length"
        )
    for index, step in enumerate(steps):
        _check_texts(step, f"steps__{index}__")
        if step.properties:
            _check_filters(step, schema, f"steps__{index}__properties")
    return msgspec.to_builtins(list(steps))


def _check_texts(step: Step, place: str) -> None:
    for name in TEXTS:
        value: str | None = getattr(step, name)
        at_most(value or "", LENGTH_MAX, place + name)
    for name in MATCHED:
        kind: str | None = getattr(step, f"{name}_matching")
        if kind is not None and kind not in MATCHING:
            text = f'"{kind[:100]}" is not a valid choice.'
            raise ValidationFailed(text, attr=f"{place}{name}_matching", code="invalid_choice")
        if kind == "regex" and not _is_regex(getattr(step, name)):
            raise ValidationFailed("This is not a valid regular expression.", attr=place + name)
    if step.selector and not step.selector.strip():
        raise ValidationFailed("This field may not be blank.", attr=f"{place}selector", code="blank")


def _is_regex(text: str | None) -> bool:
    try:
        re2.compile(text or "")
    except re2.error:
        return False
    return True


def _check_filters(step: Step, schema: ProjectSchema, place: str) -> None:
    try:
        condition = condition_of([step], schema)
        if any(isinstance(node, ast.Call) and node.name == "matchesAction" for node in walk(condition)):
            raise ValidationFailed(OTHER_ACTION, attr=place)
        compile_select(
            parse_select("SELECT 1 FROM events WHERE {condition}", {"condition": condition}),
            HogQLContext(schema=schema),
        )
    except HogQLError as error:
        raise ValidationFailed(str(error), attr=place) from None
