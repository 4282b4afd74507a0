"""The documentation names everything that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hedgerow.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.__struct_fields__))
def test_every_setting_is_in_the_docs(name: str) -> None:
    assert f"`HEDGEROW_{name.upper()}`" in SETTINGS_PAGE


def test_the_docs_name_no_setting_that_is_none() -> None:
    named = {line.split("`")[1] for line in SETTINGS_PAGE.splitlines() if line.startswith("| `HEDGEROW_")}
    assert named == {f"HEDGEROW_{name.upper()}" for name in Settings.__struct_fields__}


LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_every_link_leads_somewhere(page: Path) -> None:
    for place, heading in LINK.findall(page.read_text(encoding="utf-8")):
        target = page if not place else page.parent / place
        assert target.exists(), place
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, heading


def test_the_readme_leads_to_every_page() -> None:
    named = {place for place, _ in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= named


def test_every_decision_is_short_and_numbered_once() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [file.name[:4] for file in decisions]
    assert len(numbers) == len(set(numbers))
    too_long = [file.name for file in decisions if len(file.read_text(encoding="utf-8").splitlines()) > 60]
    assert not too_long
