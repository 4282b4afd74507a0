"""Resources that are only hidden by a deletion (rest-api §1.6)."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import delete
from litestar.handlers import HTTPRouteHandler

from hedgerow.core.http import MethodNotAllowed, needs

HARD_DELETE_REFUSED = 'Hard delete of this model is not allowed. Use a patch API call to set "deleted" to true'


def refuse_delete(paths: Sequence[str], scope: str) -> HTTPRouteHandler:
    """The DELETE of a resource that knows only the soft one: 405, with the way to do it."""

    @delete(list(paths), guards=[needs(scope)], status_code=204)
    async def refuse_hard_delete() -> None:
        raise MethodNotAllowed(HARD_DELETE_REFUSED)

    return refuse_hard_delete
