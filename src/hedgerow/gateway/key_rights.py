"""Keys that make keys: never one with more rights than their own (gateway §1.11)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from hedgerow.gateway.keys import KeyGrant
from hedgerow.gateway.policy import Policy


def exceeds(new: Policy, new_expires_at: datetime | None, maker: KeyGrant) -> str | None:
    """The first field in which a new key would go beyond its maker; None if it stays within.

    Each limit of the maker must stand in the new policy as it is, or narrower where that can be told.
    """
    own = maker.policy
    for name in ("connections", "apps", "methods", "projects", "ip_allow"):
        mine, theirs = getattr(own, name), getattr(new, name)
        if mine is not None and (theirs is None or not set(theirs) <= set(mine)):
            return name
    for name in ("manage_connections", "manage_keys", "ingest"):
        if getattr(new, name) and not getattr(own, name):
            return name
    if own.mode == "read_only" and new.mode != "read_only":
        return "mode"
    if own.paths is not None and (new.paths is None or not _is_within(new, own)):
        return "paths"
    if own.rate is not None and (
        new.rate is None or new.rate.per_second > own.rate.per_second or new.rate.burst > own.rate.burst
    ):
        return "rate"
    if any(budget not in new.budgets for budget in own.budgets):
        return "budgets"
    if new.cache_ttl_max > own.cache_ttl_max:
        return "cache_ttl_max"
    for mine in (own.expires_at, maker.expires_at):
        ends = [moment for moment in (new.expires_at, new_expires_at) if moment is not None]
        if mine is not None and (not ends or min(ends) > mine):
            return "expires_at"
    return None


def inherited(maker: KeyGrant) -> dict[str, Any]:
    """The policy of a key whose maker says nothing: the maker's own."""
    return msgspec.to_builtins(maker.policy)


def _is_within(new: Policy, own: Policy) -> bool:
    assert new.paths is not None
    assert own.paths is not None
    allow = own.paths.allow is None or (new.paths.allow is not None and set(new.paths.allow) <= set(own.paths.allow))
    return allow and set(own.paths.deny) <= set(new.paths.deny)
