"""What every node of a tree has."""

from __future__ import annotations

from typing import Any

import msgspec


class Node(msgspec.Struct, kw_only=True, eq=False, gc=False, repr_omit_defaults=True):
    """What every node carries.

    `start` and `end` are character offsets into the parsed text (end exclusive), None on nodes that no text stands
    for. `type` is free for the resolver; no comparison looks at it.

    Nodes are left out of garbage collection, which a long query would keep busy: nothing that a node holds, its type
    included, may lead back to the node.
    """

    start: int | None = None
    end: int | None = None
    type: Any = None


class Expr(Node):
    """A node that stands for a value, a list of columns or a table."""
