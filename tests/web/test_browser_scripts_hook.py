"""The build hook that puts posthog-js into the package."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def hook() -> Any:
    spec = importlib.util.spec_from_file_location("browser_scripts", ROOT / "build_hooks" / "browser_scripts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout after `npm ci`."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    return tmp_path


def test_scripts_are_placed_with_all_licences(hook: Any, checkout: Path) -> None:
    placed = hook.place_scripts(checkout)
    assert placed == checkout / "src/hedgerow/web/static/posthog-js" / hook.pinned_version(checkout)
    assert {file.name for file in placed.glob("*.js")} == set(hook.SCRIPTS)
    assert "Apache License" in (placed / "LICENSE").read_text()
    licences = {file.name for file in (placed / "licenses").iterdir()}
    assert {"preact--LICENSE.txt", "fflate--LICENSE.txt", "web-vitals--LICENSE.txt"} <= licences
    assert not list(placed.parent.glob("*.partial"))


def test_an_altered_script_is_replaced(hook: Any, checkout: Path) -> None:
    placed = hook.place_scripts(checkout)
    whole = (placed / "array.js").read_bytes()
    (placed / "array.js").write_bytes(whole + b"\n// and something else")
    assert not hook.is_complete(placed)
    assert (hook.place_scripts(checkout) / "array.js").read_bytes() == whole


def test_an_older_version_does_not_stay(hook: Any, checkout: Path) -> None:
    older = checkout / "src/hedgerow/web/static/posthog-js/1.0.0"
    older.mkdir(parents=True)
    placed = hook.place_scripts(checkout)
    assert [folder.name for folder in placed.parent.iterdir()] == [placed.name]


def test_what_is_placed_needs_no_node(hook: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an sdist: scripts, but no `node_modules`."""
    placed = hook.place_scripts(checkout)
    (checkout / "node_modules").unlink()
    monkeypatch.setenv("PATH", "")
    assert hook.place_scripts(checkout) == placed


def test_the_lock_file_names_no_place(checkout: Path) -> None:
    packages = json.loads((checkout / "package-lock.json").read_text())["packages"]
    assert all("resolved" not in package for package in packages.values())
    assert all("integrity" in package for path, package in packages.items() if path)
