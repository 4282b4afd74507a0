"""Where an account may live: one of an app's hosts, a host that the settings allow, or this very server (gateway §4.1)."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.apps import App, Apps, HostChoice, plain_origin

HERE: Final = "local"
ANYWHERE: Final = "auto"


class Place(msgspec.Struct, frozen=True):
    """A server that can be asked. `host` is None for this very one."""

    name: str
    title: str
    origin: str
    host: HostChoice | None = None

    @property
    def is_here(self) -> bool:
        """Whether it is this very server."""
        return self.host is None


class Places:
    """What can be chosen for an app."""

    def __init__(self, apps: Apps, origin: str) -> None:
        """`origin` is this server's own."""
        self._apps = apps
        self._origin = origin
        self.has_here = False
        """Whether this server is itself one of the accounts' homes; not where the gateway runs alone."""

    def of(self, app: App) -> list[Place]:
        """Every place, the app's own hosts first."""
        found = [_place(host) for host in self._apps.hosts_of(app)]
        if self.has_here and "LOCAL" in app.methods:
            found.append(self.here)
        return found

    @property
    def here(self) -> Place:
        """This very server."""
        return Place(HERE, "This server", self._origin)

    def named(self, app: App, said: str) -> Place | None:
        """The place of a name or an origin; None for no preference. Raises `GatewayError` 400 `host_not_allowed`."""
        if said in {"", ANYWHERE}:
            return None
        places = self.of(app)
        found = next((place for place in places if place.name == said), None)
        if found is not None:
            return found
        origin = plain_origin(said) if len(said) <= 500 else None
        found = next((place for place in places if place.origin == origin), None)
        if found is None:
            raise GatewayError(
                400,
                "host_not_allowed",
                "Accounts at this host are not allowed.",
                "host",
                hint="Use one of: " + ", ".join(place.name for place in places) + ".",
            )
        return found

    def at(self, app: App, origin: str) -> Place | None:
        """The place with exactly this origin."""
        return next((place for place in self.of(app) if place.origin == origin), None)

    def authorization_server(self, app: App) -> HostChoice | None:
        """The one that serves all hosts of the app, as a host that can be asked."""
        if app.oauth is None:
            return None
        name = urlsplit(app.oauth.origin).hostname
        is_private = any(host.is_private and urlsplit(host.origin).hostname == name for host in app.hosts)
        return HostChoice(name=ANYWHERE, title=app.title, origin=app.oauth.origin, is_private=is_private)


def _place(host: HostChoice) -> Place:
    return Place(host.name, host.title, host.origin, host)
