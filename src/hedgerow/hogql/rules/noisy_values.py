"""Noisy values of a person at an event: what the event itself says, where that was not worth a version (sdk-wire §8.4).

A page's address, a window's size, a browser's version change with every event. The writer does not store a new state of
a person for these alone, so the version that an event names may hold older ones. The event has the new ones: in its
`$set`, or among its own properties that also describe the person (sdk-wire §8.3, step 5). A key that the person did not
have before is always worth a version, and one that was unset is gone from it: the event's value stands in only for one
that the version has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hedgerow.hogql.lowered import Column, Name, Property, Template, Wrapped, bare, template
from hedgerow.hogql.rules.definitions import cast
from hedgerow.hogql.rules.properties import read
from hedgerow.hogql.types import EVENT_PROPERTIES, PERSON_PROPERTIES, STRING

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver
    from hedgerow.hogql.scopes import TableSource

OF_THE_SYSTEM: Final = frozenset({"$os", "$os_name", "$os_version"})
"""On an event that a server sent (`$is_server`) these are the server's."""

NOISY: Final = OF_THE_SYSTEM | {
    *("$current_url", "$pathname", "$referring_domain", "$referrer", "$raw_user_agent"),
    *("$screen_height", "$screen_width", "$viewport_height", "$viewport_width"),
    *("$browser", "$browser_version", "$device_type"),
    *("$geoip_postal_code", "$geoip_time_zone", "$geoip_latitude", "$geoip_longitude", "$geoip_accuracy_radius"),
    *(f"$geoip_subdivision_{place}_{what}" for place in (1, 2, 3) for what in ("code", "name")),
    *("$geoip_city_confidence", "$geoip_country_confidence", "$geoip_postal_code_confidence"),
    *("$geoip_country_code", "$geoip_continent_code", "$geoip_continent_name"),
}
"""Keys whose change alone is not worth a version; a test compares them with the writer's."""

_WHY = "noisy"
_CHANGES = "{0}.`person_mode` = 'full' AND {0}.`event` NOT IN ('$exception', '$$heatmap', '$groupidentify')"
_VALUE = template(f"if(isNull({{1}}) OR NOT ({_CHANGES}), {{1}}, coalesce({{2}}, {{3}}, {{1}}))")
_NOT_A_SERVERS = template("if({0}.`properties_map`['$is_server'] = 'true', NULL, {1})")
_EITHER = template("coalesce({0}, {1})")
_NOTHING = template("NULL")

_KEYS = ", ".join(f"'{key}'" for key in sorted(NOISY))
_SYSTEM_KEYS = ", ".join(f"'{key}'" for key in sorted(OF_THE_SYSTEM))
_MAP = "{0}.`properties_map`"
_SENT = f"""multiIf(__hq_pair.1 = '$os_name' OR ({_MAP}['$is_server'] = 'true' AND __hq_pair.1 IN ({_SYSTEM_KEYS})), '', \
__hq_pair.1 = '$os' AND {_MAP}['$os'] = '', {_MAP}['$os_name'], {_MAP}[__hq_pair.1])"""
_SET = f"JSONExtractRaw({_MAP}['$set'], __hq_pair.1)"
_PAIRS = "JSONExtractKeysAndValuesRaw({1})"
_NEW = f"""arrayMap(__hq_pair -> if(__hq_pair.1 IN ({_KEYS}), coalesce(nullIf({_SET}, ''), nullIf({_SENT}, ''), \
__hq_pair.2), __hq_pair.2), {_PAIRS})"""
_OLD = f"arrayMap(__hq_pair -> __hq_pair.2, {_PAIRS})"
_WRITTEN = f"""concat(char(123), arrayStringConcat(arrayMap((__hq_pair, __hq_value) -> \
concat(toJSONString(__hq_pair.1), ':', __hq_value), {_PAIRS}, {_NEW}), ','), char(125))"""
_OR_EMPTY = template("if(empty({0}), char(123, 125), {0})")
_TEXT = template(f"multiIf(empty({{1}}), char(123, 125), {_CHANGES} AND {_NEW} != {_OLD}, {_WRITTEN}, {{1}})")


def with_own_values(source: TableSource, text: Any) -> Any:
    """The text of a version with the event's own noisy values in it; nothing known is an empty object.

    Putting them in takes the text apart, row by row: only where it is shown. A function gets the version's (`as_stored`).
    """
    stored = Template(pieces=_OR_EMPTY, args=[text], type=PERSON_PROPERTIES)
    shown = Template(pieces=_TEXT, args=[Name(name=source.alias), text], type=PERSON_PROPERTIES)
    return Wrapped(bare=stored, full=shown, why=_WHY, type=PERSON_PROPERTIES)


def as_stored(value: Any) -> Any:
    """The value as a function or a comparison takes it."""
    return bare(value, _WHY)


def own_value(resolver: Resolver, source: TableSource, found: Any, path: list[str | int]) -> Any:
    """A property of the person, `found` in the version: the event's own value where the key is a noisy one."""
    key = path[0]
    if key not in NOISY:
        return found
    said, sent = (
        cast(resolver, "person", path, value)
        for value in (_of_event(resolver, source, ["$set", *path]), _sent(resolver, source, str(key), path[1:]))
    )
    own = Template(pieces=_VALUE, args=[Name(name=source.alias), found, said, sent], type=found.type)
    own.label, own.remark = found.label, found.remark
    return own


def _of_event(resolver: Resolver, source: TableSource, path: list[str | int]) -> Any:
    properties = Column(table=source.alias, name="properties", type=EVENT_PROPERTIES)
    return read(resolver, Property(base=properties, path=path, source="events", type=EVENT_PROPERTIES))


def _sent(resolver: Resolver, source: TableSource, key: str, rest: list[str | int]) -> Any:
    """What the event says in passing: its own property of that name."""
    if key == "$os_name":  # another name of $os, which the writer keeps under that
        return Template(pieces=_NOTHING, args=[], type=STRING.or_null())
    value = _of_event(resolver, source, [key, *rest])
    if key == "$os":
        value = Template(
            pieces=_EITHER, args=[value, _of_event(resolver, source, ["$os_name", *rest])], type=value.type
        )
    if key in OF_THE_SYSTEM:
        value = Template(pieces=_NOT_A_SERVERS, args=[Name(name=source.alias), value], type=value.type)
    return value
