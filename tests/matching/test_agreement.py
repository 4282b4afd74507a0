"""Queries, the writer and a slow, obvious model agree on random steps and random pages (rest-api §13)."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore
from hedgerow.matching import Matcher, Step, condition_of

TAGS = ["a", "div", "b"]
CLASSES = ["btn", "btn-x", "x"]
VALUES = ["a", "A b", "x;b.btn", "a>b", "b:c"]
URLS = ["https://x.org/a", "https://x.org/A?b=1", "/a", None]


@dataclass
class Element:
    tag: str
    classes: list[str] = field(default_factory=list[str])
    attributes: dict[str, str] = field(default_factory=dict[str, str])

    def written(self) -> str:
        attributes = "".join(f'{key}="{value}"' for key, value in sorted(self.attributes.items()))
        return ".".join([self.tag, *sorted(self.classes)]) + (f":{attributes}" if attributes else "")


@dataclass
class Page:
    event: str
    url: str | None
    chain: list[Element]

    @property
    def written(self) -> str:
        return ";".join(each.written() for each in self.chain)


def drawn(chance: random.Random) -> Page:
    names = ["text", "href", "attr_id", "attr__data-x", "nth-child"]
    chain = [
        Element(
            chance.choice(TAGS),
            chance.sample(CLASSES, chance.randint(0, 2)),
            {
                name: str(chance.randint(1, 2)) if name == "nth-child" else chance.choice(VALUES)
                for name in chance.sample(names, chance.randint(0, 3))
            },
        )
        for _ in range(chance.randint(0, 4))
    ]
    return Page(chance.choice(["$autocapture", "$autocapture", "paid"]), chance.choice(URLS), chain)


PAGES = [drawn(random.Random(seed)) for seed in range(60)]
Wanted = tuple[str | None, str | None, tuple[str, str] | None]
PARTS = st.tuples(
    st.sampled_from([None, *TAGS]),
    st.sampled_from([None, *CLASSES]),
    st.one_of(
        st.none(),
        st.tuples(st.sampled_from(["attr__data-x", "attr_id"]), st.sampled_from(VALUES)),
        st.tuples(st.just("nth-child"), st.sampled_from(["1", "2"])),
    ),
)
SELECTORS = st.lists(st.tuples(st.booleans(), PARTS), min_size=1, max_size=3)
KINDS = st.sampled_from(["exact", "contains"])


def css(parts: list[tuple[bool, Wanted]]) -> str:
    said = ""
    for index, (is_child, (tag, name, attribute)) in enumerate(parts):
        said += "" if index == 0 else " > " if is_child else " "
        said += (tag or "*") + (f".{name}" if name else "")
        if attribute is not None:
            key, value = attribute
            key = {"attr_id": "id", "attr__data-x": "data-x"}.get(key, key)
            said += f":{key}({value})" if key == "nth-child" else f'[{key}="{value}"]'
    return said


def fits(element: Element, wanted: Wanted) -> bool:
    tag, name, attribute = wanted
    return (
        tag in {None, element.tag}
        and (name is None or name in element.classes)
        and (attribute is None or element.attributes.get(attribute[0]) == attribute[1])
    )


def finds(parts: list[tuple[bool, Wanted]], chain: list[Element], at: int | None = None) -> bool:
    """Whether the last part is the element at `at` (or any), and the parts before it are above."""
    is_child, wanted = parts[-1]
    for place in range(len(chain)) if at is None else [at]:
        if place >= len(chain) or not fits(chain[place], wanted):
            continue
        above = [place + 1] if is_child else range(place + 1, len(chain))
        if len(parts) == 1 or any(finds(parts[:-1], chain, each) for each in above):
            return True
    return False


def compares(value: str, kind: str, wanted: str, *, cased: bool) -> bool:
    if kind == "exact":
        return value == wanted
    return wanted in value if cased else wanted.lower() in value.lower()


def expected(step: dict[str, Any], parts: list[tuple[bool, Wanted]] | None, page: Page) -> bool:
    if step.get("event") not in {None, page.event}:
        return False
    if "url" in step and (page.url is None or not compares(page.url, step["url_matching"], step["url"], cased=True)):
        return False
    if step.get("event") != "$autocapture":
        return True
    texts = [each.attributes["text"] for each in page.chain if "text" in each.attributes]
    links = [each.attributes["href"] for each in page.chain if "href" in each.attributes]
    return (
        (parts is None or finds(parts, page.chain))
        and ("tag_name" not in step or any(each.tag == step["tag_name"] for each in page.chain))
        and ("text" not in step or any(compares(t, step["text_matching"], step["text"], cased=False) for t in texts))
        and (
            "href" not in step or compares(links[0] if links else "", step["href_matching"], step["href"], cased=False)
        )
    )


@pytest.fixture(scope="module")
def site(store: EventStore) -> Project:
    site = Project(store, fresh_team_id())
    for index, page in enumerate(PAGES):
        properties = {"n": index} if page.url is None else {"n": index, "$current_url": page.url}
        site.sends(page.event, properties=properties, elements_chain=page.written)
    return site


STEPS = st.fixed_dictionaries(
    {"url_matching": KINDS, "text_matching": KINDS, "href_matching": KINDS},
    optional={
        "event": st.sampled_from(["$autocapture", "$autocapture", "paid"]),
        "url": st.sampled_from(["https://x.org/a", "/a", "x.org"]),
        "tag_name": st.sampled_from(TAGS),
        "text": st.sampled_from(VALUES),
        "href": st.sampled_from(VALUES),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn_steps=st.lists(st.tuples(STEPS, st.one_of(st.none(), SELECTORS)), max_size=2))
def test_all_three_agree(site: Project, drawn_steps: list[Any]) -> None:
    steps = [Step(**said, selector=None if parts is None else css(parts)) for said, parts in drawn_steps]
    wanted = [
        index for index, page in enumerate(PAGES) if any(expected(said, parts, page) for said, parts in drawn_steps)
    ]
    matcher = Matcher(steps)
    asked = site.asks(
        "SELECT toInt(properties.n) AS n FROM events WHERE {w} ORDER BY n LIMIT 1000",
        w=condition_of(steps, site.schema),
    )

    assert [row[0] for row in asked] == wanted
    assert [
        index
        for index, page in enumerate(PAGES)
        if matcher.matches(page.event, {} if page.url is None else {"$current_url": page.url}, page.written)
    ] == wanted


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(selectors=st.lists(SELECTORS, min_size=12, max_size=20))
def test_all_three_find_the_same_elements(site: Project, selectors: list[list[tuple[bool, Wanted]]]) -> None:
    steps = [Step(event="$autocapture", selector=css(parts)) for parts in selectors]
    clicks = [index for index, page in enumerate(PAGES) if page.event == "$autocapture"]
    wanted = [[index for index in clicks if finds(parts, PAGES[index].chain)] for parts in selectors]
    columns = ", ".join(f"arraySort(groupArrayIf(toInt(properties.n), {{s{index}}}))" for index in range(len(steps)))
    conditions = {f"s{index}": condition_of([step], site.schema) for index, step in enumerate(steps)}

    assert site.asks(f"SELECT {columns} FROM events", **conditions) == [wanted]
    for step, found in zip(steps, wanted, strict=True):
        matcher = Matcher([step])
        assert [index for index in clicks if matcher.matches("$autocapture", {}, PAGES[index].written)] == found


def test_property_filters_are_left_to_queries() -> None:
    filters = [{"key": "a", "type": "event", "operator": "exact", "value": "x"}]
    matcher = Matcher([Step(event="a", properties=filters), Step(event="b"), Step(url="(", url_matching="regex")])

    assert matcher.matches("a", {"$current_url": "("}, "") is None
    assert matcher.matches("b", {}, "") is True
    assert matcher.matches("c", {"$current_url": "("}, "") is False


def test_wildcards_and_regexes_of_urls() -> None:
    for kind, url, found in [
        ("contains", "x_o%/b", ["xyo-/b", "1x\no/b"]),
        ("contains", r"5\%", ["/5%"]),
        ("regex", r"^/\d+$", ["/55", "/12"]),
    ]:
        matcher = Matcher([Step(url=url, url_matching=kind)])
        tried = ["xyo-/b", "1x\no/b", "XYO/B", "/5%", "/55", "/12", "/1a"]
        assert [each for each in tried if matcher.matches("e", {"$current_url": each}, "")] == found
