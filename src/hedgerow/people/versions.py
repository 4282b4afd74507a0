"""Which version of a person's properties an event saw (DESIGN 8).

Each event carries the number of the properties that its person had after it; the properties themselves are stored once
a version in `person_properties_versions`. The number is a hash of the text, so it needs no counter, and writing a
version again does no harm.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from hedgerow.people.rows import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_PROPERTIES: Final = 0
"""The version of a person without properties, and of events without a person."""

KNOWN_MAX: Final = 500_000
"""How many versions a process remembers as written; the oldest half is forgotten beyond."""


def version_of(team_id: int, text: bytes) -> int:
    """The number of the properties `text` (JSON) in a project, from 0 to 2^64 - 1; 0 for `{}` alone."""
    if text == b"{}":
        return NO_PROPERTIES
    digest = blake2b(text, digest_size=8, key=team_id.to_bytes(8, "big", signed=True)).digest()
    return int.from_bytes(digest, "big") or 1


class KnownVersions:
    """The versions that a process knows to be stored or on their way by the outbox."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], None] = {}

    def __contains__(self, version: tuple[int, int]) -> bool:
        return version in self._known

    def add(self, versions: Iterable[tuple[int, int]]) -> None:
        """Remember pairs of project and version, once the transaction with their rows is committed."""
        known = self._known
        known.update(dict.fromkeys(versions))
        if len(known) > KNOWN_MAX:
            self._known = dict.fromkeys(list(known)[KNOWN_MAX // 2 :])


def row(team_id: int, version: int, text: bytes) -> bytes:
    """The line of one version for the table `person_properties_versions`."""
    return b'{"team_id":%d,"id":%d,"properties":%b}\n' % (team_id, version, quoted(text))
