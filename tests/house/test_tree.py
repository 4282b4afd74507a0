"""Rules about the tree itself; each failure says what to do instead."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "hedgerow"


def test_no_module_has_a_name_that_says_nothing() -> None:
    nameless = {"utils", "util", "helpers", "common", "manager", "misc"}
    found = [str(file.relative_to(ROOT)) for file in SOURCE.rglob("*.py") if file.stem in nameless]
    assert not found, "name the module after what it does"


def test_routes_hold_no_sql() -> None:
    words = ("sqlalchemy", "SELECT ", "INSERT INTO ", "DELETE FROM ")
    found = [
        f"{file.relative_to(ROOT)}: {word}"
        for file in SOURCE.rglob("*routes.py")
        for word in words
        if word in file.read_text(encoding="utf-8")
    ]
    assert not found, "SQL stands in the module of its store; a route parses, calls and returns"


def test_nothing_unfinished_is_left_in_the_source() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X:", "NotImplemented" + "Error()")
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in SOURCE.rglob("*.py")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if any(mark in line for mark in marks)
    ]
    assert not found, "finish it, or write it into an issue"
