"""The journal's files: what is whole is kept, what is not is cut off, and a file of a dead process lands once."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.writer.world import World, an_event

from hedgerow.capture.dedupe import Key
from hedgerow.capture.journal import Journal, Segment, waiting_rows
from hedgerow.core.storage.events import StoreUnavailable

pytestmark = [pytest.mark.anyio, pytest.mark.stores]

GROUPS = st.lists(st.lists(st.text(min_size=0, max_size=20), min_size=1, max_size=4), min_size=1, max_size=6)


def lines_of(group: list[str]) -> bytes:
    return b"".join(json.dumps({"event": name}).encode() + b"\n" for name in group)


def rows_of(segment: Segment) -> list[str]:
    return [json.loads(line)["event"] for line in segment.lines()]


def keys_of(group: list[str]) -> list[Key]:
    return [(1, bytes([number])) for number in range(len(group))]


@given(groups=GROUPS, cut=st.floats(0, 1))
def test_of_a_file_that_was_cut_short_the_whole_groups_are_left(groups: list[list[str]], cut: float):
    folder = Path(tempfile.mkdtemp())
    try:
        journal = Journal(folder, synced=False)
        assert journal.leftovers() == []
        ends = [0]
        for group in groups:
            journal.append(lines_of(group), keys_of(group))
            assert journal.open_segment is not None
            ends.append(journal.open_segment.bytes)
        segment = journal.seal()
        assert segment is not None
        length = int(cut * ends[-1])
        os.truncate(segment.path, length)
        whole = groups[: max(number for number, end in enumerate(ends) if end <= length)]
        found = Journal(folder, synced=False).leftovers()
        assert [rows_of(one) for one in found] == ([[name for group in whole for name in group]] if whole else [])
        assert sum(one.rows for one in found) == sum(map(len, whole))
        assert all(one.is_leftover for one in found)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("synced", [False, True])
def test_files_come_back_in_their_order_and_names_are_never_used_twice(tmp_path: Path, synced: bool):
    names: list[str] = []
    for _ in range(3):
        journal = Journal(tmp_path, synced=synced)
        names += [one.token for one in journal.leftovers() if one.token not in names]
        for number in range(2):
            journal.append(lines_of([str(number)]), keys_of(["x"]))
            segment = journal.seal()
            assert segment is not None
            assert segment.token not in names
    assert [one.token for one in Journal(tmp_path, synced=synced).leftovers()] == sorted(waiting_tokens(tmp_path))
    assert sum(waiting_rows(tmp_path).values()) == 6


def waiting_tokens(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.rows")]


def test_garbage_after_power_loss_is_cut_off_and_what_stands_before_it_is_kept(tmp_path: Path):
    journal = Journal(tmp_path, synced=True)
    journal.leftovers()
    journal.append(lines_of(["a", "b"]), keys_of(["a", "b"]))
    segment = journal.seal()
    assert segment is not None
    with segment.path.open("ab") as file:
        file.write(b"\0" * 100 + b'{"event":"torn" }\n' + b'{"ev')
    (found,) = Journal(tmp_path, synced=True).leftovers()
    assert (found.rows, rows_of(found)) == (2, ["a", "b"])


async def test_what_a_dead_process_left_is_stored_before_anything_is_taken_and_once(world: World):
    if not world.people.is_alone:
        pytest.skip("workers of a ClickHouse server keep no journal")
    world.events.is_down = True
    first = [an_event(f"user {n}") for n in range(3)]
    await world.sends(*first)
    journal: dict[str, int] = {}
    for _ in range(200):
        if (journal := waiting_rows(world.settings.data_dir / "journal")) and world.writer._inserts.stuck is not None:  # pyright: ignore[reportPrivateUsage]
            break
        await asyncio.sleep(0.02)
    assert sum(journal.values()) == 3
    await world.writer.stop()  # as after a kill: the rows are in the file alone
    assert await world.count() == 0
    kept = {path: path.read_bytes() for path in (world.settings.data_dir / "journal").glob("*.rows")}
    world.build()
    await world.start()
    assert await world.count() == 3
    await world.sends(*first)
    assert await world.count() == 3
    await world.writer.stop()
    for path, body in kept.items():  # as if the process had died between the insert and the file's removal
        path.write_bytes(body)
    world.build()
    await world.start()
    assert await world.count() == 3
    assert waiting_rows(world.settings.data_dir / "journal") == {}


async def test_while_what_a_dead_process_left_cannot_be_stored_nothing_is_taken(world: World):
    if not world.people.is_alone:
        pytest.skip("workers of a ClickHouse server keep no journal")
    world.events.is_down = True
    await world.sends(an_event())
    await world.writer.stop()
    world.build()
    world.events.is_down = True
    await world.start()
    with pytest.raises(StoreUnavailable):
        await world.sends(an_event("bob"))
    world.events.is_down = False
    for _ in range(500):
        try:
            await world.sends(an_event("eve"))
            break
        except StoreUnavailable:
            await asyncio.sleep(0.02)
    assert await world.count() == 2
