"""`/api/users/` (rest-api §4): oneself, and for staff the others."""

from __future__ import annotations

from litestar import delete, get, patch

from hedgerow.core.http import (
    Access,
    Caller,
    Conflict,
    FromPath,
    JSONBody,
    NamedDependency,
    Page,
    PageRequest,
    PermissionDenied,
    needs,
    proven,
)
from hedgerow.workspace.users import (
    NOTHING,
    UserOut,
    UserPatch,
    change_user,
    find_user,
    has_memberships,
    new_password_hash,
    page_of_users,
    user_view,
)

OBJECT = "/api/users/{user_id:str}/"


@get("/api/users/", guards=[needs("user:read", any_reach=True)])
async def list_users(
    caller: NamedDependency[Caller], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> Page[UserOut]:
    """Every user of this server; staff only."""
    if not caller.user.is_staff:
        raise PermissionDenied
    return await page_of_users(access.metadata, caller, page)


@get(OBJECT, guards=[needs("user:read", any_reach=True)])
async def get_user(user_id: FromPath[str], caller: NamedDependency[Caller], access: NamedDependency[Access]) -> UserOut:
    """Oneself, as `@me` or by UUID; staff see anybody."""
    async with access.metadata.read() as session:
        return await user_view(session, await find_user(session, caller, user_id), caller)


@patch(OBJECT, guards=[needs("user:write", any_reach=True)])
async def patch_user(
    user_id: FromPath[str],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[UserPatch] = NOTHING,
) -> UserOut:
    """Change what the body has, the current project and organization included."""
    password_hash = await new_password_hash(access.metadata, caller, user_id, data)
    async with access.metadata.write() as session:
        user = await find_user(session, caller, user_id)
        await change_user(session, user, caller, data, password_hash)
        await session.flush()
        view = await user_view(session, user, caller)
    access.forget()
    return view


@delete(OBJECT, guards=[proven("session", refusal="This action does not support personal API key access")])
async def delete_user(user_id: FromPath[str], caller: NamedDependency[Caller], access: NamedDependency[Access]) -> None:
    """Delete oneself, with keys and sessions, once no organization is left."""
    async with access.metadata.write() as session:
        user = await find_user(session, caller, user_id)
        if await has_memberships(session, user.id):
            raise Conflict("Cannot delete user with organization memberships.")
        await session.delete(user)
    access.forget()


routes = [list_users, get_user, patch_user, delete_user]
