"""`hedgerow keys rotate`: a new master key while the server runs (gateway §3.6)."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet
from tests.gateway.control.world import ControlWorld, a_control_world
from tests.gateway.fake_posthog import VALID_KEY, FakePostHog

from hedgerow.core.clock import ManualClock
from hedgerow.core.errors import StartupError
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway import Gateway
from hedgerow.gateway.rewrap import rewrap
from hedgerow.gateway.vault import KEY_FILE, CannotUnseal, Vault
from hedgerow.settings import Settings


@pytest.fixture
async def on_disk(settings: Settings, clock: ManualClock, fake: FakePostHog) -> AsyncIterator[ControlWorld]:
    """A server with a database in its own folder, which the command finds too."""
    metadata = await Metadata.open(settings)
    async with a_control_world(metadata, settings, clock, fake) as made:
        yield made
    await metadata.close()


def rotate(data_dir: Path, *more: str) -> str:
    command = [sys.executable, "-m", "hedgerow", "keys", "rotate", "--data", str(data_dir), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_rotation_beside_a_running_server(on_disk: ControlWorld) -> None:
    world = on_disk
    made = [await world.create(api_key=VALID_KEY, host=world.fake.url) for _ in range(3)]
    file = world.settings.data_dir / KEY_FILE
    (old,) = file.read_text().split()
    before = await world.row(made[0]["connection_id"])

    assert rotate(world.settings.data_dir).startswith("3 credentials")
    new, kept = file.read_text().split()
    assert (kept, new == old) == (old, False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    after = await world.row(made[0]["connection_id"])
    assert (after.credential, after.version) == (before.credential, before.version), "data keys alone are wrapped anew"
    assert after.master_key_id != before.master_key_id
    world.gateway.connections.forget()
    assert (await world.call("GET", "/posthog/api/projects/")).status_code == 200

    rotate(world.settings.data_dir, "--forget-old")
    assert file.read_text().split() == [new]
    later = await world.create(api_key=VALID_KEY, host=world.fake.url)
    used = await world.call("GET", "/posthog/api/projects/", headers={"Maton-Connection": later["connection_id"]})
    assert used.status_code == 200


async def test_a_ring_of_the_environment(on_disk: ControlWorld) -> None:
    world = on_disk
    made = await world.create(api_key=VALID_KEY, host=world.fake.url)
    (old,) = (world.settings.data_dir / KEY_FILE).read_text().split()
    new = Fernet.generate_key().decode()
    assert await rewrap(world.metadata, Vault([new, old])) == 1
    assert await rewrap(world.metadata, Vault([new, old])) == 0, "what is done is done"
    row = await world.row(made["connection_id"])
    assert row.data_key is not None
    with pytest.raises(CannotUnseal):
        Vault([old]).rewrap(row.data_key)
    Vault([new]).rewrap(row.data_key)


async def test_a_ring_that_does_not_fit_loses_nothing(on_disk: ControlWorld) -> None:
    world = on_disk
    made = await world.create(api_key=VALID_KEY, host=world.fake.url)
    before = await world.row(made["connection_id"])
    with pytest.raises(CannotUnseal):
        await rewrap(world.metadata, Vault([Fernet.generate_key().decode()]))
    after = await world.row(made["connection_id"])
    assert (after.data_key, after.status) == (before.data_key, "ACTIVE")


def test_a_key_that_is_none_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("nonsense\n")
    with pytest.raises(StartupError, match="base64url"):
        Vault.open(Settings(data_dir=tmp_path))


async def test_a_server_with_the_wrong_key_does_not_start(on_disk: ControlWorld) -> None:
    await on_disk.create(api_key=VALID_KEY, host=on_disk.fake.url)
    wrong = msgspec.structs.replace(on_disk.settings, secret_keys=(Fernet.generate_key().decode(),))
    with pytest.raises(StartupError, match="sealed with another secret key"):
        await Gateway.open(on_disk.metadata, wrong, on_disk.clock)
