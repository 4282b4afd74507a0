"""What an application asks for at `/oauth/authorize/` (gateway §6.3), checked in the order that keeps people safe.

First who asks and where answers go: until both are proven, nothing is sent anywhere. Only then may an error travel to the
application.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hedgerow.core.http import ValidationFailed
from hedgerow.oauth import pkce, resources
from hedgerow.oauth.client_documents import ClientDocuments, is_document_url
from hedgerow.oauth.clients import Client, Clients
from hedgerow.oauth.errors import UNKNOWN_CLIENT, Refused, SentBack
from hedgerow.oauth.redirect_uris import with_answer
from hedgerow.oauth.scopes import kept

ACCESS_LEVELS = ("all", "organization", "team")
STATE_CHARACTERS_MAX = 4_000
NONCE_CHARACTERS_MAX = 1_000


class Destination(msgspec.Struct, frozen=True):
    """A proven application, and a proven place for answers to it."""

    client: Client
    redirect_uri: str
    redirect_uri_said: bool
    state: str | None
    issuer: str

    def success(self, code: str) -> str:
        """Where the browser goes with a code. `iss` tells the application who answers (RFC 9207)."""
        return self._with({"code": code})

    def failure(self, error: SentBack) -> str:
        """Where the browser goes with an error."""
        return self._with({"error": error.error, "error_description": error.description})

    def _with(self, answer: dict[str, str]) -> str:
        state = {} if self.state is None else {"state": self.state}
        return with_answer(self.redirect_uri, {**answer, **state, "iss": self.issuer})


class Request(msgspec.Struct, frozen=True):
    """An authorization request that can be put before a person."""

    scopes: list[str]
    """What it may have of what it asks for."""
    code_challenge: str
    nonce: str | None
    resource: str | None
    """The path of the one resource that it wants; None is the API."""
    prompt: frozenset[str]
    access_level: str
    """What the page preselects: one of `ACCESS_LEVELS`."""


class Desk:
    """Finds out who asks, and for what."""

    def __init__(self, clients: Clients, documents: ClientDocuments, issuer: str) -> None:
        """`issuer` is this server's origin."""
        self._clients = clients
        self._documents = documents
        self._issuer = issuer

    async def known(self, parameters: Mapping[str, str]) -> Client | None:
        """The application, without reading anything from anywhere. Raises `Refused` for one that cannot be."""
        client_id = parameters.get("client_id", "")
        client = await self._clients.find(client_id)
        if client is None and not is_document_url(client_id):
            raise Refused("invalid_request", UNKNOWN_CLIENT)
        return client

    async def destination(self, parameters: Mapping[str, str], address: str) -> Destination:
        """Who asks, and where answers go. `address` is the visitor's. Raises `Refused`, `MetadataUnavailable`."""
        client = await self.known(parameters)
        client_id = parameters["client_id"]
        if client is None or client.kind == "document":
            client = await self._documents.client(client_id, client, address)
        said = parameters.get("redirect_uri")
        if said is None and len(client.redirect_uris) != 1:
            raise Refused("invalid_request", "redirect_uri is required.")
        redirect_uri = client.redirect_uris[0] if said is None else said
        if not client.answers_at(redirect_uri):
            raise Refused("invalid_request", "The redirect_uri is not registered for this application.")
        return Destination(client, redirect_uri, said is not None, parameters.get("state"), self._issuer)

    def request(self, parameters: Mapping[str, str], client: Client) -> Request:
        """What is asked for. Raises `SentBack`."""
        if parameters.get("response_type") != "code":
            raise SentBack("unsupported_response_type", "response_type must be code.")
        if parameters.get("response_mode", "query") != "query":
            raise SentBack("invalid_request", "response_mode must be query.")
        challenge = parameters.get("code_challenge", "")
        if parameters.get("code_challenge_method") != pkce.METHOD or not pkce.is_challenge(challenge):
            raise SentBack("invalid_request", "Code challenge required.")
        if len(parameters.get("state", "")) > STATE_CHARACTERS_MAX:
            raise SentBack("invalid_request", "state is too long.")
        if len(parameters.get("nonce", "")) > NONCE_CHARACTERS_MAX:
            raise SentBack("invalid_request", "nonce is too long.")
        scopes = kept(parameters.get("scope"), client.scopes)
        if not scopes:
            raise SentBack("invalid_scope", "None of the scopes can be granted to this application.")
        wanted = parameters.get("required_access_level", "all")
        return Request(
            scopes=scopes,
            code_challenge=challenge,
            nonce=parameters.get("nonce"),
            resource=resources.audience(parameters.get("resource"), self._issuer),
            prompt=frozenset(parameters.get("prompt", "").split()),
            access_level={"organization": "organization", "team": "team", "project": "team"}.get(wanted, "all"),
        )


class Decision(msgspec.Struct, frozen=True):
    """What a person decided."""

    allow: bool
    scopes: list[str]
    access_level: str
    scoped_organizations: list[str]
    scoped_teams: list[int]


def check_access_level(decision: Decision) -> None:
    """Whether level and lists fit each other. Raises `ValidationFailed`, in PostHog's words."""
    level = decision.access_level
    if level not in ACCESS_LEVELS:
        raise ValidationFailed(f'"{level[:40]}" is not a valid choice.', attr="access_level", code="invalid_choice")
    for name, needed_for, chosen in (
        ("scoped_organizations", "organization", decision.scoped_organizations),
        ("scoped_teams", "team", decision.scoped_teams),
    ):
        if level == needed_for and not chosen:
            raise ValidationFailed(f"{name} is required when access_level is {level}", attr=name, code="required")
        if level != needed_for and chosen:
            raise ValidationFailed(f"{name} is not allowed when access_level is {level}", attr=name)
