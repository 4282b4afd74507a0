"""rest-api §2, §3, §4, §21 and the seed's examples: the objects of the workspace, field by field."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.workspace.world import CALLERS, Person, World

from hedgerow.core.clock import iso

pytestmark = pytest.mark.stores

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TEAM_BASIC = {
    "id", "uuid", "organization", "project_id", "api_token", "name", "completed_snippet_onboarding",
    "has_completed_onboarding_for", "ingested_event", "is_demo", "timezone", "access_control",
}  # fmt: skip
ORGANIZATION = {
    "id", "name", "slug", "logo_media_id", "created_at", "updated_at", "membership_level", "plugins_access_level",
    "teams", "projects", "available_product_features", "is_member_join_email_enabled", "metadata", "customer_id",
    "enforce_2fa", "members_can_invite", "members_can_use_personal_api_keys", "allow_publicly_shared_resources",
    "member_count", "is_ai_data_processing_approved", "default_experiment_stats_method", "default_role_id",
}  # fmt: skip
USER = {
    "date_joined", "uuid", "distinct_id", "pending_email", "is_email_verified", "has_password", "id",
    "is_impersonated", "is_impersonated_until", "sensitive_session_expires_at", "team", "organization",
    "organizations", "is_2fa_enabled", "has_social_auth", "has_sso_enforcement", "scene_personalisation", "is_staff",
    "first_name", "last_name", "email", "notification_settings", "anonymize_data", "toolbar_mode",
    "events_column_config", "has_seen_product_intro_for", "theme_mode", "hedgehog_config", "role_at_organization",
}  # fmt: skip
PROJECT_READ_ONLY = {
    "id", "uuid", "organization", "project_id", "api_token", "secret_api_token", "secret_api_token_backup",
    "created_at", "updated_at", "ingested_event", "default_modifiers", "person_on_events_querying_enabled",
    "user_access_level", "effective_membership_level", "has_group_types", "group_types", "live_events_token",
    "product_intents", "managed_viewsets",
}  # fmt: skip
PROJECT_WRITTEN: dict[str, Any] = {
    "name": "Shop", "product_description": "A shop", "access_control": True, "app_urls": ["https://shop.example", None],
    "slack_incoming_webhook": "https://hooks.example/x", "anonymize_ips": True, "completed_snippet_onboarding": True,
    "test_account_filters": [{"key": "email", "value": "@shop.example", "operator": "not_icontains", "type": "person"}],
    "test_account_filters_default_checked": True, "path_cleaning_filters": [{"alias": "x", "regex": "x+"}],
    "is_demo": True, "timezone": "Europe/Berlin", "data_attributes": ["data-test"],
    "person_display_name_properties": ["email"], "correlation_config": {"a": 1}, "autocapture_opt_out": True,
    "autocapture_exceptions_opt_in": True, "autocapture_web_vitals_opt_in": False,
    "autocapture_web_vitals_allowed_metrics": ["LCP"], "autocapture_exceptions_errors_to_ignore": ["x"],
    "capture_console_log_opt_in": True, "capture_performance_opt_in": True, "capture_dead_clicks": False,
    "session_recording_opt_in": True, "session_recording_sample_rate": "0.50",
    "session_recording_minimum_duration_milliseconds": 2000,
    "session_recording_linked_flag": {"id": 1, "key": "x", "variant": "y"},
    "session_recording_network_payload_capture_config": {"recordHeaders": True},
    "session_recording_masking_config": {"maskAllInputs": True}, "session_replay_config": {"record_canvas": True},
    "session_recording_url_trigger_config": [{"url": "x"}], "session_recording_url_blocklist_config": [],
    "session_recording_event_trigger_config": ["$pageview"], "session_recording_trigger_match_type_config": "any",
    "session_recording_retention_period": "90d", "survey_config": {"appearance": {}}, "week_start_day": 1,
    "primary_dashboard": 7, "live_events_columns": ["event"], "recording_domains": ["https://shop.example"],
    "cookieless_server_hash_mode": 2, "human_friendly_comparison_periods": True, "inject_web_apps": True,
    "surveys_opt_in": True, "heatmaps_opt_in": True, "flags_persistence_default": True,
    "feature_flag_confirmation_enabled": True, "default_evaluation_environments_enabled": True,
    "web_analytics_pre_aggregated_tables_enabled": True, "feature_flag_confirmation_message": "Sure?",
    "extra_settings": {"poe": True}, "modifiers": {"debug": True}, "has_completed_onboarding_for": {"replay": True},
    "onboarding_tasks": {"a": "done"}, "default_data_theme": 3, "revenue_analytics_config": {"events": []},
    "marketing_analytics_config": {"sources": {}}, "base_currency": "EUR", "experiment_recalculation_time": "02:00:00",
}  # fmt: skip
NOT_NULLABLE = {
    "name", "access_control", "app_urls", "anonymize_ips", "completed_snippet_onboarding", "test_account_filters",
    "is_demo", "timezone", "data_attributes", "session_recording_opt_in", "session_recording_retention_period",
    "revenue_analytics_config", "marketing_analytics_config", "base_currency",
}  # fmt: skip


# The seed


@pytest.mark.parametrize("caller", CALLERS)
async def test_the_seeds_list_of_projects(ada: Person, caller: str) -> None:
    answer = await (await ada.asks_by(caller)).get("/api/projects/")
    body = answer.json()
    assert {name: body[name] for name in ("count", "next", "previous")} == {"count": 1, "next": None, "previous": None}
    (row,) = body["results"]
    assert set(row) == TEAM_BASIC
    assert row["id"] == ada.project_id
    assert UUID.fullmatch(row["uuid"])
    assert row["organization"] == str(ada.organization_id)
    assert row["api_token"] == ada.project_token
    assert (row["name"], row["timezone"]) == ("Default project", "UTC")


# Projects


async def test_a_new_project_has_every_field_at_its_default(ada: Person) -> None:
    body = (await (await ada.by_key()).get("/api/projects/@current/")).json()
    assert set(body) == PROJECT_READ_ONLY | PROJECT_WRITTEN.keys()
    for name in ("name", "timezone", "data_attributes", "session_recording_retention_period", "base_currency"):
        assert body[name] is not None
    assert all(body[name] is not None for name in NOT_NULLABLE)
    assert body["created_at"] == iso(ada.world.clock.now())
    assert body["user_access_level"] == "admin"
    assert body["effective_membership_level"] == 15
    assert body["group_types"] == []
    assert body["has_group_types"] is False


async def test_every_field_of_a_project_reads_back_as_it_was_written(ada: Person) -> None:
    client = await ada.by_key()
    answer = await client.patch("/api/projects/@current/", PROJECT_WRITTEN)
    assert answer.status_code == 200
    for path in ("/api/projects/@current/", f"/api/environments/{ada.project_id}/"):
        body = (await client.get(path)).json()
        assert {name: body[name] for name in PROJECT_WRITTEN} == PROJECT_WRITTEN


async def test_null_clears_where_it_may_and_absent_keeps(ada: Person) -> None:
    client = await ada.by_key()
    await client.patch("/api/projects/@current/", PROJECT_WRITTEN)
    nullable = PROJECT_WRITTEN.keys() - NOT_NULLABLE
    answer = await client.patch("/api/projects/@current/", dict.fromkeys(nullable))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert {body[name] for name in nullable if not isinstance(body[name], list | dict)} == {None}
    assert {name: body[name] for name in NOT_NULLABLE} == {name: PROJECT_WRITTEN[name] for name in NOT_NULLABLE}


async def test_read_only_and_unknown_fields_are_ignored(ada: Person, bob: Person) -> None:
    client = await ada.by_key()
    before = (await client.get("/api/projects/@current/")).json()
    sent = {
        "id": bob.project_id,
        "uuid": "0191c0de-0000-0000-0000-0000000000aa",
        "organization": str(bob.organization_id),
        "organization_id": str(bob.organization_id),
        "api_token": "phc_mine",
        "secret_api_token": "phs_mine",
        "ingested_event": True,
        "created_at": "2000-01-01T00:00:00Z",
        "deleted_at": "2000-01-01T00:00:00Z",
        "settings": {"name": "x"},
        "banana": 1,
    }
    answer = await client.patch("/api/projects/@current/", sent)
    assert answer.status_code == 200
    assert answer.json() | {"updated_at": 0} == before | {"updated_at": 0}


@pytest.mark.parametrize(
    ("field", "value", "code", "detail"),
    [
        ("timezone", "Mars/Base", "invalid_choice", '"Mars/Base" is not a valid choice.'),
        ("timezone", "", "invalid_choice", '"" is not a valid choice.'),
        ("base_currency", "XXQ", "invalid_choice", '"XXQ" is not a valid choice.'),
        ("name", "", "blank", "This field may not be blank."),
        ("name", "   ", "blank", "This field may not be blank."),
        ("name", "x" * 201, "max_length", "Ensure this field has no more than 200 characters."),
        ("week_start_day", 2, "max_value", "Ensure this value is less than or equal to 1."),
        ("week_start_day", -1, "min_value", "Ensure this value is greater than or equal to 0."),
        ("cookieless_server_hash_mode", 3, "max_value", "Ensure this value is less than or equal to 2."),
        ("session_recording_retention_period", "2y", "invalid_choice", '"2y" is not a valid choice.'),
        ("session_recording_sample_rate", "much", "invalid_input", "A valid number is required."),
        ("session_recording_sample_rate", "nan", "min_value", "Ensure this value is greater than or equal to 0."),
        ("session_recording_sample_rate", 1.5, "max_value", "Ensure this value is less than or equal to 1."),
        ("session_recording_masking_config", [], "invalid_input", "Must provide a dictionary or None."),
        (
            "session_recording_linked_flag",
            {"id": 1},
            "invalid_input",
            "Must provide a dictionary with only 'id' and 'key' keys. _or_ only 'id', 'key', and 'variant' keys.",
        ),
        ("correlation_config", "x", "not_a_dict", 'Expected a dictionary of items but got type "str".'),
        ("app_urls", "x", "not_a_list", 'Expected a list of items but got type "str".'),
        ("primary_dashboard", 2**63, "max_value", f"Ensure this value is less than or equal to {2**63 - 1}."),
        ("primary_dashboard", 2**70, "max_value", f"Ensure this value is less than or equal to {2**63 - 1}."),
    ],
)
async def test_a_value_out_of_range(ada: Person, field: str, value: Any, code: str, detail: str) -> None:
    answer = await (await ada.by_key()).patch("/api/projects/@current/", {field: value})
    assert answer.status_code == 400
    assert answer.json() == {"type": "validation_error", "code": code, "detail": detail, "attr": field}


async def test_lists_name_the_index(ada: Person) -> None:
    answer = await (await ada.by_key()).patch("/api/projects/@current/", {"data_attributes": ["a", 1]})
    assert answer.json()["attr"] == "data_attributes__1"


async def test_survey_config_is_merged(ada: Person) -> None:
    client = await ada.by_key()
    await client.patch("/api/projects/@current/", {"survey_config": {"a": 1, "b": 2}})
    answer = await client.patch("/api/projects/@current/", {"survey_config": {"b": 3}})
    assert answer.json()["survey_config"] == {"a": 1, "b": 3}


@pytest.mark.parametrize("path", ["/api/projects/", "/api/environments/", "/api/organizations/@current/projects/"])
async def test_a_new_project_becomes_the_current_one(ada: Person, path: str) -> None:
    client = await ada.by_key()
    answer = await client.post(path, {"name": " Shop ", "timezone": "Asia/Tokyo"})
    made = answer.json()
    assert answer.status_code == 201
    assert (made["name"], made["timezone"]) == ("Shop", "Asia/Tokyo")
    assert made["secret_api_token"].startswith("phs_")
    current = (await client.get("/api/projects/@current/")).json()
    assert (current["id"], current["secret_api_token"]) == (made["id"], None)
    assert [row["id"] for row in (await client.get(path)).json()["results"]] == [ada.project_id, made["id"]]


async def test_a_reset_token_ends_the_old_one(ada: Person) -> None:
    teams = ada.world.access.teams
    assert await teams.by_token(ada.project_token) is not None
    answer = await (await ada.by_key()).patch("/api/projects/@current/reset_token/")
    token = answer.json()["api_token"]
    assert answer.status_code == 200
    assert token.startswith("phc_")
    assert await teams.by_token(ada.project_token) is None
    found = await teams.by_token(token)
    assert found is not None
    assert found.id == ada.project_id


async def test_a_deleted_project_is_gone(ada: Person) -> None:
    client = await ada.by_key()
    assert (await client.delete(f"/api/projects/{ada.project_id}/")).status_code == 204
    for path in (f"/api/projects/{ada.project_id}/", f"/api/projects/{ada.project_id}/is_generating_demo_data/"):
        assert (await client.get(path)).status_code == 404
    assert (await client.get("/api/projects/")).json()["count"] == 0
    assert await ada.world.access.teams.by_token(ada.project_token) is None
    assert await ada.world.access.credentials.project_secret(ada.project_secret) is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"name": "Mine"}),
        ("PATCH", "", {"timezone": "UTC", "product_description": "x"}),
        ("PATCH", "", {"access_control": True}),
        ("PATCH", "reset_token/", None),
        ("PATCH", "rotate_secret_token/", None),
        ("PATCH", "delete_secret_token_backup/", None),
        ("DELETE", "", None),
    ],
)
async def test_what_only_administrators_may(ada: Person, bob: Person, method: str, path: str, body: Any) -> None:
    await bob.joins(ada)
    client = await bob.by_key()
    answer = await client.ask(method, f"/api/projects/{ada.project_id}/{path}", body)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "You don't have sufficient permissions in the project."


async def test_a_member_may_configure_but_not_create(ada: Person, bob: Person) -> None:
    await bob.joins(ada)
    client = await bob.by_key()
    answer = await client.patch(f"/api/projects/{ada.project_id}/", {"timezone": "Europe/Paris", "app_urls": []})
    assert answer.status_code == 200
    assert answer.json()["user_access_level"] == "member"
    answer = await client.post(f"/api/organizations/{ada.organization_id}/projects/", {"name": "x"})
    assert answer.status_code == 403
    assert answer.json()["detail"] == "Your organization access level is insufficient."


# Organizations


async def test_an_organization_whole(ada: Person) -> None:
    client = await ada.by_key()
    body = (await client.get("/api/organizations/@current/")).json()
    assert set(body) == ORGANIZATION
    assert body["id"] == str(ada.organization_id)
    assert [set(row) for row in body["teams"]] == [TEAM_BASIC]
    assert body["projects"] == [
        {"id": ada.project_id, "organization_id": str(ada.organization_id), "name": "Default project"}
    ]
    assert (body["membership_level"], body["member_count"], body["plugins_access_level"]) == (15, 1, 9)
    assert body["metadata"] == {"instance_tag": "none"}
    listed = (await client.get("/api/organizations/")).json()
    assert listed["results"] == [body]


async def test_an_organization_is_made_changed_and_deleted(ada: Person) -> None:
    client = await ada.by_key()
    answer = await client.post("/api/organizations/", {"name": " Føø & Bar "})
    made = answer.json()
    assert answer.status_code == 201
    assert (made["name"], made["slug"], made["membership_level"], made["teams"]) == ("Føø & Bar", "f-bar", 15, [])
    assert (await client.get("/api/organizations/@current/")).json()["id"] == made["id"]
    path = f"/api/organizations/{made['id']}/"
    changed = {"name": "New", "enforce_2fa": True, "members_can_invite": None, "default_role_id": "r"}
    body = (await client.patch(path, changed)).json()
    assert {name: body[name] for name in changed} == changed
    assert (await client.put(path, {"enforce_2fa": None})).json()["attr"] == "name"
    assert (await client.put(path, {"name": "Newer", "enforce_2fa": None})).json()["enforce_2fa"] is None
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.get("/api/organizations/@current/")).json()["id"] == str(ada.organization_id)


async def test_two_organizations_of_one_name_have_different_slugs(ada: Person, bob: Person) -> None:
    first = (await (await ada.by_key()).post("/api/organizations/", {"name": "Same"})).json()
    second = (await (await bob.by_key()).post("/api/organizations/", {"name": "Same"})).json()
    assert first["slug"] != second["slug"]


@pytest.mark.parametrize(
    ("body", "code"), [({}, "required"), ({"name": ""}, "blank"), ({"name": "x" * 65}, "max_length")]
)
async def test_an_organization_needs_a_name(ada: Person, body: Any, code: str) -> None:
    answer = await (await ada.by_key()).post("/api/organizations/", body)
    assert (answer.status_code, answer.json()["code"], answer.json()["attr"]) == (400, code, "name")


@pytest.mark.parametrize(("level", "patched", "deleted"), [(1, 403, 403), (8, 200, 403), (15, 200, 204)])
async def test_levels_in_an_organization(ada: Person, bob: Person, level: int, patched: int, deleted: int) -> None:
    await bob.joins(ada, level)
    client = await bob.by_key()
    path = f"/api/organizations/{ada.organization_id}/"
    assert (await client.get(path)).json()["membership_level"] == level
    assert (await client.patch(path, {"name": "x"})).status_code == patched
    assert (await client.delete(path)).status_code == deleted


async def test_members_newest_first_and_found_by_words(ada: Person, bob: Person, world: World) -> None:
    world.clock.advance(60)
    await bob.joins(ada)
    client = await ada.by_key()
    path = f"/api/organizations/{ada.organization_id}/members/"

    async def names(query: str = "") -> list[str]:
        return [row["user"]["first_name"] for row in (await client.get(path + query)).json()["results"]]

    assert await names() == ["Bob", "Ada"]
    assert await names("?order=joined_at") == ["Ada", "Bob"]
    assert await names("?limit=1") == ["Bob"]
    assert await names("?search=BO") == ["Bob"]
    assert await names("?search=%25") == []
    assert await names(f"?email={ada.user.email}") == ["Ada"]
    assert await names("?search=%00") == []
    answer = await client.get(f"{path}?search={'x' * 201}")
    assert (answer.status_code, answer.json()["attr"]) == (400, "search")
    row = (await client.get(path)).json()["results"][0]
    assert set(row) == {
        "id", "user", "level", "joined_at", "updated_at", "is_2fa_enabled", "has_social_auth", "last_login",
    }  # fmt: skip
    assert set(row["user"]) == {
        "id", "uuid", "distinct_id", "first_name", "last_name", "email", "is_email_verified", "hedgehog_config",
        "role_at_organization",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("own", "target", "new", "detail"),
    [
        (1, 1, 1, "You can only edit others if you are an admin."),
        (8, 15, 1, "You can only edit others with level lower or equal to you."),
        (8, 1, 15, "You can only make another member owner if you're this organization's owner."),
        (8, 1, 8, None),
        (15, 15, 8, None),
    ],
)
async def test_who_may_change_whose_level(ada: Person, own: int, target: int, new: int, detail: Any) -> None:
    asker = await (await ada.world.loner()).joins(ada, own)
    other = await (await ada.world.loner()).joins(ada, target)
    path = f"/api/organizations/{ada.organization_id}/members/{other.user.uuid}/"
    answer = await (await asker.by_key()).patch(path, {"level": new})
    if detail is None:
        assert (answer.status_code, answer.json()["level"]) == (200, new)
    else:
        assert (answer.status_code, answer.json()["detail"]) == (403, detail)


async def test_nobody_changes_their_own_level(ada: Person) -> None:
    path = f"/api/organizations/{ada.organization_id}/members/{ada.user.uuid}/"
    answer = await (await ada.by_key()).patch(path, {"level": 1})
    assert answer.json()["detail"] == "You can't change your own access level."


async def test_a_member_leaves_and_sees_nothing_any_more(ada: Person, bob: Person) -> None:
    await bob.joins(ada)
    client = await bob.by_key()
    path = f"/api/organizations/{ada.organization_id}/members/"
    assert (await client.delete(f"{path}{ada.user.uuid}/")).status_code == 403
    assert (await client.delete(f"{path}{bob.user.uuid}/")).status_code == 204
    assert (await client.get(path)).status_code == 403
    owner = await ada.by_key()
    assert (await owner.delete(f"{path}{bob.user.uuid}/")).status_code == 404
    assert (await owner.delete(f"{path}{ada.user.uuid}/")).status_code == 403, "the last owner stays"


@pytest.mark.parametrize("name", ["invites", "roles", "domains", "resource_access", "batch_exports"])
async def test_lists_that_are_always_empty(ada: Person, name: str) -> None:
    answer = await (await ada.by_key()).get(f"/api/organizations/@current/{name}/")
    assert answer.json() == {"count": 0, "next": None, "previous": None, "results": []}


# Users


@pytest.mark.parametrize("caller", CALLERS)
async def test_oneself(ada: Person, caller: str) -> None:
    client = await ada.asks_by(caller)
    body = (await client.get("/api/users/@me/")).json()
    assert set(body) == USER
    assert set(body["team"]) == TEAM_BASIC
    assert set(body["organization"]) == ORGANIZATION
    assert [row["id"] for row in body["organizations"]] == [str(ada.organization_id)]
    assert (await client.get(f"/api/users/{ada.user.uuid}/")).json() == body


async def test_others_are_hidden_except_from_staff(world: World, ada: Person, bob: Person) -> None:
    client = await ada.by_key()
    assert (await client.get(f"/api/users/{bob.user.uuid}/")).status_code == 403
    assert (await client.get("/api/users/")).status_code == 403
    staff = await (await world.person(is_staff=True)).by_key()
    assert (await staff.get(f"/api/users/{bob.user.uuid}/")).json()["email"] == bob.user.email
    assert (await staff.get("/api/users/?limit=1")).json()["count"] >= 3


async def test_a_user_changes_themselves(ada: Person) -> None:
    client = await ada.by_key()
    changed = {
        "first_name": "Augusta",
        "last_name": "",
        "anonymize_data": True,
        "toolbar_mode": "disabled",
        "events_column_config": {"active": ["event"]},
        "has_seen_product_intro_for": {"replay": True},
        "theme_mode": "dark",
        "hedgehog_config": {"color": "green"},
        "role_at_organization": "founder",
    }
    body = (await client.patch("/api/users/@me/", changed)).json()
    assert {name: body[name] for name in changed} == changed
    unread = {"id": 1, "uuid": str(ada.organization_id), "password_hash": "x", "is_active": False, "settings": {}}
    assert (await client.patch("/api/users/@me/", unread)).json() == body


async def test_notification_settings_are_checked_and_merged(ada: Person) -> None:
    client = await ada.by_key()
    answer = await client.patch("/api/users/@me/", {"notification_settings": {"foo": True}})
    assert answer.json() == {
        "type": "validation_error",
        "code": "invalid_input",
        "detail": "Key foo is not valid as a key for notification settings",
        "attr": "notification_settings",
    }
    await client.patch("/api/users/@me/", {"notification_settings": {"plugin_disabled": False}})
    sent = {"notification_settings": {"project_weekly_digest_disabled": {"1": True}}}
    body = (await client.patch("/api/users/@me/", sent)).json()["notification_settings"]
    assert (body["plugin_disabled"], body["project_weekly_digest_disabled"]) == (False, {"1": True})


@pytest.mark.parametrize("as_text", [False, True])
async def test_the_current_project_is_set_for_every_key(ada: Person, as_text: bool) -> None:
    first, first_organization = ada.project_id, ada.organization_id
    await ada.has_organization("Second")
    one, other = await ada.by_key(), await ada.by_key()
    body = (await one.patch("/api/users/@me/", {"set_current_team": str(first) if as_text else first})).json()
    assert (body["team"]["id"], body["organization"]["id"]) == (first, str(first_organization))
    assert (await other.get("/api/projects/@current/")).json()["id"] == first
    body = (await other.patch("/api/users/@me/", {"set_current_organization": str(ada.organization_id)})).json()
    assert body["team"]["id"] == ada.project_id


async def test_a_current_project_must_be_ones_own(ada: Person, bob: Person) -> None:
    client = await ada.by_key()
    for field, value in (
        ("set_current_team", bob.project_id),
        ("set_current_team", 9_999_999),
        ("set_current_team", 2**80),
        ("set_current_organization", str(bob.organization_id)),
    ):
        body = (await client.patch("/api/users/@me/", {field: value})).json()
        assert (body["code"], body["attr"]) == ("does_not_exist", field)
        assert body["detail"] == f"Object with id={value} does not exist."
    first = ada.project_id
    await ada.has_organization("Second")
    sent = {"set_current_team": first, "set_current_organization": str(ada.organization_id)}
    body = (await client.patch("/api/users/@me/", sent)).json()
    assert body["detail"] == "Team must belong to the same organization in set_current_organization."


async def test_nobody_makes_themselves_staff(ada: Person) -> None:
    answer = await (await ada.by_key()).patch("/api/users/@me/", {"is_staff": True})
    assert answer.status_code == 403
    assert answer.json()["detail"] == "You are not a staff user, contact your instance admin."


async def test_an_address_is_valid_unique_and_lower_case(ada: Person, bob: Person) -> None:
    client = await ada.by_key()
    for said, code in (("nonsense", "invalid_input"), ("", "blank"), (bob.user.email.upper(), "unique")):
        body = (await client.patch("/api/users/@me/", {"email": said})).json()
        assert (body["code"], body["attr"]) == (code, "email")
    own = f"New.{ada.user.email}".upper()
    assert (await client.patch("/api/users/@me/", {"email": own})).json()["email"] == own.lower()


async def test_a_user_leaves_by_session_once_nothing_is_left(ada: Person) -> None:
    key, session = await ada.by_key(), await ada.by_session()
    assert (await key.delete("/api/users/@me/")).status_code == 403
    answer = await session.delete("/api/users/@me/")
    assert (answer.status_code, answer.json()["type"]) == (409, "server_error")
    assert answer.json()["detail"] == "Cannot delete user with organization memberships."
    await session.delete("/api/organizations/@current/")
    assert (await session.delete("/api/users/@me/")).status_code == 204
    assert (await key.get("/api/users/@me/")).status_code == 401
