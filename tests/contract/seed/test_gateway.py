"""The seed document's lines on connections, run word for word with only hosts, key and ids replaced (gateway §1, §2.2).

The way through the connect page itself is walked in a real browser: `tests/browser/test_seed.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.seed.document import differences
from tests.contract.seed.programs import (
    BLOCKS,
    CONTROL_HOST,
    CREATE,
    DELETE,
    GATEWAY_HOST,
    GET,
    LIST,
    SHOWN_ID,
    Seed,
    choosing,
    titled,
)
from tests.live_server import LiveServer


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seed]:
    with LiveServer(tmp_path_factory.mktemp("seed-gateway") / "data") as running:
        yield Seed(running)


def test_the_list_shows_the_connection_of_the_first_start(seed: Seed) -> None:
    (connection,) = seed.run(titled(LIST))["connections"]
    assert (connection["status"], connection["app"], connection["method"]) == ("ACTIVE", "posthog", "LOCAL")


def test_create_get_delete_in_the_shapes_that_are_shown(seed: Seed) -> None:
    made = seed.run(titled(CREATE))
    shown = seed.run(titled(GET), connection_id=made["connection_id"])
    assert differences(titled(GET).shown, shown) == []
    assert shown["connection"]["status"] == "PENDING"
    assert shown["connection"]["url"] == made["url"]
    assert "?session_token=" in made["url"]
    assert seed.run(titled(DELETE), connection_id=made["connection_id"])["deleted"] is True
    assert len(seed.run(titled(LIST))["connections"]) == 1


@pytest.mark.parametrize("language", ["shell python", "python", "javascript"])
def test_the_first_call_works_in_every_language_of_the_document(seed: Seed, language: str) -> None:
    calls = [
        block
        for block in BLOCKS
        if block.language == language and "/posthog/api/" in block.text and "Maton-Connection" not in block.text
    ]
    assert calls
    for block in calls:
        answer = seed.run(block)
        assert "results" in answer


def test_a_header_chooses_the_connection(seed: Seed) -> None:
    block = choosing()
    (mine,) = seed.run(titled(LIST))["connections"]
    assert seed.run(block, connection_id=mine["connection_id"])["count"] == 1
    pending = seed.run(titled(CREATE))
    text = block.text.replace(GATEWAY_HOST, seed.server.url).replace(SHOWN_ID, pending["connection_id"])
    refused = seed.process(block, text, seed.key)
    assert "HTTP Error 400" in refused.stderr, "one that is not ACTIVE is not replaced by another"
    seed.run(titled(DELETE), connection_id=pending["connection_id"])


@pytest.mark.parametrize("title", [LIST, CREATE, GET, DELETE])
@pytest.mark.parametrize("key", ["", "hgk_wrong"])
def test_a_missing_or_wrong_key_is_a_401(seed: Seed, title: str, key: str) -> None:
    block = titled(title)
    refused = seed.process(block, block.text.replace(CONTROL_HOST, seed.server.url), key)
    assert "HTTP Error 401" in refused.stderr


def test_no_connection_at_all_is_a_400(tmp_path: Path) -> None:
    """On a server of its own, because it takes away what `init` made."""
    with LiveServer(tmp_path / "data") as running:
        seed = Seed(running)
        for connection in seed.run(titled(LIST))["connections"]:
            seed.run(titled(DELETE), connection_id=connection["connection_id"])
        block = titled("List projects")
        refused = seed.process(block, block.text.replace(GATEWAY_HOST, running.url), seed.key)
        assert "HTTP Error 400" in refused.stderr
