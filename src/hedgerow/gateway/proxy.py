"""The data plane: `{METHOD} /{app}/{native path}` becomes a call to a connected account (gateway §2).

An ASGI layer before everything else, dispatched on the raw path: no framework has decoded, normalised or routed anything
when it is judged here. What is not a call of an app is passed on untouched. One call goes through

    headers → key → rate → path → connection → policies → body, if a policy looks into it → the account, or this server
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from uuid import UUID

from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.telemetry import log
from hedgerow.gateway.accounting import Accounting
from hedgerow.gateway.answering import Answering, Place, gateway_of
from hedgerow.gateway.answers import GatewayError, invalid_key, invalid_request, missing_key, unavailable
from hedgerow.gateway.apps import App, Apps
from hedgerow.gateway.bodies import ClientGone, RequestBody, body_too_large
from hedgerow.gateway.connections import Connection, Connections, named_connection
from hedgerow.gateway.credentials import ConnectionLost, Credentials, CredentialUnavailable
from hedgerow.gateway.forward import Cut, Forwarder, Order, Patience
from hedgerow.gateway.headers import Asked, Headers, bearer_of, read_headers
from hedgerow.gateway.keys import PREFIX, GatewayKeys, KeyGrant
from hedgerow.gateway.local import LocalUpstream, Receive, Scope, Send, local_scope
from hedgerow.gateway.paths import check_path
from hedgerow.gateway.patterns import matches
from hedgerow.gateway.policy import Rate
from hedgerow.gateway.rates import Rates
from hedgerow.gateway.trace import Trace
from hedgerow.gateway.upstream import Target, UpstreamClient
from hedgerow.gateway.verdict import Call, judge, judge_body, judge_ingest
from hedgerow.settings import Settings

NATIVE: Final = b"/api/"
"""Paths of this server's own API that a gateway key may call: as a call through its LOCAL connection."""
READ_ON_BYTES_MAX: Final = 16 << 20
READ_ON_SECONDS_MAX: Final = 1.0
_KEY: Final = PREFIX.encode()
_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
CREDENTIAL_NAMES: Final = (b"personal_api_key", b"secret_api_token", b"access_token")


class GatewayApp:
    """The layer. Everything that it stands on is given; `gateway.room` puts it together."""

    def __init__(
        self,
        inner: Any,
        *,
        settings: Settings,
        clock: Clock,
        apps: Apps,
        keys: GatewayKeys,
        connections: Connections,
        credentials: Credentials,
        client: UpstreamClient,
        accounting: Accounting,
        local: LocalUpstream | None,
    ) -> None:
        """Stand before `inner`. `local` is this server as an account; None when the gateway runs alone."""
        self._inner = inner
        self._settings = settings
        self._clock = clock
        self._apps = {app.name.encode(): app for app in apps.all()}
        self._catalogue = apps
        self._keys = keys
        self._connections = connections
        self._credentials = credentials
        self._forwarder = Forwarder(client, credentials)
        self._accounting = accounting
        self._local = local
        self._origin = settings.origin
        rate = settings.gateway_rate_per_second
        self._rates = Rates(clock, Rate(rate, max(1, settings.gateway_rate_burst)) if rate > 0 else None)
        self._patience = Patience(
            first_byte=settings.gateway_first_byte_seconds,
            idle=settings.gateway_idle_seconds,
            stream_idle=settings.gateway_stream_idle_seconds,
            total=settings.gateway_total_seconds,
        )
        self._targets: dict[tuple[str, bool], Target] = {}
        self._slots: dict[UUID, asyncio.Semaphore] = {}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        segment, slash, rest = raw[1:].partition(b"/")
        app = self._apps.get(segment)
        if app is not None:
            await self._call(app, slash + rest, scope, receive, send, is_native=False)
        elif raw.startswith(NATIVE) and self._local is not None and _has_gateway_key(scope["headers"]):
            await self._call(self._apps[b"posthog"], raw, scope, receive, send, is_native=True)
        else:
            await self._inner(scope, receive, send)

    async def _call(
        self, app: App, rest: bytes, scope: Scope, receive: Receive, send: Send, *, is_native: bool
    ) -> None:
        trace = Trace(self._clock, app, scope["method"], scope["query_string"])
        answering: Answering | None = None
        asked: Asked | None = None

        async def refuse(error: GatewayError) -> None:
            if answering is not None and answering.has_begun:
                trace.refused_by(error)
                log("gateway").warning("answer_cut", code=error.code)
                await abort(scope, receive)
                return
            await _refuse(error, trace, receive, send, has_body=asked is not None and asked.has_body)

        try:
            asked = read_headers(scope["headers"])
            trace.request_id, trace.event_uuid = asked.request_id, asked.made_id
            call, grant = await self._admitted(trace, asked, rest, scope, is_native=is_native)
            body = await self._body(call, grant, asked, receive)
            place = self._place(call, is_native=is_native)
            answering = Answering(
                send,
                trace,
                call.connection,
                place,
                path=call.path.raw,
                rewrites_links=asked.controls.get(b"hedgerow-links") == b"rewrite",
            )
            if call.connection.method == "LOCAL":
                await self._to_this_server(call, asked, body, scope=scope, answering=answering, trace=trace)
            else:
                await self._to_account(call, asked, body, receive=receive, answering=answering, trace=trace)
            trace.bytes_in = body.size
        except GatewayError as error:
            await refuse(error)
        except MetadataUnavailable:
            await refuse(unavailable("unavailable", "The gateway's store cannot answer at the moment."))
        except ClientGone:
            trace.ended = "client gone"
            trace.upstream_done()
        except Cut:
            trace.ended = "cut"
            trace.upstream_done()
            await abort(scope, receive)
        finally:
            self._accounting.add(trace.call(self._clock.now_us()))

    async def _admitted(
        self, trace: Trace, asked: Asked, rest: bytes, scope: Scope, *, is_native: bool
    ) -> tuple[Call, KeyGrant]:
        """The call, with everything that is known before its body is read. Raises `GatewayError`."""
        if asked.upgrade == b"websocket":
            raise GatewayError(501, "upgrade_not_supported", "The gateway passes no WebSockets on.", closes=True)
        grant = trace.grant = await self._grant(asked)
        self._rates.take(grant.id, grant.policy.rate)
        path = check_path(rest)
        trace.path = path.plain
        _refuse_credentials(trace.query)
        app = trace.app
        named = named_connection(asked.connections)
        if is_native:
            connection = await self._connections.choose_local(app, grant.user_id, named, grant.pinned_connection_id)
        else:
            connection = await self._connections.choose(app, grant.user_id, named, grant.pinned_connection_id)
        trace.connection = connection
        client = scope.get("client")
        call = Call(
            app=app,
            method=trace.method,
            path=path,
            query=trace.query,
            connection=connection,
            address=client[0] if client else None,
            now=self._clock.now(),
            is_public=matches(app.public_paths, path.plain),
        )
        judge(grant.policy, call)
        judge_ingest(grant.policy, call)
        judge(connection.policy, call)
        return call, grant

    async def _grant(self, asked: Asked) -> KeyGrant:
        if asked.authorization is None:
            raise missing_key()
        secret = bearer_of(asked)
        grant = None if secret is None else await self._keys.find(secret)
        if grant is None:
            raise invalid_key()
        return grant

    async def _body(self, call: Call, grant: KeyGrant, asked: Asked, receive: Receive) -> RequestBody:
        """The body, with its first piece. Raises `GatewayError`, `ClientGone`."""
        most = self._settings.gateway_body_max_bytes
        if asked.content_length is not None and asked.content_length > most:
            raise body_too_large(most)
        body = RequestBody(receive, has_body=asked.has_body, bytes_max=most, idle_seconds=self._patience.idle)
        await body.start()
        for policy in (grant.policy, call.connection.policy):
            if policy.needs_body and body.has_body:
                kind, encoding = asked.content_type.decode("latin-1"), asked.content_encoding.decode("latin-1")
                judge_body(policy, kind, encoding, await body.read_all())
        return body

    def _place(self, call: Call, *, is_native: bool) -> Place:
        own = self._origin if is_native else gateway_of(self._origin, call.app)
        return Place(call.connection.base_url or self._origin, own)

    async def _to_this_server(
        self, call: Call, asked: Asked, body: RequestBody, *, scope: Scope, answering: Answering, trace: Trace
    ) -> None:
        """A call in this process (gateway §2.10)."""
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

    async def _credential(self, connection: Connection) -> Any:
        try:
            return await self._credentials.for_connection(connection)
        except CredentialUnavailable as error:
            raise unavailable("credential_unavailable", error.detail, error.retry_after) from None
        except ConnectionLost:
            raise self._connections.lost(connection) from None

    async def _to_account(
        self, call: Call, asked: Asked, body: RequestBody, *, receive: Receive, answering: Answering, trace: Trace
    ) -> None:
        """A call to another server (gateway §2.1)."""
        target = self._target(call)
        path = target.base_path + call.path.raw
        if call.query:
            path += b"?" + call.query
        controls = asked.controls
        patience = self._patience
        timeout = _number(controls, b"hedgerow-timeout", 1e6)
        if timeout:
            patience = Patience(*(min(timeout, limit) for limit in _limits(patience)))
        order = Order(
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
        slot = await self._slot(call.connection)
        try:
            await self._forwarder.run(order, body, receive, answering, trace)
        except CredentialUnavailable as error:
            raise unavailable("credential_unavailable", error.detail, error.retry_after) from None
        except ConnectionLost:
            raise self._connections.lost(call.connection) from None
        finally:
            slot.release()

    def _target(self, call: Call) -> Target:
        """Where the call goes. Raises `GatewayError` for a host that is not allowed any more."""
        base_url = call.connection.base_url
        key = (base_url, call.is_public)
        target = self._targets.get(key)
        if target is None:
            host = self._catalogue.host_of(call.app, base_url)
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
            slot = self._slots[connection.id] = asyncio.Semaphore(self._settings.gateway_calls_per_connection)
        if slot.locked():
            try:
                async with asyncio.timeout(self._patience.first_byte):
                    await slot.acquire()
            except TimeoutError:
                raise unavailable("connection_busy", "Too many calls run through this connection.") from None
        else:
            await slot.acquire()
        return slot


async def _refuse(error: GatewayError, trace: Trace, receive: Receive, send: Send, *, has_body: bool) -> None:
    """Answer instead of the account."""
    trace.refused_by(error)
    request_id = trace.request_id.decode("latin-1")
    body = error.body(request_id)
    headers = error.answer_headers(request_id)
    if trace.connection is not None:
        headers.append((b"hedgerow-connection", str(trace.connection.id).encode()))
    if trace.method != "HEAD":
        headers.append((b"content-length", str(len(body)).encode()))
    trace.bytes_out = len(body)
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if trace.method == "HEAD" else body, "more_body": True})
    if error.closes and has_body:
        await _read_on(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read_on(receive: Receive) -> None:
    """Take in more of a body that nobody wants: to close with something unread would take the answer back."""
    left = READ_ON_BYTES_MAX
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READ_ON_SECONDS_MAX):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


async def abort(scope: Scope, receive: Receive) -> None:
    """End the caller's connection in the middle of an answer, so that nobody takes a part for the whole.

    `gateway.protocol` gives the means; under another server the application ends without having answered.
    """
    end = (scope.get("state") or {}).get("hedgerow.abort")
    if end is None:
        return
    end()
    while (await receive())["type"] != "http.disconnect":
        pass


def _has_gateway_key(headers: Headers) -> bool:
    return any(name == b"authorization" and value[7:11] == _KEY for name, value in headers)


def _refuse_credentials(query: bytes) -> None:
    """Raise `GatewayError` 400 for an account's key in the query: it would stand in logs on the way (gateway §4.2 row 28)."""
    text = unquote_to_bytes(unquote_to_bytes(query)) if b"%" in query else query
    if any(name in text for name in CREDENTIAL_NAMES) and any(
        part.partition(b"=")[0].strip() in CREDENTIAL_NAMES for part in text.replace(b";", b"&").split(b"&")
    ):
        raise GatewayError(400, "credential_in_query", "A credential must not stand in the query.")


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


def _limits(patience: Patience) -> tuple[float, float, float, float]:
    return patience.first_byte, patience.idle, patience.stream_idle, patience.total
