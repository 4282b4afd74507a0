"""From the command to the first 200 on a folder that exists, and what an idle server weighs."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from bench.running import MEGABYTE, serving


def startup(rounds: int = 5) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-start-"))
    seconds: list[float] = []
    memory = 0.0
    for _ in range(rounds + 1):
        with serving(folder) as server:
            seconds.append(server.seconds_to_ready)
            time.sleep(1)
            memory = server.process.memory_info().rss / MEGABYTE
    return {"seconds_to_ready": statistics.median(seconds[1:]), "memory_idle_mb": memory}
