"""What the gateway knows of an app that it can connect: hosts, kinds of credentials, OAuth endpoints, scopes.

PostHog is built in. Others stand in the TOML file that `HEDGEROW_GATEWAY_APPS_FILE` names, each a table of the same fields:

    [example]
    title = "Example"
    methods = ["API_KEY"]
    hosts = [{ name = "main", title = "Example", origin = "https://api.example.com" }]
    probes = ["/v1/me"]

A host of one's own is allowed by `HEDGEROW_GATEWAY_HOSTS` (gateway §4.1): exact origins, of any app, optionally with a base
path; `;private` behind one lets it be an address of a private network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

import msgspec

from hedgerow.core.errors import StartupError
from hedgerow.settings import Settings

Method = Literal["OAUTH2", "API_KEY", "LOCAL"]


class HostChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place that an app's accounts may live."""

    name: str
    """What `host` of `POST /connections` says: `us`, `eu`."""
    title: str
    origin: str
    """`https://us.posthog.com`: scheme, host, port; with a base path for a self-hosted one."""
    ingest_origin: str = ""
    """Where calls go that need no credential (gateway §2.11); "" is `origin`."""
    is_private: bool = False
    """Whether it may have an address of a private network or of this machine."""


class OAuthEndpoints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The authorization server that serves all of an app's hosts; a path is taken on the host that was chosen."""

    origin: str
    """For a user who does not know their region."""
    authorize: str
    token: str
    revoke: str = ""
    register: str = ""
    metadata: str = "/.well-known/oauth-authorization-server"


class App(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One app. Its name is the first segment of the paths that reach it."""

    name: str = ""
    title: str
    methods: tuple[Method, ...]
    hosts: tuple[HostChoice, ...]
    probes: tuple[str, ...]
    """Paths whose GET proves a credential, best first."""
    oauth: OAuthEndpoints | None = None
    scopes: tuple[str, ...] = ()
    """What is asked for when nobody says more (gateway §3.8)."""
    key_prefix: str = ""
    """How this app's pasted keys begin."""
    key_page: str = ""
    """Where a person makes one, on the app's host."""
    public_paths: tuple[str, ...] = ()
    """Patterns of paths that need no credential and get none (gateway §2.11)."""
    reading_posts: tuple[str, ...] = ()
    """Patterns of paths whose POST only reads (gateway §5.1)."""
    writing_gets: tuple[str, ...] = ()
    """Patterns of paths whose GET changes something or tells a secret."""
    queries: tuple[str, ...] = ()
    """Patterns of paths whose POST counts as a query in budgets."""

    def host(self, name: str) -> HostChoice | None:
        """The host of that name."""
        return next((host for host in self.hosts if host.name == name), None)


POSTHOG = App(
    name="posthog",
    title="PostHog",
    methods=("OAUTH2", "API_KEY", "LOCAL"),
    hosts=(
        HostChoice(
            name="us",
            title="PostHog Cloud US",
            origin="https://us.posthog.com",
            ingest_origin="https://us.i.posthog.com",
        ),
        HostChoice(
            name="eu",
            title="PostHog Cloud EU",
            origin="https://eu.posthog.com",
            ingest_origin="https://eu.i.posthog.com",
        ),
    ),
    probes=("/api/users/@me/", "/api/projects/"),
    oauth=OAuthEndpoints(
        origin="https://oauth.posthog.com",
        authorize="/oauth/authorize/",
        token="/oauth/token/",  # noqa: S106 — a path
        revoke="/oauth/revoke/",
        register="/oauth/register/",
    ),
    scopes=("openid", "profile", "email", "user:read", "organization:read", "project:read"),
    key_prefix="phx_",
    key_page="/settings/user-api-keys",
    public_paths=(
        "/e/",
        "/i/**",
        "/batch/",
        "/capture/",
        "/track/",
        "/engage/",
        "/s/",
        "/flags/",
        "/decide/",
        "/array/**",
        "/static/**",
    ),
    reading_posts=(
        "/api/*/*/query/",
        "/api/*/*/query/upgrade/",
        "/api/*/*/query/check_auth_for_async/",
        "/api/*/*/insights/trend/",
        "/api/*/*/insights/funnel/",
        "/api/*/*/insights/retention/",
        "/api/*/*/insights/path/",
        "/flags/",
        "/decide/",
    ),
    writing_gets=(
        "/**/reset_token/",
        "/**/reset_token/**",
        "/**/rotate_*/",
        "/**/rotate_*/**",
        "/**/delete_secret_token_backup/",
        "/api/personal_api_keys/**",
        "/**/batch_exports/**",
        "/api/*/*/hog_functions/**",
        "/api/*/*/integrations/**",
        "/logout/",
        "/oauth/**",
        "/admin/**",
        "/impersonation/**",
    ),
    queries=("/api/*/*/query/",),
)


class Apps:
    """Every app of this gateway, and the hosts that may be reached."""

    def __init__(
        self, apps: tuple[App, ...], own_hosts: tuple[HostChoice, ...] = (), followed: tuple[HostChoice, ...] = ()
    ) -> None:
        """`own_hosts` are the ones of the settings; every app may have accounts there. Redirects to `followed` are followed."""
        self.followed = followed
        self._apps = {app.name: app for app in apps}
        self.own_hosts = own_hosts

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """The built-in apps, those of the file, and the hosts of the settings. Raises `StartupError`."""
        own_hosts = tuple(_own_host(text, "HEDGEROW_GATEWAY_HOSTS") for text in settings.gateway_hosts)
        followed = tuple(_own_host(text, "HEDGEROW_GATEWAY_FOLLOW_HOSTS") for text in settings.gateway_follow_hosts)
        return cls((POSTHOG, *_declared(settings.gateway_apps_file)), own_hosts, followed)

    def get(self, name: str) -> App | None:
        """The app of that name."""
        return self._apps.get(name)

    def all(self) -> tuple[App, ...]:
        """Every app, the built-in one first."""
        return tuple(self._apps.values())

    def hosts_of(self, app: App) -> tuple[HostChoice, ...]:
        """Where the app's accounts may live."""
        return (*app.hosts, *self.own_hosts)

    def host_of(self, app: App, base_url: str) -> HostChoice | None:
        """The allowed host that a base URL is of; None for any other, however similar it looks (gateway §4.1)."""
        return next((host for host in self.hosts_of(app) if host.origin == base_url), None)

    def allows_origin(self, app: App, origin: str) -> bool:
        """Whether accounts of the app may be reached at exactly this origin."""
        return self.host_of(app, origin) is not None


def plain_origin(text: str) -> str | None:
    """A scheme, host, optional port and base path, normalised; None for anything that is more, or not plainly that."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    if any(character in text for character in "\\?#%\t\r\n ") or ".." in parts.path or "//" in parts.path:
        return None
    default = {"http": 80, "https": 443}[parts.scheme]
    name = f"[{host}]" if ":" in host else host.removesuffix(".")
    return f"{parts.scheme}://{name}{'' if port in {None, default} else f':{port}'}{parts.path.rstrip('/')}"


def _own_host(text: str, setting: str) -> HostChoice:
    address, _, flag = text.partition(";")
    origin = plain_origin(address.strip())
    if origin is None or flag.strip() not in {"", "private"}:
        raise StartupError(f"{setting} cannot be used: {text!r} is no origin such as https://ph.example.com.")
    host = urlsplit(origin).netloc
    return HostChoice(name=host, title=host, origin=origin, is_private=flag.strip() == "private")


def _declared(file: str) -> tuple[App, ...]:
    if not file:
        return ()
    try:
        tables = msgspec.toml.decode(Path(file).read_bytes(), type=dict[str, App])
    except (OSError, msgspec.DecodeError, msgspec.ValidationError, ImportError) as error:
        raise StartupError(f"The apps in {file} cannot be read: {error}.") from error
    for name, app in tables.items():
        origins = [host.origin for host in app.hosts] + [host.ingest_origin for host in app.hosts if host.ingest_origin]
        if not name.isidentifier() or any(plain_origin(origin) != origin for origin in origins):
            raise StartupError(f"The app {name!r} in {file} needs a plain name and plain origins.")
    return tuple(msgspec.structs.replace(app, name=name) for name, app in tables.items())
