"""How this gateway is known to authorization servers (gateway §3.8).

Where it has a public HTTPS origin, its `client_id` is the URL of its description, which anybody may read
(`/oauth/gateway-client.json`). Else it registers itself once at each server (RFC 7591). This very server knows it anyway.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import delete, select

from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import log
from hedgerow.gateway.apps import Apps
from hedgerow.gateway.channel import UpstreamError
from hedgerow.gateway.discovery import AuthorizationServer, NoOAuth
from hedgerow.gateway.enquiry import Enquirer
from hedgerow.gateway.models import UpstreamClient

CALLBACK: Final = "/connect/callback"
DOCUMENT: Final = "/oauth/gateway-client.json"
AT_HOME: Final = "hedgerow-gateway"
"""What this very server calls its own gateway."""


class OwnClient:
    """One for the process."""

    def __init__(self, metadata: Metadata, clock: Clock, enquirer: Enquirer, apps: Apps, origin: str) -> None:
        """`origin` is this gateway's own."""
        self._metadata = metadata
        self._clock = clock
        self._enquirer = enquirer
        self._apps = apps
        self._origin = origin
        self.redirect_uri = origin + CALLBACK

    def document(self) -> dict[str, Any]:
        """The description (a client ID metadata document)."""
        return {
            "client_id": self._origin + DOCUMENT,
            "client_name": self._name,
            "client_uri": self._origin,
            "redirect_uris": [self.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }

    async def id_at(self, server: AuthorizationServer) -> str:
        """What the server calls this gateway; it is registered there if need be. Raises `NoOAuth`, `MetadataUnavailable`."""
        if server.host is None:
            return AT_HOME
        if server.reads_documents and _is_public(self._origin):
            return self._origin + DOCUMENT
        async with self._metadata.read() as session:
            known = await session.scalar(
                select(UpstreamClient.client_id).where(
                    UpstreamClient.issuer == server.origin, UpstreamClient.redirect_uri == self.redirect_uri
                )
            )
        return known or await self._register(server)

    async def forget(self, client_id: str) -> None:
        """The server does not know this registration any more: the next walk makes a new one."""
        async with self._metadata.write() as session:
            await session.execute(delete(UpstreamClient).where(UpstreamClient.client_id == client_id))

    async def _register(self, server: AuthorizationServer) -> str:
        if not server.register_path:
            raise NoOAuth("This host takes no new applications. Paste a personal API key instead.")
        description = {
            "client_name": self._name,
            "redirect_uris": [self.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        try:
            reply = await self._enquirer.post_json(server.host, server.register_path, description)
        except UpstreamError:
            raise NoOAuth("The host does not answer. Try again later.") from None
        client_id = (reply.fields or {}).get("client_id")
        if reply.status not in {200, 201} or not isinstance(client_id, str) or not _is_id(client_id):
            log("gateway").warning("registration_refused", host=server.origin, status=reply.status)
            raise NoOAuth("The host did not take this gateway as an application. Paste a personal API key instead.")
        async with self._metadata.write() as session:
            raced = await session.get(UpstreamClient, (server.origin, self.redirect_uri))
            if raced is not None:
                return raced.client_id
            session.add(
                UpstreamClient(
                    issuer=server.origin,
                    redirect_uri=self.redirect_uri,
                    client_id=client_id,
                    secret=None,
                    secret_data_key=None,
                    secret_master_key_id=None,
                    registered_at=self._clock.now(),
                    failures=0,
                )
            )
        return client_id

    @property
    def _name(self) -> str:
        return f"Gateway at {urlsplit(self._origin).netloc}"


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 1_000 and text.isascii() and text.isprintable() and " " not in text


def _is_public(origin: str) -> bool:
    """Whether other servers can read what stands there."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if parts.scheme != "https" or host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host
