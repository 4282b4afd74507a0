"""Event properties that also describe the person (sdk-wire §8.3, step 5)."""

from __future__ import annotations

from typing import Any, Final

MAPPED_KEYS: Final = frozenset({
    "$app_build", "$app_name", "$app_namespace", "$app_version", "$browser", "$browser_version", "$device_type",
    "$current_url", "$pathname", "$os", "$os_name", "$os_version", "$referring_domain", "$referrer", "$screen_height",
    "$screen_width", "$viewport_height", "$viewport_width", "$raw_user_agent", "utm_source", "utm_medium",
    "utm_campaign", "utm_content", "utm_name", "utm_term", "gclid", "gad_source", "gclsrc", "dclid", "gbraid",
    "wbraid", "fbclid", "msclkid", "twclid", "li_fat_id", "mc_cid", "igshid", "ttclid", "rdt_cid", "irclid", "_kx",
    "epik", "qclid", "sccid",
})  # fmt: skip
_OS_KEYS: Final = frozenset({"$os", "$os_name", "$os_version"})
_SERVER_KEYS: Final = MAPPED_KEYS - _OS_KEYS
_INITIAL: Final = {key: f"$initial_{key.removeprefix('$')}" for key in MAPPED_KEYS}


def initial(key: str) -> str:
    """The name under which the first value of a property is kept on the person: `$initial_os` of `$os`."""
    return _INITIAL.get(key) or f"$initial_{key.removeprefix('$')}"


def person_properties(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an event says about its person in passing: properties to set, and properties to set once.

    A server's operating system (`$is_server`) is not its user's. `$os_name` is another name of `$os`.
    """
    keys = values.keys() & (_SERVER_KEYS if values.get("$is_server") is True else MAPPED_KEYS)
    if not keys:
        return {}, {}
    now = {key: values[key] for key in keys}
    if "$os_name" in keys:
        name = now.pop("$os_name")
        now.setdefault("$os", name)
    return now, {_INITIAL[key]: value for key, value in now.items()}
