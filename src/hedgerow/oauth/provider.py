"""The provider as one object: what its routes lean on, wired once for the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hedgerow.core.http import Access
from hedgerow.oauth.authorization import Desk
from hedgerow.oauth.client_authentication import ClientAuthentication
from hedgerow.oauth.client_documents import ClientDocuments
from hedgerow.oauth.clients import Clients
from hedgerow.oauth.fetch import Fetcher
from hedgerow.oauth.grants import Grants
from hedgerow.oauth.id_tokens import IdTokens
from hedgerow.oauth.throttle import Throttle

AddressOf = Callable[[Any], str]
"""From an ASGI scope to the client's address, "" if it is not known."""


class OAuthProvider:
    """This server as an OAuth 2.1 provider. `await start()` before the first request, `await close()` before the database."""

    def __init__(self, access: Access, address_of: AddressOf, fetcher: Fetcher | None = None) -> None:
        """`fetcher` reads descriptions of applications; by default from the hosts of the settings."""
        settings, clock = access.settings, access.clock
        self.access = access
        self.address_of = address_of
        self.issuer = settings.origin
        self.fetcher = fetcher or Fetcher(settings.oauth_client_hosts)
        self.throttle = Throttle(settings, clock)
        self.clients = Clients(access.metadata, settings)
        self.documents = ClientDocuments(self.clients, self.fetcher, self.throttle, clock)
        self.desk = Desk(self.clients, self.documents, self.issuer)
        self.authentication = ClientAuthentication(self.clients, self.throttle, clock, self.issuer)
        self.grants = Grants(
            access.metadata,
            clock,
            rotate_self_made=settings.oauth_rotate_dynamic,
            forget=access.credentials.forget,
        )
        self.id_tokens = IdTokens(settings, clock)

    async def start(self) -> None:
        """Read the signing key that the settings name. Raises `StartupError`."""
        await self.id_tokens.start()

    async def close(self) -> None:
        """End what still runs."""
        await self.documents.close()
        await self.throttle.close()
