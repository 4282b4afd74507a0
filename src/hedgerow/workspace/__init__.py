"""Organizations, projects and environments, users, personal keys, signing in, and the first set-up.

`routes` is what `server` registers. It may put a `GroupTypeSource` into `app.state.group_types`, so that a project
shows its kinds of groups. `first_setup` fills an empty database (`hedgerow init`).
"""

from __future__ import annotations

from hedgerow.workspace import key_routes, organization_routes, project_routes, sign_in_routes, user_routes
from hedgerow.workspace.built_in import gateway_project
from hedgerow.workspace.first_setup import FirstSetup, first_setup
from hedgerow.workspace.project_view import GroupType, GroupTypeSource

__all__ = ["FirstSetup", "GroupType", "GroupTypeSource", "first_setup", "gateway_project", "routes"]

routes = [
    *organization_routes.routes,
    *project_routes.routes,
    *user_routes.routes,
    *key_routes.routes,
    *sign_in_routes.routes,
]
