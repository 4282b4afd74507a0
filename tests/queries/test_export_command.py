"""`hedgerow query --format …`, as people run it: alone on a folder, and beside the server that has it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
from tests.live_server import LiveServer

TEXT = "SELECT number AS n FROM numbers(200000) ORDER BY n"


def hedgerow(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "hedgerow", "query", "--data", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("export") / "data"
    subprocess.run([sys.executable, "-m", "hedgerow", "init", "--data", str(made)], check=True, capture_output=True)
    return made


def test_a_file_has_every_row(folder: Path, tmp_path: Path) -> None:
    done = hedgerow(folder, "--format", "parquet", "-o", str(tmp_path / "rows.parquet"), TEXT)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    column = pyarrow.parquet.read_table(tmp_path / "rows.parquet").column("n")
    assert column.to_pylist() == list(range(200_000))
    assert [each.name for each in tmp_path.iterdir()] == ["rows.parquet"]


def test_beside_a_server_rows_come_from_it(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data"):
        done = hedgerow(tmp_path / "data", "--format", "jsonl", "SELECT 'a' AS text, number AS n FROM numbers(150)")

    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"text": "a", "n": n} for n in range(150)]


def test_a_query_that_fails_leaves_what_was_there(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    target.write_text("as before")

    done = hedgerow(folder, "--csv", "-o", str(target), "SELECT nothing FROM events")

    assert (done.returncode, done.stderr) == (1, b"Unable to resolve field: nothing\n")
    assert target.read_text() == "as before"
    assert [each.name for each in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--csv", "-o", "/nowhere/rows.csv"), 1, "/nowhere/rows.csv cannot be written: No such file or directory."),
        (("--json", "-o", "rows.json"), 2, "Error: -o goes with --format csv, jsonl, arrow or parquet."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    folder: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = hedgerow(folder, *arguments, "SELECT 1")

    assert done.returncode == code
    assert done.stderr.decode().splitlines()[-1] == sentence
