"""The connect page (gateway §1.10).

GET  /connect/?session_token=…   a cookie, and on to /connect/ without the secret in the address; nothing else happens
GET  /connect/                   the choice; or what became of it
POST /connect/start              off to the account's consent page
GET  /connect/callback           back from there
POST /connect/key                a pasted personal API key
GET  /oauth/gateway-client.json  what this gateway calls itself towards authorization servers
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency

from hedgerow.gateway.accounts import Probed
from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.apps import App
from hedgerow.gateway.asking import AnyRequest, Json
from hedgerow.gateway.audit import Actor
from hedgerow.gateway.connector import KeyRefused, described
from hedgerow.gateway.control import Control
from hedgerow.gateway.discovery import NoOAuth
from hedgerow.gateway.pages import STYLE, Page, is_foreign, knows_word, led_on, page, word_of
from hedgerow.gateway.places import ANYWHERE, Place
from hedgerow.gateway.scopes import WISHES, wished
from hedgerow.gateway.sessions import LINK_LIVES, Link
from hedgerow.gateway.walks import WALK_LIVES, Failed, Strayed

LINK_COOKIE: Final = "hedgerow_connect"
WALK_COOKIE: Final = "hedgerow_walk"
FORM_BYTES_MAX: Final = 16 << 10
QUERY_CHARACTERS_MAX: Final = 16 << 10
PROBLEMS: Final = {
    "access_denied": "You said no, so nothing was connected.",
    "state_mismatch": "The answer did not come from the server that was asked. Nothing was connected.",
    "exchange_failed": "The account’s server did not give access. Nothing was connected. Try again.",
    "probe_failed": "Access was given, but the account cannot be read with it. Allow at least “user: read”.",
    "link_expired": "The link was not used in time. You can go on now.",
    "refresh_rejected": "The account has taken its permission back. Connect it again.",
    "client_rejected": "The account’s server does not know this gateway any more. Connect it again.",
    "key_rejected": "The account does not take the key any more. Connect it again.",
}
"""What the page says to a machine code; never words out of an address."""
STRAYED: Final = "This answer belongs to no connection that was begun in this browser, or it was used before."


@get("/connect", include_in_schema=False)
async def connect(request: AnyRequest, control: NamedDependency[Control]) -> Response[Any]:
    """The page of a link."""
    query = _pairs(request)
    token = query.get("session_token")
    if token is not None:
        if await control.links.find(token) is None:
            return _unknown(request, control)
        cookie = _cookie(control, LINK_COOKIE, token, int(LINK_LIVES.total_seconds()))
        return led_on("/connect/", cookies=[cookie])
    token = request.cookies.get(LINK_COOKIE, "")
    link = await control.links.find(token)
    if link is None:
        done = await control.links.completed(token, request.cookies.get(WALK_COOKIE, ""))
        return _unknown(request, control) if done is None else _done(control, done)
    problem = query.get("problem") or link.connection.reason
    return await _choice(control, link, token, problem=PROBLEMS.get(problem or ""))


@post("/connect/start", status_code=200, request_max_body_size=FORM_BYTES_MAX, include_in_schema=False)
async def start(request: AnyRequest, control: NamedDependency[Control]) -> Response[Any]:
    """To the consent page."""
    fields, token, link = await _form(request, control)
    if link is None:
        return _unknown(request, control)
    app = control.app(link.connection.app)
    try:
        place = control.places.named(app, fields.get("host", ""))
    except GatewayError as error:
        return await _choice(control, link, token, problem=error.detail, status=400)
    wish = fields.get("wish", "read")
    scopes = link.asked.scopes or wished(app, wish if wish in WISHES else "read")
    try:
        begun = await control.walks.begin(link, app, place, scopes)
    except NoOAuth as error:
        return await _choice(control, link, token, problem=str(error), status=400)
    cookie = _cookie(control, WALK_COOKIE, begun.browser, int(WALK_LIVES.total_seconds()))
    return led_on(begun.url, form_targets=_targets(control, app), cookies=[cookie])


@get("/connect/callback", include_in_schema=False)
async def callback(request: AnyRequest, control: NamedDependency[Control]) -> Response[Any]:
    """Back from there."""
    over = _cookie(control, WALK_COOKIE, "", 0)
    try:
        said = _single(request)
        link = await control.walks.end(said, request.cookies.get(WALK_COOKIE, ""))
    except Strayed:
        return page("refused.html", status=400, title="Nothing was connected", text=STRAYED)
    except Failed as error:
        return led_on(f"/connect/?problem={error.reason}", cookies=[over])
    return await _completed(control, link)


@post("/connect/key", status_code=200, request_max_body_size=FORM_BYTES_MAX, include_in_schema=False)
async def paste(request: AnyRequest, control: NamedDependency[Control]) -> Response[Any]:
    """A personal API key, which counts once an account has taken it."""
    fields, token, link = await _form(request, control)
    if link is None:
        return _unknown(request, control)
    app = control.app(link.connection.app)
    if "API_KEY" not in app.methods:
        return await _choice(control, link, token, problem="This app takes no keys.", status=400)
    try:
        place = control.places.named(app, fields.get("host", ""))
        grown = await control.connector.verified(app, fields.get("key", ""), place)
    except GatewayError as error:
        return await _choice(control, link, token, problem=error.detail, status=400)
    except KeyRefused as error:
        return await _choice(control, link, token, problem=error.detail, tried=error.tried, status=400)
    actor = Actor("system", "connect page")
    if not await control.lifecycle.activate(actor, link.connection.id, grown, link=link.digest):
        return _unknown(request, control)
    return await _completed(control, link)


@get("/connect/style.css", include_in_schema=False)
async def style() -> Response[bytes]:
    """What the pages look like; its address changes with it."""
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(STYLE, media_type="text/css; charset=utf-8", headers=headers)


@get("/oauth/gateway-client.json", include_in_schema=False)
async def client_document(control: NamedDependency[Control]) -> Json:
    """What this gateway calls itself (gateway §3.8)."""
    headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(control.own_client.document(), headers=headers)


async def _choice(
    control: Control,
    link: Link,
    token: str,
    *,
    problem: str | None,
    tried: list[Probed] | None = None,
    status: int = 200,
) -> Page:
    app = control.app(link.connection.app)
    places = control.places.of(app)
    has_oauth = app.oauth is not None and "OAUTH2" in app.methods
    return page(
        "connect.html",
        status=status,
        form_targets=_targets(control, app),
        app=app,
        row=link.connection,
        by=link.asked.by,
        key=link.asked.key,
        owner=await control.owner(link.connection),
        places=places,
        finds_region=len([place for place in places if place.host in app.hosts]) > 1,
        anywhere=ANYWHERE,
        chosen=link.asked.host or _first_choice(places),
        has_oauth=has_oauth,
        has_key="API_KEY" in app.methods,
        key_first=link.asked.method == "API_KEY" or not has_oauth,
        wishes=WISHES if app.name == "posthog" and not link.asked.scopes else {},
        asked_scopes=link.asked.scopes,
        key_pages=[(place.title, place.origin + app.key_page) for place in places if app.key_page and place.host],
        word=word_of(token),
        problem=problem,
        tried=described(tried or []),
    )


def _first_choice(places: list[Place]) -> str:
    return places[0].name if places else ANYWHERE


async def _completed(control: Control, link: Link) -> Response[None]:
    """To the page that says so, which this browser alone may see."""
    browser = await control.links.recognise(link.digest)
    return led_on("/connect/", cookies=[_cookie(control, WALK_COOKIE, browser, int(LINK_LIVES.total_seconds()))])


def _done(control: Control, link: Link) -> Page:
    return page(
        "done.html",
        row=link.connection,
        facts=link.connection.facts,
        app=control.app(link.connection.app),
        return_url=link.return_url,
    )


def _unknown(request: AnyRequest, control: Control) -> Page:
    """The same page for a link that never was, one that was used and one that is too old (gateway §4.2 row 49)."""
    address = control.address_of(request.scope) or ""
    if not control.guesses.may_fail(address):
        text = "Too many links that are none were opened from your address. Wait a minute."
        return page("refused.html", status=429, title="Wait a minute", text=text)
    text = "It was used, it is older than an hour, or it was not copied whole. Ask for a new one where you got it."
    return page("refused.html", status=404, title="This link does not work", text=text)


async def _form(request: AnyRequest, control: Control) -> tuple[dict[str, str], str, Link | None]:
    """The fields of a form that a page of this browser's link sent; no link for any other form."""
    token = request.cookies.get(LINK_COOKIE, "")
    body = (await request.body()).decode("utf-8", "replace")
    fields = dict(parse_qsl(body, keep_blank_values=True, max_num_fields=50)) if body.count("&") < 50 else {}
    if is_foreign(request) or not knows_word(fields.get("word", ""), token):
        return {}, token, None
    return fields, token, await control.links.find(token)


def _targets(control: Control, app: App) -> list[str]:
    """Where the form of the page may lead."""
    origins = [place.origin for place in control.places.of(app) if place.host is not None]
    return [_origin_of(origin) for origin in ([app.oauth.origin] if app.oauth else []) + origins]


def _origin_of(base_url: str) -> str:
    scheme, _, rest = base_url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _pairs(request: AnyRequest) -> dict[str, str]:
    query = request.scope["query_string"][:QUERY_CHARACTERS_MAX].decode("latin-1")
    return dict(reversed(parse_qsl(query, keep_blank_values=True)))


def _single(request: AnyRequest) -> dict[str, str]:
    """The parameters of the answer, none of which may stand twice (RFC 6749 §3.1). Raises `Strayed`."""
    query = request.scope["query_string"]
    if len(query) > QUERY_CHARACTERS_MAX:
        raise Strayed
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    said = dict(pairs)
    if len(said) != len(pairs):
        raise Strayed
    return said


def _cookie(control: Control, name: str, value: str, seconds: int) -> Cookie:
    return Cookie(
        name,
        value=value,
        path="/connect",
        max_age=seconds,
        httponly=True,
        samesite="lax",
        secure=control.origin.startswith("https:"),
    )


routes = [connect, start, callback, paste, style, client_document]
