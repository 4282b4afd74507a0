"""One file a rule in `tests/golden/hogql`: HogQL, the SQL it becomes, the bound values, the rows from a real chDB.

A file is a title and cases. A case is what is asked (`hogql>`, and `with>` for what is special about the project), then
what came of it, which `make golden` writes anew.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.hogql.golden_data import fill, has_noisy_values, has_sessions
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore, StoreError
from hedgerow.hogql import HogQLError, Modifiers

FOLDER = Path(__file__).parents[1] / "golden" / "hogql"
FILES = sorted(FOLDER.glob("*.txt"))
WRITES = os.environ.get("HEDGEROW_GOLDEN") == "write"
_ASKED = ("with", "hogql")


class Case(msgspec.Struct):
    """One case of a file."""

    title: str
    asked: dict[str, str]
    answer: str


def read_cases(text: str) -> tuple[str, list[Case]]:
    """The title of a file, and its cases."""
    head, *parts = re.split(r"^== ", text, flags=re.MULTILINE)
    cases: list[Case] = []
    for part in parts:
        title, _, body = part.partition("\n")
        asked: dict[str, str] = {}
        answer: list[str] = []
        for field in re.split(r"^(?=[a-z]+> )", body.strip("\n"), flags=re.MULTILINE):
            name, _, value = field.partition("> ")
            if name in _ASKED:
                asked[name] = value.rstrip("\n")
            elif field:
                answer.append(field.rstrip("\n"))
        cases.append(Case(title, asked, "\n".join(answer)))
    return head.rstrip("\n"), cases


def write_cases(head: str, cases: list[Case]) -> str:
    """The file as text again."""
    blocks = [head]
    for case in cases:
        asked = [f"{name}> {case.asked[name]}" for name in _ASKED if name in case.asked]
        blocks.append("\n".join([f"== {case.title}", *asked, case.answer]))
    return "\n\n".join(blocks) + "\n"


def answer_of(project: Project, hogql: str) -> str:
    """The SQL, the bound values and the rows; or the error and its place."""
    try:
        query = project.compiles(hogql)
    except HogQLError as error:
        return f"error> {error.message} [{error.start}:{error.end}]"
    bound = {name: value for name, value in query.parameters.items() if name != "team"}
    lines = [f"sql> {_laid_out(query.sql)}", f"bound> {json.dumps(bound, ensure_ascii=False)}"]
    if query.limit is not None:
        lines.append(f"page> limit {query.limit}, offset {query.offset}")
    try:
        answer = project.answer(hogql)
    except StoreError as error:
        return "\n".join([*lines, f"refused> {error.name}"])
    types = [f"{name} {column['type']}" for name, column in zip(query.columns, answer["meta"], strict=True)]
    lines.append(f"columns> {', '.join(types)}")
    rows = [json.dumps(row, ensure_ascii=False) for row in answer["data"]]
    return "\n".join([*lines, "rows> " + ("\n      ".join(rows) or "none")])


def _laid_out(sql: str) -> str:
    """The SQL with its main clauses on lines of their own."""
    sql = re.sub(r" (?=(?:FROM [`(n]|PREWHERE |WHERE |GROUP BY |HAVING |ORDER BY |LIMIT ))", "\n     ", sql)
    return re.sub(r" ((?:(?:LEFT|INNER|FULL|RIGHT|CROSS|OUTER|ANY) )*JOIN )", "\n     \\1", sql)


def project_with(store: EventStore, options: str) -> Project:
    """A project of its own with the rows of `golden_data`; `with>` is `name=value` words."""
    project = Project(store, fresh_team_id())
    fill(project)
    modifiers: dict[str, Any] = {}
    for option in options.split():
        name, _, value = option.partition("=")
        match name:
            case "timezone":
                project.schema.timezone = value
            case "monday":
                project.schema.week_start_day = 1
            case "merged":
                project.moves("anon", "ann")
            case "noisy":
                has_noisy_values(project)
            case "sessions":
                has_sessions(project)
            case "paged":
                project.paged = True
            case _:
                modifiers[name] = {"true": True, "false": False}.get(value, value)
    project.modifiers = msgspec.convert(modifiers, Modifiers)
    return project


@pytest.fixture(scope="module")
def projects() -> dict[str, Project]:
    """The projects made so far, by their options: no case writes to one."""
    return {}


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_golden(file: Path, store: EventStore, projects: dict[str, Project]) -> None:
    head, cases = read_cases(file.read_text(encoding="utf-8"))
    found: list[Case] = []
    for case in cases:
        options = case.asked.get("with", "")
        if options not in projects:
            projects[options] = project_with(store, options)
        found.append(Case(case.title, case.asked, answer_of(projects[options], case.asked["hogql"])))
    text = write_cases(head, found)
    if WRITES:
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text, "read the difference; `make golden` takes it over"


def test_there_is_a_golden_file_for_every_rule() -> None:
    rules = Path(__file__).parents[2] / "src" / "hedgerow" / "hogql" / "rules"
    not_rules = {"__init__", "calls", "date_calls", "other_calls"}
    missing = {rule.stem for rule in rules.glob("*.py")} - not_rules - {file.stem for file in FILES}
    assert not missing, "write tests/golden/hogql/<rule>.txt: a title, `== case` and `hogql>` lines; then `make golden`"
