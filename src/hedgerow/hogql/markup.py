"""HogQLX as the tuples that it stands for: `<a href='x' />` is `tuple('__hx_tag', 'a', 'href', 'x')` (hogql §9)."""

from __future__ import annotations

from hedgerow.hogql import ast
from hedgerow.hogql.walk import transform

TAG = "__hx_tag"
OBJECT = "__hx_obj"
CALLS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sparkline": ("Sparkline", ("data",)),
    "recording_button": ("RecordingButton", ("sessionId", "recordingStatus")),
    "explain_csp_report": ("ExplainCSPReport", ("properties",)),
}
"""Functions that make a tag: its kind, and the attributes that their arguments are."""


def as_tuple(node: ast.Expr) -> ast.Expr:
    """A tag, a dict or a call of `CALLS` as its tuple; whatever else as it is. What stands inside is left alone."""
    if isinstance(node, ast.HogQLXTag):
        parts: list[ast.Expr] = [ast.Constant(node.kind)]
        for attribute in node.attributes:
            value = attribute.value
            if isinstance(value, list):
                value = value[0] if len(value) == 1 else ast.Tuple(value)
            parts += [ast.Constant(attribute.name), value]
    elif isinstance(node, ast.Dict):
        parts = [ast.Constant(OBJECT)]
        for key, value in node.items:
            parts += [key, value]
    elif isinstance(node, ast.Call) and node.name in CALLS:
        kind, names = CALLS[node.name]
        parts = [ast.Constant(kind)]
        for name, value in zip(names, node.args, strict=False):
            parts += [ast.Constant(name), value]
    else:
        return node
    return ast.Call("tuple", [ast.Constant(TAG), *parts], start=node.start, end=node.end)


def without_markup(node: ast.Node) -> ast.Node:
    """The tree with every tag, dict and call of `CALLS` as its tuple; the given tree is not written to."""
    return transform(node, lambda each: as_tuple(each) if isinstance(each, ast.Expr) else each)
