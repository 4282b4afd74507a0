"""Gateway keys, connections and their sealed credentials, connect links, usage, budgets, the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hedgerow.core.storage.tables import Json, RowId, Timestamp

revision = "0060"
down_revision = "0030"


def upgrade() -> None:
    """Create the tables of `gateway.models`."""
    op.create_table(
        "gateway_audit",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("at", Timestamp(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("details", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="gateway_audit_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("gateway_audit_by_at", "gateway_audit", ["at"])
    op.create_index("gateway_audit_by_user", "gateway_audit", ["user_id", "id"])
    op.create_table(
        "gateway_budgets",
        sa.Column("scope", sa.String(length=120), nullable=False),
        sa.Column("window_us", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "window_us", name="gateway_budgets_key"),
    )
    op.create_table(
        "gateway_idempotent_calls",
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", Json, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("expires_at", Timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "connection_id", "idempotency_key", name="gateway_idempotent_calls_key"),
    )
    op.create_index("gateway_idempotent_calls_by_expires_at", "gateway_idempotent_calls", ["expires_at"])
    op.create_table(
        "gateway_upstream_clients",
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("redirect_uri", sa.String(length=500), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("secret_data_key", sa.LargeBinary(), nullable=True),
        sa.Column("secret_master_key_id", sa.String(length=16), nullable=True),
        sa.Column("registered_at", Timestamp(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "redirect_uri", name="gateway_upstream_clients_key"),
    )
    op.create_table(
        "gateway_usage",
        sa.Column("hour_us", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("route", sa.String(length=200), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("bytes_in", sa.BigInteger(), nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), nullable=False),
        sa.Column("upstream_us", sa.BigInteger(), nullable=False),
        sa.Column("gateway_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour_us", "key_id", "connection_id", "route", name="gateway_usage_key"),
    )
    op.create_index("gateway_usage_by_user", "gateway_usage", ["user_id", "hour_us"])
    op.create_table(
        "gateway_connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", RowId, nullable=False),
        sa.Column("app", sa.String(length=50), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("base_url", sa.String(length=500), nullable=False),
        sa.Column("metadata", Json, nullable=False),
        sa.Column("policy", Json, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("is_pinned", sa.Boolean(), nullable=False),
        sa.Column("created_by_key_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("updated_at", Timestamp(), nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=True),
        sa.Column("master_key_id", sa.String(length=16), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("token_url", sa.String(length=500), nullable=True),
        sa.Column("expires_at", Timestamp(), nullable=True),
        sa.Column("refresh_lease_until", Timestamp(), nullable=True),
        sa.Column("refresh_failures", sa.Integer(), nullable=False),
        sa.Column("next_refresh_at", Timestamp(), nullable=True),
        sa.Column("rejected_at", Timestamp(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="gateway_connections_user_id_is_in_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="gateway_connections_key"),
    )
    op.create_index("gateway_connections_by_next_refresh_at", "gateway_connections", ["next_refresh_at"])
    op.create_index("gateway_connections_by_user", "gateway_connections", ["user_id", "app", "created_at"])
    op.create_table(
        "gateway_connect_links",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("expires_at", Timestamp(), nullable=False),
        sa.Column("completed_at", Timestamp(), nullable=True),
        sa.Column("return_url", sa.String(length=2000), nullable=True),
        sa.Column("asked", Json, nullable=False),
        sa.Column("browser_digest", sa.String(length=64), nullable=True),
        sa.Column("state_digest", sa.String(length=64), nullable=True),
        sa.Column("state_expires_at", Timestamp(), nullable=True),
        sa.Column("walk", sa.LargeBinary(), nullable=True),
        sa.Column("walk_data_key", sa.LargeBinary(), nullable=True),
        sa.Column("walk_master_key_id", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["gateway_connections.id"],
            name="gateway_connect_links_connection_id_is_in_gateway_connections",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name="gateway_connect_links_key"),
        sa.UniqueConstraint("state_digest", name="gateway_connect_links_one_state_digest"),
    )
    op.create_index("gateway_connect_links_by_connection_id", "gateway_connect_links", ["connection_id"])
    op.create_index("gateway_connect_links_by_expires_at", "gateway_connect_links", ["expires_at"])
    op.create_table(
        "gateway_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", RowId, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=8), nullable=False),
        sa.Column("suffix", sa.String(length=4), nullable=False),
        sa.Column("policy", Json, nullable=False),
        sa.Column("pinned_connection_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("expires_at", Timestamp(), nullable=True),
        sa.Column("last_used_at", Timestamp(), nullable=True),
        sa.Column("revoked_at", Timestamp(), nullable=True),
        sa.Column("rotated_to", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["pinned_connection_id"],
            ["gateway_connections.id"],
            name="gateway_keys_pinned_connection_id_is_in_gateway_connections",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="gateway_keys_user_id_is_in_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="gateway_keys_key"),
        sa.UniqueConstraint("digest", name="gateway_keys_one_digest"),
    )
    op.create_index("gateway_keys_by_pinned_connection_id", "gateway_keys", ["pinned_connection_id"])
    op.create_index("gateway_keys_by_user_id", "gateway_keys", ["user_id"])
