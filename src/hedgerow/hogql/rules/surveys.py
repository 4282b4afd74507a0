"""`getSurveyResponse(0)` and `uniqueSurveySubmissionsFilter('…')`: what a survey's events say (hogql §7).

An answer stands under `$survey_response_<id of the question>`, in older SDKs under `$survey_response` for the first question and
`$survey_response_<n>` for the others. Where no id is given, it is that of the question at this place of `$survey_questions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hedgerow.hogql import ast
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.parser import parse_expr

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

_ONE: Final = "coalesce(nullIf(JSONExtractString(properties, {by_id}), ''), nullIf(JSONExtractString(properties, {by_place}), ''))"
_SEVERAL: Final = (
    "if(length(JSONExtractArrayRaw(properties, {by_id})) > 0, JSONExtractArrayRaw(properties, {by_id}),"
    " JSONExtractArrayRaw(properties, {by_place}))"
)
_ID_AT: Final = "concat('$survey_response_', JSONExtractString(JSONExtractArrayRaw(properties, '$survey_questions')[{place}], 'id'))"
_SUBMISSION: Final = "nullIf(JSONExtractString(properties, '$survey_submission_id'), '')"
_NEWEST: Final = (
    "uuid IN (SELECT argMax(uuid, timestamp) FROM events WHERE event = 'survey sent'"
    f" AND properties.$survey_id = {{survey}} GROUP BY coalesce({_SUBMISSION}, toString(uuid)))"
)


def surveys(node: ast.Call, resolver: Resolver) -> Any:
    """The expression that the call stands for, over the event's `properties`."""
    if node.name == "getSurveyResponse" and 1 <= len(node.args) <= 3:
        return resolver.expr(_response(node))
    if node.name == "uniqueSurveySubmissionsFilter" and len(node.args) == 1:
        survey = _constant(node, 0)
        return resolver.expr(parse_expr(_NEWEST, {"survey": ast.Constant(value=survey)}))
    return node


def _response(node: ast.Call) -> ast.Expr:
    place = _constant(node, 0)
    if isinstance(place, str) and place.isdecimal() and len(place) < 4:
        place = int(place)
    if isinstance(place, bool) or not isinstance(place, int) or place < 0:
        raise QueryError("getSurveyResponse first argument must be a valid integer", node.start, node.end)
    question = _constant(node, 1) if len(node.args) > 1 else None
    several = bool(_constant(node, 2)) if len(node.args) > 2 else False
    by_id = (
        ast.Constant(value=f"$survey_response_{question}")
        if question
        else parse_expr(_ID_AT, {"place": ast.Constant(value=place + 1)})
    )
    by_place = ast.Constant(value="$survey_response" if place == 0 else f"$survey_response_{place}")
    return parse_expr(_SEVERAL if several else _ONE, {"by_id": by_id, "by_place": by_place})


def _constant(node: ast.Call, place: int) -> Any:
    argument = node.args[place] if place < len(node.args) else None
    if not isinstance(argument, ast.Constant):
        word = ("first", "second", "third")[place]
        raise QueryError(f"{node.name} {word} argument must be a constant", node.start, node.end)
    return argument.value
