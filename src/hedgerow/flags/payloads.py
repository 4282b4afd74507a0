"""Payloads of flags that are stored sealed (rest-api §11, Encrypted payloads)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from hedgerow.core.http import ServiceUnavailable
from hedgerow.flags.conditions import refused
from hedgerow.gateway.vault import CannotUnseal, Sealed

HIDDEN: Final = "********* (encrypted)"
"""What is shown instead, and what a client sends back that leaves a payload as it is."""
_MARK: Final = "sealed"
_PARTS: Final = 4


class Vault(Protocol):
    """What seals; the gateway's does."""

    def seal(self, owner: str, version: int, plain: bytes) -> Sealed: ...
    def unseal(self, owner: str, version: int, sealed: Sealed) -> bytes: ...


def is_sealed(payload: Any) -> bool:
    """Whether a stored payload is one that was sealed: no JSON text begins like this."""
    return isinstance(payload, str) and payload.startswith(f"{_MARK}:") and payload.count(":") == _PARTS - 1


def sealed(
    vault: Vault, team_id: int, filters: Mapping[str, Any], stored: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The filters with every payload sealed; a hidden one stays what it was in `stored`. Raises ValidationFailed."""
    payloads: dict[str, Any] = filters.get("payloads") or {}
    before: dict[str, Any] = (stored or {}).get("payloads") or {}
    out: dict[str, Any] = {}
    for name, payload in payloads.items():
        value = before.get(name) if payload == HIDDEN else payload
        if value is None:
            raise refused("Payload value is not valid JSON")
        out[name] = value if is_sealed(value) else _seal(vault, team_id, name, value)
    return {**filters, "payloads": out} if payloads else dict(filters)


def opened(vault: Vault, team_id: int, filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters with every payload readable. Raises ServiceUnavailable where the keys are gone."""
    payloads: dict[str, Any] = filters.get("payloads") or {}
    if not any(is_sealed(payload) for payload in payloads.values()):
        return dict(filters)
    return {**filters, "payloads": {name: _open(vault, team_id, name, each) for name, each in payloads.items()}}


def unsealed(
    vault: Vault, team_id: int, filters: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The filters as a flag that seals nothing keeps them; a hidden payload becomes what it was in `stored`."""
    before = opened(vault, team_id, stored or {}).get("payloads") or {}
    payloads: dict[str, Any] = opened(vault, team_id, filters).get("payloads") or {}
    if not payloads:
        return dict(filters)
    kept = {name: before[name] if each == HIDDEN and name in before else each for name, each in payloads.items()}
    if HIDDEN in kept.values():
        raise refused("Payload value is not valid JSON")
    return {**filters, "payloads": kept}


def hidden(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters as they may be shown to anybody."""
    payloads: dict[str, Any] = filters.get("payloads") or {}
    if not any(is_sealed(payload) for payload in payloads.values()):
        return dict(filters)
    return {**filters, "payloads": {name: HIDDEN if is_sealed(each) else each for name, each in payloads.items()}}


def sealed_by_another(filters: Mapping[str, Any], master_key_id: str) -> int:
    """How many payloads have a data key that another master key wrapped."""
    payloads: dict[str, Any] = filters.get("payloads") or {}
    return sum(is_sealed(payload) and payload.split(":")[1] != master_key_id for payload in payloads.values())


def rewrapped(
    filters: Mapping[str, Any], master_key_id: str, rewrap: Callable[[bytes], tuple[bytes, str]]
) -> dict[str, Any]:
    """The filters with every data key wrapped by that master key. Raises what `rewrap` does."""

    def one(payload: Any) -> Any:
        if not is_sealed(payload) or payload.split(":")[1] == master_key_id:
            return payload
        mark, _, data_key, ciphertext = payload.split(":")
        wrapped, key_id = rewrap(base64.b64decode(data_key))
        return f"{mark}:{key_id}:{_text(wrapped)}:{ciphertext}"

    payloads: dict[str, Any] = filters.get("payloads") or {}
    return {**filters, "payloads": {name: one(each) for name, each in payloads.items()}}


def _seal(vault: Vault, team_id: int, name: str, payload: str) -> str:
    kept = vault.seal(_owner(team_id, name), 1, payload.encode("utf-8", "surrogatepass"))
    return f"{_MARK}:{kept.master_key_id}:{_text(kept.data_key)}:{_text(kept.ciphertext)}"


def _open(vault: Vault, team_id: int, name: str, payload: Any) -> Any:
    if not is_sealed(payload):
        return payload
    _, key_id, data_key, ciphertext = payload.split(":")
    kept = Sealed(base64.b64decode(ciphertext), base64.b64decode(data_key), key_id)
    try:
        return vault.unseal(_owner(team_id, name), 1, kept).decode("utf-8", "surrogatepass")
    except CannotUnseal:
        raise ServiceUnavailable("The payloads of this flag cannot be opened with the present secret keys.") from None


def _owner(team_id: int, name: str) -> str:
    return f"feature flag payload:{team_id}:{name}"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
