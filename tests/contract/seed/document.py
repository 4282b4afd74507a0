"""The document that the project was created from, taken apart: what it asks, what it shows, under which heading."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DOCUMENT = Path(__file__).resolve().parents[4] / "shared" / "seed-posthog-skill.md"
GATEWAY = "https://gateway.maton.ai/posthog"
KEY_VARIABLE = "MATON_API_KEY"
REQUEST = re.compile(r"(GET|POST|PATCH|PUT|DELETE) (/\S+)")


@dataclass(frozen=True)
class Block:
    """Something to run: `title` is the line above it."""

    title: str
    language: Literal["shell python", "python", "javascript", "http"]
    text: str
    shown: Any = None
    """The response that stands below it, if one does."""
    method: str = ""
    path: str = ""
    body: Any = None

    @property
    def name(self) -> str:
        """What a test calls it."""
        return f"{self.title}: {self.method} {self.path}" if self.method else f"{self.title}: {self.language}"


def blocks(text: str) -> list[Block]:
    """Every block of the document, in its order."""
    lines, found, place = text.splitlines(), list[Block](), 0
    while place < len(lines):
        line = lines[place]
        if line == "python <<'EOF'":
            end = lines.index("EOF", place)
            shown, after = _response(lines, end + 1)
            found.append(Block(_title(lines, place), "shell python", "\n".join(lines[place + 1 : end]), shown))
            place = after
        elif request := REQUEST.fullmatch(line):
            body, after = _body(lines, place + 1)
            shown, after = _response(lines, after)
            found.append(Block(_title(lines, place), "http", line, shown, request[1], request[2], body))
            place = after
        elif line == "const response = await fetch(":
            end = next(at for at in range(place, len(lines)) if lines[at].startswith("const data"))
            found.append(Block(_title(lines, place), "javascript", "\n".join(lines[place : end + 1])))
            place = end + 1
        elif line == "import os" and lines[place + 1] == "import requests":
            end = next(at for at in range(place, len(lines)) if lines[at].startswith("data = "))
            found.append(Block(_title(lines, place), "python", "\n".join(lines[place : end + 1])))
            place = end + 1
        else:
            place += 1
    return found


def _title(lines: list[str], place: int) -> str:
    """The line above a block; a comment's own words."""
    return lines[place - 1].removeprefix("# ").rstrip(":")


def _body(lines: list[str], place: int) -> tuple[Any, int]:
    if place < len(lines) and lines[place] == "Content-Type: application/json":
        return _json(lines, place + 1)
    return None, place


def _response(lines: list[str], place: int) -> tuple[Any, int]:
    if place < len(lines) and lines[place].startswith("Response"):
        return _json(lines, place + 1)
    return None, place


def _json(lines: list[str], place: int) -> tuple[Any, int]:
    """The JSON value that starts at a line; `[...]` in it is a list that is not shown."""
    for end in range(place + 1, len(lines) + 1):
        try:
            return json.loads("\n".join(lines[place:end]).replace("[...]", "[]")), end
        except ValueError:
            continue
    raise ValueError(f"no JSON at line {place + 1}")


def differences(shown: Any, given: Any, where: str = "$") -> list[str]:
    """Where a response lacks the shape that the document shows: a field that is missing, a value of another kind.

    More fields than are shown are welcome. A link may be null where one is shown, and the other way round.
    """
    if isinstance(shown, dict):
        if not isinstance(given, dict):
            return [f"{where}: an object is shown"]
        missing = [f"{where}.{name}: missing" for name in shown if name not in given]
        return missing + [
            each
            for name, value in shown.items()
            if name in given
            for each in differences(value, given[name], f"{where}.{name}")
        ]
    if isinstance(shown, list):
        if not isinstance(given, list):
            return [f"{where}: a list is shown"]
        if not shown:
            return []
        if not given:
            return [f"{where}: a list with something in it is shown"]
        if len({type(item) for item in shown}) > 1:  # a row: each place has its own kind
            pairs = zip(shown, given, strict=False)
            return [each for at, (one, other) in enumerate(pairs) for each in differences(one, other, f"{where}[{at}]")]
        return [each for number, item in enumerate(given) for each in differences(shown[0], item, f"{where}[{number}]")]
    if where.rpartition(".")[2] in {"next", "previous"}:
        return [] if given is None or isinstance(given, str) else [f"{where}: a link is shown"]
    if isinstance(shown, bool) or shown is None:
        return [] if type(given) is type(shown) else [f"{where}: {shown!r} is shown, {given!r} given"]
    if isinstance(shown, int):
        return [] if isinstance(given, int) and not isinstance(given, bool) else [f"{where}: a number is shown"]
    return [] if isinstance(given, type(shown)) else [f"{where}: {shown!r} is shown, {given!r} given"]
