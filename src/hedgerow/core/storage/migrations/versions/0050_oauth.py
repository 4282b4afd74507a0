"""Applications that users let in, what each was granted, codes, and tokens that refresh."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from hedgerow.core.storage.tables import Json, RowId, Timestamp

revision = "0050"
down_revision = "0060"

BUILT_IN = UUID("0190a000-0000-7000-8000-000000000001")
"""The gateway of this very server: an application from the first day."""


def upgrade() -> None:
    """Create the tables; that of access tokens, which nothing wrote to so far, anew."""
    applications = op.create_table(
        "oauth_applications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(length=1000), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("redirect_uris", Json, nullable=False),
        sa.Column("grant_types", Json, nullable=False),
        sa.Column("auth_method", sa.String(length=32), nullable=False),
        sa.Column("secret_digest", sa.String(length=64), nullable=True),
        sa.Column("public_keys", Json, nullable=True),
        sa.Column("scopes", Json, nullable=True),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("logo_type", sa.String(length=32), nullable=True),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("fresh_until", Timestamp(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="oauth_applications_key"),
        sa.UniqueConstraint("client_id", name="oauth_applications_one_client_id"),
    )
    op.bulk_insert(
        applications,
        [
            {
                "id": BUILT_IN,
                "client_id": "hedgerow-gateway",
                "kind": "built-in",
                "name": "Hedgerow gateway",
                "redirect_uris": [],
                "grant_types": ["authorization_code", "refresh_token"],
                "auth_method": "none",
                "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            }
        ],
    )
    op.create_table(
        "oauth_grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", RowId, nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("scoped_teams", Json, nullable=True),
        sa.Column("scoped_organizations", Json, nullable=True),
        sa.Column("resource", sa.String(length=300), nullable=True),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["oauth_applications.id"],
            name="oauth_grants_application_id_is_in_oauth_applications",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="oauth_grants_user_id_is_in_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="oauth_grants_key"),
    )
    op.create_index("oauth_grants_by_application_id", "oauth_grants", ["application_id"])
    op.create_index("oauth_grants_by_user", "oauth_grants", ["user_id", "application_id"])
    op.create_table(
        "oauth_codes",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("redirect_uri_said", sa.Boolean(), nullable=False),
        sa.Column("code_challenge", sa.String(length=128), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("expires_at", Timestamp(), nullable=False),
        sa.Column("used_at", Timestamp(), nullable=True),
        _of_a_grant("oauth_codes"),
        sa.PrimaryKeyConstraint("digest", name="oauth_codes_key"),
    )
    op.create_index("oauth_codes_by_grant_id", "oauth_codes", ["grant_id"])
    op.create_index("oauth_codes_by_expires_at", "oauth_codes", ["expires_at"])
    op.create_table(
        "oauth_refresh_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("expires_at", Timestamp(), nullable=False),
        sa.Column("replaced_at", Timestamp(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("successor_digest", sa.String(length=64), nullable=True),
        _of_a_grant("oauth_refresh_tokens"),
        sa.PrimaryKeyConstraint("digest", name="oauth_refresh_tokens_key"),
    )
    op.create_index("oauth_refresh_tokens_by_grant_id", "oauth_refresh_tokens", ["grant_id"])
    op.create_index("oauth_refresh_tokens_by_successor_digest", "oauth_refresh_tokens", ["successor_digest"])
    op.drop_table("oauth_access_tokens")
    op.create_table(
        "oauth_access_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", RowId, nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("client_name", sa.String(length=255), nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("scoped_teams", Json, nullable=True),
        sa.Column("scoped_organizations", Json, nullable=True),
        sa.Column("resource", sa.String(length=300), nullable=True),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("expires_at", Timestamp(), nullable=False),
        sa.Column("last_used_at", Timestamp(), nullable=True),
        _of_a_grant("oauth_access_tokens"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="oauth_access_tokens_user_id_is_in_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="oauth_access_tokens_key"),
        sa.UniqueConstraint("digest", name="oauth_access_tokens_one_digest"),
    )
    op.create_index("oauth_access_tokens_by_user_id", "oauth_access_tokens", ["user_id"])
    op.create_index("oauth_access_tokens_by_grant_id", "oauth_access_tokens", ["grant_id"])


def _of_a_grant(table: str) -> sa.ForeignKeyConstraint:
    name = f"{table}_grant_id_is_in_oauth_grants"
    return sa.ForeignKeyConstraint(["grant_id"], ["oauth_grants.id"], name=name, ondelete="CASCADE")
