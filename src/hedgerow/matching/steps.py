"""What an action is made of (rest-api §13)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

AUTOCAPTURE: Final = "$autocapture"
"""The event that elements come with; steps of other events do not look at elements."""
MATCHING: Final = ("contains", "regex", "exact")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One way to match: all that is given must hold. None is not looked at, nor is an empty event, URL or selector."""

    event: str | None = None
    """Equal to the event's name."""
    properties: list[dict[str, Any]] | None = None
    """Property filters, all of which must hold."""
    selector: str | None = None
    """Finds something in the chain of elements."""
    tag_name: str | None = None
    """The tag of any element of the chain."""
    text: str | None = None
    """The text of any element of the chain."""
    text_matching: str | None = None
    """One of MATCHING; None is exact. `contains` is without regard to case."""
    href: str | None = None
    """The first link of the chain."""
    href_matching: str | None = None
    """As `text_matching`."""
    url: str | None = None
    """`$current_url`."""
    url_matching: str | None = "contains"
    """One of MATCHING; None is contains, where `%` and `_` stand for others, and case counts."""
