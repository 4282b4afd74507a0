"""`make bench`: run every measurement, write `bench/results/<name>.json`, print each figure beside its bar.

`python -m bench ingest startup` runs some of them.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.beside import beside
from bench.endpoint import endpoint
from bench.gateway import gateway
from bench.hostile import hostile
from bench.ingest import ingest
from bench.language import language
from bench.overrides import overrides
from bench.properties import properties
from bench.startup import startup

RESULTS = Path(__file__).parent / "results"
MEASUREMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "startup": startup,
    "ingest": ingest,
    "endpoint": endpoint,
    "hostile": hostile,
    "properties": properties,
    "overrides": overrides,
    "language": language,
    "beside": beside,
    "gateway": gateway,
}
BARS: tuple[tuple[str, str, str, float], ...] = (
    ("startup", "seconds_to_ready", "≤", 3),
    ("startup", "memory_idle_mb", "≤", 400),
    ("ingest", "mix.ratio_to_raw", "≥", 0.4),
    ("ingest", "mix.events_per_second", "≥", 12_000),
    ("ingest", "mix.memory_max_mb", "≤", 1_024),
    ("ingest", "small.events_per_second", "≥", 30_000),
    ("ingest", "single_64_connections.events_per_second", "≥", 4_000),
    ("ingest", "mix_50000_keys.ratio_to_mix", "≥", 0.5),
    ("ingest", "mix_50000_keys.open_files_max", "≤", 2_000),
    ("endpoint", "short_adds_ms", "≤", 3),
    ("endpoint", "sixty_lines_adds_ms", "≤", 3),
    ("endpoint", "star_of_100_rows_adds_ms", "≤", 3),
    ("endpoint", "short_new_adds_ms", "≤", 3),
    ("endpoint", "sixty_lines_new_adds_beside_parse_ms", "≤", 3),
    ("endpoint", "sixty_lines_parse_ms", "≤", 5),
    ("endpoint", "long_adds_share", "≤", 0.1),
    ("hostile", "p99_more_ms", "≤", 50),
    ("properties", "3M.declared_times_faster", "≥", 40),
    ("properties", "3M.other_times_faster", "≥", 15),
    ("properties", "3M.person_over_event", "≤", 3),
    ("properties", "3M.person_filter_over_event", "≤", 3),
    ("properties", "10M.declared_times_faster", "≥", 40),
    ("properties", "10M.other_times_faster", "≥", 15),
    ("properties", "10M.person_over_event", "≤", 3),
    ("overrides", "after_squash_ratio", "≤", 1.5),
    ("beside", "one.ingest_kept", "≥", 0.7),
    ("beside", "one.small_p99_times", "≤", 10),
    ("language", "worst_over_by_hand", "≤", 1.3),
    ("language", "export.rows_per_second", "≥", 500_000),
    ("language", "export.growth_mb", "≤", 100),
    ("gateway", "added_p50_ms", "≤", 0.5),
    ("gateway", "added_p99_ms", "≤", 3),
    ("gateway", "half_load_p99_ms", "≤", 8),
    ("gateway", "calls_per_second", "≥", 3_000),
    ("gateway", "answer_1_gb_growth_mb", "≤", 20),
    ("gateway", "request_64_mb_growth_mb", "≤", 20),
    ("gateway", "local.added_p50_ms", "≤", 0.3),
)


def main(names: list[str]) -> None:
    for name in names or list(MEASUREMENTS):
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        started = time.perf_counter()
        figures = MEASUREMENTS[name]()
        report = {
            "name": name,
            "seconds": round(time.perf_counter() - started, 1),
            **_circumstances(),
            "figures": figures,
        }
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print_table()


def print_table() -> None:
    """Every bar with the figure that was measured last."""
    print(f"{'figure':58} {'measured':>12}   {'bar':>10}")
    for name, path, sign, bar in BARS:
        file = RESULTS / f"{name}.json"
        if not file.exists():
            continue
        value: Any = json.loads(file.read_text(encoding="utf-8"))["figures"]
        for part in path.split("."):
            value = value[part]
        met = value >= bar if sign == "≥" else value <= bar
        print(f"{name + ': ' + path:58} {value:12,.2f}   {sign} {bar:>8,.2f} {'' if met else '  short'}")


def _circumstances() -> dict[str, Any]:
    def commit() -> str:
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    import chdb

    return {"commit": commit(), "cores": os.cpu_count(), "python": platform.python_version(), "chdb": chdb.__version__}


if __name__ == "__main__":
    main(sys.argv[1:])
