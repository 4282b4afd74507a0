"""Who did it: the rules of sdk-wire §8.4 to §8.7 as a state machine over memory.

A `TeamView` holds what a batch of events of one project touches: distinct ids, persons, group types and groups, as SQL
has them. `resolve` takes one event after the other, changes the view and says what each event is stored with. Nothing
here waits, reads a clock or knows a database: `store` fills a view before and saves what changed after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hedgerow.core import ids
from hedgerow.people import properties as rules
from hedgerow.people import versions
from hedgerow.people.facts import FORCED, PERSONLESS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hedgerow.people.facts import Merge, PersonEvent

GROUP_TYPES_MAX: Final = 5
"""Group types of a project; further ones are ignored."""

UPGRADE_AFTER_US: Final = 60_000_000
"""A personless event this much later than its person's creation is stored as the person's."""

NO_GROUPS: Final[tuple[str, ...]] = ("", "", "", "", "")

FLAG_CALLED: Final = "$feature_flag_called"


class Who(NamedTuple):
    """What an event is stored with."""

    mode: int
    """FULL, PERSONLESS or FORCED."""
    person_id: str
    created_at_us: int
    """Of the person; 0 for personless events."""
    version: int
    """The person's properties after this event (`versions.version_of`)."""
    groups: tuple[str, ...]
    """Five group keys, empty where there is none."""


class PersonWarning(NamedTuple):
    """Something about an event that its project should know."""

    type: str
    details: dict[str, Any]


class PersonState:
    """A person as it will be when the batch is saved."""

    __slots__ = (
        "__weakref__",
        "created_at_us",
        "distinct_ids",
        "exists",
        "gone",
        "is_identified",
        "is_remembered",
        "properties",
        "text",
        "touched",
        "uuid",
        "version",
    )

    def __init__(
        self,
        uuid: str,
        created_at_us: int,
        properties: dict[str, Any],
        text: bytes,
        version: int,
        *,
        is_identified: bool = False,
        exists: bool = False,
    ) -> None:
        self.uuid = uuid
        self.created_at_us = created_at_us
        self.properties = properties
        """Never changed in place: `set_properties` puts another dictionary here."""
        self.text = text
        """`properties` as JSON."""
        self.version = version
        """Of `text` (`versions.version_of`)."""
        self.is_identified = is_identified
        self.exists = exists
        """SQL has a row for it."""
        self.touched = not exists
        """Its row must be written."""
        self.gone = False
        """Another person absorbed it: its row must be deleted."""
        self.is_remembered = False
        """The next batch gets this object (`store.People`)."""
        self.distinct_ids: set[str] | None = None if exists else set()
        """All of them; None if they were not needed and so not loaded."""


class IdState:
    """A distinct id as it will be when the batch is saved."""

    __slots__ = (
        "is_personless",
        "is_scattered",
        "override",
        "own_is_taken",
        "own_uuid",
        "person",
        "was_moved",
        "was_overridden",
        "was_used",
    )

    def __init__(
        self,
        own_uuid: str,
        person: PersonState | None = None,
        *,
        is_personless: bool = False,
        is_scattered: bool = False,
        override: str | None = None,
    ) -> None:
        self.own_uuid = own_uuid
        """The deterministic person uuid of this distinct id."""
        self.own_is_taken = False
        """A person has that uuid which this distinct id, without a person, was split from."""
        self.person = person
        self.is_personless = is_personless
        """Personless events were stored under it."""
        self.is_scattered = is_scattered
        """Its stored events may carry other ids than its own although no person has it: a deleted one's."""
        self.override = override
        """The person that its stored events belong to, where that may not be what they carry."""
        self.was_moved = False
        """It belongs to another person than SQL says."""
        self.was_overridden = False
        """`override` is not what SQL says."""
        self.was_used = False
        """`is_personless` or `is_scattered` is not what SQL says."""


class GroupState:
    """A group as it will be when the batch is saved."""

    __slots__ = ("created_at_us", "properties", "text", "touched")

    def __init__(self, created_at_us: int, properties: dict[str, Any], text: bytes, *, exists: bool) -> None:
        self.created_at_us = created_at_us
        self.properties = properties
        self.text = text
        self.touched = not exists


class TeamView:
    """What a batch touches in one project."""

    def __init__(self, team_id: int, group_types: dict[str, int]) -> None:
        self.team_id = team_id
        self.remembered: Mapping[str, IdState] = {}
        """Distinct ids that memory holds; what the view takes of them are these very objects."""
        self.remembered_persons: Mapping[tuple[int, str], PersonState] = {}
        """Persons that memory holds, by project and uuid: there is one object for a person, whoever names it."""
        self.ids: dict[str, IdState] = {}
        """Every distinct id that an event of the batch names, and all of persons that may be absorbed."""
        self.taken: set[str] = set()
        """Person uuids in use among those that the batch may give to new persons."""
        self.absorbed: list[PersonState] = []
        """Persons to delete, in order."""
        self.freed: list[tuple[str, str]] = []
        """Distinct ids to delete, each with the person that had it."""
        self.versions: dict[int, bytes] = {}
        """Versions of properties that events of this batch carry, with their texts."""
        self.group_types = group_types
        """Type to index. Not to be changed in place: it may be shared."""
        self.new_group_types: list[str] = []
        self.groups: dict[tuple[int, str], GroupState] = {}
        """Groups that `$groupidentify` events of the batch name, where the type was known."""
        self.warnings: list[PersonWarning] = []

    # -- one event ---------------------------------------------------------------------------------------------------

    def resolve(self, event: PersonEvent) -> Who:
        """Take one event into the view and say what it is stored with."""
        state = self.ids[event.distinct_id]
        person = state.person
        mode = event.person_mode
        if mode == PERSONLESS:
            if person is None:
                return self._personless(state)
            if event.timestamp_us <= person.created_at_us + UPGRADE_AFTER_US:
                return Who(PERSONLESS, person.uuid, 0, versions.NO_PROPERTIES, NO_GROUPS)
            mode = FORCED
        elif (
            person is None
            and event.event == FLAG_CALLED
            and not event.groups
            and event.keys.get("$process_person_profile") is not True
        ):
            return self._personless(state)

        if event.merge is not None:
            person = self._merged(event, event.merge, state)
        elif person is None:
            person = self._created(event, event.distinct_id, [event.distinct_id])
        elif event.set or event.set_once or event.unset:
            self._update(person, event)
        if person.version:
            self.versions[person.version] = person.text
        groups = self._groups(event) if event.groups or event.group_identify is not None else NO_GROUPS
        return Who(mode, person.uuid, person.created_at_us, person.version, groups)

    def _personless(self, state: IdState) -> Who:
        if not state.is_personless:
            state.is_personless = True
            state.was_used = True
        # Where an override waits, queries show what it says; so the event carries that, and no squash changes it.
        return Who(PERSONLESS, state.override or state.own_uuid, 0, versions.NO_PROPERTIES, NO_GROUPS)

    # -- persons -----------------------------------------------------------------------------------------------------

    def _created(self, event: PersonEvent, uuid_from: str, distinct_ids: list[str]) -> PersonState:
        first = {**(event.set_once or {}), **(event.set or {})}
        for key in event.unset or ():
            first.pop(key, None)
        person = new_person(self.free_uuid(uuid_from), event.timestamp_us)
        self.taken.add(person.uuid)
        if first:
            self.set_properties(person, first, event.distinct_id)
        for distinct_id in distinct_ids:
            self.attach(distinct_id, person)
        return person

    def free_uuid(self, distinct_id: str) -> str:
        """The deterministic person uuid of a distinct id, or a random one if a split person kept that."""
        state = self.ids[distinct_id]
        return str(ids.uuid4()) if state.own_is_taken or state.own_uuid in self.taken else state.own_uuid

    def attach(self, distinct_id: str, person: PersonState) -> None:
        """Give a distinct id to a person, and its stored events with it where they carry another person's id."""
        state = self.ids[distinct_id]
        is_moved = state.person is not None and state.person is not person
        state.person = person
        state.was_moved = True
        if person.distinct_ids is not None:
            person.distinct_ids.add(distinct_id)
        is_stale = is_moved or state.is_scattered or (state.is_personless and state.own_uuid != person.uuid)
        if state.override is None and not is_stale:
            return
        if state.override != person.uuid:
            state.override = person.uuid
            state.was_overridden = True

    def remove(self, person: PersonState) -> None:
        """Delete a person and free its distinct ids: the next event of one of them makes a person anew.

        They count as used without a person from now on, because the stored events stay under this one's uuid.
        """
        assert person.distinct_ids is not None, "distinct ids of a person that is deleted are loaded before"
        for distinct_id in sorted(person.distinct_ids):
            state = self.ids[distinct_id]
            state.person = None
            is_scattered = state.is_scattered or state.override is not None or state.own_uuid != person.uuid
            state.was_used = state.was_used or not state.is_personless or is_scattered != state.is_scattered
            state.is_personless, state.is_scattered = True, is_scattered
            self.freed.append((distinct_id, person.uuid))
        person.distinct_ids = set()
        person.gone = True
        self.absorbed.append(person)

    def _update(self, person: PersonState, event: PersonEvent) -> None:
        after = rules.changed(
            event.event, person.properties, set_=event.set, set_once=event.set_once, unset=event.unset
        )
        if after is not None:
            self.set_properties(person, after, event.distinct_id)

    def set_properties(self, person: PersonState, after: dict[str, Any], distinct_id: str) -> None:
        """Give a person its new properties, trimmed where they weigh too much, or refuse them."""
        text = rules.encode(after)
        if len(text) > rules.PROPERTIES_BYTES_MAX:
            kept = rules.trimmed(after)
            self.warnings.append(
                PersonWarning(
                    "person_properties_size_violation",
                    {
                        "personId": person.uuid,
                        "distinctId": distinct_id,
                        "bytes": len(text),
                        "outcome": "refused" if kept is None else "trimmed",
                    },
                )
            )
            if kept is None:
                return
            after, text = kept, rules.encode(kept)
        if text != person.text:
            person.properties = after
            person.text = text
            person.version = versions.version_of(self.team_id, text)
            person.touched = True

    # -- merging -----------------------------------------------------------------------------------------------------

    def _merged(self, event: PersonEvent, merge: Merge, target_state: IdState) -> PersonState:
        other_id, target_id = merge.other_distinct_id, event.distinct_id
        other_state = self.ids[other_id]
        other, target = other_state.person, target_state.person
        if other is None and target is None:
            # The uuid that stored personless events carry already saves them an override.
            uuid_from = other_id if other_state.is_personless and not target_state.is_personless else target_id
            person = self._created(event, uuid_from, [target_id, other_id])
            self._identify(person)
            return person
        if target is None and other is not None:
            person = other
            self.attach(target_id, person)
            self._identify(person)
        elif other is None and target is not None:
            person = target
            self.attach(other_id, person)
            self._identify(person)
        else:
            assert target is not None
            assert other is not None
            person = target
            if other is not target:
                if other.is_identified and not merge.dangerously:
                    self.warnings.append(
                        PersonWarning(
                            "cannot_merge_already_identified",
                            {
                                "sourcePersonDistinctId": other_id,
                                "targetPersonDistinctId": target_id,
                                "eventName": event.event,
                            },
                        )
                    )
                else:
                    self._absorb(other, target, event.distinct_id)
        self._update(person, event)
        return person

    def _identify(self, person: PersonState) -> None:
        if not person.is_identified:
            person.is_identified = True
            person.touched = True

    def _absorb(self, other: PersonState, target: PersonState, distinct_id: str) -> None:
        """Move all that `other` has to `target` and let it go."""
        assert other.distinct_ids is not None, "distinct ids of a person that may be absorbed are loaded before"
        for moved in sorted(other.distinct_ids):
            self.attach(moved, target)
        other.distinct_ids = set()
        other.gone = True
        self.absorbed.append(other)
        target.created_at_us = min(target.created_at_us, other.created_at_us)
        target.is_identified = True
        target.touched = True
        if other.properties:
            self.set_properties(target, {**other.properties, **target.properties}, distinct_id)

    # -- groups ------------------------------------------------------------------------------------------------------

    def _groups(self, event: PersonEvent) -> tuple[str, ...]:
        keys: list[str] = list(NO_GROUPS)
        for group_type, key in (event.groups or {}).items():
            index = self._group_index(group_type)
            if index is not None:
                keys[index] = key
        update = event.group_identify
        if update is not None:
            index = self._group_index(update.type)
            if index is not None:
                self._update_group(index, update.key, update.set, event.timestamp_us)
        found = tuple(keys)
        return NO_GROUPS if found == NO_GROUPS else found

    def _group_index(self, group_type: str) -> int | None:
        index = self.group_types.get(group_type)
        if index is not None or len(self.group_types) >= GROUP_TYPES_MAX:
            return index
        used = set(self.group_types.values())
        index = next(number for number in range(GROUP_TYPES_MAX) if number not in used)
        self.group_types = {**self.group_types, group_type: index}
        self.new_group_types.append(group_type)
        return index

    def _update_group(self, index: int, key: str, update: dict[str, Any], timestamp_us: int) -> None:
        group = self.groups.get((index, key))
        if group is None:
            group = self.groups[index, key] = GroupState(timestamp_us, {}, b"{}", exists=False)
        after = {**group.properties, **update}
        text = rules.encode(after)
        if text != group.text:
            group.properties, group.text, group.touched = after, text, True


def new_person(uuid: str, created_at_us: int) -> PersonState:
    """A person that no store knows yet, without properties or distinct ids."""
    return PersonState(uuid, created_at_us, {}, b"{}", versions.NO_PROPERTIES)
