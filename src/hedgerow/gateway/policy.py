"""What a key, or a connection, may be used for (gateway §5.1): the JSON, its meaning, and ready-made ones.

    {"connections": ["…"], "apps": ["posthog"], "mode": "read_only", "methods": ["GET"],
     "paths": {"allow": ["/api/projects/*/query/"], "deny": ["/api/projects/*/persons/**"]}, "projects": [1, 2],
     "ingest": false, "rate": {"per_second": 10, "burst": 20}, "budgets": [{"unit": "queries", "limit": 500, "per": "day"}],
     "expires_at": "2031-01-01T00:00:00Z", "ip_allow": ["10.0.0.0/8"], "manage_connections": false, "manage_keys": false,
     "cache_ttl_max": 300}

A field that is absent limits nothing; one that is there allows what it names and nothing else. A key and the connection
that it uses are both asked (`gateway.verdict`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, Self
from uuid import UUID

import msgspec

from hedgerow.core.telemetry import log
from hedgerow.gateway.patterns import is_pattern

Mode = Literal["read_only", "read_write"]
Unit = Literal["requests", "queries", "writes", "bytes"]
Span = Literal["minute", "hour", "day"]
SPAN_SECONDS: Final[dict[str, int]] = {"minute": 60, "hour": 3_600, "day": 86_400}
ENTRIES_MAX: Final = 200
_INDEX: Final = re.compile(r"\[[^\]]*\]")


class PolicyInvalid(ValueError):  # noqa: N818 — answered 400
    """A policy that cannot be used: which field, and why."""

    def __init__(self, attr: str, detail: str) -> None:
        """`attr` has `__` between levels."""
        super().__init__(detail)
        self.attr = attr
        self.detail = detail


class PathRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Patterns of `gateway.patterns`. What `deny` names is refused, whatever `allow` says."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast: so many a second in the long run, and so many at once."""

    per_second: float
    burst: int = 1


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much in each minute, hour or day of UTC."""

    unit: Unit
    limit: int
    per: Span = "day"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything that can be limited. Make it with `parse`."""

    connections: tuple[UUID, ...] | None = None
    apps: tuple[str, ...] | None = None
    mode: Mode = "read_write"
    methods: tuple[str, ...] | None = None
    paths: PathRules | None = None
    projects: tuple[int, ...] | None = None
    ingest: bool = False
    """Whether events may be sent through the gateway (gateway §2.11)."""
    rate: Rate | None = None
    budgets: tuple[Budget, ...] = ()
    expires_at: datetime | None = None
    ip_allow: tuple[str, ...] | None = None
    manage_connections: bool = False
    manage_keys: bool = False
    cache_ttl_max: int = 300

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read what a person sent. Raises `PolicyInvalid`."""
        try:
            policy = msgspec.convert(raw, cls, strict=True, str_keys=True)
        except msgspec.ValidationError as error:
            text, _, where = str(error).partition(" - at `$")
            attr = "__".join(part for part in _INDEX.sub("", where.rstrip("`")).split(".") if part)
            raise PolicyInvalid(attr, text) from None
        _examine(policy)
        return policy

    @classmethod
    def stored(cls, raw: Mapping[str, Any]) -> Self:
        """Read what the database holds. One that cannot be read allows nothing."""
        if not raw:
            return cls()
        try:
            return cls.parse(raw)
        except PolicyInvalid as error:
            log("gateway").error("policy_unreadable", attr=error.attr, detail=error.detail)
            return cls(apps=(), connections=())

    @property
    def needs_body(self) -> bool:
        """Whether a body has to be read before it may go on: a project token in it overrides the path (gateway §0.9)."""
        return self.projects is not None


def _examine(policy: Policy) -> None:
    """What types do not say. Raises `PolicyInvalid`."""
    lists: dict[str, tuple[Any, ...] | None] = {
        "connections": policy.connections,
        "apps": policy.apps,
        "methods": policy.methods,
        "projects": policy.projects,
        "budgets": policy.budgets,
        "ip_allow": policy.ip_allow,
    }
    for name, entries in lists.items():
        if entries is not None and len(entries) > ENTRIES_MAX:
            raise PolicyInvalid(name, f"At most {ENTRIES_MAX} entries.")
    for method in policy.methods or ():
        if not (method.isascii() and method.isupper() and method.isalpha() and len(method) <= 20):
            raise PolicyInvalid("methods", f"{method!r} is no method in capitals.")
    if any(project < 1 for project in policy.projects or ()):
        raise PolicyInvalid("projects", "Project ids are positive numbers.")
    for network in policy.ip_allow or ():
        if network_of(network) is None:
            raise PolicyInvalid("ip_allow", f"{network!r} is no address or network.")
    _examine_paths(policy.paths or PathRules())
    _examine_amounts(policy)


def _examine_paths(rules: PathRules) -> None:
    for name, patterns in (("allow", rules.allow or ()), ("deny", rules.deny)):
        if len(patterns) > ENTRIES_MAX:
            raise PolicyInvalid(f"paths__{name}", f"At most {ENTRIES_MAX} entries.")
        for pattern in patterns:
            if not is_pattern(pattern):
                raise PolicyInvalid(f"paths__{name}", f"{pattern!r} is no pattern of paths.")


def _examine_amounts(policy: Policy) -> None:
    if policy.rate is not None and not (0 < policy.rate.per_second <= 1e6 and 1 <= policy.rate.burst <= 1_000_000):
        raise PolicyInvalid("rate", "per_second must be above 0, and burst 1 or more.")
    if any(not 0 <= budget.limit <= 1 << 53 for budget in policy.budgets):
        raise PolicyInvalid("budgets__limit", "A limit is 0 or more.")
    if policy.expires_at is not None and policy.expires_at.tzinfo is None:
        raise PolicyInvalid("expires_at", "A moment needs a time zone.")
    if not 0 <= policy.cache_ttl_max <= 86_400:
        raise PolicyInvalid("cache_ttl_max", "From 0 to 86400 seconds.")


@lru_cache(4096)
def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The network that a text names; None if it names none."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


EVERYTHING: Final[dict[str, Any]] = {"ingest": True, "manage_connections": True, "manage_keys": True}
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "agent-read": {
        "mode": "read_only",
        "paths": {
            "deny": [
                "/api/projects/*/persons/**",
                "/api/person/**",
                "/api/persons/**",
                "/api/projects/*/batch_exports/**",
                "/api/organizations/*/batch_exports/**",
                "/api/projects/*/exports/**",
            ]
        },
        "rate": {"per_second": 10, "burst": 20},
    },
    "agent-write-no-delete": {
        "methods": ["GET", "HEAD", "OPTIONS", "POST", "PATCH"],
        "rate": {"per_second": 10, "burst": 20},
    },
    "ci": {"mode": "read_write", "rate": {"per_second": 20, "burst": 60}, "ingest": True},
    "full": EVERYTHING,
}
"""Policies to start from, by name."""
