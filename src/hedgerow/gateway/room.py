"""The gateway put together: `await Gateway.open(…)`, then `layer(inner)`, then `await close()`."""

from __future__ import annotations

from typing import Any, Self

from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.accounting import Accounting, EventSink
from hedgerow.gateway.addresses import Resolver
from hedgerow.gateway.admission import AddressOf, Admission, peer_of
from hedgerow.gateway.apps import Apps
from hedgerow.gateway.budgets import Budgets
from hedgerow.gateway.cache import ResponseCache
from hedgerow.gateway.connections import Connections
from hedgerow.gateway.control import Control
from hedgerow.gateway.credentials import Credentials
from hedgerow.gateway.events_url import EventsUrl
from hedgerow.gateway.idempotency import Idempotency
from hedgerow.gateway.keys import GatewayKeys
from hedgerow.gateway.local import LocalUpstream
from hedgerow.gateway.proxy import GatewayApp
from hedgerow.gateway.sending import Sending
from hedgerow.gateway.upstream import UpstreamClient
from hedgerow.gateway.vault import Vault
from hedgerow.settings import Settings


class Gateway:
    """Everything of the room that lives as long as the process."""

    def __init__(
        self,
        metadata: Metadata,
        settings: Settings,
        clock: Clock,
        *,
        sink: EventSink | None,
        resolver: Resolver | None,
    ) -> None:
        """`open` is the way to call this."""
        self.settings = settings
        self.clock = clock
        self.metadata = metadata
        self.vault = Vault.open(settings)
        self.apps = Apps.load(settings)
        self.keys = GatewayKeys(metadata, clock)
        self.connections = Connections(metadata, clock, settings.origin)
        self.client = UpstreamClient(clock, connect_seconds=settings.gateway_connect_seconds, resolver=resolver)
        if sink is None and settings.events_url:
            sink = EventsUrl(settings.events_url, self.client)
        self.admission = Admission(settings, clock, self.keys, self.connections)
        self.budgets = Budgets(metadata, clock)
        self.idempotency = Idempotency(metadata, clock, self.vault)
        self.cache = ResponseCache(clock)
        self.accounting = Accounting(
            metadata,
            clock,
            sink if settings.gateway_events else None,
            forget_old=(self.budgets.forget_old, self.idempotency.forget_old, self.cache.forget_old),
        )
        self.control = Control(
            metadata=metadata,
            settings=settings,
            clock=clock,
            vault=self.vault,
            apps=self.apps,
            keys=self.keys,
            connections=self.connections,
            client=self.client,
        )
        self.credentials: Credentials = self.control.credentials

    @classmethod
    async def open(
        cls,
        metadata: Metadata,
        settings: Settings,
        clock: Clock,
        *,
        sink: EventSink | None = None,
        resolver: Resolver | None = None,
    ) -> Self:
        """Read the settings and start what runs beside the requests. Raises `StartupError`."""
        room = cls(metadata, settings, clock, sink=sink, resolver=resolver)
        await room.control.start()
        await room.accounting.start()
        return room

    def layer(self, inner: Any, local: LocalUpstream | None = None, *, address_of: AddressOf = peer_of) -> GatewayApp:
        """The data plane before `inner`; without `local` the gateway runs alone. `address_of` tells who calls."""
        self.admission.address_of = self.control.address_of = address_of
        self.connections.has_server = local is not None
        self.control.serve(local)
        return GatewayApp(
            inner,
            settings=self.settings,
            clock=self.clock,
            apps=self.apps,
            admission=self.admission,
            sending=Sending(
                settings=self.settings,
                apps=self.apps,
                connections=self.connections,
                credentials=self.credentials,
                client=self.client,
                local=local,
            ),
            budgets=self.budgets,
            idempotency=self.idempotency,
            cache=self.cache,
            accounting=self.accounting,
            local=local,
        )

    async def close(self) -> None:
        """End, before the stores close; requests must have ended."""
        await self.control.stop()
        await self.accounting.stop()
        await self.admission.close()
        await self.keys.close()
        await self.client.close()
