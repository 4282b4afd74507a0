"""`/api/personal_api_keys/` (rest-api §21): a session manages all of a user's keys, a key sees only itself."""

from __future__ import annotations

from litestar import delete, get, patch, post

from hedgerow.core.http import (
    Access,
    Caller,
    FromPath,
    JSONBody,
    NamedDependency,
    NotFound,
    PermissionDenied,
    proven,
)
from hedgerow.workspace.keys import (
    NOTHING,
    KeyPatch,
    NewKey,
    change_key,
    find_key,
    key_view,
    keys_of,
    make_key,
    roll_key,
)
from hedgerow.workspace.schemas import KeyOut

REFUSAL = "This action does not support Personal API Key access"
LIST = "/api/personal_api_keys/"
OBJECT = LIST + "{key_id:str}/"
BY_SESSION = [proven("session", refusal=REFUSAL)]


@get(LIST, guards=BY_SESSION)
async def list_keys(caller: NamedDependency[Caller], access: NamedDependency[Access]) -> list[KeyOut]:
    """The user's keys, newest first, without their secrets. A plain array."""
    async with access.metadata.read() as session:
        return [key_view(key) for key in await keys_of(session, caller.user.id)]


@post(LIST, guards=BY_SESSION)
async def create_key(
    caller: NamedDependency[Caller], access: NamedDependency[Access], data: JSONBody[NewKey]
) -> KeyOut:
    """A new key. The answer shows its secret, this once."""
    async with access.metadata.write() as session:
        return await make_key(session, access.clock, caller.user, data)


@get(OBJECT, guards=[proven("session", "personal key", refusal=REFUSAL)])
async def get_key(key_id: FromPath[str], caller: NamedDependency[Caller], access: NamedDependency[Access]) -> KeyOut:
    """One of the user's keys; a key itself sees only itself, by its id or as `@current`."""
    own = caller.grant.key_id
    wanted = own if key_id == "@current" and own is not None else key_id
    if own is not None and wanted != own:
        raise PermissionDenied(REFUSAL)
    if wanted == "@current":
        raise NotFound
    async with access.metadata.read() as session:
        return key_view(await find_key(session, caller.user.id, wanted))


@patch(OBJECT, guards=BY_SESSION)
async def patch_key(
    key_id: FromPath[str],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[KeyPatch] = NOTHING,
) -> KeyOut:
    """Change the label, the scopes, or where the key may be used."""
    async with access.metadata.write() as session:
        key = await find_key(session, caller.user.id, key_id)
        await change_key(session, caller.user, key, data)
        view = key_view(key)
    access.forget()
    return view


@delete(OBJECT, guards=BY_SESSION)
async def delete_key(key_id: FromPath[str], caller: NamedDependency[Caller], access: NamedDependency[Access]) -> None:
    """End a key at once."""
    async with access.metadata.write() as session:
        await session.delete(await find_key(session, caller.user.id, key_id))
    access.forget()


@post(OBJECT + "roll/", status_code=200, guards=BY_SESSION)
async def roll(key_id: FromPath[str], caller: NamedDependency[Caller], access: NamedDependency[Access]) -> KeyOut:
    """A new secret for the same key, shown this once; the old one stops working at once."""
    async with access.metadata.write() as session:
        view = roll_key(access.clock, await find_key(session, caller.user.id, key_id))
    access.forget()
    return view


routes = [list_keys, create_key, get_key, patch_key, delete_key, roll]
