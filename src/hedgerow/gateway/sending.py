"""Where an admitted call goes: to an account over HTTP, or into this very process (gateway §2.1, §2.10)."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

from hedgerow.gateway.answering import Answering
from hedgerow.gateway.answers import GatewayError, invalid_request, unavailable
from hedgerow.gateway.apps import Apps
from hedgerow.gateway.bodies import RequestBody
from hedgerow.gateway.connections import Connection, Connections
from hedgerow.gateway.credentials import ConnectionLost, Credential, Credentials, CredentialUnavailable
from hedgerow.gateway.forward import Forwarder
from hedgerow.gateway.headers import Asked, Headers
from hedgerow.gateway.local import LocalUpstream, Receive, Scope, local_scope
from hedgerow.gateway.orders import Order, Patience
from hedgerow.gateway.trace import Trace
from hedgerow.gateway.upstream import Target, UpstreamClient
from hedgerow.gateway.verdict import Call
from hedgerow.settings import Settings

_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Sending:
    """Sends calls to where they belong. One for the process."""

    def __init__(
        self,
        *,
        settings: Settings,
        apps: Apps,
        connections: Connections,
        credentials: Credentials,
        client: UpstreamClient,
        local: LocalUpstream | None,
    ) -> None:
        """`local` is this server as an account; None when the gateway runs alone."""
        self._apps = apps
        self._connections = connections
        self._credentials = credentials
        self._forwarder = Forwarder(client, credentials, {host.origin: host for host in apps.followed})
        self._local = local
        self._calls_max = settings.gateway_calls_per_connection
        self._patience = Patience(
            first_byte=settings.gateway_first_byte_seconds,
            idle=settings.gateway_idle_seconds,
            stream_idle=settings.gateway_stream_idle_seconds,
            total=settings.gateway_total_seconds,
        )
        self._targets: dict[tuple[str, bool], Target] = {}
        self._slots: dict[UUID, asyncio.Semaphore] = {}

    async def to_this_server(
        self, call: Call, asked: Asked, body: RequestBody, *, scope: Scope, answering: Answering, trace: Trace
    ) -> None:
        """A call in this process. Raises `GatewayError`."""
        if self._local is None:
            raise GatewayError(400, "connection_not_active", "This gateway runs alone: it has no server of its own.")
        headers: Headers = [(b"host", self._local.host), *asked.forward]
        if not call.is_public:
            headers += (await self._credential(call.connection)).headers
        if asked.content_length is not None:
            headers.append((b"content-length", str(asked.content_length).encode()))
        elif asked.is_chunked:
            headers.append((b"transfer-encoding", b"chunked"))

        async def send(message: Any) -> None:
            if body.error is not None and not answering.has_begun:
                return  # the gateway answers
            if message["type"] == "http.response.start":
                await answering.begin(message["status"], message["headers"])
            elif message["type"] == "http.response.body":
                is_last = not message.get("more_body", False)
                if is_last:
                    trace.upstream_done()
                await answering.piece(message.get("body", b""), is_last=is_last)

        inner = local_scope(scope, call.path.raw, headers)
        trace.passed_on()
        await self._local(inner, body.as_receive(), send)
        if body.error is not None:
            raise body.error

    async def to_account(
        self, call: Call, asked: Asked, body: RequestBody, *, receive: Receive, answering: Answering, trace: Trace
    ) -> None:
        """A call to another server. Raises `GatewayError`, `Cut`, `ClientGone`."""
        order = self.order(call, asked)
        slot = await self._slot(call.connection)
        try:
            await self._forwarder.run(order, body, receive, answering, trace)
        except CredentialUnavailable as error:
            raise unavailable("credential_unavailable", error.detail, error.retry_after) from None
        except ConnectionLost:
            raise self._connections.lost(call.connection) from None
        finally:
            slot.release()

    def order(self, call: Call, asked: Asked) -> Order:
        """The call as the account will get it, without its credential. Raises `GatewayError` 400."""
        target = self._target(call)
        path = target.base_path + call.path.raw
        if call.query:
            path += b"?" + call.query
        controls = asked.controls
        patience = self._patience
        timeout = _number(controls, b"hedgerow-timeout", 1e6)
        if timeout:
            limits = (patience.first_byte, patience.idle, patience.stream_idle, patience.total)
            patience = Patience(*(min(timeout, limit) for limit in limits))
        return Order(
            connection=call.connection,
            target=target,
            method=call.method,
            path=path,
            headers=asked.forward,
            length=asked.content_length,
            needs_credential=not call.is_public,
            is_repeatable=call.method in _REPEATABLE or call.is_read,
            patience=patience,
            retries=int(_number(controls, b"hedgerow-retries", 3)),
            wait=_number(controls, b"hedgerow-wait", 60),
        )

    async def _credential(self, connection: Connection) -> Credential:
        try:
            return await self._credentials.for_connection(connection)
        except CredentialUnavailable as error:
            raise unavailable("credential_unavailable", error.detail, error.retry_after) from None
        except ConnectionLost:
            raise self._connections.lost(connection) from None

    def _target(self, call: Call) -> Target:
        """Where the call goes. Raises `GatewayError` for a host that is not allowed any more."""
        key = (call.connection.base_url, call.is_public)
        target = self._targets.get(key)
        if target is None:
            host = self._apps.host_of(call.app, call.connection.base_url)
            if host is None:
                raise GatewayError(
                    400,
                    "host_not_allowed",
                    "The settings of this gateway do not allow this connection's host any more.",
                )
            origin = host.ingest_origin or host.origin if call.is_public else host.origin
            target = self._targets[key] = Target.of(origin, is_private=host.is_private)
        return target

    async def _slot(self, connection: Connection) -> asyncio.Semaphore:
        """One of the calls that may run through a connection at once; to be released. Raises `GatewayError` 503."""
        slot = self._slots.get(connection.id)
        if slot is None:
            slot = self._slots[connection.id] = asyncio.Semaphore(self._calls_max)
        if slot.locked():
            try:
                async with asyncio.timeout(self._patience.first_byte):
                    await slot.acquire()
            except TimeoutError:
                raise unavailable("connection_busy", "Too many calls run through this connection.") from None
        else:
            await slot.acquire()
        return slot


def _number(controls: dict[bytes, bytes], name: bytes, most: float) -> float:
    """A control header that is a number of at most `most`; 0 if it is not there. Raises `GatewayError` 400."""
    value = controls.get(name)
    if value is None:
        return 0.0
    try:
        number = float(value) if len(value) <= 10 else -1.0
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise invalid_request(f"The header {name.decode()} is no number.")
    return min(number, most)
