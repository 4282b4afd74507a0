"""The account's page (gateway §1.11): keys and connections, for a user who is signed in.

    GET  /settings                          what there is
    POST /settings/keys                     a new key, shown this once
    POST /settings/keys/{id}/rotate         a new secret for one
    POST /settings/keys/{id}/revoke
    POST /settings/connections              a new connection, and on to its connect page
    POST /settings/connections/{id}/open    connect one again
    POST /settings/connections/{id}/delete
    POST /settings/sign-out                 end the session, and on to the sign-in page

A write needs the word of the session's own pages; the session cookie alone, which a browser sends from anywhere, does not do.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from hedgerow.core.http import Access
from hedgerow.core.http.sessions import SESSION_COOKIE, session_cookies
from hedgerow.core.identity.people import SignedUser
from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.asking import AnyRequest
from hedgerow.gateway.control import Control, user_actor
from hedgerow.gateway.key_routes import examined_expiry, examined_name, examined_policy
from hedgerow.gateway.keys import GRACE_DEFAULT, MadeKey
from hedgerow.gateway.models import GatewayKey
from hedgerow.gateway.pages import Page, is_foreign, knows_word, led_on, page, word_of
from hedgerow.gateway.sessions import Asked
from hedgerow.gateway.shown import defaults
from hedgerow.gateway.sign_out import end_session

FORM_BYTES_MAX: Final = 16 << 10
PRESET_WORDS: Final = {
    "full": "Everything, also to manage connections and keys",
    "ci": "Read and change, and send events",
    "agent-write-no-delete": "For an agent: read and change, delete nothing",
    "agent-read": "For an agent: read only, no lists of persons",
}
LIVES: Final = {"never": None, "1": 1, "30": 30, "90": 90, "365": 365}
"""Days."""
GRACES: Final = {"0": timedelta(0), "1h": GRACE_DEFAULT, "1d": timedelta(days=1), "7d": timedelta(days=7)}
SIGN_IN: Final = "/login/?next=/settings"


@get("/settings", include_in_schema=False)
async def settings_page(request: AnyRequest, control: NamedDependency[Control]) -> Response[Any]:
    """Keys and connections."""
    user, secret = await _signed_in(request)
    if user is None:
        return led_on(SIGN_IN)
    return await _page(control, user, secret)


@post("/settings/keys", status_code=200, request_max_body_size=FORM_BYTES_MAX, include_in_schema=False)
async def create_key(request: AnyRequest, control: NamedDependency[Control]) -> Response[Any]:
    """Make a key."""
    user, secret, fields = await _form(request)
    if user is None:
        return _refused()
    try:
        name = examined_name(fields.get("name", ""))
        preset = fields.get("policy", "")
        policy = examined_policy(preset)
        days = LIVES.get(fields.get("lives", "never"))
        expires_at = None if days is None else control.clock.now() + timedelta(days=days)
        if until := fields.get("until", "").strip():
            expires_at = examined_expiry(_day(until), control.clock.now())
    except GatewayError as error:
        return await _page(control, user, secret, problem=error.detail, status=400)
    made = await control.keys.create(
        user_actor(user.id), user_id=user.id, name=name, policy=policy, expires_at=expires_at
    )
    return await _page(control, user, secret, made=made)


@post(
    "/settings/keys/{key_id:str}/rotate", status_code=200, request_max_body_size=FORM_BYTES_MAX, include_in_schema=False
)
async def rotate_key(request: AnyRequest, control: NamedDependency[Control], key_id: FromPath[str]) -> Response[Any]:
    """A new secret; the old one works for the grace time."""
    user, secret, fields = await _form(request)
    if user is None:
        return _refused()
    grace = GRACES.get(fields.get("grace", ""), GRACE_DEFAULT)
    found = _uuid(key_id)
    made = None if found is None else await control.keys.rotate(user_actor(user.id), user.id, found, grace)
    if made is None:
        return await _page(control, user, secret, problem="This key was replaced, revoked or ended before.", status=404)
    return await _page(control, user, secret, made=made)


@post(
    "/settings/keys/{key_id:str}/revoke", status_code=200, request_max_body_size=FORM_BYTES_MAX, include_in_schema=False
)
async def revoke_key(request: AnyRequest, control: NamedDependency[Control], key_id: FromPath[str]) -> Response[Any]:
    """End a key at once."""
    user, secret, _ = await _form(request)
    if user is None:
        return _refused()
    found = _uuid(key_id)
    if found is None or not await control.keys.revoke(user_actor(user.id), user.id, found):
        return await _page(control, user, secret, problem="This key has ended already.", status=404)
    return led_on("/settings")


@post("/settings/connections", status_code=200, request_max_body_size=FORM_BYTES_MAX, include_in_schema=False)
async def new_connection(request: AnyRequest, control: NamedDependency[Control]) -> Response[Any]:
    """Make one, and go to its connect page."""
    user, secret, fields = await _form(request)
    if user is None:
        return _refused()
    try:
        app = control.app(fields.get("app", ""))
        made = await control.lifecycle.create(user_actor(user.id), app, user_id=user.id, asked=Asked(by=user.email))
    except GatewayError as error:
        return await _page(control, user, secret, problem=error.detail, status=error.status)
    return led_on(made.url)


@post(
    "/settings/connections/{connection_id:str}/open",
    status_code=200,
    request_max_body_size=FORM_BYTES_MAX,
    include_in_schema=False,
)
async def open_connection(
    request: AnyRequest, control: NamedDependency[Control], connection_id: FromPath[str]
) -> Response[Any]:
    """Go to the connect page of one that there is."""
    user, secret, _ = await _form(request)
    if user is None:
        return _refused()
    found = _uuid(connection_id)
    row = None if found is None else await control.lifecycle.get(user.id, found)
    if row is None:
        return await _page(control, user, secret, problem="This connection is gone.", status=404)
    return led_on((await control.links.urls([row], Asked(by=user.email)))[row.id])


@post(
    "/settings/connections/{connection_id:str}/delete",
    status_code=200,
    request_max_body_size=FORM_BYTES_MAX,
    include_in_schema=False,
)
async def delete_connection(
    request: AnyRequest, control: NamedDependency[Control], connection_id: FromPath[str]
) -> Response[Any]:
    """Erase one."""
    user, secret, _ = await _form(request)
    if user is None:
        return _refused()
    found = _uuid(connection_id)
    if found is None or not await control.connector.delete(user_actor(user.id), user.id, found):
        return await _page(control, user, secret, problem="This connection is gone.", status=404)
    return led_on("/settings")


@post("/settings/sign-out", status_code=200, request_max_body_size=FORM_BYTES_MAX, include_in_schema=False)
async def sign_out(request: AnyRequest) -> Response[Any]:
    """End the session, and ask who comes next. It leads nowhere else, whatever the form says."""
    user, secret, _ = await _form(request)
    if user is None:
        return _refused()
    access: Access = request.app.state.access
    await end_session(access, secret)
    is_secure = access.settings.public_url.startswith("https:")
    return led_on(SIGN_IN, cookies=session_cookies("", seconds=0, secure=is_secure))


async def _page(
    control: Control,
    user: SignedUser,
    secret: str,
    *,
    made: MadeKey | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Page:
    await control.lifecycle.expire()
    rows = await control.lifecycle.of_user(user.id)
    now = control.clock.now()
    keys = await control.keys.of_user(user.id)
    return page(
        "settings.html",
        status=status,
        user=user,
        word=word_of(secret),
        made=made,
        problem=problem,
        live=[key for key in keys if _lives(key, now)],
        over=[key for key in keys if not _lives(key, now)][:20],
        connections=rows,
        defaults=defaults(rows),
        apps=control.apps.all(),
        presets=PRESET_WORDS,
        day=_shown_day,
        origin=control.origin,
    )


async def _signed_in(request: AnyRequest) -> tuple[SignedUser | None, str]:
    """The user of the session cookie, and its secret."""
    access: Access = request.app.state.access
    secret = request.cookies.get(SESSION_COOKIE, "")
    grant = await access.credentials.session(secret) if secret else None
    return (None if grant is None else grant.user), secret


async def _form(request: AnyRequest) -> tuple[SignedUser | None, str, dict[str, str]]:
    """The user and the fields of a form that their own page sent; no user for any other."""
    user, secret = await _signed_in(request)
    body = (await request.body()).decode("utf-8", "replace")
    fields = dict(parse_qsl(body, keep_blank_values=True)) if body.count("&") < 50 else {}
    if user is None or is_foreign(request) or not knows_word(fields.get("word", ""), secret):
        return None, secret, {}
    return user, secret, fields


def _refused() -> Page:
    text = "It did not come from the settings page of somebody who is signed in. Open the page and try again."
    return page("refused.html", status=403, title="This was not done", text=text)


def _lives(key: GatewayKey, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _uuid(said: str) -> UUID | None:
    try:
        return UUID(said)
    except ValueError:
        return None


def _day(said: str) -> datetime:
    """The end of a day of UTC. Raises `GatewayError` 400."""
    try:
        return datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise GatewayError(400, "invalid_field", "A day is written as 2031-01-31.", "until") from None


def _shown_day(moment: datetime | None) -> str:
    return "never" if moment is None else moment.strftime("%Y-%m-%d %H:%M UTC")


routes = [
    settings_page,
    create_key,
    rotate_key,
    revoke_key,
    new_connection,
    open_connection,
    delete_connection,
    sign_out,
]
