"""A row to write: the simplest table there is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hedgerow.core import ids
from hedgerow.core.identity.models import Organization

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
AN_ORGANIZATION: dict[str, Any] = {
    "name": "Fernhill",
    "slug": "fernhill",
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "deleted_at": None,
    "settings": {},
}


def organization(**changes: Any) -> Organization:
    """An organization that is not stored yet."""
    return Organization(**{"id": ids.uuid7(), **AN_ORGANIZATION, **changes})
