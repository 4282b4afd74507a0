"""The fenced blocks of a page, and how each is run: what a page shows is what happens.

A block of `sh`, `python`, `js` or `sql` is run; a block of `json` or `text` right behind it is what it must print. `…`
stands for what differs from run to run: anything in a text or a JSON string, further members as a key, further items as
the last item of a list. `<!-- not run: why -->` before a block leaves it out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.chromium import ROOT, node_command

_BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]*?) -->\n+)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = frozenset({"sh", "python", "js", "sql"})
PRINTED = frozenset({"json", "text"})
SHOWN = frozenset({"html", "ini", "toml"})


@dataclass(frozen=True)
class Block:
    """One fenced block, where it stands, and what it must print, if the page says so."""

    page: str
    line: int
    kind: str
    body: str
    note: str
    printed: str | None = None
    printed_as: str = ""

    @property
    def is_run(self) -> bool:
        return self.kind in RUN and not self.note.startswith("not run: ")

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in _BLOCK.finditer(text):
        kind, body = match["kind"], match["body"]
        if kind in PRINTED:
            assert found, f"{page.name}: what prints this? {body[:60]}"
            assert not text[end : match.start()].strip(), f"{page.name}: what prints this? {body[:60]}"
            last = found.pop()
            found.append(Block(last.page, last.line, last.kind, last.body, last.note, body, kind))
        else:
            assert kind in RUN | SHOWN, f"{page.name}: nobody knows how to run {kind}"
            line = text.count("\n", 0, match.start("kind")) + 1
            found.append(Block(page.name, line, kind, body, match["note"] or ""))
        end = match.end()
    assert text.count("```") == 2 * len(re.findall(r"^```\w+$", text, re.MULTILINE)), f"{page.name}: a stray fence"
    return found


class Runner:
    """Runs blocks in one folder, against one server."""

    def __init__(self, folder: Path, environ: dict[str, str], hogql: Callable[[str], Any]) -> None:
        self._folder = folder
        binaries = [str(Path(sys.executable).parent), *dict.fromkeys(str(Path(node_command()[0]).parent).splitlines())]
        path = os.pathsep.join([*binaries, os.environ.get("PATH", "")])
        self._environ = {**os.environ, **environ, "PATH": path, "COLUMNS": "100"}
        self._hogql = hogql

    def run(self, written: Block) -> str | None:
        """What is wrong with the block; None when it did as the page says."""
        block = replace(written, body=self._with_own_values(written.body))
        if block.kind == "sql":
            answer = json.dumps(self._hogql(block.body))
            return None if block.printed is None else _difference(block, answer)
        line, folder = self._line(block)
        done = subprocess.run(
            line, cwd=folder, env=self._environ, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            return f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        return None if block.printed is None else _difference(block, done.stdout)

    def _with_own_values(self, text: str) -> str:
        """The text for this server: its address and its keys, where the page has an example's."""
        own = self._environ
        for shown, meant in (("http://127.0.0.1:8000", own["URL"]), ("phc_…", own["TOKEN"]), ("phx_…", own["KEY"])):
            text = text.replace(shown, meant)
        return text

    def _line(self, block: Block) -> tuple[Sequence[str], Path]:
        if block.kind == "sh":
            return ["bash", "-euo", "pipefail", "-c", block.body], self._folder
        if block.kind == "python":
            return [sys.executable, "-c", block.body], self._folder
        return [*node_command(), "--input-type=module", "--eval", block.body], ROOT


def _difference(block: Block, printed: str) -> str | None:
    assert block.printed is not None
    if block.printed_as == "json":
        wanted, got = json.loads(block.printed), json.loads(printed)
        return None if _fits(wanted, got) else f"printed {json.dumps(got, indent=1, ensure_ascii=False)}"
    lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    pattern = ".*".join(re.escape(part) for part in block.printed.strip().split("…"))
    return None if re.fullmatch(pattern, lines, re.DOTALL) else f"printed {printed}"


def _fits(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, dict):
        if not isinstance(got, dict) or ("…" not in wanted and wanted.keys() != got.keys()):
            return False
        return all(key in got and _fits(value, got[key]) for key, value in wanted.items() if key != "…")
    if isinstance(wanted, list):
        if wanted and wanted[-1] == "…":
            return isinstance(got, list) and all(map(_fits, wanted[:-1], got)) and len(got) >= len(wanted) - 1
        return isinstance(got, list) and len(wanted) == len(got) and all(map(_fits, wanted, got))
    if isinstance(wanted, str) and "…" in wanted:
        parts = (re.escape(part) for part in wanted.split("…"))
        return wanted == "…" or (isinstance(got, str) and re.fullmatch(".*".join(parts), got, re.DOTALL) is not None)
    return type(wanted) is type(got) and wanted == got
