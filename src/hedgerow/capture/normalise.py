"""From an event as sent to an event as stored (sdk-wire §8.3 to §8.7, §8.9).

The order of the steps is the contract's. Nothing here asks a store: whether a person exists, and what a merge means,
is the writer's to decide.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hedgerow.capture import elements, properties
from hedgerow.capture.event import (
    PERSON_FULL,
    PERSON_NONE,
    GroupIdentify,
    IncomingEvent,
    IngestionWarning,
    MergeRequest,
)
from hedgerow.capture.geoip import GeoIP, Place
from hedgerow.capture.identifiers import LENGTH_MAX, as_id, is_uuid, may_merge
from hedgerow.capture.mapped import initial, person_properties
from hedgerow.capture.special import refused_kind
from hedgerow.capture.tolerance import Mended
from hedgerow.capture.warnings import warning

GROUP_KEY_MAX: Final = 400
"""Characters of a group's type and of its key; what is longer is cut."""

_PERSON_EVENTS: Final = frozenset({"$identify", "$create_alias", "$merge_dangerously", "$groupidentify"})
_PERSON_KEYS: Final = ("$set", "$set_once", "$unset")
_DECODE = msgspec.json.Decoder().decode
_encode = msgspec.json.encode


class Door(msgspec.Struct, frozen=True):
    """What all events of one request share."""

    team_id: int
    now_us: int
    sent_at_us: int | None = None
    address: str = ""
    """The client's, "" if unknown."""
    anonymize_ips: bool = False
    historical: bool = False
    age_us_max: int | None = None
    """The project drops what is older."""
    geoip: GeoIP | None = None
    mended: Mended | None = None
    additions: tuple[tuple[str, bytes, str], ...] = ()
    """Properties that every event gets unless it has its own: key, member as `properties.member` writes it, value."""


class Draft(msgspec.Struct, gc=False):
    """One event whose fields are checked; what is left is what the properties say."""

    event: str
    distinct_id: str
    uuid: bytes
    timestamp_us: int
    text: bytes
    """The properties as JSON text; of a mended body, with its marks."""
    values: dict[str, Any]
    """The same decoded, readable."""
    top_set: bytes = b""
    """`$set` beside the properties, a JSON object; "" for none."""
    top_set_once: bytes = b""
    nameless: bool = False
    """A cookieless event: no address may come back, nor its place."""


def door_additions(address: str, sent_at: str | None) -> tuple[tuple[str, bytes, str], ...]:
    """`$ip` and `$sent_at`, as `Door.additions` wants them."""
    pairs = (("$ip", address), ("$sent_at", sent_at))
    return tuple((key, properties.member(key, value), value) for key, value in pairs if value)


def normalise(draft: Draft, door: Door, warnings: list[IngestionWarning]) -> IncomingEvent | None:
    """The event as the writer takes it; None when it is not stored, and then `warnings` says why."""
    name, values, text = draft.event, draft.values, draft.text
    kind = refused_kind(draft, door)
    if kind is not None:
        warnings.append(warning(door, draft, kind))
        return None

    process = values.get("$process_person_profile")
    personless = process is False
    if process is not None and type(process) is not bool:
        warnings.append(warning(door, draft, "invalid_process_person_profile"))
    if personless and name in _PERSON_EVENTS:
        warnings.append(warning(door, draft, "invalid_event_when_process_person_profile_is_false"))
        return None

    if personless or name == "$groupidentify":
        if gone := [key for key in _PERSON_KEYS if key in values]:
            text = properties.without(text, gone)
            for key in gone:
                del values[key]
    else:
        if draft.top_set:
            text = _overlay(text, values, "$set", draft.top_set, door.mended)
        if draft.top_set_once:
            text = _overlay(text, values, "$set_once", draft.top_set_once, door.mended)

    text, place = _add(text, values, door, nameless=draft.nameless)
    session_id = values.get("$session_id")
    if type(session_id) is str and is_uuid(session_id) and session_id != session_id.lower():
        session_id = values["$session_id"] = session_id.lower()
        text = _with_member(text, "$session_id", _encode(session_id))
    text, chain = _take_elements(text, values)

    set_, set_once, unset = (None, None, None) if personless else _person_changes(name, values, place)
    sent, indexed = _as_stored(text, door.mended)
    return IncomingEvent(
        door.team_id,
        draft.uuid,
        name,
        draft.distinct_id,
        draft.timestamp_us,
        door.now_us,
        sent,
        values,
        PERSON_NONE if personless else PERSON_FULL,
        set_,
        set_once,
        unset,
        None if personless else _merge_of(draft, door, warnings),
        None if personless else _groups_of(values),
        _group_identify_of(values) if name == "$groupidentify" else None,
        chain,
        _column(session_id),
        _column(values.get("$window_id")),
        door.historical,
        indexed,
    )


def _overlay(text: bytes, values: dict[str, Any], key: str, top: bytes, mended: Mended | None) -> bytes:
    """Merge a top-level `$set` or `$set_once` over the one in the properties, by text."""
    decoded = _DECODE(mended.readable(top) if mended else top)
    inner = values.get(key)
    if inner is None and key not in values:
        values[key] = decoded
        return properties.append(text, properties.raw_member(key.encode(), top))
    if type(inner) is dict:
        members = properties.members_of(bytes(properties.members_of(text)[key]))
        top = properties.join(members | properties.members_of(top))
        decoded = inner | decoded
    values[key] = decoded
    return _with_member(text, key, top)


def _add(text: bytes, values: dict[str, Any], door: Door, *, nameless: bool) -> tuple[bytes, Place]:
    """`$ip`, `$sent_at` and the place of the address: what the server adds (steps 2 and 4)."""
    members: list[bytes] = []
    for key, member, value in door.additions:
        if key not in values and not (nameless and key == "$ip"):
            members.append(member)
            values[key] = value
    place: Place = {}
    address = values.get("$ip")
    if door.geoip is not None and type(address) is str and values.get("$geoip_disable") is not True:
        place = {key: value for key, value in door.geoip.place(address).items() if key not in values}
        for key, value in place.items():
            members.append(properties.member(key, value))
            values[key] = value
    if members:
        text = properties.append(text, b"".join(members))
    if door.anonymize_ips and "$ip" in values:
        del values["$ip"]
        text = properties.without(text, ("$ip",))
    return text, place


def _take_elements(text: bytes, values: dict[str, Any]) -> tuple[bytes, str]:
    """Move the chain of elements from the properties to its column."""
    chain = values.get("$elements_chain")
    if type(chain) is str:
        text = properties.without_elements_chain(text, _encode(chain))
        del values["$elements_chain"]
    else:
        chain = ""
    if "$elements" in values and type(values["$elements"]) is list:
        chain = chain or elements.chain_of(values.pop("$elements"))
        values.pop("$elements", None)
        text = properties.without(text, ("$elements",))
    return text, chain


def _person_changes(
    name: str,
    values: dict[str, Any],
    place: Place,
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, list[str] | None]:
    """`$set`, `$set_once` and `$unset` of a personful event, with what the event says in passing (§8.4)."""
    if name in {"$exception", "$groupidentify"}:
        return None, None, None
    now, first = person_properties(values)
    if place:
        now.update(place)
        first.update({initial(key): value for key, value in place.items()})
    explicit = values.get("$set")
    if type(explicit) is dict and explicit:
        now.update(explicit)
    explicit = values.get("$set_once")
    if type(explicit) is dict and explicit:
        first.update(explicit)
    gone = values.get("$unset")
    unset = [key for key in gone if type(key) is str] if type(gone) is list or type(gone) is dict else None
    return now or None, first or None, unset or None


def _merge_of(draft: Draft, door: Door, warnings: list[IngestionWarning]) -> MergeRequest | None:
    """Who else this person is (§8.6)."""
    if draft.event == "$identify":
        other = as_id(draft.values.get("$anon_distinct_id"))
    elif draft.event in {"$create_alias", "$merge_dangerously"}:
        other = as_id(draft.values.get("alias"))
    else:
        return None
    if other is None or other == draft.distinct_id:
        return None
    for illegal, partner in ((other, draft.distinct_id), (draft.distinct_id, other)):
        if not may_merge(illegal):
            found = {"illegalDistinctId": illegal, "otherDistinctId": partner}
            warnings.append(warning(door, draft, "cannot_merge_with_illegal_distinct_id", found))
            return None
    return MergeRequest(other, draft.event == "$merge_dangerously")


def _groups_of(values: dict[str, Any]) -> dict[str, str] | None:
    groups = values.get("$groups")
    if type(groups) is not dict:
        return None
    found: dict[str, str] = {}
    for kind, key in groups.items():
        text = _group_key(key)
        if text and kind.strip():
            found[kind[:GROUP_KEY_MAX]] = text
    return found or None


def _group_identify_of(values: dict[str, Any]) -> GroupIdentify | None:
    kind, key = _group_key(values.get("$group_type")), _group_key(values.get("$group_key"))
    changes = values.get("$group_set")
    if not kind or not key:
        return None
    return GroupIdentify(kind, key, changes if type(changes) is dict else {})


def _group_key(value: object) -> str:
    text = value if type(value) is str else "" if value is None else _encode(value).decode()
    return "" if text.isspace() else text[:GROUP_KEY_MAX]


def _with_member(text: bytes, key: str, value: bytes) -> bytes:
    members: dict[str, bytes | msgspec.Raw] = {**properties.members_of(text)}
    members[key] = value
    return properties.join(members)


def _as_stored(text: bytes, mended: Mended | None) -> tuple[bytes, bytes | None]:
    """The text for `properties`, and the one to index where it must differ."""
    if mended is None:
        return text, None
    sent, readable = mended.as_sent(text), mended.readable(text)
    return sent, None if sent == readable else readable


def _column(value: object) -> str:
    """What fits a column that sessions are kept by: short text, else nothing."""
    return value if type(value) is str and len(value) <= LENGTH_MAX else ""
