"""`/api/projects/:id/annotations/` (rest-api §14)."""

from __future__ import annotations

from typing import Final

from litestar import get, post, route

from hedgerow.core.http import (
    Access,
    ApiRequest,
    Caller,
    FromPath,
    JSONBody,
    NamedDependency,
    Page,
    Team,
    needs,
    page_request,
)
from hedgerow.core.resources import activity_routes, below_project, refuse_delete
from hedgerow.insights.annotation_view import (
    AnnotationOut,
    annotation_id_of,
    annotations_out,
    found_annotation,
    page_of_annotations,
)
from hedgerow.insights.annotations import SCOPE, AnnotationBody, change_annotation, create_annotation
from hedgerow.insights.models import Annotation

LISTS: Final = below_project("annotations/")
ITEMS: Final = below_project("annotations/{annotation_id:str}/")
READS: Final = [needs("annotation:read")]
WRITES: Final = [needs("annotation:write")]
NOTHING: Final = AnnotationBody()
PAGE: Final = 1_000


@get(LISTS, guards=READS)
async def list_annotations(
    request: ApiRequest, team: NamedDependency[Team], access: NamedDependency[Access]
) -> Page[AnnotationOut]:
    """The project's annotations and those of its organization, latest moment first."""
    async with access.metadata.read() as session:
        return await page_of_annotations(session, team, page_request(request, PAGE))


@post(LISTS, guards=WRITES)
async def post_annotation(
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[AnnotationBody] = NOTHING,
) -> AnnotationOut:
    """A new annotation."""
    return await _out(access, team, await create_annotation(access, caller, team, data))


@get(ITEMS, guards=READS)
async def get_annotation(
    annotation_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access]
) -> AnnotationOut:
    """One annotation."""
    async with access.metadata.read() as session:
        row = await found_annotation(session, team, annotation_id)
        return (await annotations_out(session, team, [row]))[0]


@route(ITEMS, http_method=["PATCH", "PUT"], guards=WRITES, status_code=200)
async def change(
    annotation_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[AnnotationBody] = NOTHING,
) -> AnnotationOut:
    """Change what the body has; `deleted` hides an annotation and brings it back. No field is required, so PUT does the same."""
    return await _out(access, team, await change_annotation(access, caller, team, annotation_id, data))


async def _out(access: Access, team: Team, row: Annotation) -> AnnotationOut:
    async with access.metadata.read() as session:
        return (await annotations_out(session, team, [row]))[0]


routes = [
    list_annotations,
    post_annotation,
    get_annotation,
    change,
    refuse_delete(ITEMS, "annotation:write"),
    *activity_routes(LISTS, SCOPE, annotation_id_of, "annotation_id"),
]
