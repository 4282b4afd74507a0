"""Walking the tree without knowing its nodes: children, mapping, cloning, comparing.

Every function works from the declared fields of a node, so a new kind of node needs no line here. Trees that the
parser returns are bounded in depth (`parser.MAX_DEPTH`), so plain recursion is safe.
"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any, TypeVar

from hedgerow.hogql import ast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N = TypeVar("N", bound=ast.Node)

_SPAN_AND_TYPE = frozenset({"start", "end", "type"})
_child_fields: dict[type[ast.Node], tuple[str, ...]] = {}
_value_fields: dict[type[ast.Node], tuple[str, ...]] = {}


def _mentions_node(annotation: object) -> bool:
    """Whether a value of this annotated type can be or hold a node."""
    if isinstance(annotation, type) and issubclass(annotation, ast.Node):
        return True
    return any(_mentions_node(argument) for argument in typing.get_args(annotation))


def child_fields(kind: type[ast.Node]) -> tuple[str, ...]:
    """Names of the fields of this kind of node that can be or hold nodes, in declared order."""
    names = _child_fields.get(kind)
    if names is None:
        hints = typing.get_type_hints(kind)
        names = tuple(f for f in value_fields(kind) if _mentions_node(hints[f]))
        _child_fields[kind] = names
    return names


def value_fields(kind: type[ast.Node]) -> tuple[str, ...]:
    """Names of the fields that make the meaning of a node: all but its span and its type."""
    names = _value_fields.get(kind)
    if names is None:
        names = tuple(f for f in kind.__struct_fields__ if f not in _SPAN_AND_TYPE)
        _value_fields[kind] = names
    return names


def _nodes_in(value: Any) -> Iterator[ast.Node]:
    if isinstance(value, ast.Node):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in typing.cast("list[Any]", value):
            yield from _nodes_in(item)
    elif isinstance(value, dict):
        for item in typing.cast("dict[str, Any]", value).values():
            yield from _nodes_in(item)


def children(node: ast.Node) -> Iterator[ast.Node]:
    """The nodes directly below this one, in the order of fields."""
    for name in child_fields(type(node)):
        value = getattr(node, name)
        if value is not None:
            yield from _nodes_in(value)


def walk(node: ast.Node) -> Iterator[ast.Node]:
    """The node and everything below it, parents before children; the order among siblings is that of fields."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        below = list(children(current))
        below.reverse()
        stack.extend(below)


def _map_value(value: Any, fn: Callable[[ast.Node], ast.Node]) -> Any:
    """The value with `fn` applied to the nodes in it; the very same object when nothing changed."""
    if isinstance(value, ast.Node):
        return fn(value)
    if isinstance(value, (list, tuple)):
        items = typing.cast("list[Any]", value)
        mapped = [_map_value(item, fn) for item in items]
        if all(new is old for new, old in zip(mapped, items, strict=True)):
            return items
        return mapped if isinstance(value, list) else tuple(mapped)
    if isinstance(value, dict):
        entries = typing.cast("dict[str, Any]", value)
        changed = {key: _map_value(item, fn) for key, item in entries.items()}
        return entries if all(changed[key] is entries[key] for key in entries) else changed
    return value


def map_children(node: N, fn: Callable[[ast.Node], ast.Node]) -> N:
    """The node with `fn` applied to each child: the same object when `fn` returned every child as it was.

    A changed node is a shallow copy with the new children, so the tree that was given is never written to.
    """
    changes: dict[str, Any] = {}
    for name in child_fields(type(node)):
        old = getattr(node, name)
        if old is not None:
            new = _map_value(old, fn)
            if new is not old:
                changes[name] = new
    if not changes:
        return node
    copy = shallow(node)
    for name, value in changes.items():
        setattr(copy, name, value)
    return copy


def transform(node: ast.Node, fn: Callable[[ast.Node], ast.Node]) -> ast.Node:
    """The tree with `fn` applied to every node, children first."""
    return fn(map_children(node, lambda child: transform(child, fn)))


def shallow(node: N) -> N:
    """A new node with the same field values."""
    return node.__copy__()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] -- msgspec defines it in C


def _clone_value(value: Any) -> Any:
    if isinstance(value, ast.Node):
        return clone(value)
    if isinstance(value, list):
        return [_clone_value(item) for item in typing.cast("list[Any]", value)]
    if isinstance(value, tuple):
        return tuple(_clone_value(item) for item in typing.cast("tuple[Any, ...]", value))
    if isinstance(value, dict):
        return {key: _clone_value(item) for key, item in typing.cast("dict[str, Any]", value).items()}
    return value


def clone(node: N) -> N:
    """A deep copy: no list, dict or node is shared with the original; spans and types are kept."""
    copy = shallow(node)
    for name in value_fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, (ast.Node, list, tuple, dict)):
            setattr(copy, name, _clone_value(value))
    return copy


def _same_value(left: Any, right: Any) -> bool:
    if isinstance(left, ast.Node):
        return same(left, right)
    if isinstance(left, (list, tuple)):
        return (
            type(left) is type(right)  # pyright: ignore[reportUnknownArgumentType]
            and len(left) == len(right)  # pyright: ignore[reportUnknownArgumentType]
            and all(_same_value(a, b) for a, b in zip(left, right, strict=True))  # pyright: ignore[reportUnknownArgumentType]
        )
    if isinstance(left, dict):
        a, b = typing.cast("dict[str, Any]", left), right
        return (
            isinstance(b, dict)
            and list(a) == list(typing.cast("dict[str, Any]", b))
            and all(_same_value(a[k], b[k]) for k in a)
        )
    if isinstance(left, float) and left != left:  # noqa: PLR0124 -- two NaN constants are the same constant
        return isinstance(right, float) and right != right  # noqa: PLR0124
    return type(left) is type(right) and left == right


def same(left: object, right: object) -> bool:
    """Whether two trees mean the same: equal kinds and fields all the way down, spans and types left out.

    `Constant(1)`, `Constant(1.0)` and `Constant(True)` are three different trees.
    """
    if type(left) is not type(right) or not isinstance(left, ast.Node):
        return False
    return all(_same_value(getattr(left, f), getattr(right, f)) for f in value_fields(type(left)))
