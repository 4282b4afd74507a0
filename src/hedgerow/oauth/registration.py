"""An application registers itself (RFC 7591, gateway §6.5): a JSON description in, a `client_id` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from hedgerow.core import ids
from hedgerow.core.clock import Clock, to_us
from hedgerow.core.crypto import digest
from hedgerow.oauth import names, redirect_uris, scopes
from hedgerow.oauth.clients import Clients, NewClient, answer_of
from hedgerow.oauth.errors import Refused
from hedgerow.oauth.redirect_uris import RedirectUriError

GRANT_TYPES: Final = ["authorization_code", "refresh_token"]
SECRET_METHODS: Final = frozenset({"client_secret_post", "client_secret_basic"})
DEFAULT_NAME: Final = "MCP Client"
REDIRECT_URIS_MAX: Final = 50


async def register(clients: Clients, clock: Clock, description: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write the application and return what it is told. Raises `Refused`, `MetadataUnavailable`."""
    method = auth_method(description, frozenset({"none", *SECRET_METHODS}))
    secret = ids.secret("", 64) if method in SECRET_METHODS else None
    new = NewClient(
        client_id=ids.secret("", 40),
        kind="dynamic",
        name=name_of(description) or DEFAULT_NAME,
        redirect_uris=redirect_uris_of(description),
        grant_types=grant_types_of(description),
        auth_method=method,
        secret_digest=None if secret is None else digest(secret),
        scopes=ceiling_of(description.get("scope")),
    )
    moment = clock.now()
    await clients.forget_unused(moment)
    await clients.put(new, ids.uuid7(), moment)
    return answer_of(new, to_us(moment) // 1_000_000, secret)


def redirect_uris_of(description: Mapping[str, Any]) -> list[str]:
    """`redirect_uris`: at least one. Raises `Refused`."""
    said = _texts(description.get("redirect_uris"))
    if not said or len(said) > REDIRECT_URIS_MAX:
        raise Refused("invalid_redirect_uri", "redirect_uris must be a list of one or more URIs")
    for uri in said:
        try:
            redirect_uris.check(uri)
        except RedirectUriError as error:
            raise Refused("invalid_redirect_uri", str(error)) from None
    return list(dict.fromkeys(said))


def grant_types_of(description: Mapping[str, Any]) -> list[str]:
    """`grant_types`, both if it says nothing. Raises `Refused` for others, and for a `response_types` that is not `code`."""
    said = _texts(description.get("grant_types", GRANT_TYPES))
    if said is None or not said or not set(said) <= set(GRANT_TYPES) or "authorization_code" not in said:
        raise _unusable("grant_types must be authorization_code, with or without refresh_token")
    if _texts(description.get("response_types", ["code"])) != ["code"]:
        raise _unusable('response_types must be ["code"]')
    return [name for name in GRANT_TYPES if name in said]


def auth_method(description: Mapping[str, Any], allowed: frozenset[str]) -> str:
    """`token_endpoint_auth_method`, `none` if it says nothing. Raises `Refused`."""
    method = description.get("token_endpoint_auth_method") or "none"
    if not isinstance(method, str) or method not in allowed:
        raise _unusable(f"token_endpoint_auth_method must be one of {', '.join(sorted(allowed))}")
    return method


def name_of(description: Mapping[str, Any]) -> str:
    """`client_name`, tidied; "" if it says nothing. Raises `Refused` for one that misleads."""
    said = description.get("client_name")
    if said is None:
        return ""
    if not isinstance(said, str) or len(said) > names.CHARACTERS_MAX:
        raise _unusable(f"client_name must be a string of at most {names.CHARACTERS_MAX} characters")
    tidied = names.tidy(said)[: names.CHARACTERS_MAX]
    if names.misleads(tidied):
        raise _unusable("client_name must not suggest that the application is official")
    return tidied


def ceiling_of(said: Any) -> list[str] | None:
    """`scope`: the most that the application may ask for; None if it says nothing. Raises `Refused`."""
    if said is None or said == "":
        return None
    if not isinstance(said, str):
        raise _unusable("scope must be a string of scopes with spaces between them")
    return scopes.known(said.split())


def _texts(value: Any) -> list[str] | None:
    """A list of texts that a database can keep; None for anything else."""
    if not isinstance(value, list):
        return None
    items = cast("list[Any]", value)
    return items if all(isinstance(item, str) and "\0" not in item for item in items) else None


def _unusable(description: str) -> Refused:
    return Refused("invalid_client_metadata", description)
