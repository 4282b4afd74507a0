"""What is known of one project's events and properties, in memory: looked at for every event, saved now and then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from hedgerow.taxonomy.detect import detect_type
from hedgerow.taxonomy.models import EVENT, NO_GROUP, PERSON

NAME_BYTES_MAX: Final = 200
"""Longer names get no definition."""
EVENT_KEYS_MAX: Final = 10_000
"""Properties of an event with more keys than this are not looked at."""
EVENT_STEP_US: Final = 60_000_000
"""An event's last seen moves in steps of a minute."""
PROPERTY_STEP_US: Final = 3_600_000_000
"""A property's last seen moves in steps of an hour."""
UNTYPED_LOOKS: Final = 32
"""How many events of a shape are looked at as they come while one of their keys has no type; later only at each save."""
SHAPES_AT_ONCE: Final = 100
"""Shapes that `settle` goes through before it lets others run."""
PAIRS_PER_PROPERTY: Final = 4
"""How many (event, property) pairs are kept for each property that may be."""
NOT_NOTICED: Final = frozenset(
    {"$set", "$set_once", "$unset", "$groups", "$group_0", "$group_1", "$group_2", "$group_3", "$group_4"}
)
"""Event properties that mean something else."""
NOT_PAIRED: Final = ("$feature/", "$feature_enrollment/")
"""Properties that say nothing about the event they came with."""
EVENTS_WITHOUT_PROPERTIES: Final = frozenset({"$$plugin_metrics"})

T = TypeVar("T")
Owner = tuple[int, int]
"""Whose a property is: (EVENT, NO_GROUP), (PERSON, NO_GROUP) or (GROUP, index of the group type)."""
EVENTS: Final[Owner] = (EVENT, NO_GROUP)
PERSONS: Final[Owner] = (PERSON, NO_GROUP)
Subject = str | Owner
"""What came with properties: an event, by its name, or the owner itself."""


class Seen:
    """When something was received, in µs since 1970 UTC."""

    __slots__ = ("first_us", "last_us", "saved_us")

    def __init__(self, first_us: int, last_us: int, saved_us: int = 0) -> None:
        self.first_us = first_us
        self.last_us = last_us
        self.saved_us = saved_us
        """The `last_us` that SQL has; 0 when it has no row."""


class Property(Seen):
    """A property: its first and last time, and its type."""

    __slots__ = ("type",)

    def __init__(self, first_us: int, last_us: int, type_: str | None, saved_us: int = 0) -> None:
        super().__init__(first_us, last_us, saved_us)
        self.type = type_


class Shape:
    """Events of one name with one number of keys: nearly always the same keys."""

    __slots__ = ("known", "last_us", "latest", "looks", "subject")

    def __init__(self, subject: Subject, known: set[str]) -> None:
        self.subject = subject
        self.known = known
        """Keys that need no look: shared by all shapes of the event."""
        self.looks = UNTYPED_LOOKS
        """How many more such events to look at, because a key has no type yet."""
        self.latest: Mapping[str, Any] | None = None
        """The properties of the newest such event since the last save."""
        self.last_us = 0


class Definitions:
    """One project. Not for several threads at once."""

    def __init__(self, properties_max: int) -> None:
        """`properties_max` bounds the properties; events and pairs have bounds that follow from it."""
        self.properties_max = properties_max
        self.loaded = False
        """Whether what SQL knows is in."""
        self.events: dict[str, Seen] = {}
        self.properties: dict[Owner, dict[str, Property]] = {EVENTS: {}, PERSONS: {}}
        self.shapes: dict[tuple[Subject, int], Shape] = {}
        self.pairs: dict[Subject, set[str]] = {}
        """The keys known for each event, `NOT_NOTICED` included; and those of persons and groups."""
        self.untyped: dict[Owner, set[str]] = {EVENTS: set(), PERSONS: set()}
        self.touched: list[Shape] = []
        """Shapes with a `latest`."""
        self.count = 0
        self.pair_count = 0
        self.changed_events: set[str] = set()
        self.changed_properties: set[tuple[Owner, str]] = set()
        self.changed_pairs: set[tuple[str, str]] = set()

    @property
    def changed(self) -> bool:
        """Whether there is something to settle or to save."""
        return bool(self.touched or self.changed_events or self.changed_properties or self.changed_pairs)

    def property_type(self, owner: Owner, name: str) -> str | None:
        """The type that a property is known to have."""
        found = self.properties.get(owner, {}).get(name)
        return None if found is None else found.type

    # -- noticing --------------------------------------------------------------------------------------------------

    def notice(self, subject: Subject, keys: Mapping[str, Any], at_us: int) -> None:
        """Look at what came with `subject` at `at_us`. Nearly free when its keys are known."""
        shape = self.shapes.get((subject, len(keys)))
        if shape is None or shape.looks or not shape.known.issuperset(keys):
            self._look(shape, subject, keys, at_us)
            return
        if shape.latest is None:
            self.touched.append(shape)
        shape.latest, shape.last_us = keys, at_us

    def _look(self, shape: Shape | None, subject: Subject, keys: Mapping[str, Any], at_us: int) -> None:
        owner = EVENTS if isinstance(subject, str) else subject
        if isinstance(subject, str):
            self._notice_event(subject, at_us)
        elif owner not in self.properties:
            self.properties[owner], self.untyped[owner] = {}, set()
        if len(keys) > EVENT_KEYS_MAX or subject in EVENTS_WITHOUT_PROPERTIES:
            return
        known = self.pairs.get(subject)
        if known is None:
            known = self.pairs[subject] = set(NOT_NOTICED) if owner == EVENTS else set()
        unknown = keys.keys() - known
        if self.count >= self.properties_max:
            unknown &= self.properties[owner].keys()
        for key in unknown:
            if self._notice_property(owner, key, at_us):
                self._notice_pair(subject, key, known)
        if shape is None:
            if len(self.shapes) >= self.properties_max:
                return
            shape = self.shapes[subject, len(keys)] = Shape(subject, known)
        shape.looks = shape.looks - 1 if self._look_for_types(owner, keys, at_us) and shape.looks else 0
        if shape.latest is None:
            self.touched.append(shape)
        shape.latest, shape.last_us = keys, at_us

    def _look_for_types(self, owner: Owner, keys: Mapping[str, Any], at_us: int) -> bool:
        """See whether `keys` show the type of properties that have none; True if some still have none."""
        untyped = self.untyped[owner]
        if not untyped:
            return False
        wanting = False
        for key in keys.keys() & untyped:
            found = self.properties[owner][key]
            found.type = detect_type(key, keys[key], at_us)
            if found.type is None:
                wanting = True
            else:
                untyped.discard(key)
                self.changed_properties.add((owner, key))
        return wanting

    def _notice_event(self, name: str, at_us: int) -> None:
        if name not in self.events and len(self.events) < self.properties_max:
            self.events[name] = Seen(at_us, at_us)
            self.changed_events.add(name)

    def _notice_property(self, owner: Owner, key: str, at_us: int) -> bool:
        """Whether the property has a definition now."""
        properties = self.properties[owner]
        if key in properties:
            return True
        if self.count >= self.properties_max or len(key.encode(errors="replace")) > NAME_BYTES_MAX:
            return False
        properties[key] = Property(at_us, at_us, None)
        self.untyped[owner].add(key)
        self.changed_properties.add((owner, key))
        self.count += 1
        return True

    def _notice_pair(self, subject: Subject, key: str, known: set[str]) -> None:
        if self.pair_count >= self.properties_max * PAIRS_PER_PROPERTY:
            return
        known.add(key)
        self.pair_count += 1
        if isinstance(subject, str) and not key.startswith(NOT_PAIRED):
            self.changed_pairs.add((subject, key))

    # -- between saves ---------------------------------------------------------------------------------------------

    def settle(self) -> Iterator[None]:
        """Draw from the newest event of each shape when its keys were seen last, and what type the untyped have.

        Yields now and then, so that others can run.
        """
        touched, self.touched = self.touched, []
        for number, shape in enumerate(touched, 1):
            latest, shape.latest = shape.latest, None
            assert latest is not None
            at_us, subject = shape.last_us, shape.subject
            owner = EVENTS if isinstance(subject, str) else subject
            if isinstance(subject, str) and subject in self.events:
                _seen_again(self.events[subject], at_us, EVENT_STEP_US, subject, self.changed_events)
            self._look_for_types(owner, latest, at_us)
            properties = self.properties[owner]
            for key in latest:
                if (found := properties.get(key)) is not None:
                    _seen_again(found, at_us, PROPERTY_STEP_US, (owner, key), self.changed_properties)
            if number % SHAPES_AT_ONCE == 0:
                yield

    # -- what SQL knows --------------------------------------------------------------------------------------------

    def merge(
        self,
        events: Iterable[tuple[str, int, int]],
        properties: Iterable[tuple[Owner, str, str | None, int, int]],
    ) -> None:
        """Take in SQL's rows: (name, first µs, last µs), and the same with owner and type. SQL's type wins."""
        for name, first_us, last_us in events:
            seen = self.events.setdefault(name, Seen(first_us, last_us))
            seen.first_us, seen.last_us = min(first_us, seen.first_us), max(last_us, seen.last_us)
            seen.saved_us = last_us
        for owner, name, type_, first_us, last_us in properties:
            owned = self.properties.setdefault(owner, {})
            untyped = self.untyped.setdefault(owner, set())
            known = owned.get(name)
            if known is None:
                known = owned[name] = Property(first_us, last_us, type_)
                self.count += 1
            known.first_us, known.last_us = min(first_us, known.first_us), max(last_us, known.last_us)
            known.saved_us = last_us
            known.type = type_ or known.type
            (untyped.add if known.type is None else untyped.discard)(name)
        self.loaded = True


def _seen_again(seen: Seen, at_us: int, step_us: int, name: T, changed: set[T]) -> None:
    if at_us > seen.last_us:
        seen.last_us = at_us
        if at_us >= seen.saved_us + step_us:
            changed.add(name)
