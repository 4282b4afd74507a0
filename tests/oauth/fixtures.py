"""The provider over HTTP, as fixtures: `from tests.oauth.fixtures import …` in a conftest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache
from typing import Any, cast

import pytest
from litestar import Litestar
from tests.oauth.world import App, Browser, OAuthWorld
from tests.workspace.fixtures import anyio_backend, clock, metadata, settings
from tests.workspace.world import Person, World

from hedgerow.core.clock import ManualClock
from hedgerow.core.http import Access, http_layer, open_access, protected
from hedgerow.core.storage.metadata import Metadata
from hedgerow.oauth import OAuthProvider
from hedgerow.oauth import routes as oauth_routes
from hedgerow.settings import Settings
from hedgerow.workspace import routes

__all__ = ["ada", "anyio_backend", "app", "bob", "browser", "clock", "confidential", "metadata", "oauth", "settings"]


@cache
def application() -> Litestar:
    """The routes, registered once; each test puts its own `Access` and provider into the state."""
    layer = http_layer(cast("Access", None))
    return Litestar([*routes, *oauth_routes], openapi_config=None, logging_config=None, **layer)


@pytest.fixture
async def oauth(metadata: Metadata, settings: Settings, clock: ManualClock) -> AsyncIterator[OAuthWorld]:
    access = open_access(metadata, settings, clock)
    listed = application()
    listed.state.access = access
    world = World(protected(listed, settings), access, clock)

    def address(_scope: Any) -> str:
        return made.own_address

    provider = OAuthProvider(access, address)
    await provider.start()
    listed.state.oauth = provider
    made = OAuthWorld(world, provider, world.client())
    yield made
    await world.close()
    await provider.close()
    await access.close()


@pytest.fixture
async def ada(oauth: OAuthWorld) -> Person:
    """She owns an organization with a project."""
    return await oauth.world.person(first_name="Ada", settings={"is_email_verified": True})


@pytest.fixture
async def bob(oauth: OAuthWorld) -> Person:
    """He owns another."""
    return await oauth.world.person(first_name="Bob")


@pytest.fixture
async def browser(oauth: OAuthWorld, ada: Person) -> Browser:
    """Ada's, signed in."""
    return await oauth.browser(ada)


@pytest.fixture
async def app(oauth: OAuthWorld) -> App:
    """A public application that registered itself."""
    return await oauth.app(client_name="Orchard")


@pytest.fixture
async def confidential(oauth: OAuthWorld) -> App:
    """One with a secret."""
    return await oauth.confidential(client_name="Mill")
