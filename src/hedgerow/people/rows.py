"""The lines (JSONEachRow) that ClickHouse gets about persons and groups."""

from __future__ import annotations

from typing import Final

import msgspec

_encode = msgspec.json.Encoder().encode

MICROSECONDS: Final = 1_000_000


def quoted(text: bytes | str) -> bytes:
    """A text as a JSON string, quotes included."""
    return _encode(text if isinstance(text, str) else text.decode())


def moment(time_us: int) -> bytes:
    """A time in µs since 1970 as the number that ClickHouse reads into a `DateTime64(6)`."""
    if time_us < 0:
        return b"-%d.%06d" % divmod(-time_us, MICROSECONDS)
    return b"%d.%06d" % divmod(time_us, MICROSECONDS)


def person(
    team_id: int,
    uuid: str,
    created_at_us: int,
    properties: bytes,
    *,
    is_identified: bool,
    is_deleted: bool,
    version: int,
) -> bytes:
    """A line of the table `persons`."""
    return (
        b'{"team_id":%d,"id":"%b","created_at":%b,"properties":%b,"is_identified":%b,"is_deleted":%b,"version":%d}\n'
        % (
            team_id,
            uuid.encode(),
            moment(created_at_us),
            quoted(properties),
            b"true" if is_identified else b"false",
            b"true" if is_deleted else b"false",
            version,
        )
    )


def distinct_id(team_id: int, distinct_id: str, person_uuid: str, version: int, *, is_deleted: bool = False) -> bytes:
    """A line of the tables `person_distinct_ids` and `person_overrides`."""
    return b'{"team_id":%d,"distinct_id":%b,"person_id":"%b","is_deleted":%b,"version":%d}\n' % (
        team_id,
        quoted(distinct_id),
        person_uuid.encode(),
        b"true" if is_deleted else b"false",
        version,
    )


def group(
    team_id: int,
    index: int,
    key: str,
    *,
    created_at_us: int,
    updated_at_us: int,
    properties: bytes,
    version: int,
    is_deleted: bool = False,
) -> bytes:
    """A line of the table `groups`."""
    return (
        b'{"team_id":%d,"group_type_index":%d,"group_key":%b,"created_at":%b,"updated_at":%b,"properties":%b,'
        b'"version":%d,"is_deleted":%b}\n'
        % (
            team_id,
            index,
            quoted(key),
            moment(created_at_us),
            moment(updated_at_us),
            quoted(properties),
            version,
            b"true" if is_deleted else b"false",
        )
    )
