"""The capture endpoints as one plain ASGI application in front of everything else (sdk-wire §1, §5, §6).

Nothing here is routed by a framework: these are the hot paths, and their answers are exact to the byte.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from hedgerow.capture import cors, envelope, v0, v1
from hedgerow.capture.cookieless import Cookieless
from hedgerow.capture.event import IncomingEvent, IngestionWarning, QueueFull, Submitter
from hedgerow.capture.geoip import GeoIP
from hedgerow.capture.limits import Limits
from hedgerow.capture.normalise import Door, Draft, door_additions
from hedgerow.capture.refusals import Refused, bad_token, busy
from hedgerow.capture.request import Asked, Budget, ClientGone, Lease, Proxies, Receive, asked_of, read_body
from hedgerow.capture.tolerance import Mended
from hedgerow.capture.warnings import forget_old
from hedgerow.core import telemetry
from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.identity.teams import Team, Teams
from hedgerow.core.storage.events import StoreUnavailable
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings

Send = Callable[[Any], Awaitable[None]]
ASGIApp = Callable[[Any, Receive, Send], Awaitable[None]]
T = TypeVar("T")

CAPTURE_PATHS: Final = frozenset({*v0.lanes(Limits()), v1.PATH})
"""Every path that is answered here, without its trailing slash."""

_HOUSEKEEPING_SECONDS: Final = 3600
_IN_THREAD_BYTES: Final = 256 * 1024
"""Bodies from this size on are decoded in a thread, so that others are answered meanwhile."""
_GROWTH_GUESSED: Final = 12
_JSON: Final = b"application/json"
_TEXT: Final = b"text/plain; charset=utf-8"

_log = telemetry.log("capture")


class _Reply(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    content_type: bytes
    headers: cors.Headers = []


def matches(path: str) -> bool:
    """Whether a request's path is answered here, with and without a trailing slash."""
    return path.removesuffix("/") in CAPTURE_PATHS


class CaptureApp:
    """Answers the capture paths; passes everything else on."""

    def __init__(  # noqa: PLR0917 — the stores and rooms that it stands on
        self,
        rest: ASGIApp,
        teams: Teams,
        writer: Submitter,
        metadata: Metadata,
        settings: Settings,
        clock: Clock,
    ) -> None:
        """Stand before `rest`.

        Raises:
            StartupError: the settings name a GeoIP file that cannot be read.
        """
        self._rest = rest
        self._teams = teams
        self._writer = writer
        self._metadata = metadata
        self._clock = clock
        self._limits = Limits.of(settings)
        self._lanes = v0.lanes(self._limits)
        self._budget = Budget(self._limits.in_flight_bytes)
        self._proxies = Proxies(settings.trusted_proxies)
        self._cookieless = Cookieless(metadata, clock)
        self._geoip = GeoIP(settings.geoip_path) if settings.geoip_path else None
        self._housekeeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to forget what is over: salts, visits, old warnings."""
        self._housekeeping = asyncio.create_task(self._keep_house(), name="capture: housekeeping")

    async def stop(self) -> None:
        """End; requests must have ended before."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._housekeeping
        if self._geoip is not None:
            self._geoip.close()

    async def forget_expired(self) -> None:
        """Forget what is over, now. Raises `MetadataUnavailable`."""
        await self._cookieless.forget_expired()
        async with self._metadata.write() as session:
            await forget_old(session, self._clock.now_us())

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not matches(scope["path"]):
            await self._rest(scope, receive, send)
            return
        with contextlib.suppress(ClientGone):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        lease = Lease(self._budget)
        is_v1 = scope["path"].removesuffix("/") == v1.PATH
        headers: cors.Headers = []
        try:
            asked = asked_of(scope, self._proxies)
            headers = cors.response_headers(asked.headers)
            reply = await self._reply(asked, receive, lease)
        except Refused as error:
            telemetry.events_refused.labels(status=error.status).inc()
            reply = _refusal(error, is_v1=is_v1)
        except ClientGone:
            raise
        except Exception:  # noqa: BLE001 — whatever it is, the client gets an answer and the log the trace
            _log.exception("a capture request failed", path=scope["path"])
            telemetry.events_refused.labels(status=500).inc()
            error = Refused(500, "internal_error", "The server failed. This is a bug.")
            reply = _refusal(error, is_v1=is_v1)
        finally:
            lease.release()
        await _send(reply, headers, send, is_head=scope["method"] == "HEAD")

    async def _reply(self, asked: Asked, receive: Receive, lease: Lease) -> _Reply:
        if asked.method == "OPTIONS":
            return _Reply(200, b"", _TEXT, cors.preflight_headers(asked.headers))
        if asked.path == v1.PATH:
            if asked.method != "POST":
                return _not_allowed(b"POST, OPTIONS")
            return await self._v1(asked, receive, lease)
        if asked.method == "HEAD":
            return _Reply(200, v0.ACCEPTED, _JSON)
        if asked.method not in {"POST", "GET"}:
            return _not_allowed(b"GET, HEAD, POST, OPTIONS")
        return await self._v0(asked, receive, lease)

    async def _v0(self, asked: Asked, receive: Receive, lease: Lease) -> _Reply:
        now, lane, limits = self._clock.now_us(), self._lanes[asked.path], self._limits
        body = await read_body(receive, lane.body_bytes, limits, lease)
        text = await self._unwrapped(v0.unwrap, (asked, body, lane, limits), len(body), lane.body_bytes, lease)
        posted = await _run(len(text), envelope.open_body, text, limits, lane.event_bytes)
        team = await self._team(posted.token)
        sent_at, sent_at_text = v0.sent_at_of(posted, asked)
        door = self._door(team, asked, now, sent_at, sent_at_text, historical=posted.historical, mended=posted.mended)
        drafts = await _run(len(text), v0.drafts, posted, door, lane)
        warnings: list[IngestionWarning] = []
        drafts = await self._resolved(drafts, door, team, warnings)
        events = await _run(len(text), v0.finish, drafts, door, warnings)
        await self._store(team, events, warnings)
        return _Reply(200, v0.ACCEPTED, _JSON)

    async def _v1(self, asked: Asked, receive: Receive, lease: Lease) -> _Reply:
        now, limits = self._clock.now_us(), self._limits
        body = await read_body(receive, limits.v1_body_bytes, limits, lease)
        heads = v1.read_heads(asked)
        team = await self._team(heads.token)
        text = await self._unwrapped(v1.unwrap, (asked, body, limits), len(body), limits.batch_body_bytes, lease)
        batch = await _run(len(text), v1.open_body, text, limits)
        door = self._door(
            team, asked, now, heads.sent_at_us, heads.sent_at, historical=batch.historical, mended=batch.mended
        )
        drafts, verdicts = await _run(len(text), v1.drafts, batch, door, heads, limits)
        warnings: list[IngestionWarning] = []
        kept = await self._resolved(drafts, door, team, warnings)
        events = await _run(len(text), v1.finish, batch, kept, door, warnings, verdicts)
        await self._store(team, events, warnings)
        return _Reply(200, v1.answer(verdicts), _JSON)

    async def _unwrapped(
        self,
        unwrap: Callable[..., bytes],
        arguments: tuple[Any, ...],
        size: int,
        limit: int,
        lease: Lease,
    ) -> bytes:
        """The JSON text, with room for it taken before it grows."""
        lease.resize(size + min(limit, size * _GROWTH_GUESSED))
        text = await _run(size * _GROWTH_GUESSED // 4, unwrap, *arguments)
        lease.resize(len(text))
        return text

    async def _team(self, token: str) -> Team:
        try:
            team = await self._teams.by_token(token)
        except MetadataUnavailable as error:
            raise busy("The database does not answer.") from error
        if team is None:
            raise bad_token("No project has this token.")
        return team

    def _door(
        self,
        team: Team,
        asked: Asked,
        now: int,
        sent_at: int | None,
        sent_at_text: str | None,
        *,
        historical: bool,
        mended: Mended | None,
    ) -> Door:
        age = team.settings.get("drop_events_older_than_seconds")
        return Door(
            team_id=team.id,
            now_us=now,
            sent_at_us=sent_at,
            address=asked.address,
            anonymize_ips=team.anonymize_ips,
            historical=historical,
            age_us_max=age * 1_000_000 if type(age) is int and age > 0 else None,
            geoip=self._geoip,
            mended=mended,
            additions=door_additions(asked.address, sent_at_text),
        )

    async def _resolved(
        self,
        drafts: list[Draft],
        door: Door,
        team: Team,
        warnings: list[IngestionWarning],
    ) -> list[Draft]:
        if not any(draft.values.get("$cookieless_mode") is True for draft in drafts):
            return drafts
        try:
            return await self._cookieless.resolve(drafts, door, team, warnings)
        except MetadataUnavailable as error:
            raise busy("The database does not answer.") from error

    async def _store(self, team: Team, events: list[IncomingEvent], warnings: list[IngestionWarning]) -> None:
        """Return when the events are stored."""
        if not events and not warnings:
            return
        try:
            await self._writer.submit(events, warnings)
        except QueueFull as error:
            raise busy("Too many events wait to be stored.") from error
        except (StoreUnavailable, MetadataUnavailable) as error:
            raise busy("The events could not be stored.") from error
        if events and not team.ingested_event:
            with contextlib.suppress(MetadataUnavailable):
                await self._teams.mark_ingested(team.id)

    async def _keep_house(self) -> None:
        while True:
            try:
                await self.forget_expired()
            except MetadataUnavailable:
                _log.warning("salts and warnings that are over could not be forgotten yet")
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)


async def _run(size: int, work: Callable[..., T], *arguments: Any) -> T:
    """Do the work here if it is small, in a thread if it is not."""
    if size < _IN_THREAD_BYTES:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


def _refusal(error: Refused, *, is_v1: bool) -> _Reply:
    headers: cors.Headers = []
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", str(error.retry_after_seconds).encode()))
    if is_v1:
        return _Reply(error.status, v1.error_body(error), _JSON, headers)
    return _Reply(error.status, error.text.encode("utf-8", "replace"), _TEXT, headers)


def _not_allowed(methods: bytes) -> _Reply:
    return _Reply(405, b"This method is not allowed here.", _TEXT, [(b"allow", methods)])


async def _send(reply: _Reply, headers: cors.Headers, send: Send, *, is_head: bool) -> None:
    length = str(len(reply.body)).encode()
    start = [(b"content-type", reply.content_type), (b"content-length", length), *headers, *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": start})
    await send({"type": "http.response.body", "body": b"" if is_head else reply.body})
