"""`hedgerow serve`: set up at the first start, print what a newcomer needs, serve until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import click
import uvicorn

from hedgerow.commands.setup import set_up
from hedgerow.core.clock import Clock
from hedgerow.core.errors import StartupError
from hedgerow.core.telemetry import set_up_logging
from hedgerow.demo.fill import fill, story_end
from hedgerow.gateway.protocol import StrictProtocol
from hedgerow.server import Hedgerow
from hedgerow.settings import Settings

BACKLOG = 2_048
KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 20
COLLECTOR_THRESHOLDS = (50_000, 20, 50)


async def serve_forever(settings: Settings, *, with_demo: bool = False) -> None:
    """Serve until SIGINT or SIGTERM. Raises StartupError with one sentence."""
    leave_no_core()
    set_up_logging(settings.log_level)
    listener = listen(settings)
    with contextlib.closing(listener):
        made = await set_up(settings)
        house = await Hedgerow.open(settings)
        try:
            if with_demo and not await _has_events(house, int(made["project_id"])):
                await fill_in_process(house, str(made["project_token"]))
            _greet(settings, made)
            address_file(settings).write_text(settings.origin, encoding="utf-8")
            calm_the_collector()
            await server_of(house).serve(sockets=[listener])
        finally:
            address_file(settings).unlink(missing_ok=True)
            await house.close()


def leave_no_core() -> None:
    """Let a crash write no image of the memory: opened credentials stand there (gateway §3.6)."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def calm_the_collector() -> None:
    """Let Python's garbage collector look less often, and never at what lives as long as the process.

    Decoded events die by their reference counts; looking for cycles among them cost a tenth of the event loop's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def address_file(settings: Settings) -> Path:
    """Where a running server says how to reach it; what other commands on the same folder read."""
    return settings.data_dir / "serving.url"


async def fill_in_process(house: Hedgerow, token: str) -> int:
    """The demo's story through this server's own routes and writer, without a socket."""

    async def send(body: bytes) -> tuple[int, str]:
        return await _call(house, body)

    return await fill(send, token, story_end(Clock()))


async def _has_events(house: Hedgerow, project_id: int) -> bool:
    team = await house.access.teams.by_id(project_id)
    return team is not None and team.ingested_event


async def _call(house: Hedgerow, body: bytes) -> tuple[int, str]:
    """One POST to `/batch/` as an ASGI server would make it."""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/batch/",
        "raw_path": b"/batch/",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", house.settings.port),
        "state": {},
    }
    sent: list[dict[str, Any]] = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return parts.pop() if parts else await asyncio.Future()

    async def send(message: Any) -> None:
        sent.append(message)

    await house(scope, receive, send)  # pyright: ignore[reportArgumentType]
    status = next(message["status"] for message in sent if message["type"] == "http.response.start")
    text = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return status, text.decode("utf-8", "replace")


def listen(settings: Settings) -> socket.socket:
    """Take the port first, so that one that is in use is found before anything is opened."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartupError(f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}.") from None
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """Ends on SIGINT and SIGTERM by returning from `serve`, so that what is open can be closed.

    uvicorn's own handling raises the signal again once it has stopped, which ends the process at once.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def server_of(app: Any) -> uvicorn.Server:
    """Uvicorn over an ASGI application, as every command runs it."""
    config = uvicorn.Config(
        app,
        http=StrictProtocol,
        ws="none",
        loop="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return _Server(config)


def _greet(settings: Settings, made: dict[str, Any]) -> None:
    """The address; at the first start also the keys and three commands that work when pasted."""
    origin = settings.origin
    click.echo(f"\nHedgerow serves {origin}  (data in {settings.data_dir})")
    if "personal_api_key" not in made:
        click.echo("The keys were shown at the first start; `hedgerow keys create` makes another.\n")
        return
    token, key, project = made["project_token"], made["personal_api_key"], made["project_id"]
    click.echo(
        f"""
  sign in            {made["email"]}  {made["password"]}
  project token      {token}   (public: for SDKs)
  personal API key   {key}   (secret, shown this once)
  project secret     {made["project_secret_key"]}   (secret, shown this once)
  gateway key        {made["gateway_key"]}   (secret, shown this once)

Send an event:

  curl -s {origin}/capture/ -H 'Content-Type: application/json' \\
    -d '{{"api_key": "{token}", "event": "hello", "distinct_id": "me"}}'

Send one from Python (pip install posthog):

  python -c "from posthog import Posthog; p = Posthog('{token}', host='{origin}'); p.capture('hello from python', distinct_id='me'); p.shutdown()"

Ask for them in HogQL:

  curl -s {origin}/api/projects/{project}/query/ -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{"query": {{"kind": "HogQLQuery", "query": "SELECT event, distinct_id, timestamp FROM events ORDER BY timestamp DESC LIMIT 5"}}}}'
"""
    )
