"""The SQL tables of who may ask for what: organizations, projects, users, sessions, and every kind of key.

Secrets stand here as SHA-256 (`core.crypto.digest`), passwords as argon2. Only the project token `phc_` is plain: it is
public, and stands in the source of every page that sends events.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ForeignKey, Index, LargeBinary, SmallInteger, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow.core.storage.tables import Base, Json, RowId, Timestamp


class Organization(Base):
    """A group of users who share projects."""

    __tablename__ = "organizations"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    slug: Mapped[str] = mapped_column(String(48), unique=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)
    deleted_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """Set when a person deleted it: every look-up passes it by from then on."""
    settings: Mapped[dict[str, Any]] = mapped_column(Json)
    """The writable fields of rest-api §2 that no code decides by; absent means the default."""


class User(Base):
    """A person who signs in, and owns personal keys."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    distinct_id: Mapped[str] = mapped_column(String(200), unique=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """Lower case."""
    first_name: Mapped[str] = mapped_column(String(150))
    last_name: Mapped[str] = mapped_column(String(150))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(Boolean)
    is_staff: Mapped[bool] = mapped_column(Boolean)
    date_joined: Mapped[datetime] = mapped_column(Timestamp)
    last_login: Mapped[datetime | None] = mapped_column(Timestamp)
    current_organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="SET NULL"))
    current_team_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="SET NULL"))
    """What `@current` means for this user, whichever of their keys asks."""
    settings: Mapped[dict[str, Any]] = mapped_column(Json)
    """The writable fields of rest-api §4 that no code decides by; absent means the default."""

    __table_args__ = ({"sqlite_autoincrement": True},)


class OrganizationMembership(Base):
    """A user in an organization, with a level: 1 member, 8 admin, 15 owner."""

    __tablename__ = "organization_memberships"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    joined_at: Mapped[datetime] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)

    __table_args__ = (Index("organization_memberships_one_user", "organization_id", "user_id", unique=True),)


class Project(Base):
    """A project, which is also PostHog's "team" and "environment": `id` is the `team_id` of every other table.

    Ids count up and are never given twice, not even after a deletion: the event store keeps rows under them.
    """

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    api_token: Mapped[str] = mapped_column(String(200), unique=True)
    timezone: Mapped[str] = mapped_column(String(240))
    week_start_day: Mapped[int | None] = mapped_column(SmallInteger)
    """0 Sunday, 1 Monday; null is Sunday."""
    anonymize_ips: Mapped[bool] = mapped_column(Boolean)
    cookieless_server_hash_mode: Mapped[int | None] = mapped_column(SmallInteger)
    """0 or null off, 1 stateless, 2 stateful."""
    ingested_event: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)
    deleted_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """Set when a person deleted it: every look-up passes it by from then on."""
    settings: Mapped[dict[str, Any]] = mapped_column(Json)
    """The other writable fields of rest-api §3; absent means the default of `workspace.project_fields`."""

    __table_args__ = ({"sqlite_autoincrement": True},)


class ProjectSecretToken(Base):
    """A project's secret key `phs_`: the one in use, and the one before it, which works until it is deleted."""

    __tablename__ = "project_secret_tokens"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    is_backup: Mapped[bool] = mapped_column(Boolean)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    mask: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    last_used_at: Mapped[datetime | None] = mapped_column(Timestamp)

    __table_args__ = (Index("project_secret_tokens_one_each", "project_id", "is_backup", unique=True),)


class PersonalAPIKey(Base):
    """A user's key `phx_`: what it may do (`scopes`), and where (`scoped_teams`, `scoped_organizations`)."""

    __tablename__ = "personal_api_keys"

    id: Mapped[str] = mapped_column(String(10), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    label: Mapped[str] = mapped_column(String(40))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    mask: Mapped[str] = mapped_column(String(32))
    scopes: Mapped[list[str]] = mapped_column(Json)
    scoped_teams: Mapped[list[int] | None] = mapped_column(Json)
    scoped_organizations: Mapped[list[str] | None] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    last_used_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """At most an hour behind; written off the request's way."""
    last_rolled_at: Mapped[datetime | None] = mapped_column(Timestamp)


class OAuthApplication(Base):
    """A program that users can let in (gateway §6.5). `client_id` is how it calls itself: a word of ours, or a URL."""

    __tablename__ = "oauth_applications"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    client_id: Mapped[str] = mapped_column(String(1000), unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    """`built-in`, `dynamic` (it registered itself), `document` (read from its URL)."""
    name: Mapped[str] = mapped_column(String(255))
    redirect_uris: Mapped[list[str]] = mapped_column(Json)
    grant_types: Mapped[list[str]] = mapped_column(Json)
    auth_method: Mapped[str] = mapped_column(String(32))
    """How it proves itself at the token endpoint: `none`, `client_secret_post`, `private_key_jwt`."""
    secret_digest: Mapped[str | None] = mapped_column(String(64))
    public_keys: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """The JSON Web Key Set of `private_key_jwt`."""
    scopes: Mapped[list[str] | None] = mapped_column(Json)
    """The most that it may ask for; null is everything."""
    logo: Mapped[bytes | None] = mapped_column(LargeBinary)
    logo_type: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    fresh_until: Mapped[datetime | None] = mapped_column(Timestamp)
    """When a document has to be read again."""


class OAuthGrant(Base):
    """One consent: what a user let an application do, and where. Every code and token of it goes when it goes."""

    __tablename__ = "oauth_grants"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    application_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_applications.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    scopes: Mapped[list[str]] = mapped_column(Json)
    scoped_teams: Mapped[list[int] | None] = mapped_column(Json)
    scoped_organizations: Mapped[list[str] | None] = mapped_column(Json)
    resource: Mapped[str | None] = mapped_column(String(300))
    """The path of the one resource that its tokens are for; null is the API."""
    created_at: Mapped[datetime] = mapped_column(Timestamp)

    __table_args__ = (Index("oauth_grants_by_user", "user_id", "application_id"),)


class OAuthCode(Base):
    """An authorization code. It stays when it was used, so that a second use is noticed (RFC 9700 §2.1.1)."""

    __tablename__ = "oauth_codes"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_grants.id", ondelete="CASCADE"), index=True)
    redirect_uri: Mapped[str] = mapped_column(Text)
    redirect_uri_said: Mapped[bool] = mapped_column(Boolean)
    """Whether the application named it, or has only one; if so it must name it again."""
    code_challenge: Mapped[str] = mapped_column(String(128))
    nonce: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime] = mapped_column(Timestamp, index=True)
    used_at: Mapped[datetime | None] = mapped_column(Timestamp)


class OAuthAccessToken(Base):
    """A token `pha_` that a user granted to an application, with the same limits as a personal key."""

    __tablename__ = "oauth_access_tokens"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    grant_id: Mapped[UUID | None] = mapped_column(ForeignKey("oauth_grants.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    client_name: Mapped[str] = mapped_column(String(255))
    scopes: Mapped[list[str]] = mapped_column(Json)
    scoped_teams: Mapped[list[int] | None] = mapped_column(Json)
    scoped_organizations: Mapped[list[str] | None] = mapped_column(Json)
    resource: Mapped[str | None] = mapped_column(String(300))
    """The path of the one resource that it is for (RFC 8707); null is the API."""
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    last_used_at: Mapped[datetime | None] = mapped_column(Timestamp)


class OAuthRefreshToken(Base):
    """A token `phr_`. One that was replaced stays until it would have expired: whoever shows it again stole it, or was robbed."""

    __tablename__ = "oauth_refresh_tokens"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_grants.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    replaced_at: Mapped[datetime | None] = mapped_column(Timestamp)
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What its successors were made from, together with itself; gone as soon as the successor was used."""
    successor_digest: Mapped[str | None] = mapped_column(String(64), index=True)


class UserSession(Base):
    """One browser in which a user signed in. The cookie holds the secret, the table its digest."""

    __tablename__ = "user_sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    last_used_at: Mapped[datetime] = mapped_column(Timestamp)
    user_agent: Mapped[str] = mapped_column(String(200))
