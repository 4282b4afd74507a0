"""Gateway keys (gateway §1.11), the vault (§3.6), and what the audit has to say about them."""

from __future__ import annotations

import asyncio
import base64
import secrets
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select
from tests.gateway.world import TESTER, World, until

from hedgerow.core.clock import ManualClock
from hedgerow.core.errors import StartupError
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.keys import GatewayKeys, looks_right, new_secret
from hedgerow.gateway.lookups import Lookups
from hedgerow.gateway.models import AuditEntry, GatewayKey
from hedgerow.gateway.vault import CannotUnseal, Vault
from hedgerow.settings import Settings


def test_a_key_has_a_prefix_and_a_checksum() -> None:
    secret = new_secret()
    assert (secret[:4], len(secret)) == ("hgk_", 53)
    assert looks_right(secret)
    for at in (4, 20, 52):
        wrong = "a" if secret[at] != "a" else "b"
        assert not looks_right(secret[:at] + wrong + secret[at + 1 :])
    for wrong in ("", "hgk_", secret + "a", secret[:-1], "hgx" + secret[3:], secret.replace(secret[9], "ä", 1)):
        assert not looks_right(wrong)


async def actions(metadata: Metadata, user_id: int) -> list[str]:
    async with metadata.read() as session:
        found = select(AuditEntry).where(AuditEntry.user_id == user_id, AuditEntry.subject_kind == "key")
        return [entry.action for entry in await session.scalars(found.order_by(AuditEntry.id))]


async def test_a_key_is_stored_as_a_digest(world: World) -> None:
    made = await world.gateway.keys.create(TESTER, user_id=world.user_id, name="mine")
    async with world.metadata.read() as session:
        row = await session.get_one(GatewayKey, made.row.id)
    assert (row.prefix, row.suffix) == (made.secret[:8], made.secret[-4:])
    assert made.secret not in str([getattr(row, column.key) for column in GatewayKey.__table__.columns])
    assert made.secret not in repr(made)


async def test_a_rotated_key_works_until_its_grace_is_over(world: World) -> None:
    clock = ManualClock(datetime(2031, 1, 1, tzinfo=UTC))
    keys = GatewayKeys(world.metadata, clock)
    old = await keys.create(TESTER, user_id=world.user_id, name="mine", policy={"mode": "read_only"})
    new = await keys.rotate(TESTER, world.user_id, old.row.id, timedelta(minutes=10))
    assert new is not None
    found_old, found_new = await keys.find(old.secret), await keys.find(new.secret)
    assert found_old is not None
    assert found_new is not None
    assert found_new.policy == found_old.policy
    assert await keys.rotate(TESTER, world.user_id, old.row.id) is None, "it has been rotated"
    clock.advance(601)
    assert await keys.find(old.secret) is None
    assert await keys.find(new.secret) is not None
    await keys.close()
    assert (await actions(world.metadata, world.user_id))[-1] != "key.revoked"


async def test_a_revoked_key_ends_at_once(world: World) -> None:
    await world.connect()
    made = await world.gateway.keys.create(TESTER, user_id=world.user_id, name="mine")
    assert (await world.get("/posthog/api/", key=made.secret)).status_code == 200
    assert not await world.gateway.keys.revoke(TESTER, await world.new_user(), made.row.id), "it is not theirs"
    assert await world.gateway.keys.revoke(TESTER, world.user_id, made.row.id)
    assert (await world.get("/posthog/api/", key=made.secret)).status_code == 401
    assert not await world.gateway.keys.revoke(TESTER, world.user_id, made.row.id)


async def test_the_audit_knows_who_made_first_used_and_ended_a_key(world: World) -> None:
    await world.connect()
    made = await world.gateway.keys.create(TESTER, user_id=world.user_id, name="mine")
    await world.get("/posthog/api/", key=made.secret)
    await world.gateway.keys.close()  # what is noted beside the request is there
    await world.get("/posthog/api/", key=made.secret)
    await world.gateway.keys.rotate(TESTER, world.user_id, made.row.id)
    await world.gateway.keys.revoke(TESTER, world.user_id, made.row.id)
    async with world.metadata.read() as session:
        found = select(AuditEntry).where(AuditEntry.subject_id == str(made.row.id)).order_by(AuditEntry.id)
        entries = list(await session.scalars(found))
        row = await session.get_one(GatewayKey, made.row.id)
    assert [entry.action for entry in entries] == ["key.created", "key.first_used", "key.rotated", "key.revoked"]
    assert made.secret not in str([entry.details for entry in entries])
    assert row.last_used_at is not None


async def test_many_who_miss_at_once_ask_the_database_once() -> None:
    clock = ManualClock(datetime(2031, 1, 1, tzinfo=UTC))
    asked: list[str] = []
    gate = asyncio.Event()

    async def load(key: str) -> str | None:
        asked.append(key)
        await gate.wait()
        return None if key == "unknown" else f"{key}{len(asked)}"

    lookups: Lookups[str, str] = Lookups(load, clock)
    waiting = [asyncio.create_task(lookups.get("a")) for _ in range(50)]
    await asyncio.sleep(0)
    gate.set()
    assert set(await asyncio.gather(*waiting)) == {"a1"}
    clock.advance(11)
    assert await lookups.get("a") == "a1", "nobody waits for a renewal"
    await until(lambda: lookups.known("a") == "a2")
    assert await lookups.get("unknown") is None
    assert await lookups.get("unknown") is None
    assert asked == ["a", "a", "unknown", "unknown"]
    lookups.forget()
    assert await lookups.get("a") == "a5"
    clock.advance(31)
    assert lookups.known("a") is None


# The vault


def test_a_secret_is_bound_to_its_owner_and_version(tmp_path: Path) -> None:
    vault = Vault.open(Settings(data_dir=tmp_path))
    sealed = vault.seal("connection:1", 3, b"phx_secret")
    assert b"phx_secret" not in sealed.ciphertext
    assert "phx_secret" not in repr(sealed)
    assert vault.unseal("connection:1", 3, sealed) == b"phx_secret"
    for owner, version in (("connection:2", 3), ("connection:1", 4)):
        with pytest.raises(CannotUnseal):
            vault.unseal(owner, version, sealed)
    assert vault.seal("connection:1", 3, b"phx_secret").ciphertext != sealed.ciphertext


def test_the_ring_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = Vault.open(Settings(data_dir=tmp_path))
    file = tmp_path / "secret.keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    sealed = first.seal("a", 1, b"x")
    assert Vault.open(Settings(data_dir=tmp_path)).unseal("a", 1, sealed) == b"x"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret.keys"]


def test_keys_change_by_rewrapping(tmp_path: Path) -> None:
    old, new = (base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    before = Vault.open(Settings(data_dir=tmp_path, secret_keys=(old,)))
    sealed = before.seal("a", 1, b"x")
    both = Vault.open(Settings(data_dir=tmp_path, secret_keys=(new, old)))
    assert both.unseal("a", 1, sealed) == b"x"
    data_key, master_key_id = both.rewrap(sealed.data_key)
    after = Vault.open(Settings(data_dir=tmp_path, secret_keys=(new,)))
    assert after.master_key_id == master_key_id
    with pytest.raises(CannotUnseal):
        after.unseal("a", 1, sealed)
    assert after.unseal("a", 1, msgspec.structs.replace(sealed, data_key=data_key)) == b"x"


@pytest.mark.parametrize("content", ["", "short", "x" * 44, "\xe4"])
def test_a_ring_that_is_none_stops_the_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret.keys").write_text(content, encoding="utf-8")
    with pytest.raises(StartupError, match=r"secret\.keys"):
        Vault.open(Settings(data_dir=tmp_path))


def test_a_key_of_the_settings_that_is_none_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="HEDGEROW_SECRET_KEYS"):
        Vault.open(Settings(data_dir=tmp_path, secret_keys=("x",)))
