"""Runs JavaScript in Node with `posthog-node` at hand, as its user would."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests.chromium import ROOT, node_command

HEAD = """
import { PostHog } from "posthog-node";
const args = JSON.parse(process.env.ARGS);
const report = {};
"""
TAIL = """
process.stdout.write(JSON.stringify(report));
"""


def run_node(script: str, environ: dict[str, str] | None = None, **args: Any) -> dict[str, Any]:
    """Run a module that has `PostHog` and `args`, and return what it put into `report`."""
    done = subprocess.run(
        [*node_command(), "--input-type=module", "--eval", HEAD + script + TAIL],
        env={**os.environ, **(environ or {}), "ARGS": json.dumps(args)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
