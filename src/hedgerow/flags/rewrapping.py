"""A new master key (gateway §3.6), for the payloads of flags: their data keys are wrapped anew, the payloads stay as they are."""

from __future__ import annotations

from typing import Final, Protocol

from sqlalchemy import select

from hedgerow.core.storage.metadata import Metadata
from hedgerow.flags.models import FeatureFlag
from hedgerow.flags.payloads import rewrapped, sealed_by_another

BATCH: Final = 200


class Ring(Protocol):
    """The master keys; the gateway's vault has them."""

    @property
    def master_key_id(self) -> str: ...
    def rewrap(self, data_key: bytes) -> tuple[bytes, str]: ...


async def rewrap_payloads(metadata: Metadata, ring: Ring) -> int:
    """Wrap the data key of every payload by the first key of the ring; how many another one had wrapped.

    Flags that are deleted count too: they can be brought back. Raises `CannotUnseal`, `MetadataUnavailable`.
    """
    count = 0
    for ids in await _batches(metadata, ring):
        async with metadata.write() as session:
            rows = await session.scalars(select(FeatureFlag).where(FeatureFlag.id.in_(ids)).with_for_update())
            for row in rows:
                count += sealed_by_another(row.filters, ring.master_key_id)
                row.filters = rewrapped(row.filters, ring.master_key_id, ring.rewrap)
    return count


async def payloads_of_others(metadata: Metadata, ring: Ring) -> int:
    """How many payloads still need another master key than the first one."""
    async with metadata.read() as session:
        found = await session.scalars(select(FeatureFlag.filters).where(FeatureFlag.has_encrypted_payloads.is_(True)))
        return sum(sealed_by_another(filters, ring.master_key_id) for filters in found)


async def _batches(metadata: Metadata, ring: Ring) -> list[list[int]]:
    async with metadata.read() as session:
        found = await session.execute(
            select(FeatureFlag.id, FeatureFlag.filters)
            .where(FeatureFlag.has_encrypted_payloads.is_(True))
            .order_by(FeatureFlag.id)
        )
        ids = [row_id for row_id, filters in found if sealed_by_another(filters, ring.master_key_id)]
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
