"""The document's programs on connections and first calls, run word for word against a server: only hosts, key and ids differ."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.chromium import node_command
from tests.contract.seed.document import DOCUMENT, KEY_VARIABLE, Block, blocks
from tests.live_server import LiveServer

GATEWAY_HOST = "https://gateway.maton.ai"
CONTROL_HOST = "https://ctrl.maton.ai"
SHOWN_ID = "ce2b0840-4e39-4b58-b607-7290fa7a3595"
BLOCKS = blocks(DOCUMENT.read_text())


def choosing() -> Block:
    """The program that says which connection it means."""
    (block,) = [block for block in BLOCKS if "Maton-Connection" in block.text and block.language != "http"]
    return block


def titled(title: str, *parts: str) -> Block:
    """The only block under this title that can be run and has these in it."""
    (block,) = [
        block
        for block in BLOCKS
        if block.language != "http" and block.title == title and all(part in block.text for part in parts)
    ]
    return block


LIST = "List Connections"
CREATE = "Create Connection"
GET = "Get Connection"
DELETE = "Delete Connection"


class Seed:
    """A server, and the document's programs run against it."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.key = server.account["gateway_key"]

    def run(self, block: Block, *, connection_id: str = SHOWN_ID, key: str | None = None) -> Any:
        text = block.text.replace(GATEWAY_HOST, self.server.url).replace(CONTROL_HOST, self.server.url)
        text = text.replace("{connection_id}", connection_id).replace(SHOWN_ID, connection_id)
        done = self.process(block, text, self.key if key is None else key)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def process(self, block: Block, text: str, key: str) -> subprocess.CompletedProcess[str]:
        if block.language == "javascript":
            command = [*node_command(), "--input-type=module", "-"]
            text += "\nprocess.stdout.write(JSON.stringify(data));\n"
        else:
            command = [sys.executable, "-"]
            if block.language == "python":
                text += "\nimport json\nprint(json.dumps(data))\n"
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, KEY_VARIABLE: key},
            timeout=60,
        )
