"""`/api/organizations/` and their members (rest-api §2)."""

from __future__ import annotations

from litestar import delete, get, patch, post, put

from hedgerow.core.http import (
    Access,
    ApiRequest,
    Caller,
    FromPath,
    JSONBody,
    NamedDependency,
    Page,
    PageRequest,
    PermissionDenied,
    ValidationFailed,
    needs,
    uuid_id,
)
from hedgerow.core.identity.people import ADMIN, OWNER
from hedgerow.workspace.organizations import (
    NOTHING,
    MemberPatch,
    OrganizationPatch,
    change_organization,
    changes,
    check_level_change,
    delete_organization,
    find_member,
    find_organization,
    make_organization,
    member_view,
    organization_view,
    page_of_members,
    page_of_organizations,
    remove_member,
)
from hedgerow.workspace.schemas import MemberOut, OrganizationOut

OBJECT = "/api/organizations/{organization_id:str}/"
MEMBER = OBJECT + "members/{user_uuid:str}/"
LEVEL_TOO_LOW = "Your organization access level is insufficient."
EMPTY_LISTS = [f"{OBJECT}{name}/" for name in ("invites", "roles", "domains", "resource_access", "batch_exports")]


@get("/api/organizations/", guards=[needs("organization:read", any_reach=True)])
async def list_organizations(
    caller: NamedDependency[Caller], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> Page[OrganizationOut]:
    """The organizations that the caller belongs to."""
    return await page_of_organizations(access.metadata, caller, page)


@post("/api/organizations/", guards=[needs("organization:write")])
async def create_organization(
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[OrganizationPatch] = NOTHING,
) -> OrganizationOut:
    """A new organization, owned by the caller, which becomes their current one."""
    caller.require_reach(None, None)
    fields = _required(data)
    async with access.metadata.write() as session:
        organization, membership = await make_organization(session, access.clock, fields, caller.user.id)
        view = await organization_view(session, organization, caller, level=membership.level)
    access.forget()
    return view


@get(OBJECT, guards=[needs("organization:read", subject="target")])
async def get_organization(
    request: ApiRequest, caller: NamedDependency[Caller], access: NamedDependency[Access]
) -> OrganizationOut:
    """One organization, whole."""
    async with access.metadata.read() as session:
        organization = await find_organization(session, request.organization_id)
        return await organization_view(session, organization, caller)


@patch(OBJECT, guards=[needs("organization:write", subject="target")])
async def patch_organization(
    request: ApiRequest,
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[OrganizationPatch] = NOTHING,
) -> OrganizationOut:
    """Change what the body has; administrators only."""
    return await _change(request, caller, access, data)


@put(OBJECT, guards=[needs("organization:write", subject="target")])
async def put_organization(
    request: ApiRequest,
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[OrganizationPatch] = NOTHING,
) -> OrganizationOut:
    """Like PATCH, but the name is required."""
    _required(data)
    return await _change(request, caller, access, data)


@delete(OBJECT, guards=[needs("organization:write", subject="target")])
async def remove_organization(
    request: ApiRequest, caller: NamedDependency[Caller], access: NamedDependency[Access]
) -> None:
    """Delete the organization and its projects; owners only."""
    if caller.level_in(request.organization_id) < OWNER:
        raise PermissionDenied(LEVEL_TOO_LOW)
    async with access.metadata.write() as session:
        organization = await find_organization(session, request.organization_id, to_change=True)
        await delete_organization(session, organization, access.clock)
    access.forget()


@get(OBJECT + "members/", guards=[needs("organization_member:read")])
async def list_members(
    request: ApiRequest, page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> Page[MemberOut]:
    """The active members, newest first."""
    return await page_of_members(access.metadata, request.organization_id, page, dict(page.query))


@patch(MEMBER, guards=[needs("organization_member:write")])
async def patch_member(
    request: ApiRequest,
    user_uuid: FromPath[str],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[MemberPatch],
) -> MemberOut:
    """Change a member's level."""
    organization_id = request.organization_id
    async with access.metadata.write() as session:
        membership, user = await find_member(session, organization_id, uuid_id(user_uuid))
        check_level_change(caller.user, caller.level_in(organization_id), membership, data.level)
        membership.level = data.level
        membership.updated_at = access.clock.now()
    access.forget()
    return member_view(membership, user)


@delete(MEMBER, guards=[needs("organization_member:write")])
async def delete_member(
    request: ApiRequest,
    user_uuid: FromPath[str],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
) -> None:
    """Remove a member: oneself, or as an administrator somebody whose level is not higher."""
    organization_id = request.organization_id
    async with access.metadata.write() as session:
        membership, _ = await find_member(session, organization_id, uuid_id(user_uuid))
        await remove_member(session, caller.user, caller.level_in(organization_id), membership)
    access.forget()


@get(EMPTY_LISTS, guards=[needs("organization:read")])
async def empty_list(page: NamedDependency[PageRequest]) -> Page[None]:
    """What an organization here never has any of."""
    return page.page([], 0)


async def _change(request: ApiRequest, caller: Caller, access: Access, data: OrganizationPatch) -> OrganizationOut:
    if caller.level_in(request.organization_id) < ADMIN:
        raise PermissionDenied(LEVEL_TOO_LOW)
    fields = changes(data)
    async with access.metadata.write() as session:
        organization = await find_organization(session, request.organization_id, to_change=True)
        change_organization(organization, access.clock, fields)
        view = await organization_view(session, organization, caller)
    access.forget()
    return view


def _required(data: OrganizationPatch) -> dict[str, object]:
    fields = changes(data)
    if "name" not in fields:
        raise ValidationFailed("This field is required.", attr="name", code="required")
    return fields


routes = [
    list_organizations,
    create_organization,
    get_organization,
    patch_organization,
    put_organization,
    remove_organization,
    list_members,
    patch_member,
    delete_member,
    empty_list,
]
