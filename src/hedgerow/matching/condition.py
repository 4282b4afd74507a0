"""Steps of actions as HogQL over events (rest-api §13).

Kinds of comparison and what they look at are those of PostHog's queries: the text or the tag of any element of the chain
will do, `href` is the first link of the chain, and elements count only where the step's event is `$autocapture`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hedgerow.hogql import ProjectSchema, ast, property_to_expr
from hedgerow.hogql.selectors import selector_regex, tag_regex
from hedgerow.matching.steps import AUTOCAPTURE, Step


def condition_of(steps: Sequence[Step], schema: ProjectSchema) -> ast.Expr:
    """True for the events that any step matches: without steps, for none. Raises HogQLError for a wrong filter."""
    ways = [_step(step, schema) for step in steps]
    if not ways:
        return ast.Constant(value=False)
    return ways[0] if len(ways) == 1 else ast.Or(exprs=ways)


def _step(step: Step, schema: ProjectSchema) -> ast.Expr:
    parts: list[ast.Expr] = []
    if step.event:
        parts.append(ast.CompareOperation(op="==", left=_field("event"), right=_text(step.event)))
    if step.event == AUTOCAPTURE:
        parts += _elements(step)
    if step.url:
        kind = step.url_matching or "contains"
        parts.append(_compared(_field("properties", "$current_url"), kind, step.url, contains="like"))
    if step.properties:
        parts.append(property_to_expr(step.properties, "event", schema))
    if not parts:
        return ast.Constant(value=True)
    return parts[0] if len(parts) == 1 else ast.And(exprs=parts)


def _elements(step: Step) -> list[ast.Expr]:
    parts: list[ast.Expr] = []
    if step.selector:
        parts.append(_chain_matches(selector_regex(step.selector)))
    if step.tag_name is not None:
        parts.append(_chain_matches(tag_regex(step.tag_name)))
    if step.href is not None:
        kind = step.href_matching or "exact"
        parts.append(_compared(_field("elements_chain_href"), kind, step.href, contains="ilike"))
    if step.text is not None:
        body = _compared(_field("v"), step.text_matching or "exact", step.text, contains="ilike")
        any_text = ast.Lambda(args=["v"], expr=body)
        parts.append(ast.Call(name="arrayExists", args=[any_text, _field("elements_chain_texts")]))
    return parts


def _compared(left: ast.Expr, kind: str, value: str, *, contains: ast.CompareOp) -> ast.Expr:
    if kind == "regex":
        found = ast.Call(name="match", args=[ast.Call(name="toString", args=[left]), _text(value)])
        return ast.Call(name="ifNull", args=[found, ast.Constant(value=0)])
    if kind == "exact":
        return ast.CompareOperation(op="==", left=left, right=_text(value))
    return ast.CompareOperation(op=contains, left=left, right=_text(f"%{value}%"))


def _chain_matches(pattern: str) -> ast.Expr:
    return ast.Call(name="match", args=[_field("elements_chain"), _text(pattern)])


def _field(*chain: str | int) -> ast.Expr:
    return ast.Field(chain=list(chain))


def _text(value: str) -> ast.Expr:
    return ast.Constant(value=value)
