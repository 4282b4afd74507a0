"""`/api/projects/:id/early_access_feature/` (rest-api §12)."""

from __future__ import annotations

from typing import Final

from litestar import delete, get, patch, post

from hedgerow.core.http import Access, FromPath, JSONBody, NamedDependency, Page, PageRequest, needs, uuid_id
from hedgerow.core.resources import below_project
from hedgerow.flags.early_access import (
    FeatureOut,
    FeaturePatch,
    NewFeature,
    change_feature,
    create_feature,
    delete_feature,
    feature_out,
    page_of_features,
)
from hedgerow.flags.flag_context import SHARED, FlagContext

LISTS: Final = below_project("early_access_feature/")
ITEMS: Final = below_project("early_access_feature/{feature_id:str}/")
READS: Final = [needs("early_access_feature:read")]
WRITES: Final = [needs("early_access_feature:write")]
NOTHING: Final = FeaturePatch()


@get(LISTS, guards=READS, **SHARED)
async def list_features(
    context: NamedDependency[FlagContext], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> Page[FeatureOut]:
    """The project's early access features, newest first."""
    async with access.metadata.read() as session:
        return await page_of_features(session, context, page)


@post(LISTS, guards=WRITES, **SHARED)
async def post_feature(
    context: NamedDependency[FlagContext], access: NamedDependency[Access], data: JSONBody[NewFeature]
) -> FeatureOut:
    """A new feature, opened by the flag of `feature_flag_id`, else by a new flag."""
    feature_id = await create_feature(access, context, data)
    async with access.metadata.read() as session:
        return await feature_out(session, context, feature_id)


@get(ITEMS, guards=READS, **SHARED)
async def get_feature(
    feature_id: FromPath[str], context: NamedDependency[FlagContext], access: NamedDependency[Access]
) -> FeatureOut:
    """One feature."""
    async with access.metadata.read() as session:
        return await feature_out(session, context, uuid_id(feature_id))


@patch(ITEMS, guards=WRITES, **SHARED)
async def patch_feature(
    feature_id: FromPath[str],
    context: NamedDependency[FlagContext],
    access: NamedDependency[Access],
    data: JSONBody[FeaturePatch] = NOTHING,
) -> FeatureOut:
    """Change what the body has; in alpha, beta and general availability users can enroll."""
    await change_feature(access, context, uuid_id(feature_id), data)
    async with access.metadata.read() as session:
        return await feature_out(session, context, uuid_id(feature_id))


@delete(ITEMS, guards=WRITES, status_code=204, **SHARED)
async def remove_feature(
    feature_id: FromPath[str], context: NamedDependency[FlagContext], access: NamedDependency[Access]
) -> None:
    """Remove a feature; its flag stays."""
    await delete_feature(access, context, uuid_id(feature_id))


routes = [list_features, post_feature, get_feature, patch_feature, remove_feature]
