"""Who may ask for what: organizations, projects, users, sessions and keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of `core.identity`."""
    op.create_table(
        "organizations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("slug", sa.String(length=48), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="organizations_key"),
        sa.UniqueConstraint("slug", name="organizations_one_slug"),
    )
    op.create_table(
        "projects",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("api_token", sa.String(length=200), nullable=False),
        sa.Column("timezone", sa.String(length=240), nullable=False),
        sa.Column("week_start_day", sa.SmallInteger(), nullable=True),
        sa.Column("anonymize_ips", sa.Boolean(), nullable=False),
        sa.Column("cookieless_server_hash_mode", sa.SmallInteger(), nullable=True),
        sa.Column("ingested_event", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="projects_organization_id_is_in_organizations",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="projects_key"),
        sa.UniqueConstraint("api_token", name="projects_one_api_token"),
        sa.UniqueConstraint("uuid", name="projects_one_uuid"),
        sqlite_autoincrement=True,
    )
    op.create_index("projects_by_organization_id", "projects", ["organization_id"], unique=False)
    op.create_table(
        "project_secret_tokens",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("project_id", ROW_ID, nullable=False),
        sa.Column("is_backup", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("mask", sa.String(length=32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="project_secret_tokens_project_id_is_in_projects", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="project_secret_tokens_key"),
        sa.UniqueConstraint("digest", name="project_secret_tokens_one_digest"),
    )
    op.create_index("project_secret_tokens_one_each", "project_secret_tokens", ["project_id", "is_backup"], unique=True)
    op.create_table(
        "users",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("distinct_id", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("first_name", sa.String(length=150), nullable=False),
        sa.Column("last_name", sa.String(length=150), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_staff", sa.Boolean(), nullable=False),
        sa.Column("date_joined", MOMENT, nullable=False),
        sa.Column("last_login", MOMENT, nullable=True),
        sa.Column("current_organization_id", sa.Uuid(), nullable=True),
        sa.Column("current_team_id", ROW_ID, nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["current_organization_id"],
            ["organizations.id"],
            name="users_current_organization_id_is_in_organizations",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["current_team_id"], ["projects.id"], name="users_current_team_id_is_in_projects", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="users_key"),
        sa.UniqueConstraint("distinct_id", name="users_one_distinct_id"),
        sa.UniqueConstraint("email", name="users_one_email"),
        sa.UniqueConstraint("uuid", name="users_one_uuid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "oauth_access_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("client_name", sa.String(length=200), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("scoped_teams", sa.JSON(), nullable=True),
        sa.Column("scoped_organizations", sa.JSON(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="oauth_access_tokens_user_id_is_in_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="oauth_access_tokens_key"),
        sa.UniqueConstraint("digest", name="oauth_access_tokens_one_digest"),
    )
    op.create_index("oauth_access_tokens_by_user_id", "oauth_access_tokens", ["user_id"], unique=False)
    op.create_table(
        "organization_memberships",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("joined_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="organization_memberships_organization_id_is_in_organizations",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="organization_memberships_user_id_is_in_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="organization_memberships_key"),
    )
    op.create_index("organization_memberships_by_user_id", "organization_memberships", ["user_id"], unique=False)
    op.create_index(
        "organization_memberships_one_user", "organization_memberships", ["organization_id", "user_id"], unique=True
    )
    op.create_table(
        "personal_api_keys",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("label", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("mask", sa.String(length=32), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("scoped_teams", sa.JSON(), nullable=True),
        sa.Column("scoped_organizations", sa.JSON(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("last_rolled_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="personal_api_keys_user_id_is_in_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="personal_api_keys_key"),
        sa.UniqueConstraint("digest", name="personal_api_keys_one_digest"),
    )
    op.create_index("personal_api_keys_by_user_id", "personal_api_keys", ["user_id"], unique=False)
    op.create_table(
        "user_sessions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="user_sessions_user_id_is_in_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name="user_sessions_key"),
    )
    op.create_index("user_sessions_by_user_id", "user_sessions", ["user_id"], unique=False)
