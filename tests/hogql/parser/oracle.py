"""PostHog's own parser beside ours: asking it, and saying where two trees differ."""

from __future__ import annotations

import json
import math
import os
import selectors
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hedgerow.hogql import ast
from hedgerow.hogql.errors import HogQLError
from hedgerow.hogql.parser import parse_expr, parse_order_expr, parse_template, parse_tree
from hedgerow.hogql.walk import value_fields

_WORKER = Path(__file__).with_name("oracle_worker.py")
_PATIENCE_SECONDS = 20
#: The oracle keeps what it learnt of each text, a gigabyte after 50,000 of them.
_TEXTS_A_PROCESS = 4_000

#: Longer texts may take the oracle minutes.
MAX_LENGTH = 400

RULES = {"expr": parse_expr, "select": parse_tree, "order": parse_order_expr, "template": parse_template}


class Oracle:
    """The worker process, started when first asked, started again when it died or took too long."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0

    def ask(self, rule: str, text: str) -> dict[str, Any] | None:
        """What the oracle makes of a text: a node or an error, as it wrote it; None when it could not say in time."""
        if self._asked >= _TEXTS_A_PROCESS:
            self.close()
        process = self._running()
        self._asked += 1
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([rule, text]).encode() + b"\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if ready.select(_PATIENCE_SECONDS) else b""
        if not line.endswith(b"\n"):
            self.close()
            return None
        return json.loads(line)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._asked = 0
            self._process = subprocess.Popen(
                [sys.executable, "-u", str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": ""},
                bufsize=-1,
            )
        return self._process


@dataclass(frozen=True)
class Mismatch:
    """One place where the two do not agree: its path in the tree, and what each has there."""

    path: str
    theirs: object
    ours: object

    def __str__(self) -> str:
        return f"{self.path or 'the text'}: theirs {self.theirs!r:.300}, ours {self.ours!r:.300}"


def compare(oracle: Oracle, rule: str, text: str) -> list[Mismatch]:
    """Where our tree of a text and the oracle's differ; nothing when both refuse it."""
    theirs = oracle.ask(rule, text)
    if theirs is None:
        return []
    try:
        ours: ast.Node | HogQLError = RULES[rule](text)
    except HogQLError as error:
        ours = error
    if theirs.get("error"):
        return [] if isinstance(ours, HogQLError) else [Mismatch("", f"refused: {theirs['message']}", ours)]
    if isinstance(ours, HogQLError):
        return [Mismatch("", theirs, f"refused at {ours.start}: {ours.message}")]
    # The oracle's template begins with two characters that are not ours.
    return _differences(theirs, ours, "", -2 if rule == "template" else 0)


def _differences(theirs: Any, ours: Any, path: str, shift: int) -> list[Mismatch]:
    if isinstance(theirs, dict) and "node" in theirs:
        return _node_differences(theirs, ours, path, shift)
    if isinstance(theirs, list):
        if not isinstance(ours, (list, tuple)) or len(theirs) != len(ours):
            return [Mismatch(path, theirs, ours)]
        pairs = [(theirs[index], ours[index], f"{path}[{index}]") for index in range(len(theirs))]
    elif isinstance(theirs, dict):
        if not isinstance(ours, dict) or set(theirs) != set(ours):
            return [Mismatch(path, theirs, ours)]
        pairs = [(theirs[key], ours[key], f"{path}.{key}") for key in theirs]
    else:
        # What the oracle leaves out is null or false.
        absent = theirs in (None, False) and ours in (None, False)
        same = absent or (type(theirs) is type(ours) and theirs == ours)
        return [] if same else [Mismatch(path, theirs, ours)]
    return [found for a, b, at in pairs for found in _differences(a, b, at, shift)]


def _node_differences(theirs: dict[str, Any], ours: Any, path: str, shift: int) -> list[Mismatch]:
    if type(ours).__name__ != theirs["node"]:
        return [Mismatch(path, theirs, ours)]
    fields = value_fields(type(ours))
    found = [Mismatch(path, theirs, ours)] if set(theirs) - {*fields, "node", "start", "end", "value_type"} else []
    for field in fields:
        if isinstance(ours, ast.Constant):
            value = _constant(theirs)
            if type(value) is not type(ours.value) or not (value == ours.value or value != value):  # noqa: PLR0124
                found.append(Mismatch(f"{path}.value", value, ours.value))
        else:
            found += _differences(theirs.get(field), getattr(ours, field), f"{path}.{field}", shift)
    if theirs.get("start") is not None and theirs.get("end") is not None:
        span = (max(0, theirs["start"]["offset"] + shift), theirs["end"]["offset"] + shift)
        if span != (ours.start, ours.end):
            found.append(Mismatch(f"{path}.span of {theirs['node']}", span, (ours.start, ours.end)))
    return found


def _constant(theirs: dict[str, Any]) -> object:
    """The value of a constant; numbers that JSON cannot hold come as text."""
    value = theirs["value"]
    if theirs.get("value_type") != "number":
        return value
    special = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
    return special[value] if value in special else int(value, 0)
