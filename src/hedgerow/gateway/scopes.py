"""What is asked of an account that lets the gateway in (gateway §3.8, §6.6): three wishes to choose from."""

from __future__ import annotations

from typing import Final

from hedgerow.core.identity.scopes import RESOURCES
from hedgerow.gateway.apps import App

NOT_ASKED: Final = frozenset({"access_control", "element", "ingestion_warning", "organization_member", "webhook"})
"""Of no use to whoever calls the API, or not PostHog's to give to an application."""
WISHES: Final = {
    "read": "Read: ask questions and look at everything, change nothing",
    "write": "Read and change",
    "basic": "Only who I am, and which projects there are",
}


def wished(app: App, wish: str) -> tuple[str, ...]:
    """The scopes of a wish. An app that is not PostHog is asked for what it declares."""
    if app.name != "posthog" or wish == "basic":
        return app.scopes
    objects = [name for name in RESOURCES if name not in NOT_ASKED]
    identity = [scope for scope in app.scopes if ":" not in scope]
    read = [f"{name}:read" for name in objects]
    write = [f"{name}:write" for name in objects] if wish == "write" else []
    return tuple(dict.fromkeys([*identity, *read, *write]))
