"""The registrable domain of a host name, by the public suffix list that comes with its package."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    """Read at first use: 60 ms that most servers never need."""
    return PublicSuffixList()


@lru_cache(10_000)
def root_domain(host: str) -> str:
    """`example.co.uk` of `Shop.example.co.uk:8443`; an address or a lone name is itself."""
    host = host.strip().lower()[:300]
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    name = name.rstrip(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return str(_suffixes().privatesuffix(name) or name) if name else ""
