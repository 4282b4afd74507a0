"""Every example of the README and of each page under `docs/` is run, in order, against one real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chromium import Chromium, PageServer
from tests.house.examples import SHOWN, Block, Runner, blocks_of
from tests.live_server import LiveProject, LiveServer, until

ROOT = Path(__file__).parents[2]
FIRST = ["quickstart.md", "send-events.md", "query.md", "persons.md"]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / name for name in FIRST),
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in FIRST),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("docs") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def failures(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What went wrong on each page; a page is left at its first failure, the next one is begun all the same."""
    runner = Runner(
        tmp_path_factory.mktemp("examples"),
        {
            "URL": server.url,
            "TOKEN": server.account["project_token"],
            "KEY": server.account["personal_api_key"],
            "GATEWAY_KEY": server.account["gateway_key"],
            "HEDGEROW_DATA_DIR": str(server.data_dir),
        },
        server.first_project.query,
    )
    return {page.name: _run(runner, page) for page in PAGES}


def _run(runner: Runner, page: Path) -> list[str]:
    for block in blocks_of(page):
        wrong = runner.run(block) if block.is_run else None
        if wrong is not None:
            return [f"{block}\n{block.body}\n{wrong}"]
    return []


@pytest.mark.sdk
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_do_what_the_page_says(page: Path, failures: dict[str, list[str]]) -> None:
    assert not failures[page.name], failures[page.name][0]


def test_what_is_not_run_says_why() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page)]
    silent = [str(block) for block in blocks if not block.is_run and block.kind not in SHOWN and len(block.note) < 20]
    assert not silent
    assert sum(block.is_run for block in blocks) > 40


@pytest.mark.sdk
@pytest.mark.browser
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("failures")  # its new project becomes `@current`, so the pages' examples come before
def test_the_snippet_for_the_browser_sends_a_pageview(server: LiveServer) -> None:
    (block,) = _snippets()
    project: LiveProject = server.new_project("snippet")
    head = block.body.replace("http://127.0.0.1:8000", server.url).replace("phc_…", project.token)
    head = head.replace("posthog.init(", "posthog.init(").replace(
        "{ api_host", "{ opt_out_useragent_filter: true, api_host"
    )
    with Chromium() as chromium, PageServer() as pages:
        url = pages.put("/page", head, "<h1>Page</h1>")
        chromium.run("const page = await open(); await page.goto(args.url); await soon(() => stored('$pageview'));",
                     url=url, project=project.for_scenarios)  # fmt: skip
    assert until(lambda: project.has("$pageview"))


def _snippets() -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.kind == "html"]
