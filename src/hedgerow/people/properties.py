"""How a person's properties change (sdk-wire §8.4). Pure functions over dictionaries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROPERTIES_BYTES_MAX: Final = 512 * 1024
"""What a person's properties may weigh as JSON text."""

EVENTS_THAT_ALWAYS_UPDATE: Final = frozenset({"$identify", "$create_alias", "$merge_dangerously", "$set"})
"""On these events even a change of noisy keys alone is kept."""

EVENTS_THAT_NEVER_UPDATE: Final = frozenset({"$exception", "$$heatmap"})
"""These events never change a person that exists."""

NOISY_KEYS: Final = frozenset(
    {
        "$current_url", "$pathname", "$referring_domain", "$referrer",
        "$screen_height", "$screen_width", "$viewport_height", "$viewport_width",
        "$browser", "$browser_version", "$device_type", "$raw_user_agent", "$os", "$os_name", "$os_version",
        "$geoip_postal_code", "$geoip_time_zone", "$geoip_latitude", "$geoip_longitude", "$geoip_accuracy_radius",
        "$geoip_subdivision_1_code", "$geoip_subdivision_1_name", "$geoip_subdivision_2_code",
        "$geoip_subdivision_2_name", "$geoip_subdivision_3_code", "$geoip_subdivision_3_name",
        "$geoip_city_confidence", "$geoip_country_confidence", "$geoip_postal_code_confidence",
        "$geoip_country_code", "$geoip_continent_code", "$geoip_continent_name",
    }
)  # fmt: skip
"""A new value of these alone is not worth a write: they change with every page. A key seen first is kept."""

CAMPAIGN_KEYS: Final = frozenset(
    {
        "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_name", "utm_term", "gclid", "gad_source",
        "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "twclid", "li_fat_id", "mc_cid", "igshid",
        "ttclid", "rdt_cid", "irclid", "_kx", "epik", "qclid", "sccid",
    }
)  # fmt: skip

PROTECTED_KEYS: Final = (
    frozenset({"email", "name", "$app_build", "$app_name", "$app_namespace", "$app_version"})
    | frozenset(key for key in NOISY_KEYS if not key.startswith("$geoip_"))
    | CAMPAIGN_KEYS
)
"""Kept when properties are trimmed to their limit, and their `$initial_` forms with them."""

_MISSING: Final = object()
_PLAIN: Final = frozenset({str, int, float, bool})
_encode = msgspec.json.Encoder().encode
_decode: Final[msgspec.json.Decoder[dict[str, Any]]] = msgspec.json.Decoder(dict[str, Any])


def encode(properties: Mapping[str, Any]) -> bytes:
    """The JSON text of `properties`, keys in their order. Text that UTF-8 cannot hold is escaped."""
    try:
        return _encode(properties)
    except UnicodeEncodeError:
        return json.dumps(properties, separators=(",", ":")).encode()


def decode(text: bytes | str) -> dict[str, Any]:
    """The properties in a JSON text that `encode` wrote."""
    return _decode.decode(text)


def same(left: object, right: object) -> bool:
    """Whether two JSON values are the same to a client: 1, 1.0 and true are three values."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (dict, list)):
        return _encode(left) == _encode(right)
    return left == right


def changed(
    event: str,
    properties: dict[str, Any],
    *,
    set_: dict[str, Any] | None,
    set_once: dict[str, Any] | None,
    unset: Iterable[str] | None,
) -> dict[str, Any] | None:
    """The properties after one event, or None if nothing about them is worth keeping.

    Order: what is absent is set once, then set, then unset. When only noisy keys got another value, nothing is kept;
    when anything else changed, the noisy values are kept along with it.
    """
    if event in EVENTS_THAT_NEVER_UPDATE:
        return None
    always = event in EVENTS_THAT_ALWAYS_UPDATE
    worth = False
    updates: dict[str, Any] = {}
    if set_once is not None and not set_once.keys() <= properties.keys():
        for key, value in set_once.items():
            if key not in properties:
                updates[key] = value
                worth = worth or always or not _initial_geoip_noise(key)
    if set_:
        get = properties.get
        for key, value in set_.items():
            old = get(key, _MISSING)
            kind = type(value)
            if old is value or (type(old) is kind and (old == value if kind in _PLAIN else same(old, value))):
                continue
            updates[key] = value
            worth = worth or always or old is _MISSING or key not in NOISY_KEYS
    gone = [key for key in unset if key in properties or key in updates] if unset else None
    if gone:
        worth = True
    if not worth:
        return None
    result = {**properties, **updates}
    if gone:
        for key in gone:
            result.pop(key, None)
    return result


def _initial_geoip_noise(key: str) -> bool:
    return key.startswith("$initial_geoip_") and f"${key.removeprefix('$initial_')}" in NOISY_KEYS


def trimmed(properties: dict[str, Any], bytes_max: int = PROPERTIES_BYTES_MAX) -> dict[str, Any] | None:
    """As many of `properties` as fit `bytes_max` as JSON text: protected keys and the oldest others first.

    None when the protected keys alone are too heavy.
    """
    weight = len(encode(properties))
    kept = dict(properties)
    for key in reversed(properties):
        if weight <= bytes_max:
            break
        if not is_protected(key):
            weight -= len(encode({key: kept.pop(key)})) - 1
    return kept if len(encode(kept)) <= bytes_max else None


def is_protected(key: str) -> bool:
    """Whether a key stays when properties are trimmed."""
    if key.startswith("$initial_"):
        bare = key.removeprefix("$initial_")
        return bare in PROTECTED_KEYS or f"${bare}" in PROTECTED_KEYS
    return key in PROTECTED_KEYS


def email_of(properties: Mapping[str, Any]) -> str | None:
    """The property `email`, if it is text."""
    email = properties.get("email")
    return email if isinstance(email, str) else None
