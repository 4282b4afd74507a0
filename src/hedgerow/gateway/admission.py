"""Whether a call may go on, in the order in which that is asked (gateway §2): key, rate, path, connection, policies, body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from hedgerow.core.clock import Clock
from hedgerow.gateway.answers import GatewayError, invalid_key, missing_key
from hedgerow.gateway.bodies import RequestBody, body_too_large
from hedgerow.gateway.connections import Connections, named_connection
from hedgerow.gateway.guard import Guard
from hedgerow.gateway.headers import Asked, bearer_of
from hedgerow.gateway.keys import GatewayKeys, KeyGrant
from hedgerow.gateway.local import Receive, Scope
from hedgerow.gateway.paths import check_path
from hedgerow.gateway.patterns import matches
from hedgerow.gateway.policy import Rate
from hedgerow.gateway.rates import Rates
from hedgerow.gateway.trace import Trace
from hedgerow.gateway.verdict import Call, judge, judge_body, judge_ingest
from hedgerow.settings import Settings

CREDENTIAL_NAMES: Final = (b"personal_api_key", b"secret_api_token", b"access_token")


AddressOf = Callable[[Any], str | None]
"""From an ASGI scope to an address."""


def peer_of(scope: Scope) -> str | None:
    """The address that the connection comes from."""
    client = scope.get("client")
    return client[0] if client else None


class Wanted(msgspec.Struct, frozen=True):
    """A call that is understood, by a key that is known, over a connection that exists; not judged yet."""

    call: Call
    grant: KeyGrant
    asked: Asked


class Admission:
    """Asks all of it. One for the process."""

    def __init__(self, settings: Settings, clock: Clock, keys: GatewayKeys, connections: Connections) -> None:
        """Rates and, where the settings want it, the guard are counted here."""
        self._settings = settings
        self._clock = clock
        self._keys = keys
        self._connections = connections
        rate = settings.gateway_rate_per_second
        self._rates = Rates(clock, Rate(rate, max(1, settings.gateway_rate_burst)) if rate > 0 else None)
        self._guard = Guard(settings, clock) if settings.gateway_guard == "posthog" else None
        self.address_of: AddressOf = peer_of
        """Whose address counts; behind a proxy that is trusted `server` gives the one that knows."""

    async def understand(self, trace: Trace, asked: Asked, rest: bytes, scope: Scope, *, is_native: bool) -> Wanted:
        """What the call wants. `rest` is the path behind the app's name.

        Raises `GatewayError` for no key (401), too many calls (429), a path that could mean two things or no connection (400);
        `MetadataUnavailable`.
        """
        if asked.upgrade == b"websocket":
            raise GatewayError(501, "upgrade_not_supported", "The gateway passes no WebSockets on.", closes=True)
        grant = trace.grant = await self._grant(asked)
        self._rates.take(grant.id, grant.policy.rate)
        path = check_path(rest)
        trace.path = path.plain
        _refuse_credentials(trace.query)
        choose = self._connections.choose_local if is_native else self._connections.choose
        named = named_connection(asked.connections)
        connection = trace.connection = await choose(trace.app, grant, named)
        call = Call(
            app=trace.app,
            method=trace.method,
            path=path,
            query=trace.query,
            connection=connection,
            address=self.address_of(scope),
            now=self._clock.now(),
            is_public=matches(trace.app.public_paths, path.plain),
        )
        return Wanted(call, grant, asked)

    async def judge(self, wanted: Wanted) -> None:
        """Ask the policies of key and connection, then the guard. Raises `GatewayError` 403, 429."""
        call = wanted.call
        judge(wanted.grant.policy, call)
        judge_ingest(wanted.grant.policy, call)
        judge(call.connection.policy, call)
        if call.connection.policy.rate is not None:
            self._rates.take(call.connection.id, call.connection.policy.rate)
        if self._guard is not None and call.connection.method != "LOCAL":
            await self._guard.check(call)

    async def body(self, wanted: Wanted, receive: Receive) -> RequestBody:
        """The body, with its first piece, judged where a policy wants that.

        Raises `GatewayError` 403, 408, 413; `ClientGone`.
        """
        asked = wanted.asked
        most = self._settings.gateway_body_max_bytes
        if asked.content_length is not None and asked.content_length > most:
            raise body_too_large(most)
        idle = self._settings.gateway_idle_seconds
        body = RequestBody(receive, has_body=asked.has_body, bytes_max=most, idle_seconds=idle)
        await body.start()
        for policy in (wanted.grant.policy, wanted.call.connection.policy):
            if policy.needs_body and body.has_body:
                kind, encoding = asked.content_type.decode("latin-1"), asked.content_encoding.decode("latin-1")
                judge_body(policy, kind, encoding, await body.read_all())
        return body

    async def close(self) -> None:
        """Give back the counters."""
        if self._guard is not None:
            await self._guard.close()

    async def _grant(self, asked: Asked) -> KeyGrant:
        if asked.authorization is None:
            raise missing_key()
        secret = bearer_of(asked)
        grant = None if secret is None else await self._keys.find(secret)
        if grant is None:
            raise invalid_key()
        return grant


def _refuse_credentials(query: bytes) -> None:
    """Raise `GatewayError` 400 for an account's key in the query: it would stand in logs on the way (gateway §4.2 row 28)."""
    text = unquote_to_bytes(unquote_to_bytes(query)) if b"%" in query else query
    if any(name in text for name in CREDENTIAL_NAMES) and any(
        part.partition(b"=")[0].strip() in CREDENTIAL_NAMES for part in text.replace(b";", b"&").split(b"&")
    ):
        raise GatewayError(400, "credential_in_query", "A credential must not stand in the query.")
