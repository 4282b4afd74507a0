"""One file a kind in `tests/golden/queries`: nodes, and the SQL that ClickHouse is asked for each.

A file is a title and cases; a case is a `node>`, then what came of it, which `make golden` writes anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.queries.world import World

from hedgerow.core.storage.events import EventStore
from hedgerow.queries.registry import KINDS

FOLDER = Path(__file__).parents[1] / "golden" / "queries"
FILES = sorted(FOLDER.glob("*.txt"))
TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in FILES}
WRITES = os.environ.get("HEDGEROW_GOLDEN") == "write"
ELSEWHERE = {"HogQLQuery", "HogQLMetadata", "HogQLAutocomplete", "DatabaseSchemaQuery"}
"""The first has the golden files of HogQL itself; the others ask ClickHouse nothing."""
_MEANWHILE = re.compile(r" (?=(?:FROM|PREWHERE|WHERE|GROUP BY|HAVING|ORDER BY|LIMIT|ARRAY JOIN) )")


def overheard(events: EventStore, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, object]]]:
    """What the store is asked by queries, in order."""
    asked: list[tuple[str, Mapping[str, object]]] = []
    query = events.query

    async def noted(sql: str, parameters: Mapping[str, object] | None = None, **more: Any) -> bytes:
        if more.get("tag"):
            asked.append((sql, parameters or {}))
        return await query(sql, parameters, **more)

    monkeypatch.setattr(events, "query", noted)
    return asked


def shown(sql: str, parameters: Mapping[str, object]) -> str:
    bound = {name: value for name, value in parameters.items() if name != "team"}
    lines = _MEANWHILE.sub("\n     ", sql)
    return f"sql> {lines}\nbound> {json.dumps(bound, ensure_ascii=False, default=str)}"


def write(file: Path, answer: str) -> None:
    if WRITES:
        file.write_text(answer, encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
async def test_golden(world: World, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = await world.project()
    asked = overheard(world.stores.events, monkeypatch)
    text = TEXTS[file.stem]
    head, *cases = re.split(r"^== ", text, flags=re.MULTILINE)
    written = [head.rstrip("\n")]
    for case in cases:
        title, node, *_ = case.split("\n")
        asked.clear()
        query = json.loads(node.removeprefix("node> "))
        assert query["kind"] == file.stem
        response = await project.request("POST", json={"query": query, "refresh": "force_blocking"})
        assert response.status_code == 200, response.text
        written.append("\n".join([f"== {title}", node, *(shown(*each) for each in asked)]))
    answer = "\n\n".join(written) + "\n"
    write(file, answer)
    assert answer == text, f"read what changed; then `make golden` rewrites {file.name}"


def test_there_is_a_golden_file_for_every_kind() -> None:
    assert KINDS.keys() - ELSEWHERE == {file.stem for file in FILES}
