"""Who asks, and what they may (rest-api §1.3)."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from hedgerow.core.http.errors import PermissionDenied
from hedgerow.core.identity.credentials import Grant
from hedgerow.core.identity.people import SignedUser
from hedgerow.core.identity.scopes import EVERYTHING
from hedgerow.core.identity.teams import Team

Kind = Literal["personal key", "session", "project secret", "oauth token"]


class Caller(msgspec.Struct, frozen=True):
    """Whoever sent the request, proven."""

    kind: Kind
    grant: Grant

    @property
    def user(self) -> SignedUser:
        """The user who asks. A project secret is nobody's: then this is a 403."""
        if self.grant.user is None:
            raise PermissionDenied("This action does not support project secret API key access")
        return self.grant.user

    @property
    def user_or_nobody(self) -> SignedUser | None:
        """The user who asks, or None for a project secret."""
        return self.grant.user

    @property
    def scopes(self) -> frozenset[str]:
        """What the key may do; `*` is everything, and what a session has."""
        return self.grant.scopes

    def may(self, scope: str) -> bool:
        """Whether the scope is given."""
        return EVERYTHING in self.grant.scopes or scope in self.grant.scopes

    def require(self, scope: str) -> None:
        """Raise `PermissionDenied` unless the scope is given."""
        if not self.may(scope):
            raise PermissionDenied(f"API key missing required scope '{scope}'")

    def level_in(self, organization_id: UUID) -> int:
        """The user's level there: 1 member, 8 admin, 15 owner; 0 if they do not belong to it."""
        return 0 if self.grant.user is None else self.grant.user.levels.get(organization_id, 0)

    def sees_team(self, team: Team) -> bool:
        """Whether lists show this caller the project."""
        teams, organizations = self.grant.scoped_teams, self.grant.scoped_organizations
        return (
            self.level_in(team.organization_id) > 0
            and (teams is None or team.id in teams)
            and (organizations is None or team.organization_id in organizations)
        )

    def sees_organization(self, organization_id: UUID) -> bool:
        """Whether lists show this caller the organization."""
        organizations = self.grant.scoped_organizations
        return self.level_in(organization_id) > 0 and (organizations is None or organization_id in organizations)

    def require_reach(self, team: Team | None, organization_id: UUID | None) -> None:
        """Raise `PermissionDenied` where the key was limited to other projects or organizations, or keys are unwanted."""
        if organization_id is not None and self.kind == "personal key" and organization_id in self.user.keyless:
            raise PermissionDenied(
                f"Organization '{self.user.keyless[organization_id]}' does not allow using personal API keys. "
                "Contact an admin to enable personal API keys for this organization."
            )
        teams, organizations = self.grant.scoped_teams, self.grant.scoped_organizations
        if teams is not None:
            if team is None:
                raise PermissionDenied("API keys with scoped projects are only supported on project-based endpoints.")
            if team.id not in teams:
                raise PermissionDenied(f"API key does not have access to the requested project: ID {team.id}.")
        if organizations is not None and organization_id is not None and organization_id not in organizations:
            raise PermissionDenied(f"API key does not have access to the requested organization: ID {organization_id}.")
