"""What `refresh` asks for, and what is done about it (queries §1.2)."""

from __future__ import annotations

from typing import Any, Final, Literal

Mode = Literal[
    "async", "async_except_on_cache_miss", "blocking", "force_async", "force_blocking", "force_cache", "lazy_async"
]
MODES: Final = frozenset(Mode.__args__)
Cached = Literal["fresh", "stale", "none"]
Act = Literal["give", "calculate", "start", "give and start"]
"""Give the cached result; calculate now; start in the background; the last two at once."""

_ACTS: Final[dict[Mode, dict[Cached, Act]]] = {
    "blocking": {"fresh": "give", "stale": "calculate", "none": "calculate"},
    "async": {"fresh": "give", "stale": "give and start", "none": "start"},
    "lazy_async": {"fresh": "give", "stale": "give and start", "none": "start"},
    "async_except_on_cache_miss": {"fresh": "give", "stale": "give and start", "none": "calculate"},
    "force_blocking": {"fresh": "calculate", "stale": "calculate", "none": "calculate"},
    "force_async": {"fresh": "start", "stale": "start", "none": "start"},
    "force_cache": {"fresh": "give", "stale": "calculate", "none": "calculate"},
}


def mode_of(refresh: Any, is_async: bool | None) -> Mode:
    """The mode that a request asks for."""
    if refresh is True:
        return "force_blocking"
    if isinstance(refresh, str) and refresh in MODES:
        return refresh  # pyright: ignore[reportReturnType]
    return "async" if is_async and refresh is None else "blocking"


def act_for(mode: Mode, cached: Cached) -> Act:
    """What to do in this mode with such a cached result."""
    return _ACTS[mode][cached]
