"""The provider's endpoints (gateway §6.1): thin, the work is done in the modules beside.

    GET  /.well-known/oauth-authorization-server · /.well-known/openid-configuration · /.well-known/jwks.json
    GET  /.well-known/oauth-protected-resource[/{path}]
    POST /oauth/token/ · /oauth/revoke/ · /oauth/register/
    GET, POST /oauth/introspect/ · /oauth/userinfo/

Pages stand in `page_routes`. None of these reads a cookie, so none can be forged by a page.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get, post, route
from litestar.di import NamedDependency

from hedgerow.core.http import FromPath
from hedgerow.oauth import introspection, metadata_documents
from hedgerow.oauth.errors import NOT_STORED, Refused
from hedgerow.oauth.exchange import exchange
from hedgerow.oauth.parameters import (
    Parameters,
    basic_credentials,
    bearer_secret,
    from_body,
    from_query,
    json_object,
)
from hedgerow.oauth.provider import OAuthProvider
from hedgerow.oauth.registration import register

AnyRequest = Request[Any, Any, Any]
Json = Response[Any]

BODY_BYTES_MAX: Final = 128 * 1024
_PUBLIC: Final = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


@get("/.well-known/oauth-authorization-server", include_in_schema=False)
async def authorization_server(oauth: NamedDependency[OAuthProvider]) -> Json:
    """RFC 8414."""
    return Response(metadata_documents.authorization_server(oauth), headers=_PUBLIC)


@get("/.well-known/openid-configuration", include_in_schema=False)
async def openid_configuration(oauth: NamedDependency[OAuthProvider]) -> Json:
    """OpenID Connect Discovery."""
    return Response(metadata_documents.openid_configuration(oauth), headers=_PUBLIC)


@get("/.well-known/oauth-protected-resource", include_in_schema=False)
async def protected_server(oauth: NamedDependency[OAuthProvider]) -> Json:
    """RFC 9728, for the server as a whole."""
    return Response(metadata_documents.protected_resource(oauth, ""), headers=_PUBLIC)


@get("/.well-known/oauth-protected-resource/{resource_path:path}", include_in_schema=False)
async def protected_resource(oauth: NamedDependency[OAuthProvider], resource_path: FromPath[str]) -> Json:
    """RFC 9728, for one resource."""
    return Response(metadata_documents.protected_resource(oauth, str(resource_path)), headers=_PUBLIC)


@get("/.well-known/jwks.json", include_in_schema=False)
async def public_keys(oauth: NamedDependency[OAuthProvider]) -> Json:
    """What `id_token` signatures are checked with."""
    return Response(await oauth.id_tokens.public_keys(), headers=_PUBLIC)


@post("/oauth/token/", status_code=200, request_max_body_size=BODY_BYTES_MAX, include_in_schema=False)
async def token(request: AnyRequest, oauth: NamedDependency[OAuthProvider]) -> Json:
    """A code or a refresh token for tokens."""
    answer = await exchange(oauth, await from_body(request), basic_credentials(request))
    return Response(answer, headers=NOT_STORED)


@post("/oauth/revoke/", status_code=200, request_max_body_size=BODY_BYTES_MAX, include_in_schema=False)
async def revoke(request: AnyRequest, oauth: NamedDependency[OAuthProvider]) -> Response[dict[str, Any]]:
    """Take back what a token stands for."""
    await introspection.revoke(oauth, await from_body(request), basic_credentials(request))
    return Response({}, headers=NOT_STORED)


@route(
    "/oauth/introspect/",
    http_method=["GET", "POST"],
    status_code=200,
    request_max_body_size=BODY_BYTES_MAX,
    include_in_schema=False,
)
async def introspect(request: AnyRequest, oauth: NamedDependency[OAuthProvider]) -> Json:
    """What a token is worth."""
    asked: Parameters = from_query(request)
    if request.method == "POST":
        asked |= await from_body(request)
    answer = await introspection.introspect(oauth, asked, bearer_secret(request), basic_credentials(request))
    return Response(answer, headers=NOT_STORED)


@route("/oauth/userinfo/", http_method=["GET", "POST"], status_code=200, include_in_schema=False)
async def userinfo(request: AnyRequest, oauth: NamedDependency[OAuthProvider]) -> Json:
    """Who the token's user is."""
    return Response(await introspection.userinfo(oauth, bearer_secret(request)), headers=NOT_STORED)


@post("/oauth/register/", status_code=201, request_max_body_size=BODY_BYTES_MAX, include_in_schema=False)
async def registration(request: AnyRequest, oauth: NamedDependency[OAuthProvider]) -> Json:
    """An application makes itself known."""
    await oauth.throttle.registration(oauth.address_of(request.scope))
    try:
        description = json_object(await request.body())
    except Refused as error:
        raise Refused("invalid_client_metadata", error.description) from None
    return Response(await register(oauth.clients, oauth.access.clock, description), status_code=201, headers=NOT_STORED)


routes = [
    authorization_server,
    openid_configuration,
    protected_server,
    protected_resource,
    public_keys,
    token,
    revoke,
    introspect,
    userinfo,
    registration,
]
