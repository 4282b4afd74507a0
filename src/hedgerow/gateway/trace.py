"""What is noted of one call while it runs, from its first header to its last byte."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_plus

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.gateway.accounting import GatewayCall, route_of
from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.apps import App
from hedgerow.gateway.connections import Connection
from hedgerow.gateway.keys import KeyGrant

NAMES_MAX: Final = 30
_NAME: Final = re.compile(r"(?!ph[a-z]_|hgk_)[A-Za-z_$][A-Za-z0-9_$.\-\[\]]{0,39}")
"""Names of parameters that are surely no secret."""


class Trace:
    """One call. Whoever learns something sets the field."""

    __slots__ = (
        "_clock",
        "app",
        "began",
        "bytes_in",
        "bytes_out",
        "code",
        "connection",
        "ended",
        "event_uuid",
        "grant",
        "method",
        "origin",
        "path",
        "policy",
        "query",
        "request_id",
        "retries",
        "sent",
        "status",
        "upstream_ended",
    )

    def __init__(self, clock: Clock, app: App, method: str, query: bytes) -> None:
        """The call has arrived."""
        self._clock = clock
        self.began = clock.monotonic()
        self.app = app
        self.method = method
        self.path = ""
        """The plain reading of the path, once it is checked."""
        self.query = query
        self.request_id = b""
        self.event_uuid = ""
        self.grant: KeyGrant | None = None
        self.connection: Connection | None = None
        self.status = 0
        self.origin = "gateway"
        self.code: str | None = None
        self.policy = "allowed"
        self.sent = 0.0
        """When the call went on."""
        self.upstream_ended = 0.0
        """When the last byte of the account's answer was there."""
        self.bytes_in = 0
        self.bytes_out = 0
        self.retries = 0
        self.ended = "complete"

    def refused_by(self, error: GatewayError) -> None:
        """The gateway itself answers."""
        self.status, self.origin, self.code = error.status, "gateway", error.code
        self.policy = error.more.get("rule", self.policy)

    def passed_on(self) -> None:
        """The call goes on now."""
        self.sent = self._clock.monotonic()

    def upstream_done(self) -> None:
        """The account has said everything."""
        self.upstream_ended = self._clock.monotonic()

    def server_timing(self) -> bytes:
        """`Server-Timing` at the moment at which the account's headers are there (gateway §2.5)."""
        now = self._clock.monotonic()
        return b"gw;dur=%.2f, upstream;dur=%.2f" % ((self.sent - self.began) * 1e3, (now - self.sent) * 1e3)

    def call(self, now_us: int) -> GatewayCall:
        """The record, when everything is over."""
        took = self._clock.monotonic() - self.began
        upstream = max(0.0, self.upstream_ended - self.sent) if self.sent else 0.0
        grant, connection = self.grant, self.connection
        return GatewayCall(
            event_uuid=self.event_uuid or str(ids.uuid7()),
            at_us=now_us - int(took * 1e6),
            request_id=self.request_id.decode("latin-1"),
            key_id=None if grant is None else grant.id,
            key_name="" if grant is None else grant.name,
            user_id=0 if grant is None else grant.user_id,
            connection_id=None if connection is None else connection.id,
            connection_name="" if connection is None else connection.name,
            app=self.app.name,
            method=self.method,
            route=route_of(self.path),
            query_names=list(_names(self.query)) if self.query else [],
            status=self.status,
            origin=self.origin,
            code=self.code,
            policy=self.policy,
            upstream_us=int(upstream * 1e6),
            gateway_us=int((took - upstream) * 1e6),
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            retries=self.retries,
            ended=self.ended,
        )


def _names(query: bytes) -> Iterable[str]:
    parts = query.split(b"&")[:NAMES_MAX]
    names = (unquote_plus(part.partition(b"=")[0].decode("latin-1"))[:60] for part in parts)
    return dict.fromkeys(name for name in names if _NAME.fullmatch(name))
