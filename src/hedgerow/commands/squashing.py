"""`hedgerow squash`: write merged persons into the stored events now, while nothing serves the folder."""

from __future__ import annotations

from hedgerow.core.errors import StartupError
from hedgerow.people.squash import RewriteFailed
from hedgerow.server import Hedgerow
from hedgerow.settings import Settings

COUNT_MAX = 1_000_000_000


async def squash_folder(settings: Settings) -> int:
    """How many overrides there were. Raises StartupError when another process has the folder, or ClickHouse refuses."""
    house = await Hedgerow.open(settings)
    try:
        count = await house.upkeep.squash.pending(COUNT_MAX)
        await house.upkeep.squash_now()
    except RewriteFailed as error:
        raise StartupError(f"Events could not be rewritten: {error}") from None
    finally:
        await house.close()
    return count
