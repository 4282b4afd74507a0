"""Selectors find elements of chains, whole names only (rest-api §13)."""

from __future__ import annotations

import pytest
import re2
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore
from hedgerow.hogql import ast
from hedgerow.hogql.selectors import is_selector, selector_regex, tag_regex

BUTTON = (
    'button.btn.btn-big:attr__data-x="a b"attr__href="/x"attr__title="say \\"hi\\""attr_id="go"nth-child="2"'
    'nth-of-type="1"text="x;b.c"'
)
CHAIN = f'{BUTTON};form.hover:bg-blue.w-1/2:attr__style="color: red; margin: 0 > 1";div.card;body'
FOUND = [
    "button",
    "*",
    ".btn",
    ".btn-big.btn",
    "button.btn#go",
    '[data-x="a b"]',
    "[data-x='a b']",
    '[href="/x"]',
    '[title="say \\"hi\\""]',
    "[title='say \"hi\"']",
    "[href]",
    '[title]#go[data-x="a b"]',
    "button:nth-child(2)",
    "button:nth-of-type(1).btn",
    ":nth-child(2)",
    "form > button",
    "form>button",
    "div button",
    "body > div > form > .btn",
    "body .btn",
    ".hover\\:bg-blue",
    ".hover:bg-blue .btn",
    "form.w-1\\/2",
    '[style="color: red; margin: 0 > 1"] > button',
    "* > button",
]
NOT_FOUND = [
    ".bt",
    ".big",
    "b",
    "butto",
    "utton",
    '[data-x="a"]',
    "#g",
    "button:nth-child(1)",
    "button:nth-of-type(2)",
    "div > button",
    "button form",
    "button.card",
    "* > body",
    ".blue",
    "red",
]
NOT_UNDERSTOOD = [
    "",
    "  ",
    ">",
    "> a",
    "button >",
    "form, button",
    "form + button",
    "button:hover",
    '[href^="/"]',
    "x" * 5000,
]


@pytest.fixture(scope="module")
def page(store: EventStore) -> Project:
    page = Project(store, fresh_team_id())
    page.sends("$autocapture", elements_chain=CHAIN)
    return page


def test_the_store_finds_what_a_selector_names(page: Project) -> None:
    asked = {said: selector_regex(said) for said in [*FOUND, *NOT_FOUND, *NOT_UNDERSTOOD]}
    columns = ", ".join(f"match(elements_chain, {{p{index}}})" for index in range(len(asked)))
    patterns = page.asks(
        f"SELECT {columns} FROM events",
        **{f"p{index}": ast.Constant(value=each) for index, each in enumerate(asked.values())},
    )

    assert [said for said, is_found in zip(asked, patterns[0], strict=True) if is_found] == FOUND


@pytest.mark.parametrize("selector", FOUND)
def test_the_writer_finds_the_same(selector: str) -> None:
    assert re2.search(selector_regex(selector), CHAIN)
    assert is_selector(selector)


@pytest.mark.parametrize("selector", [*NOT_FOUND, *NOT_UNDERSTOOD])
def test_the_writer_does_not_find_others(selector: str) -> None:
    assert not re2.search(selector_regex(selector), CHAIN)
    assert is_selector(selector) == (selector not in NOT_UNDERSTOOD)


def test_a_tag_is_an_elements_not_a_texts() -> None:
    assert [tag for tag in ("button", "form", "body", "b", "x", "card", "") if re2.search(tag_regex(tag), CHAIN)] == [
        "button",
        "form",
        "body",
    ]
