"""What every node of a tree has."""

from __future__ import annotations

from typing import Any

import msgspec


class Node(msgspec.Struct, kw_only=True, eq=False, repr_omit_defaults=True):
    """What every node carries.

    `start` and `end` are character offsets into the parsed text (end exclusive), None on nodes that no text stands
    for. `type` is free for the resolver; no comparison looks at it.
    """

    start: int | None = None
    end: int | None = None
    type: Any = None


class Expr(Node):
    """A node that stands for a value, a list of columns or a table."""
