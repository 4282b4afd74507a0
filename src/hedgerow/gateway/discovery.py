"""Which authorization server lets the gateway into an account, and where its endpoints are (gateway §3.7, RFC 8414).

What a server says about itself is believed only where it leads to hosts that are allowed anyway: an issuer that is not the
one that was asked, or an endpoint elsewhere, is refused.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hedgerow.core.telemetry import log
from hedgerow.gateway.apps import App, HostChoice, OAuthEndpoints
from hedgerow.gateway.channel import UpstreamError
from hedgerow.gateway.enquiry import Enquirer
from hedgerow.gateway.places import Place, Places

DISCOVERY_SECONDS_MAX: Final = 5.0
PKCE: Final = "S256"


class NoOAuth(Exception):  # noqa: N818 — told to a person
    """The place cannot be connected by OAuth; the text says why."""


class AuthorizationServer(msgspec.Struct, frozen=True):
    """A server that gives tokens."""

    host: HostChoice | None
    """Where it is asked; None is this very server."""
    issuers: tuple[str, ...]
    """What `iss` may say; the first one names it."""
    authorize_url: str
    token_path: str
    register_path: str
    says_iss: bool
    """Whether its answers always say who gives them (RFC 9207)."""
    reads_documents: bool
    """Whether a client may be known by the URL of its description."""

    @property
    def origin(self) -> str:
        """Where its endpoints are."""
        return self.issuers[0] if self.host is None else self.host.origin


class Discovery:
    """Finds authorization servers. One for the process."""

    def __init__(self, enquirer: Enquirer, places: Places) -> None:
        """Ask with `enquirer`; `places` says what is allowed."""
        self._enquirer = enquirer
        self._places = places

    async def server_of(self, app: App, place: Place | None) -> AuthorizationServer:
        """The server of a place; without a place the one that serves all hosts of the app. Raises `NoOAuth`."""
        if app.oauth is None or "OAUTH2" not in app.methods:
            raise NoOAuth(f"{app.title} can be connected by a pasted key alone.")
        if place is not None and place.is_here:
            return _known(app.oauth, None, (place.origin,), says_iss=True)
        is_own = place is not None and place.host not in app.hosts
        host = self._places.authorization_server(app) if place is None else place.host
        assert host is not None
        allowed = (host.origin,) if place is not None else (host.origin, *(other.origin for other in app.hosts))
        said = await self._said(app.oauth, host)
        if said is None:
            if is_own:
                raise NoOAuth("This host does not say how it gives tokens. Paste a personal API key instead.")
            return _known(app.oauth, host, allowed, says_iss=False)
        issuer = said.get("issuer")
        if issuer not in allowed:
            log("gateway").warning("issuer_refused", host=host.origin, issuer=str(issuer)[:200])
            raise NoOAuth("This host says that it is another one. Paste a personal API key instead.")
        if PKCE not in _texts(said, "code_challenge_methods_supported"):
            raise NoOAuth("This host does not protect codes by S256. Paste a personal API key instead.")
        authorize = _inside(said.get("authorization_endpoint"), allowed)
        token = _path(said.get("token_endpoint"), host.origin)
        if authorize is None or token is None:
            raise NoOAuth("This host names endpoints elsewhere. Paste a personal API key instead.")
        return AuthorizationServer(
            host=host,
            issuers=(str(issuer), *(origin for origin in allowed if origin != issuer)),
            authorize_url=authorize,
            token_path=token,
            register_path=_path(said.get("registration_endpoint"), host.origin) or "",
            says_iss=said.get("authorization_response_iss_parameter_supported") is True,
            reads_documents=said.get("client_id_metadata_document_supported") is True,
        )

    async def _said(self, endpoints: OAuthEndpoints, host: HostChoice) -> dict[str, Any] | None:
        """The metadata document; None where there is none. Raises `NoOAuth` where nobody answers."""
        try:
            reply = await self._enquirer.get(host, endpoints.metadata, seconds=DISCOVERY_SECONDS_MAX)
        except UpstreamError:
            raise NoOAuth("The host does not answer. Try again later.") from None
        return reply.fields if reply.status == 200 else None


def _known(
    endpoints: OAuthEndpoints, host: HostChoice | None, issuers: tuple[str, ...], *, says_iss: bool
) -> AuthorizationServer:
    """A server whose endpoints the app declares."""
    return AuthorizationServer(
        host=host,
        issuers=issuers,
        authorize_url=(issuers[0] if host is None else host.origin) + endpoints.authorize,
        token_path=endpoints.token,
        register_path=endpoints.register,
        says_iss=says_iss,
        reads_documents=host is not None,
    )


def _texts(said: dict[str, Any], name: str) -> list[Any]:
    found = said.get(name)
    return found if isinstance(found, list) else []


def _inside(url: Any, origins: tuple[str, ...]) -> str | None:
    """The URL, if it is plainly on one of the origins."""
    return url if any(_path(url, origin) is not None for origin in origins) else None


def _path(url: Any, origin: str) -> str | None:
    """The path of a URL on exactly this origin; None for any other."""
    if not isinstance(url, str) or not url.startswith(f"{origin}/") or len(url) > 500:
        return None
    path = url.removeprefix(origin)
    plain = path.isascii() and path.isprintable() and not set(path) & set(' \\?#%"<>')
    return path if plain and "//" not in path and "/.." not in path else None
