"""`hedgerow demo`: the shop's story into the first project of a folder that nobody serves."""

from __future__ import annotations

from hedgerow.commands.serving import fill_in_process
from hedgerow.commands.setup import set_up
from hedgerow.server import Hedgerow
from hedgerow.settings import Settings


async def fill_folder(settings: Settings) -> int:
    """Give the number of events. Raises StartupError when another process has the folder."""
    made = await set_up(settings)
    house = await Hedgerow.open(settings)
    try:
        return await fill_in_process(house, str(made["project_token"]))
    finally:
        await house.close()
