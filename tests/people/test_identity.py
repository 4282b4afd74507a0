"""Who did it: sdk-wire §8.4 to §8.7 as tables. A row is a story of one project and what must be true after it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.writer.world import NOW_US, an_event

from hedgerow.capture.event import IncomingEvent
from hedgerow.core import ids
from hedgerow.people import properties as rules
from hedgerow.people.identity import IdState, TeamView, Who

MINUTE_US = 60_000_000


def play(*events: IncomingEvent) -> tuple[TeamView, list[Who]]:
    view = TeamView(1, {})
    for event in events:
        for name in (event.distinct_id, *([event.merge.other_distinct_id] if event.merge else [])):
            if name not in view.ids:
                view.ids[name] = IdState(str(ids.person_uuid(1, name)))
    return view, [view.resolve(event) for event in events]


def own(distinct_id: str) -> str:
    return str(ids.person_uuid(1, distinct_id))


def persons(view: TeamView) -> dict[str, str | None]:
    return {name: state.person.uuid if state.person else None for name, state in view.ids.items()}


MERGES: list[tuple[str, list[IncomingEvent], dict[str, str | None], list[str]]] = [
    ("neither has a person", [an_event("u", "$identify", merges="a")], {"u": "u", "a": "u"}, []),
    (
        "neither has, and the other was used without one: its uuid saves an override",
        [an_event("a", personless=True), an_event("u", "$identify", merges="a")],
        {"u": "a", "a": "a"},
        [],
    ),
    (
        "neither has, both were used: the other's events move",
        [an_event("a", personless=True), an_event("u", personless=True), an_event("u", merges="a")],
        {"u": "u", "a": "u"},
        ["a"],
    ),
    ("only the target has", [an_event("u"), an_event("u", merges="a")], {"u": "u", "a": "u"}, []),
    (
        "only the target has, the other was used without",
        [an_event("a", personless=True), an_event("u"), an_event("u", merges="a")],
        {"u": "u", "a": "u"},
        ["a"],
    ),
    ("only the other has", [an_event("a"), an_event("u", merges="a")], {"u": "a", "a": "a"}, []),
    (
        "both, the other is anonymous",
        [an_event("a"), an_event("u"), an_event("u", merges="a")],
        {"u": "u", "a": "u"},
        ["a"],
    ),
    (
        "both, the other is identified: refused",
        [an_event("a", merges="b"), an_event("u"), an_event("u", merges="a")],
        {"u": "u", "a": "a", "b": "a"},
        [],
    ),
    (
        "both, the other is identified: dangerously",
        [an_event("a", merges="b"), an_event("u"), an_event("u", "$merge_dangerously", merges="a", dangerously=True)],
        {"u": "u", "a": "u", "b": "u"},
        ["a", "b"],
    ),
    (
        "a chain: what was moved moves again",
        [
            an_event("a"),
            an_event("b"),
            an_event("b", merges="a"),
            an_event("c"),
            an_event("c", merges="a", dangerously=True),
        ],
        {"a": "c", "b": "c", "c": "c"},
        ["a", "b"],
    ),
    ("same person twice", [an_event("u", merges="a"), an_event("u", merges="a")], {"u": "u", "a": "u"}, []),
    (
        "anonymous events that come after the merge",
        [an_event("u", merges="a"), an_event("a", personless=True)],
        {"u": "u", "a": "u"},
        [],
    ),
]


@pytest.mark.parametrize(("events", "wanted", "moved"), [row[1:] for row in MERGES], ids=[row[0] for row in MERGES])
def test_merging(events: list[IncomingEvent], wanted: dict[str, str], moved: list[str]):
    view, _ = play(*events)
    assert persons(view) == {name: own(person) for name, person in wanted.items()}
    assert sorted(name for name, state in view.ids.items() if state.override) == moved


def test_a_merge_keeps_the_targets_properties_the_older_date_and_adds_the_events_own():
    view, _ = play(
        an_event("a", set_={"plan": "free", "seen": 1}, at_us=NOW_US),
        an_event("u", set_={"plan": "pro"}, at_us=NOW_US + 5),
        an_event(
            "u", "$identify", merges="a", set_={"email": "u@x"}, set_once={"plan": "no", "first": 1}, at_us=NOW_US + 9
        ),
    )
    person = view.ids["a"].person
    assert person is not None
    assert person.properties == {"plan": "pro", "seen": 1, "first": 1, "email": "u@x"}
    assert (person.created_at_us, person.is_identified) == (NOW_US, True)
    assert [gone.uuid for gone in view.absorbed] == [own("a")]


def test_only_a_merge_identifies():
    view, _ = play(an_event("u", "$identify", set_={"email": "u@x"}))
    person = view.ids["u"].person
    assert person is not None
    assert not person.is_identified


def test_a_refused_merge_warns_and_the_event_updates_its_own_person():
    view, found = play(
        an_event("a", merges="b"), an_event("u"), an_event("u", "$identify", merges="a", set_={"plan": "pro"})
    )
    assert [warning.type for warning in view.warnings] == ["cannot_merge_already_identified"]
    assert found[-1].person_id == own("u")
    assert view.ids["u"].person is not None
    assert view.ids["u"].person.properties == {"plan": "pro"}


PERSONLESS: list[tuple[str, list[IncomingEvent], tuple[int, str]]] = [
    ("without a person", [an_event("a", personless=True)], (1, "a")),
    ("a person, but the event is from before", [an_event("a"), an_event("a", personless=True)], (1, "a")),
    (
        "within a minute of its creation",
        [an_event("a"), an_event("a", personless=True, at_us=NOW_US + MINUTE_US)],
        (1, "a"),
    ),
    (
        "later than that",
        [an_event("a"), an_event("a", personless=True, at_us=NOW_US + MINUTE_US + 1)],
        (2, "a"),
    ),
    ("a flag was called and nobody is known", [an_event("a", "$feature_flag_called")], (1, "a")),
    ("a flag was called for somebody", [an_event("a"), an_event("a", "$feature_flag_called")], (0, "a")),
    (
        "a flag was called, persons wanted",
        [an_event("a", "$feature_flag_called", properties={"$process_person_profile": True})],
        (0, "a"),
    ),
    ("a flag was called in a group", [an_event("a", "$feature_flag_called", groups={"company": "x"})], (0, "a")),
]


@pytest.mark.parametrize(("events", "wanted"), [row[1:] for row in PERSONLESS], ids=[row[0] for row in PERSONLESS])
def test_events_without_a_person(events: list[IncomingEvent], wanted: tuple[int, str]):
    _, found = play(*events)
    assert (found[-1].mode, found[-1].person_id) == (wanted[0], own(wanted[1]))


HAS: dict[str, Any] = {"plan": "free", "n": 1, "$current_url": "/a"}
UPDATES: list[tuple[str, str, dict[str, Any], dict[str, Any] | None]] = [
    ("a new key", "seen", {"set_": {"x": None}}, {**HAS, "x": None}),
    ("a new value", "seen", {"set_": {"plan": "pro"}}, {**HAS, "plan": "pro"}),
    ("the same value", "seen", {"set_": {"plan": "free"}}, None),
    ("1 is not 1.0", "seen", {"set_": {"n": 1.0}}, {**HAS, "n": 1.0}),
    ("1 is not true", "seen", {"set_": {"n": True}}, {**HAS, "n": True}),
    ("once: there already", "seen", {"set_once": {"plan": "pro"}}, None),
    ("once: absent", "seen", {"set_once": {"first": "x"}}, {**HAS, "first": "x"}),
    ("once, then set", "seen", {"set_once": {"first": "x"}, "set_": {"first": "y"}}, {**HAS, "first": "y"}),
    ("unset", "seen", {"unset": ["plan", "unknown"]}, {"n": 1, "$current_url": "/a"}),
    ("set, then unset", "seen", {"set_": {"x": 1}, "unset": ["x", "plan"]}, {"n": 1, "$current_url": "/a"}),
    ("noise alone", "seen", {"set_": {"$current_url": "/b"}}, None),
    ("noise that is new", "seen", {"set_": {"$pathname": "/b"}}, {**HAS, "$pathname": "/b"}),
    (
        "noise with a change",
        "seen",
        {"set_": {"$current_url": "/b", "plan": "pro"}},
        {**HAS, "$current_url": "/b", "plan": "pro"},
    ),
    ("noise on $identify", "$identify", {"set_": {"$current_url": "/b"}}, {**HAS, "$current_url": "/b"}),
    ("an exception", "$exception", {"set_": {"plan": "pro"}}, None),
    ("a heatmap", "$$heatmap", {"set_": {"plan": "pro"}}, None),
]


@pytest.mark.parametrize(("event", "said", "wanted"), [row[1:] for row in UPDATES], ids=[row[0] for row in UPDATES])
def test_updating(event: str, said: dict[str, Any], wanted: dict[str, Any] | None):
    view, _ = play(an_event("u", set_=HAS), an_event("u", event, **said))
    person = view.ids["u"].person
    assert person is not None
    assert rules.encode(person.properties) == rules.encode(wanted if wanted is not None else HAS)


def test_too_heavy_properties_are_trimmed_and_protected_ones_stay():
    heavy = {f"k{n}": "x" * 100_000 for n in range(8)}
    view, _ = play(an_event("u", set_={"email": "u@x", **heavy, "$os": "Linux"}))
    person = view.ids["u"].person
    assert person is not None
    assert list(person.properties) == ["email", "k0", "k1", "k2", "k3", "k4", "$os"]
    assert [w.details["outcome"] for w in view.warnings] == ["trimmed"]


def test_an_update_of_protected_properties_that_is_too_heavy_is_refused():
    view, _ = play(an_event("u", set_={"email": "u@x"}), an_event("u", set_={"name": "x" * 600_000}))
    person = view.ids["u"].person
    assert person is not None
    assert person.properties == {"email": "u@x"}
    assert [w.details["outcome"] for w in view.warnings] == ["refused"]


def test_a_project_has_five_group_types_and_ignores_further_ones():
    view, found = play(
        an_event("u", groups={f"t{n}": f"k{n}" for n in range(7)}), an_event("u", groups={"t4": "other"})
    )
    assert found[0].groups == ("k0", "k1", "k2", "k3", "k4")
    assert found[1].groups == ("", "", "", "", "other")
    assert view.group_types == {f"t{n}": n for n in range(5)}


def test_a_group_is_made_and_its_properties_laid_over():
    view, _ = play(
        an_event("u", "$groupidentify", group=("company", "acme", {"size": 1, "name": "Acme"})),
        an_event("u", "$groupidentify", group=("company", "acme", {"size": 2}), at_us=NOW_US + 1),
    )
    group = view.groups[0, "acme"]
    assert (group.properties, group.created_at_us) == ({"size": 2, "name": "Acme"}, NOW_US)
