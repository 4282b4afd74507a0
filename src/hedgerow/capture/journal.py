"""The journal: rows of stored events that the embedded ClickHouse does not have yet, in files of a folder.

An insert into ClickHouse costs 10 to 30 ms whatever its size, an append to a file 0.05 ms: so a group is stored once it
stands here, and ClickHouse gets what several groups brought in one insert a moment later (docs/decisions/0006).

A file (segment) is what one insert takes, and its name is that insert's token: a file that is found at start is inserted
again under the same token, and lands once. It holds JSONEachRow lines; a space before the last brace ends each group, so
that a group of which only the beginning was written is known and cut off, and ClickHouse reads the file as it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from hedgerow.core import ids, telemetry

if TYPE_CHECKING:
    from pathlib import Path

    from hedgerow.capture.dedupe import Key

SUFFIX: Final = ".rows"
REFUSED_SUFFIX: Final = ".refused"
_END: Final = b" }\n"
"""Ends the last line of a group; other lines end with the quote of their last value and the brace."""
_ROW = msgspec.json.Decoder(type=dict[str, msgspec.Raw])


@dataclass
class Segment:
    """One file of the journal."""

    path: Path
    bytes: int = 0
    rows: int = 0
    keys: list[Key] = field(default_factory=list["Key"])
    """The events in it; unknown (empty) for a file of an earlier process."""
    up_to: int = 0
    """Number of the last group in it."""
    is_leftover: bool = False
    """An earlier process's."""

    @property
    def token(self) -> str:
        """The deduplication token of its insert."""
        return self.path.stem

    def lines(self) -> list[bytes]:
        """Its rows, one a line."""
        return self.path.read_bytes().splitlines(keepends=True)


class Journal:
    """The files of one process. Every method blocks for as long as the disk takes; OSError says what it could not do."""

    def __init__(self, folder: Path, *, synced: bool) -> None:
        """`synced`: what `append` returned from survives power loss."""
        self._folder = folder
        self._synced = synced
        self._file: int | None = None
        self._number = 0
        self.open_segment: Segment | None = None

    def leftovers(self) -> list[Segment]:
        """The files of an earlier process, oldest first, without the groups that were not wholly written."""
        self._folder.mkdir(parents=True, exist_ok=True)
        found: list[Segment] = []
        for path in sorted(self._folder.glob("*" + SUFFIX)):
            self._number = max(self._number, int(path.stem.partition("-")[0]))
            rows = self._repaired(path)
            if rows:
                found.append(Segment(path, path.stat().st_size, rows, is_leftover=True))
            else:
                path.unlink()
        return found

    def append(self, lines: bytes, keys: list[Key]) -> None:
        """Store a group's lines (each a JSON object and a newline). On OSError nothing of them is kept."""
        segment = self.open_segment
        if segment is None or self._file is None:
            segment = self._begin()
        assert self._file is not None
        written = lines.removesuffix(b"}\n") + _END
        rest = memoryview(written)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            if self._synced:
                os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, segment.bytes)
            os.lseek(self._file, segment.bytes, os.SEEK_SET)
            raise
        segment.bytes += len(written)
        segment.rows += len(keys)
        segment.keys += keys

    def seal(self) -> Segment | None:
        """The open file, to which nothing will be appended any more; None if there is none."""
        segment, self.open_segment = self.open_segment, None
        if self._file is not None:
            os.close(self._file)
            self._file = None
        return segment

    def refuse(self, segment: Segment, lines: bytes) -> None:
        """Keep lines that ClickHouse will never take, for a person to look at."""
        with segment.path.with_suffix(REFUSED_SUFFIX).open("ab") as file:
            file.write(lines)

    @staticmethod
    def forget(segment: Segment) -> None:
        """ClickHouse has the segment's rows."""
        segment.path.unlink(missing_ok=True)

    def _begin(self) -> Segment:
        self._number += 1
        path = self._folder / f"{self._number:012d}-{ids.uuid7().hex}{SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if self._synced:
            _sync_folder(self._folder)
        self.open_segment = Segment(path)
        return self.open_segment

    @staticmethod
    def _repaired(path: Path) -> int:
        """Cut off what is not a whole group; how many rows are left."""
        body = path.read_bytes()
        whole = body.rfind(_END)
        kept = body[: whole + len(_END)] if whole >= 0 else b""
        groups = [group + _END for group in kept.split(_END)[:-1]]
        good = [group for group in groups if _is_readable(group)]
        if len(good) != len(groups) or len(kept) != len(body):
            telemetry.log("capture").warning(
                "The journal's end was cut off", file=path.name, bytes=len(body) - len(kept)
            )
            with path.open("r+b") as file:
                file.write(b"".join(good))
                file.truncate()
                os.fsync(file.fileno())
        return sum(group.count(b"\n") for group in good)


def waiting_rows(folder: Path) -> dict[str, int]:
    """File name → rows, for files that wait to be inserted and files of refused rows."""
    if not folder.is_dir():
        return {}
    files = [path for path in sorted(folder.iterdir()) if path.suffix in {SUFFIX, REFUSED_SUFFIX}]
    return {path.name: sum(1 for line in path.read_bytes().split(b"\n") if line) for path in files}


def _is_readable(group: bytes) -> bool:
    try:
        for line in group.splitlines():
            _ROW.decode(line)
    except msgspec.DecodeError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
