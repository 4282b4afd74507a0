"""What the resources of the REST API have in common: where they stand, who made them, tags, soft deletion, activity.

A room writes its table with `Made` (and `SoftlyDeleted`), its bodies and answers as msgspec Structs, and thin routes:

    PATHS = below_project("annotations/")                       # under /api/projects/ and /api/environments/
    ITEMS = below_project("annotations/{annotation_id:str}/")
    routes = [..., refuse_delete(ITEMS, "annotation:write"), *activity_routes(PATHS, "Annotation", …)]

    @post(PATHS, guards=[needs("annotation:write")])
    async def create(team, caller, access, data: JSONBody[NewAnnotation]) -> AnnotationOut:
        async with editing(access, caller, team) as edit:
            row = Annotation(**edit.made(), content=data.content)
            edit.session.add(row)
            await edit.session.flush()                          # the row has its id
            edit.note_created(Subject("Annotation", row.id, row.content))

A few statements of SQL belong to a list, whatever its length: `rows_of` (two), `authors` (one), `tags_of` (one).
A PATCH reads its row with `find(…, to_change=True)`, so that two at a time follow each other, and writes `sent(data)` only.
"""

from hedgerow.core.resources.activity import (
    Activity,
    ActivityPage,
    Change,
    Subject,
    activity_of,
    activity_routes,
    differences,
)
from hedgerow.core.resources.authors import authors
from hedgerow.core.resources.deletion import HARD_DELETE_REFUSED, refuse_delete
from hedgerow.core.resources.edit import Edit, editing
from hedgerow.core.resources.levels import access_level
from hedgerow.core.resources.places import below_project
from hedgerow.core.resources.rows import NOT_DELETED, Made, SoftlyDeleted, contains, find, flush_or, rows_of, sent
from hedgerow.core.resources.tags import forget_tags, has_tag, has_tag_with, set_tags, tags_of

__all__ = [
    "HARD_DELETE_REFUSED",
    "NOT_DELETED",
    "Activity",
    "ActivityPage",
    "Change",
    "Edit",
    "Made",
    "SoftlyDeleted",
    "Subject",
    "access_level",
    "activity_of",
    "activity_routes",
    "authors",
    "below_project",
    "contains",
    "differences",
    "editing",
    "find",
    "flush_or",
    "forget_tags",
    "has_tag",
    "has_tag_with",
    "refuse_delete",
    "rows_of",
    "sent",
    "set_tags",
    "tags_of",
]
