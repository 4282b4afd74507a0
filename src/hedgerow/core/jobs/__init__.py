"""Slow work is a row (DESIGN 12): added in SQL, claimed with a lease, run by tasks of this process.

    jobs = Jobs(metadata, clock, is_alone=True)
    jobs.register("count_sheep", count_sheep)            # async def count_sheep(payload, progress): ...
    number = await jobs.add("count_sheep", {"herd": 3}, team_id=1)
    await jobs.start()

A job that a kill interrupts is run again from its beginning, so work must be safe to repeat.
"""

from hedgerow.core.jobs.runner import Jobs
from hedgerow.core.jobs.store import Job, LeaseLost, Progress, State, Work

__all__ = ["Job", "Jobs", "LeaseLost", "Progress", "State", "Work"]
