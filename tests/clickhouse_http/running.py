"""Starts the stand-in for a ClickHouse server as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

SERVER = Path(__file__).with_name("server.py")


@contextmanager
def stand_in(folder: Path, port: int = 0) -> Generator[str]:
    """The URL (`clickhouse://127.0.0.1:PORT`) of a stand-in over `folder`, for as long as the block runs."""
    command = [sys.executable, str(SERVER), "--data", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        if not ready:
            raise RuntimeError(f"the stand-in ended with {process.wait()} before it was ready")
        yield f"clickhouse://{ready[1]}"
    finally:
        process.terminate()
        process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()
