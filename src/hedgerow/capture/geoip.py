"""Where an address is, from a MaxMind database file named in the settings (sdk-wire §8.3, step 4)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import maxminddb

from hedgerow.core.errors import StartupError

_CACHED_ADDRESSES: Final = 20_000

Place = dict[str, Any]
"""`$geoip_…` keys and their values; empty when nothing is known."""


class GeoIP:
    """Looks addresses up; the file is opened once and mapped into memory."""

    def __init__(self, path: str) -> None:
        """Open the file.

        Raises:
            StartupError: it is missing or no MaxMind database.
        """
        try:
            self._reader = maxminddb.open_database(Path(path))
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise StartupError(f"The GeoIP database {path} cannot be read: {error}.") from error
        self.place = lru_cache(_CACHED_ADDRESSES)(self._place)
        """The place of an address as text; not to be changed, since it is shared."""

    def close(self) -> None:
        """Unmap the file."""
        self._reader.close()

    def _place(self, address: str) -> Place:
        try:
            record = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return {}
        return _describe(record) if isinstance(record, dict) else {}


def _describe(record: dict[str, Any]) -> Place:
    location, postal = _part(record, "location"), _part(record, "postal")
    country, continent = _part(record, "country"), _part(record, "continent")
    found = {
        "$geoip_city_name": _name(_part(record, "city")),
        "$geoip_country_name": _name(country),
        "$geoip_country_code": country.get("iso_code"),
        "$geoip_continent_name": _name(continent),
        "$geoip_continent_code": continent.get("code"),
        "$geoip_postal_code": postal.get("code"),
        "$geoip_latitude": location.get("latitude"),
        "$geoip_longitude": location.get("longitude"),
        "$geoip_accuracy_radius": location.get("accuracy_radius"),
        "$geoip_time_zone": location.get("time_zone"),
    }
    subdivisions = record.get("subdivisions")
    if isinstance(subdivisions, list):
        for number, subdivision in enumerate(subdivisions[:3], 1):
            if isinstance(subdivision, dict):
                found[f"$geoip_subdivision_{number}_code"] = subdivision.get("iso_code")
                found[f"$geoip_subdivision_{number}_name"] = _name(subdivision)
    return {key: value for key, value in found.items() if isinstance(value, str | int | float)}


def _part(record: dict[str, Any], name: str) -> dict[str, Any]:
    part = record.get(name)
    return part if isinstance(part, dict) else {}


def _name(part: dict[str, Any]) -> object:
    names = part.get("names")
    return names.get("en") if isinstance(names, dict) else None
