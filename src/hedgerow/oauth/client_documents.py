"""Applications whose `client_id` is the URL of their description (client ID metadata documents, gateway §6.5).

A description is kept for as long as its `Cache-Control` says, between five minutes and a day. After that it still counts
for a day while it is read again beside the request; then it must be read first.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.http import Throttled
from hedgerow.core.telemetry import log
from hedgerow.oauth import names, registration
from hedgerow.oauth.clients import CLIENT_ID_CHARACTERS_MAX, Client, Clients, NewClient
from hedgerow.oauth.errors import Refused
from hedgerow.oauth.fetch import Fetcher, Unreadable
from hedgerow.oauth.parameters import json_object
from hedgerow.oauth.redirect_uris import RedirectUriError, check
from hedgerow.oauth.throttle import Throttle

BYTES_MAX: Final = 5 * 1024
LOGO_BYTES_MAX: Final = 128 * 1024
SECONDS_MIN: Final = 300
SECONDS_MAX: Final = 86_400
SECONDS_DEFAULT: Final = 3_600
STALE: Final = timedelta(days=1)
AGAIN_AFTER: Final = timedelta(minutes=5)
"""How long a description that could not be read again is left alone: nobody may have us knock at a door without end."""
DEFAULT_NAME: Final = "CIMD Client"
UNREADABLE: Final = (
    "PostHog could not read the client metadata document at this client_id. "
    "Check that the URL is reachable over HTTPS and returns valid client metadata."
)
TOO_MANY: Final = "Too many new client registrations. Try again later."
LOGOS: Final = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
"""Pictures by how they begin; none of them can run anything."""
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,10})(?:[,\s]|$)")


def is_document_url(client_id: str) -> bool:
    """Whether a `client_id` can be the URL of a description: `https`, a path, and nothing that hides where it leads."""
    if not client_id.startswith("https://") or len(client_id) > CLIENT_ID_CHARACTERS_MAX:
        return False
    try:
        check(client_id)
    except RedirectUriError:
        return False
    parts = urlsplit(client_id)
    segments = parts.path.split("/")
    return len(parts.path) > 1 and not parts.query and "?" not in client_id and not {".", ".."} & set(segments)


class ClientDocuments:
    """Reads descriptions, and writes what they say to the table of applications."""

    def __init__(self, clients: Clients, fetcher: Fetcher, throttle: Throttle, clock: Clock) -> None:
        """One for the process."""
        self._clients = clients
        self._fetcher = fetcher
        self._throttle = throttle
        self._clock = clock
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._failed_at: dict[str, datetime] = {}

    def is_usable(self, known: Client | None) -> bool:
        """Whether nothing has to be read before the application can be spoken of."""
        if known is None or known.fresh_until is None:
            return known is not None
        return self._clock.now() < known.fresh_until + STALE

    async def client(self, url: str, known: Client | None, address: str) -> Client:
        """The application at a URL. `known` is what is written of it, `address` whoever asks.

        Raises `Refused`, `MetadataUnavailable`.
        """
        if known is not None and self.is_usable(known):
            if known.fresh_until is not None and self._clock.now() >= known.fresh_until:
                self._read_beside(url)
            return known
        if not self._fetcher.allows(urlsplit(url).hostname or ""):
            raise Refused("invalid_request", UNREADABLE)
        try:
            await self._throttle.document(address)
        except Throttled as error:
            raise Refused("invalid_client", TOO_MANY, headers=error.answer_headers) from None
        try:
            return await self._read(url)
        except Unreadable as error:
            log("oauth").warning("client_document_unreadable", url=url, error=str(error))
            raise Refused("invalid_request", UNREADABLE) from None

    async def close(self) -> None:
        """Stop reading."""
        for task in tuple(self._reading.values()):
            task.cancel()
        await asyncio.gather(*tuple(self._reading.values()), return_exceptions=True)

    def _read_beside(self, url: str) -> None:
        now = self._clock.now()
        self._failed_at = {name: when for name, when in self._failed_at.items() if now < when + AGAIN_AFTER}
        if url not in self._reading and url not in self._failed_at:
            task = asyncio.get_running_loop().create_task(self._read_again(url))
            self._reading[url] = task
            task.add_done_callback(lambda _: self._reading.pop(url, None))

    async def _read_again(self, url: str) -> None:
        try:
            await self._read(url)
        except (Unreadable, MetadataUnavailable) as error:
            self._failed_at[url] = self._clock.now()
            log("oauth").warning("client_document_unreadable", url=url, error=str(error))

    async def _read(self, url: str) -> Client:
        document = await self._fetcher.get(url, bytes_max=BYTES_MAX, accept="application/json")
        seconds = seconds_to_keep(document.cache_control)
        try:
            description = json_object(document.body)
            new = described(url, description)
        except Refused as error:
            raise Unreadable(error.description) from error
        logo, logo_type = await self._logo(description.get("logo_uri"))
        now = self._clock.now()
        written = msgspec.structs.replace(
            new, logo=logo, logo_type=logo_type, fresh_until=now + timedelta(seconds=seconds)
        )
        return await self._clients.put(written, ids.uuid7(), now)

    async def _logo(self, url: Any) -> tuple[bytes | None, str | None]:
        """The picture, if it can be had and is one. Nothing depends on it."""
        if not isinstance(url, str) or not is_document_url(url):
            return None, None
        try:
            found = await self._fetcher.get(url, bytes_max=LOGO_BYTES_MAX, accept="image/png, image/jpeg, image/gif")
        except Unreadable:
            return None, None
        kind = next((kind for start, kind in LOGOS.items() if found.body.startswith(start)), None)
        return (found.body, kind) if kind else (None, None)


def described(url: str, description: Mapping[str, Any]) -> NewClient:
    """What a description says. Raises `Refused`."""
    if description.get("client_id") != url:
        raise Refused("invalid_client_metadata", "client_id is not the document's own URL")
    if description.get("client_secret"):
        raise Refused("invalid_client_metadata", "a secret cannot stand in a public document")
    public_keys = description.get("jwks")
    method = registration.auth_method(description, frozenset({"none", "private_key_jwt"}))
    if method == "private_key_jwt" and not isinstance(public_keys, dict):
        raise Refused("invalid_client_metadata", "private_key_jwt needs jwks")
    try:
        name = registration.name_of(description) or DEFAULT_NAME
    except Refused:
        name = DEFAULT_NAME
    scopes = description.get("com.posthog.scopes") or description.get("scope")
    return NewClient(
        client_id=url,
        kind="document",
        name=name[: names.CHARACTERS_MAX],
        redirect_uris=registration.redirect_uris_of(description),
        grant_types=registration.grant_types_of(description),
        auth_method=method,
        public_keys=public_keys if method == "private_key_jwt" else None,
        scopes=registration.ceiling_of(" ".join(map(str, scopes)) if isinstance(scopes, list) else scopes),
    )


def seconds_to_keep(cache_control: str) -> int:
    """How long a description counts: its `max-age`, between five minutes and a day; an hour if it says nothing."""
    said = _MAX_AGE.search(cache_control.lower())
    return SECONDS_DEFAULT if said is None else min(max(int(said[1]), SECONDS_MIN), SECONDS_MAX)
