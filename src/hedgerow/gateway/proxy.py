"""The data plane: `{METHOD} /{app}/{native path}` becomes a call to a connected account (gateway §2).

An ASGI layer before everything else, dispatched on the raw path: no framework has decoded, normalised or routed anything
when it is judged here. What is not a call of an app is passed on untouched. One call goes through

    headers → key → rate → path → connection → policies → body → cache → budgets → Idempotency-Key → account, or this server
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.telemetry import log
from hedgerow.gateway.accounting import Accounting, route_of
from hedgerow.gateway.admission import Admission, Wanted
from hedgerow.gateway.answering import Answering, Place, gateway_of
from hedgerow.gateway.answers import GatewayError, unavailable
from hedgerow.gateway.apps import App, Apps
from hedgerow.gateway.bodies import ClientGone, RequestBody
from hedgerow.gateway.budgets import Budgets, Reservation, budget_headers
from hedgerow.gateway.cache import ResponseCache, Wish
from hedgerow.gateway.cache_rules import ttl_of
from hedgerow.gateway.dry_run import answer_dry_run
from hedgerow.gateway.forward import Cut
from hedgerow.gateway.headers import Asked, Headers, read_headers
from hedgerow.gateway.idempotency import Idempotency, Kept, Recorder, idempotency_key, request_digest
from hedgerow.gateway.idempotency import Place as IdempotentPlace
from hedgerow.gateway.keys import PREFIX
from hedgerow.gateway.local import LocalUpstream, Receive, Scope, Send
from hedgerow.gateway.refusing import abort, refuse
from hedgerow.gateway.sending import Sending
from hedgerow.gateway.trace import Trace
from hedgerow.settings import Settings

NATIVE: Final = b"/api/"
"""Paths of this server's own API that a gateway key may call: as a call through its LOCAL connection."""
BESIDE: Final = b"/_"
"""Health of the process: answered on every host name."""
_KEY: Final = PREFIX.encode()
_YES: Final = frozenset({b"1", b"true", b"yes"})


class GatewayApp:
    """The layer. Everything that it stands on is given; `gateway.room` puts it together."""

    def __init__(
        self,
        inner: Any,
        *,
        settings: Settings,
        clock: Clock,
        apps: Apps,
        admission: Admission,
        sending: Sending,
        budgets: Budgets,
        idempotency: Idempotency,
        cache: ResponseCache,
        accounting: Accounting,
        local: LocalUpstream | None,
    ) -> None:
        """Stand before `inner`. `local` is this server as an account; None when the gateway runs alone."""
        self._inner = inner
        self._clock = clock
        self._apps = {app.name.encode(): app for app in apps.all()}
        self._admission = admission
        self._sending = sending
        self._budgets = budgets
        self._idempotency = idempotency
        self._cache = cache
        self._accounting = accounting
        self._has_server = local is not None
        self._origin = settings.origin
        self._own_host = settings.gateway_host.lower()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        segment, slash, rest = raw[1:].partition(b"/")
        app = self._apps.get(segment)
        if self._own_host and not raw.startswith(BESIDE):
            is_own_host = _host_of(scope["headers"]) == self._own_host
            if is_own_host != (app is not None):
                await _elsewhere(send, is_own_host=is_own_host)
                return
        if app is not None:
            await self._call(app, slash + rest, scope, receive, send, is_native=False)
        elif raw.startswith(NATIVE) and self._has_server and _has_gateway_key(scope["headers"]):
            await self._call(self._apps[b"posthog"], raw, scope, receive, send, is_native=True)
        else:
            await self._inner(scope, receive, send)

    async def _call(
        self, app: App, rest: bytes, scope: Scope, receive: Receive, send: Send, *, is_native: bool
    ) -> None:
        trace = Trace(self._clock, app, scope["method"], scope["query_string"])
        run = _Running(trace, receive, send)
        try:
            asked = run.asked = read_headers(scope["headers"])
            trace.request_id, trace.event_uuid = asked.request_id, asked.made_id
            wanted = await self._admission.understand(trace, asked, rest, scope, is_native=is_native)
            place = Place(wanted.call.connection.base_url or self._origin, self._own_url(app, is_native=is_native))
            if asked.controls.get(b"hedgerow-dry-run") in _YES:
                await self._dry_run(wanted, place, run)
                return
            await self._admission.judge(wanted)
            body = await self._admission.body(wanted, receive)
            await self._remembered(wanted, body, place, run, scope)
        except GatewayError as error:
            await run.refuse(error, scope)
        except MetadataUnavailable:
            await run.refuse(unavailable("unavailable", "The gateway's store cannot answer at the moment."), scope)
        except ClientGone:
            trace.ended = "client gone"
            trace.upstream_done()
        except Cut:
            trace.ended = "cut"
            trace.upstream_done()
            await abort(scope, receive)
        except Exception:  # noqa: BLE001 — whatever it is, the caller gets an answer and the log the trace
            log("gateway").exception("call_failed", route=route_of(trace.path), method=trace.method)
            await run.refuse(GatewayError(500, "internal_error", "The gateway failed. This is a bug."), scope)
        finally:
            self._accounting.add(trace.call(self._clock.now_us()))

    async def _remembered(self, wanted: Wanted, body: RequestBody, place: Place, run: _Running, scope: Scope) -> None:
        """Answer an admitted call out of the cache where the caller wants that; else, or then, send it."""
        call = wanted.call
        wish = await _wish(wanted, body, place) if b"hedgerow-cache" in wanted.asked.controls else None
        if wish is not None:

            async def send_it(send: Send, headers: Asked) -> None:
                run.send = send
                try:
                    await self._counted(Wanted(call, wanted.grant, headers), body, place, run, scope)
                finally:
                    run.send = own

            own = run.send
            await self._cache.answer(wish, send=own, trace=run.trace, run=send_it)
        elif call.is_read:
            await self._counted(wanted, body, place, run, scope)
        else:
            await self._written(wanted, body, place, run, scope)

    async def _written(self, wanted: Wanted, body: RequestBody, place: Place, run: _Running, scope: Scope) -> None:
        """Send a write, and end what was read before it: before the caller knows of it, who may read at once."""
        own = run.send

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._cache.written(wanted.call)
            await own(message)

        run.send = send
        try:
            await self._counted(wanted, body, place, run, scope)
        finally:
            run.send = own
            self._cache.written(wanted.call)  # also where nobody knows what came of it

    async def _counted(self, wanted: Wanted, body: RequestBody, place: Place, run: _Running, scope: Scope) -> None:
        """Send an admitted call, within its budgets."""
        call, grant, trace = wanted.call, wanted.grant, run.trace
        connection = call.connection
        reserved: list[Reservation] = []
        if grant.policy.budgets or connection.policy.budgets:
            owners = ("key", grant.id, grant.policy), ("connection", connection.id, connection.policy)
            reserved = await self._budgets.reserve(call, *owners)
        try:
            key = idempotency_key(wanted.asked.idempotency_key, call.method)
            if key is None:
                await self._send(wanted, body, place, run, scope=scope, send=run.send, extra=budget_headers(reserved))
            else:
                digest = request_digest(call.method, call.path.raw, call.query, await body.read_all())
                once = IdempotentPlace(grant.id, connection.id, key, digest)
                await self._send_once(once, wanted, body, place, run, scope=scope, extra=budget_headers(reserved))
        finally:
            trace.bytes_in = body.size
            if reserved:
                await self._budgets.settle(reserved, went=trace.sent > 0, size=trace.bytes_in + trace.bytes_out)

    async def _send_once(
        self,
        once: IdempotentPlace,
        wanted: Wanted,
        body: RequestBody,
        place: Place,
        run: _Running,
        *,
        scope: Scope,
        extra: Headers,
    ) -> None:
        """Send a call that has an `Idempotency-Key`, or answer what came of it earlier."""
        kept = await self._idempotency.begin(once)
        if kept is not None:
            await _replay(kept, run)
            return

        async def store(answer: Kept | None) -> None:
            with contextlib.suppress(MetadataUnavailable):  # then it stands as running, and later as unknown
                await self._idempotency.end(once, answer, went=run.trace.sent > 0)

        recorder = Recorder(run.send, store)
        try:
            await self._send(wanted, body, place, run, scope=scope, send=recorder, extra=extra)
        finally:
            if not recorder.is_stored:
                await store(None)

    async def _send(
        self,
        wanted: Wanted,
        body: RequestBody,
        place: Place,
        run: _Running,
        *,
        scope: Scope,
        send: Send,
        extra: Headers,
    ) -> None:
        call, asked, trace = wanted.call, wanted.asked, run.trace
        answering = run.answering = Answering(
            send,
            trace,
            call.connection,
            place,
            path=call.path.raw,
            extra=extra,
            rewrites_links=asked.controls.get(b"hedgerow-links") == b"rewrite",
        )
        if call.connection.method == "LOCAL":
            await self._sending.to_this_server(call, asked, body, scope=scope, answering=answering, trace=trace)
        else:
            await self._sending.to_account(call, asked, body, receive=run.receive, answering=answering, trace=trace)

    async def _dry_run(self, wanted: Wanted, place: Place, run: _Running) -> None:
        call, refusal = wanted.call, None
        body = await self._admission.body(wanted, run.receive)
        try:
            await self._admission.judge(wanted)
        except GatewayError as error:
            refusal = error
        if call.connection.method != "LOCAL":
            self._sending.order(call, wanted.asked)
        wish = await _wish(wanted, body, place) if refusal is None else None
        owners = (
            ("key", wanted.grant.id, wanted.grant.policy),
            ("connection", call.connection.id, call.connection.policy),
        )
        await answer_dry_run(
            run.send,
            run.trace,
            call,
            url=place.url(call.path.raw, call.query),
            headers=wanted.asked.forward,
            size=wanted.asked.content_length or body.size,
            refusal=refusal,
            budget=await self._budgets.left(call, *owners),
            cache="miss" if wish is None else self._cache.would(wish),
        )

    def _own_url(self, app: App, *, is_native: bool) -> str:
        return self._origin if is_native else gateway_of(self._origin, app)


class _Running:
    """One call that is being answered."""

    def __init__(self, trace: Trace, receive: Receive, send: Send) -> None:
        self.trace = trace
        self.receive = receive
        self.send = send
        self.asked: Asked | None = None
        self.answering: Answering | None = None

    async def refuse(self, error: GatewayError, scope: Scope) -> None:
        """Answer with the error; where an answer has begun already, break it off."""
        if self.answering is not None and self.answering.has_begun:
            self.trace.refused_by(error)
            log("gateway").warning("answer_cut", code=error.code)
            await abort(scope, self.receive)
            return
        has_body = self.asked is not None and self.asked.has_body
        await refuse(error, self.trace, self.receive, self.send, has_body=has_body)


async def _wish(wanted: Wanted, body: RequestBody, place: Place) -> Wish | None:
    """The caller's wish for a kept answer; None where none may be given. Raises `GatewayError` 400, `ClientGone`."""
    call, asked, policy = wanted.call, wanted.asked, wanted.grant.policy
    ttl = ttl_of(asked, call, (policy, call.connection.policy))
    if ttl <= 0:
        return None
    return Wish.of(ttl, call, asked, await body.read_all(), policy=policy, at=place.gateway)


async def _replay(kept: Kept, run: _Running) -> None:
    trace = run.trace
    trace.status, trace.origin, trace.bytes_out = kept.status, "replay", len(kept.body)
    headers = [*kept.headers, (b"hedgerow-origin", b"replay"), (b"x-request-id", trace.request_id)]
    await run.send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await run.send({"type": "http.response.body", "body": kept.body, "more_body": False})


def _host_of(headers: Headers) -> str:
    host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1").lower()
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host


async def _elsewhere(send: Send, *, is_own_host: bool) -> None:
    """The gateway has a host name of its own: there is nothing else there, and it is nowhere else (gateway §1.1)."""
    if is_own_host:
        error = GatewayError(404, "unknown_app", "There is no such app here.")
    else:
        error = GatewayError(421, "misdirected_request", "The gateway has a host name of its own.")
    request_id = str(ids.uuid7())
    body = error.body(request_id)
    headers = [*error.answer_headers(request_id), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _has_gateway_key(headers: Headers) -> bool:
    return any(name == b"authorization" and value[7:11] == _KEY for name, value in headers)
