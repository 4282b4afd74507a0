"""Steps of actions, asked of real rows (rest-api §13)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore
from hedgerow.hogql import HogQLError
from hedgerow.matching import Step, condition_of

EVENTS = ["buy", "none", "page", "shop", "signup"]


@pytest.fixture(scope="module")
def site(store: EventStore) -> Project:
    """Five events, each called `name` by its property: two clicks, a page, a custom event, an event of nothing."""
    site = Project(store, fresh_team_id())
    free = {"plan": "free"}
    chain = 'span:text="Buy now";a.btn:attr__href="/Buy"href="/Buy";div'
    site.sends("$autocapture", properties={"name": "buy", "$current_url": "https://x.org/Cart"}, elements_chain=chain)
    site.sends(
        "$autocapture",
        by="bob",
        properties={"name": "shop"},
        person_properties=free,
        elements_chain='a:href="/shop"text="Shop"',
    )
    site.sends("$pageview", properties={"name": "page", "$current_url": "https://x.org/cart/1"})
    site.sends(
        "signup",
        by="bob",
        properties={"name": "signup", "seats": 5},
        person_properties=free,
        elements_chain='a:text="Buy now"',
    )
    site.sends("", properties={"name": "none"})
    return site


def found(site: Project, *steps: Step) -> list[str]:
    where = condition_of(steps, site.schema)
    return [row[0] for row in site.asks("SELECT properties.name AS n FROM events WHERE {w} ORDER BY n", w=where)]


def click(**more: Any) -> Step:
    return Step(event="$autocapture", **more)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step(), EVENTS),
        (Step(event=""), EVENTS),
        (Step(event="signup"), ["signup"]),
        (Step(event="$autocapture"), ["buy", "shop"]),
        (Step(url="x.org"), ["buy", "page"]),
        (Step(url="cart"), ["page"]),
        (Step(url="x.o_g/%ar"), ["buy", "page"]),
        (Step(url="x.org", url_matching=None), ["buy", "page"]),
        (Step(url="https://x.org/Cart", url_matching="exact"), ["buy"]),
        (Step(url="x.org", url_matching="exact"), []),
        (Step(url=r"/cart/\d+$", url_matching="regex"), ["page"]),
        (Step(url=".*", url_matching="regex", event="$pageview"), ["page"]),
        (click(selector="a.btn > span"), ["buy"]),
        (click(selector="a"), ["buy", "shop"]),
        (click(selector="a,b"), []),
        (click(tag_name="a"), ["buy", "shop"]),
        (click(tag_name="div"), ["buy"]),
        (click(tag_name="di"), []),
        (click(tag_name=""), []),
        (click(text="Buy now"), ["buy"]),
        (click(text="buy NOW", text_matching="contains"), ["buy"]),
        (click(text="^S", text_matching="regex"), ["shop"]),
        (click(text="buy now"), []),
        (click(href="/Buy"), ["buy"]),
        (click(href="/b", href_matching="contains"), ["buy"]),
        (click(href="^/(Buy|shop)$", href_matching="regex"), ["buy", "shop"]),
        (click(href="/shop", text="Buy now"), []),
        (Step(event="signup", text="never looked at", selector="p", tag_name="p", href="p"), ["signup"]),
        (Step(properties=[{"key": "seats", "type": "event", "operator": "exact", "value": "5"}]), ["signup"]),
        (
            Step(properties=[{"key": "plan", "type": "person", "operator": "exact", "value": "free"}]),
            ["shop", "signup"],
        ),
        (click(properties=[{"key": "text", "type": "element", "operator": "exact", "value": "Shop"}]), ["shop"]),
        (click(properties=[{"key": "selector", "type": "element", "operator": "exact", "value": ".btn"}]), ["buy"]),
        (Step(properties=[{"key": "distinct_id = 'bob'", "type": "hogql"}]), ["shop", "signup"]),
        (Step(properties=[]), EVENTS),
    ],
)
def test_a_step_matches(site: Project, step: Step, expected: list[str]) -> None:
    assert found(site, step) == expected


def test_any_step_will_do_and_none_is_nothing(site: Project) -> None:
    assert found(site, Step(event="signup"), click(text="Shop"), Step(event="unheard of")) == ["shop", "signup"]
    assert found(site) == []


def test_a_wrong_filter_is_refused(site: Project) -> None:
    with pytest.raises(HogQLError, match="PropertyOperator wat not implemented"):
        condition_of([Step(properties=[{"key": "a", "type": "event", "operator": "wat", "value": 1}])], site.schema)
