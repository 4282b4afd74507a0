"""How the browser SDK starts: its scripts, and what it is told about its project (sdk-wire §13, §15).

    GET /static/array.js                     the library
    GET /static/{version}/{name}.js          a lazy script, asked for by the version of the page's library
    GET /static/{name}.js?v={version}        the same, when the first failed
    GET /array/{token}/config.js             the project's config as a script, /config as JSON
    GET /array/{token}/array.js              library and config in one

Nobody signs in here and no cookie is read. An unknown token is 404.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import HttpMethod, Request, Response, Router, route
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from hedgerow.core.http.access import Access
from hedgerow.core.http.errors import AuthenticationFailed, NotFound
from hedgerow.core.identity.teams import Team
from hedgerow.web.cross_origin import CrossOrigin
from hedgerow.web.files import IMMUTABLE, JAVASCRIPT, MINUTES, Content
from hedgerow.web.remote_config import config_script, remote_config
from hedgerow.web.scripts import SdkScripts

AnyRequest = Request[Any, Any, Any]

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD, HttpMethod.OPTIONS]
_JSON: Final = "application/json"


class UnknownScript(NotFound):
    """A name that the installed package of posthog-js does not have."""

    def __init__(self, name: str, version: str) -> None:
        """Say what was asked of which package."""
        super().__init__(f"posthog-js {version} has no script {name!r}.")


class UnknownToken(NotFound):
    """No project has this public token."""

    detail = "No project has this token."


class BadToken(AuthenticationFailed):
    """The same, where the token is a query parameter (sdk-wire §15)."""

    code = "invalid_api_key"
    detail = "Project API key invalid. You can find your project API key in your project's settings."


def bootstrap_router(scripts: SdkScripts) -> Router:
    """The routes below, for the scripts of one version."""
    return Router(
        "/",
        route_handlers=[
            latest_script,
            versioned_script,
            config_json,
            config_js,
            library_with_config,
            surveys,
            early_access_features,
            web_experiments,
            product_tours,
        ],
        dependencies={"scripts": Provide(lambda: scripts, sync_to_thread=False)},
        middleware=[CrossOrigin()],
    )


@route("/static/{name:str}", http_method=_READ)
async def latest_script(
    request: AnyRequest, scripts: NamedDependency[SdkScripts], name: FromPath[str]
) -> Response[bytes]:
    """A script under no version: good for minutes, so that an upgrade of the server reaches pages."""
    return await _script(scripts, name).response(request.headers, cache=MINUTES)


@route("/static/{version:str}/{name:str}", http_method=_READ)
async def versioned_script(
    request: AnyRequest, scripts: NamedDependency[SdkScripts], version: FromPath[str], name: FromPath[str]
) -> Response[bytes]:
    """A script under a version: for ever when it is the installed one, for minutes when it is an alias."""
    cache = IMMUTABLE if version == scripts.version else MINUTES
    return await _script(scripts, name).response(request.headers, cache=cache)


@route("/array/{token:str}/config", http_method=_READ)
async def config_json(request: AnyRequest, token: FromPath[str]) -> Response[bytes]:
    """The project's config as JSON: what the SDK falls back to, and what mobile SDKs read."""
    body = msgspec.json.encode(remote_config(await _project(request, token)))
    return await Content(body, _JSON).response(request.headers, cache=MINUTES)


@route("/array/{token:str}/config.js", http_method=_READ)
async def config_js(request: AnyRequest, token: FromPath[str]) -> Response[bytes]:
    """The project's config as a script."""
    body = config_script(await _project(request, token))
    return await Content(body, JAVASCRIPT).response(request.headers, cache=MINUTES)


@route("/array/{token:str}/array.js", http_method=_READ)
async def library_with_config(
    request: AnyRequest, scripts: NamedDependency[SdkScripts], token: FromPath[str]
) -> Response[bytes]:
    """The library followed by the project's config."""
    content = scripts.with_config(config_script(await _project(request, token)))
    return await content.response(request.headers, cache=MINUTES)


@route("/api/surveys/", http_method=_READ)
async def surveys(request: AnyRequest) -> Response[bytes]:
    """The project's running surveys: none."""
    return await _nothing_of(request, {"surveys": [], "survey_config": None})


@route("/api/early_access_features/", http_method=_READ)
async def early_access_features(request: AnyRequest) -> Response[bytes]:
    """The project's early access features: none."""
    return await _nothing_of(request, {"earlyAccessFeatures": []})


@route("/api/web_experiments/", http_method=_READ)
async def web_experiments(request: AnyRequest) -> Response[bytes]:
    """The project's no-code experiments: none."""
    return await _nothing_of(request, {"experiments": []})


@route("/api/product_tours/", http_method=_READ)
async def product_tours(request: AnyRequest) -> Response[bytes]:
    """The project's product tours: none."""
    return await _nothing_of(request, {"product_tours": []})


async def _nothing_of(request: AnyRequest, answer: dict[str, Any]) -> Response[bytes]:
    access: Access = request.app.state.access
    if await access.teams.by_token(request.query_params.get("token", "")) is None:
        raise BadToken
    return Response(msgspec.json.encode(answer), media_type=_JSON, headers={"Cache-Control": MINUTES})


async def _project(request: AnyRequest, token: str) -> Team:
    access: Access = request.app.state.access
    team = await access.teams.by_token(token)
    if team is None:
        raise UnknownToken
    return team


def _script(scripts: SdkScripts, name: str) -> Content:
    content = scripts.get(name)
    if content is None:
        raise UnknownScript(name[:80], scripts.version)
    return content
