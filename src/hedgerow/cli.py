"""The command line: init, serve, gateway, demo, query, keys, squash, doctor.

Every failure that a person can mend is one sentence on standard error and exit code 1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from hedgerow import __version__
from hedgerow.core.errors import StartupError
from hedgerow.settings import Settings, SettingsError

T = TypeVar("T")

data_option = click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path),
    default=None,
    help="The data folder. [default: the user's own]",
)


class _Sentence(click.ClickException):
    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True, file=file)


def _plainly(function: Callable[..., T]) -> Callable[..., T]:
    """Turn what a person can mend into one sentence and exit code 1."""

    @wraps(function)
    def run(*args: object, **kwargs: object) -> T:
        try:
            return function(*args, **kwargs)
        except (StartupError, SettingsError) as error:
            raise _Sentence(str(error)) from None

    return run


def _run(work: Coroutine[Any, Any, T]) -> T:
    import uvloop

    return uvloop.run(work)


def _settings(data_dir: Path | None, **overrides: Any) -> Settings:
    return Settings.load(data_dir=data_dir or _own_folder(), **overrides)


def _own_folder() -> Path | None:
    """The user's data folder, unless the environment names one."""
    import os

    import platformdirs

    return None if os.environ.get("HEDGEROW_DATA_DIR") else Path(platformdirs.user_data_dir("hedgerow"))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """PostHog's API on your own machine, behind one key."""


@main.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_plainly
def init(data_dir: Path | None, as_json: bool) -> None:
    """Create the organization, project, user and keys; once a folder. The secrets are shown this once."""
    from hedgerow.commands.setup import set_up

    made = _run(set_up(_settings(data_dir)))
    if as_json:
        click.echo(json.dumps(made))
        return
    for name, value in made.items():
        click.echo(f"{name:20} {value}")


@main.command()
@data_option
@click.option("--host", default=None, help="The address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=int, default=None, help="The port to listen on. [default: 8000]")
@click.option("--demo", "with_demo", is_flag=True, help="At the first start, fill the project with the demo shop.")
@_plainly
def serve(data_dir: Path | None, host: str | None, port: int | None, with_demo: bool) -> None:
    """Serve the API and the pages; the first start sets the folder up and prints the keys."""
    from hedgerow.commands.serving import serve_forever

    _run(serve_forever(_settings(data_dir, host=host, port=port), with_demo=with_demo))


@main.command()
@data_option
@click.option("--host", default=None, help="The address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=int, default=None, help="The port to listen on. [default: 8000]")
@_plainly
def gateway(data_dir: Path | None, host: str | None, port: int | None) -> None:
    """Serve the gateway alone: one key in front of connected accounts, without this server's own API."""
    from hedgerow.commands.gateway import gateway_forever

    _run(gateway_forever(_settings(data_dir, host=host, port=port)))


@main.command()
@data_option
@click.option("--url", default=None, help="Send the story to this server instead, as a client would.")
@click.option("--token", default=None, help="The project token to send with, for --url.")
@_plainly
def demo(data_dir: Path | None, url: str | None, token: str | None) -> None:
    """Fill the first project with ninety days of a garden shop, while nothing serves the folder."""
    from hedgerow.commands.filling import fill_folder
    from hedgerow.core.clock import Clock
    from hedgerow.demo.fill import fill_over_http, story_end

    if url is not None:
        if not token:
            raise _Sentence("--url needs --token, the project token (phc_…) to send with.")
        _run(fill_over_http(url, token, story_end(Clock())))
        return
    _run(fill_folder(_settings(data_dir)))


@main.command()
@data_option
@click.argument("hogql")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "jsonl", "arrow", "parquet"]),
    default="table",
    help="table and json give the first 100 rows, unless the text has a LIMIT; the others every row.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--csv", "form", flag_value="csv", help="The same as --format csv.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write csv, jsonl, arrow or parquet here."
)
@_plainly
def query(data_dir: Path | None, hogql: str, form: str, output: Path | None) -> None:
    """Run HogQL over the first project and print a table, or write rows in bulk.

    Works beside a running server and without one.
    """
    settings = _settings(data_dir)
    if form in {"table", "json"}:
        from hedgerow.commands.asking import ask, print_answer

        if output is not None:
            raise click.UsageError("-o goes with --format csv, jsonl, arrow or parquet.")
        answer = _run(ask(settings, hogql))
        if answer.error is not None:
            raise _Sentence(answer.error)
        print_answer(answer, form)
        return
    from hedgerow.commands.exporting import export, refuse_bytes_on_a_terminal

    refuse_bytes_on_a_terminal(form, output)
    error = _run(export(settings, hogql, form, output))
    if error is not None:
        raise _Sentence(error)


@main.command()
@data_option
@click.argument("properties", nargs=-1)
@click.option(
    "--project", "project_id", type=int, default=None, help="Whose queries count. [default: the first project]"
)
@click.option(
    "--days", type=click.IntRange(1, 30), default=7, help="How far to look back in its query log. [default: 7]"
)
@click.option("--most", type=click.IntRange(1, 20), default=3, help="How many properties to promote. [default: 3]")
@_plainly
def optimize(data_dir: Path | None, properties: tuple[str, ...], project_id: int | None, days: int, most: int) -> None:
    """Give event properties columns of their own, so that they are read faster: PROPERTIES, or those that queries of the
    last days spent most time on. While nothing serves the folder.
    """
    from hedgerow.commands.optimizing import optimize, print_optimized

    settings = _settings(data_dir)
    print_optimized(_run(optimize(settings, project_id, properties, days=days, most=most, say=click.echo)))


@main.group()
def keys() -> None:
    """Personal API keys of the first user."""


@keys.command("create")
@data_option
@click.option("--label", default="command line", help="What the key is for.")
@click.option("--scope", "scopes", multiple=True, help="A scope such as query:read; may be repeated. [default: *]")
@_plainly
def keys_create(data_dir: Path | None, label: str, scopes: tuple[str, ...]) -> None:
    """Make a key and print it; it is not shown again."""
    from hedgerow.commands.setup import create_key

    click.echo(_run(create_key(_settings(data_dir), label, list(scopes) or ["*"])))


@keys.command("list")
@data_option
@_plainly
def keys_list(data_dir: Path | None) -> None:
    """The keys, without their secrets."""
    from hedgerow.commands.setup import list_keys

    for key in _run(list_keys(_settings(data_dir))):
        click.echo(f"{key.id}  {key.mask}  {key.label}  {' '.join(key.scopes)}")


@keys.command("rotate")
@data_option
@click.option("--forget-old", is_flag=True, help="Make no new key; drop all but the first, where nothing needs them.")
@_plainly
def keys_rotate(data_dir: Path | None, *, forget_old: bool) -> None:
    """Seal the credentials of connected accounts under a new master key. The server may run meanwhile."""
    from hedgerow.commands.rotating import rotate

    click.echo(_run(rotate(_settings(data_dir), forget_old=forget_old)))


@main.command()
@data_option
@_plainly
def squash(data_dir: Path | None) -> None:
    """Write merged persons into the stored events now; a running server does so by itself every few minutes."""
    from hedgerow.commands.squashing import squash_folder

    count = _run(squash_folder(_settings(data_dir)))
    click.echo(f"{count:,} moved distinct ids are written into the events.")


@main.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_plainly
def doctor(data_dir: Path | None, as_json: bool) -> None:
    """Compare the two stores: persons, distinct ids, overrides and groups must agree, and no event be there twice."""
    from hedgerow.doctor import examine

    report = _run(examine(_settings(data_dir)))
    click.echo(json.dumps(report.as_json()) if as_json else report.as_text())
    if not report.healthy:
        sys.exit(1)


if __name__ == "__main__":
    main()
