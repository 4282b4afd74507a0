"""When a token is due to be replaced (gateway §3.2)."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

MARGIN_MIN: Final = 120.0
MARGIN_MAX: Final = 3_600.0
MARGIN_SHARE: Final = 0.1
JITTER_MAX: Final = 60.0
PROVEN_EVERY: Final = timedelta(hours=24)
"""An idle connection is refreshed at least so often, so that it is known to live."""


def due_at(received: datetime, lives: float) -> datetime:
    """When to refresh a token that was received then and lives so many seconds.

    Ahead of its end by two minutes to an hour, and by up to a minute more, so that not all come at once; a token that lives
    for minutes is refreshed after half of its time at the earliest.
    """
    margin = max(MARGIN_MIN, min(lives * MARGIN_SHARE, MARGIN_MAX)) + secrets.randbelow(1_000) / 1_000 * JITTER_MAX
    return received + min(timedelta(seconds=max(lives - margin, lives / 2)), PROVEN_EVERY)
