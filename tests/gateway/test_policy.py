"""What a key may do (gateway §5.1): every rule lets through and refuses, and no spelling of a path slips past one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import NAMESPACE_DNS, uuid5

import pytest
from hypothesis import assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.gateway.world import TESTER, World

from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.apps import POSTHOG
from hedgerow.gateway.connections import Connection
from hedgerow.gateway.paths import check_path
from hedgerow.gateway.patterns import is_pattern, matches
from hedgerow.gateway.policy import PRESETS, Policy, PolicyInvalid
from hedgerow.gateway.verdict import Call, judge, judge_body

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONNECTION = Connection(
    id=uuid5(NAMESPACE_DNS, "one"),
    user_id=1,
    app="posthog",
    method="API_KEY",
    status="ACTIVE",
    reason=None,
    name="",
    base_url="https://us.posthog.com",
    facts={},
    policy=Policy(),
    enabled=True,
    is_pinned=False,
    created_at=NOW,
    updated_at=NOW,
    sealed=None,
    version=1,
    expires_at=None,
    next_refresh_at=None,
)
OTHER_ID = str(uuid5(NAMESPACE_DNS, "two"))


def refused(policy: dict[str, Any], method: str, target: str, **more: Any) -> str | None:
    """The rule that refuses, or `invalid_path`; None if the call may go on."""
    path, _, query = target.partition("?")
    try:
        call = Call(
            app=POSTHOG,
            method=method,
            path=check_path(path.encode()),
            query=query.encode(),
            connection=CONNECTION,
            address=more.get("address", "10.1.2.3"),
            now=NOW,
            is_public=False,
        )
        judge(Policy.parse(policy), call)
        if "body" in more:
            judge_body(Policy.parse(policy), more["kind"], more.get("encoding", ""), more["body"])
    except GatewayError as error:
        return rule_of(error)
    return None


def rule_of(error: GatewayError) -> str:
    """The rule that a refusal names, in the header and in the body."""
    if error.code == "invalid_path":
        return error.code
    assert error.status == 403
    rule = dict(error.headers)[b"hedgerow-policy"].decode()
    assert error.more["rule"] == rule
    return rule


LIMITED = {"projects": [1, 22]}
READ_ONLY = {"mode": "read_only"}
PERSONS = {"paths": {"deny": ["/api/projects/*/persons/**"]}}
QUERY_ALONE = {"paths": {"allow": ["/api/projects/*/query/"]}}

CASES: list[tuple[dict[str, Any], str, str, str | None]] = [
    ({}, "DELETE", "/api/projects/1/", None),
    # until when, what, where
    ({"expires_at": "2026-03-01T12:00:01Z"}, "GET", "/api/", None),
    ({"expires_at": "2026-03-01T12:00:00Z"}, "GET", "/api/", "expired"),
    ({"apps": ["posthog"]}, "GET", "/api/", None),
    ({"apps": ["other"]}, "GET", "/api/", "app"),
    ({"apps": []}, "GET", "/api/", "app"),
    ({"connections": [str(CONNECTION.id)]}, "GET", "/api/", None),
    ({"connections": [OTHER_ID]}, "GET", "/api/", "connection"),
    ({"methods": ["GET", "PATCH"]}, "PATCH", "/api/", None),
    ({"methods": ["GET", "PATCH"]}, "DELETE", "/api/", "method"),
    ({"methods": ["GET"]}, "HEAD", "/api/", "method"),
    ({"ip_allow": ["10.0.0.0/8"]}, "GET", "/api/", None),
    ({"ip_allow": ["192.168.0.0/16", "10.1.2.4"]}, "GET", "/api/", "ip"),
    # reading
    (READ_ONLY, "GET", "/api/projects/1/insights/", None),
    (READ_ONLY, "HEAD", "/api/projects/1/insights/", None),
    (READ_ONLY, "OPTIONS", "/api/projects/1/insights/", None),
    (READ_ONLY, "POST", "/api/projects/1/query/", None),
    (READ_ONLY, "POST", "/api/projects/1/query", None),
    (READ_ONLY, "POST", "/api/environments/1/query/", None),
    (READ_ONLY, "POST", "/api/projects/@current/query/", None),
    (READ_ONLY, "POST", "/api/projects/1/query/upgrade/", None),
    (READ_ONLY, "POST", "/api/projects/1/insights/trend/", None),
    (READ_ONLY, "POST", "/api/projects/1/insights/funnel/", None),
    (READ_ONLY, "POST", "/api/projects/1/insights/", "read_only"),
    (READ_ONLY, "POST", "/api/projects/1/insights/trend/x/", "read_only"),
    (READ_ONLY, "POST", "/api/projects/1/query/x/", "read_only"),
    (READ_ONLY, "POST", "/api/projects/1/feature_flags/query/", "read_only"),
    (READ_ONLY, "PATCH", "/api/projects/1/feature_flags/1/", "read_only"),
    (READ_ONLY, "PUT", "/api/projects/1/query/", "read_only"),
    (READ_ONLY, "DELETE", "/api/projects/1/query/abc/", "read_only"),
    (READ_ONLY, "PROPFIND", "/api/", "read_only"),
    (READ_ONLY, "GET", "/api/projects/1/reset_token/", "read_only"),
    (READ_ONLY, "GET", "/api/projects/1/rotate_secret_token", "read_only"),
    (READ_ONLY, "GET", "/api/personal_api_keys/", "read_only"),
    (READ_ONLY, "GET", "/api/personal_api_keys/abc/", "read_only"),
    (READ_ONLY, "GET", "/api/projects/1/batch_exports/abc/", "read_only"),
    (READ_ONLY, "GET", "/logout/", "read_only"),
    (READ_ONLY, "GET", "/logout", "read_only"),
    (READ_ONLY, "GET", "/oauth/authorize/", "read_only"),
    # paths
    (PERSONS, "GET", "/api/projects/1/insights/", None),
    (PERSONS, "GET", "/api/projects/1/persons/", "path"),
    (PERSONS, "GET", "/api/projects/1/persons", "path"),
    (PERSONS, "GET", "/api/projects/1/persons/abc/activity/", "path"),
    (PERSONS, "GET", "/api/environments/1/persons/", "path"),
    (PERSONS, "GET", "/api/projects/1/persons.json", "path"),
    (PERSONS, "GET", "/api/projects/1/persons.csv?x", "path"),
    (PERSONS, "GET", "/api/projects/1/%70ersons/", "path"),
    (PERSONS, "GET", "/api/projects/1%2Fpersons/", "path"),
    (PERSONS, "GET", "/api/projects/1/%2570ersons/", "path"),
    (PERSONS, "GET", "/api/projects/1/persons;a=b/", "path"),
    (QUERY_ALONE, "POST", "/api/projects/7/query/", None),
    (QUERY_ALONE, "POST", "/api/projects/7/query", None),
    (QUERY_ALONE, "POST", "/api/projects/7/query/x", "path"),
    (QUERY_ALONE, "POST", "/api/projects/7%2Fx/query/", "path"),
    (QUERY_ALONE, "GET", "/", "path"),
    # projects
    (LIMITED, "GET", "/api/projects/1/insights/", None),
    (LIMITED, "GET", "/api/environments/22/insights/?limit=1", None),
    (LIMITED, "GET", "/api/projects/1/", None),
    (LIMITED, "GET", "/api/projects/2/insights/", "project"),
    (LIMITED, "GET", "/api/projects/01/insights/", "project"),
    (LIMITED, "GET", "/api/projects/%31/insights/", "project"),
    (LIMITED, "GET", "/api/projects/1%2F..", "invalid_path"),
    (LIMITED, "GET", "/api/projects/%D9%A1/insights/", "project"),
    (LIMITED, "GET", "/api/projects/@current/insights/", "project"),
    (LIMITED, "GET", "/api/projects/", "project"),
    (LIMITED, "GET", "/api/users/@me/", "project"),
    (LIMITED, "GET", "/api/person/", "project"),
    (LIMITED, "GET", "/api/organizations/@current/projects/2/", "project"),
    (LIMITED, "GET", "/api/projects/1/insights/?token=phc_other", "project"),
    (LIMITED, "GET", "/api/projects/1/insights/?a=1&api_key=phc_other", "project"),
    (LIMITED, "GET", "/api/projects/1/insights/?%74oken=phc_other", "project"),
    (LIMITED, "GET", "/api/projects/1/insights/?a=1;token=phc_other", "project"),
    (LIMITED, "GET", "/api/projects/1/insights/?tokens=1", None),
]


@pytest.mark.parametrize(("policy", "method", "target", "rule"), CASES)
def test_every_rule_lets_through_and_refuses(
    policy: dict[str, Any], method: str, target: str, rule: str | None
) -> None:
    assert refused(policy, method, target) == rule


BODIES: list[tuple[str, str, bytes, str | None]] = [
    ("application/json", "", b'{"name": "x", "inner": {"token": 1}}', None),
    ("application/json", "", b'{"token": "phc_other"}', "project"),
    ("application/json; charset=utf-8", "", b'{"tok\\u0065n": "phc_other"}', "project"),
    ("application/json", "", b'[{"api_key": "phc_other"}]', "project"),
    ("application/json", "", b"{broken", "project"),
    ("application/json", "gzip", b"\x1f\x8b", "project"),
    ("application/x-www-form-urlencoded", "", b"a=b&name=token", None),
    ("application/x-www-form-urlencoded", "", b"a=b&%74oken=phc_other", "project"),
    (
        "multipart/form-data; boundary=x",
        "",
        b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nphc',
        "project",
    ),
    ("text/plain", "", b"hello", None),
    ("", "", b'{"token":1}', "project"),
]


@pytest.mark.parametrize(("kind", "encoding", "body", "rule"), BODIES)
def test_a_body_must_not_name_another_project(kind: str, encoding: str, body: bytes, rule: str | None) -> None:
    found = refused(LIMITED, "POST", "/api/projects/1/insights/", kind=kind, encoding=encoding, body=body)
    assert found == rule


# No spelling slips past

ENCODINGS = st.sampled_from(["plain", "lower", "upper", "twice"])


def encoded(character: str, how: str) -> str:
    if how == "plain":
        return character
    escape = f"%{ord(character):02x}" if how == "lower" else f"%{ord(character):02X}"
    return escape.replace("%", "%25") if how == "twice" else escape


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """The path of persons, or something near it, spelt as nobody would."""
    base = draw(
        st.sampled_from(
            [
                "/api/projects/1/persons/",
                "/api/projects/1/persons",
                "/api/environments/1/persons/x/",
                "/api/projects/1/persons.json",
            ]
        )
    )
    letters = [encoded(character, draw(ENCODINGS)) if character != "/" else character for character in base]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(1, len(letters)))
        letters.insert(
            at,
            draw(
                st.sampled_from(
                    ["/", ";a=b", "%2F", "%2f", "./", "../x/", "%00", "\\", "%", "%2e/", ";", ".csv", "%20"]
                )
            ),
        )
    return "".join(letters)


def readings_of_a_server(path: str) -> set[str]:
    """Every path that some server could take this for: decoded up to three times, parameters and format dropped."""
    found = {path}
    for _ in range(3):
        found |= {unquote(one) for one in found}
    for one in list(found):
        found.add("/".join(segment.partition(";")[0] for segment in one.split("/")))
    for one in list(found):
        head, dot, suffix = one.rstrip("/").rpartition(".")
        if dot and suffix.isalnum() and suffix.isascii():
            found.add(head)
    return found


@given(spellings())
@hypothesis_settings(max_examples=400, deadline=None)
def test_no_spelling_of_a_denied_path_goes_on(path: str) -> None:
    def is_persons(reading: str) -> bool:
        parts = reading.rstrip("/").split("/")
        return parts[:2] == ["", "api"] and parts[2:3] in (["projects"], ["environments"]) and parts[4:5] == ["persons"]

    assume(any(is_persons(reading) for reading in readings_of_a_server(path)))
    assert refused(PERSONS, "GET", path) in {"path", "invalid_path"}


@given(spellings())
@hypothesis_settings(max_examples=400, deadline=None)
def test_no_spelling_reaches_another_project_or_writes(path: str) -> None:
    target = path.replace("/1/", "/2/", 1)
    assume("/2/" in target)
    for policy, method in ((LIMITED, "GET"), (READ_ONLY, "POST"), (QUERY_ALONE, "POST")):
        assert refused(policy, method, target) is not None


@given(st.text(alphabet="/.%2eEfF5cC\\;aA@\u2025\uff0f\x00 ", max_size=24))
@example("..2")
@hypothesis_settings(max_examples=400, deadline=None)
def test_what_goes_on_stays_below_the_account(tail: str) -> None:
    """However it is decoded, the path climbs nowhere and names no host."""
    try:
        checked = check_path(("/" + tail).encode())
    except GatewayError:
        return
    for reading in readings_of_a_server(checked.raw.decode()):
        assert "\\" not in reading
        assert "//" not in reading
        assert not {".", ".."} & set(reading.split("/"))


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("/api/*/query/", "/api/x/query", True),
        ("/api/*/query/", "/api/x/y/query", False),
        ("/api/**", "/api", True),
        ("/api/**", "/api/a/b", True),
        ("/api/**", "/apix", False),
        ("/**/rotate_*/", "/api/projects/1/rotate_x", True),
        ("/a.c", "/abc", False),
        ("/api/environments/*/x/", "/api/projects/1/x", True),
    ],
)
def test_patterns(pattern: str, path: str, found: bool) -> None:
    assert is_pattern(pattern)
    assert matches((pattern,), path) is found


@pytest.mark.parametrize("text", ["", "api", "/a//b", "/a/***", "/a/x**", "/a?b", "/" + "a" * 400, "/a b"])
def test_what_is_no_pattern(text: str) -> None:
    assert not is_pattern(text)


@pytest.mark.parametrize(
    ("raw", "attr"),
    [
        ({"mode": "write"}, "mode"),
        ({"unknown": 1}, ""),
        ({"projects": ["1"]}, "projects"),
        ({"projects": [0]}, "projects"),
        ({"methods": ["get"]}, "methods"),
        ({"paths": {"allow": ["x"]}}, "paths__allow"),
        ({"ip_allow": ["10.0.0.0/99"]}, "ip_allow"),
        ({"rate": {"per_second": 0}}, "rate"),
        ({"budgets": [{"unit": "tea", "limit": 1}]}, "budgets__unit"),
        ({"budgets": [{"unit": "queries", "limit": -1}]}, "budgets__limit"),
        ({"expires_at": "2026-03-01T12:00:00"}, "expires_at"),
        ({"connections": ["x"]}, "connections"),
        ([], ""),
        ("full", ""),
    ],
)
def test_a_policy_that_cannot_be_used_says_where(raw: Any, attr: str) -> None:
    with pytest.raises(PolicyInvalid) as raised:
        Policy.parse(raw)
    assert raised.value.attr == attr


def test_every_preset_is_a_policy() -> None:
    for preset in PRESETS.values():
        Policy.parse(preset)


def test_a_stored_policy_that_cannot_be_read_allows_nothing() -> None:
    assert Policy.stored({"from": "a newer version"}).apps == ()


# Over HTTP


@pytest.mark.parametrize(
    ("policy", "method", "path", "rule"),
    [
        (READ_ONLY, "PATCH", "/posthog/api/projects/1/feature_flags/1/", "read_only"),
        (LIMITED, "GET", "/posthog/api/projects/2/insights/", "project"),
        (LIMITED, "GET", "/posthog/api/projects/1/insights/?token=phc_other", "project"),
        (PERSONS, "GET", "/posthog/api/projects/1/%70ersons/", "path"),
    ],
)
@pytest.mark.parametrize("where", ["key", "connection"])
async def test_key_and_connection_must_both_allow(
    world: World, *, policy: dict[str, Any], method: str, path: str, rule: str, where: str
) -> None:
    await world.connect(policy=policy if where == "connection" else None)
    key = await world.new_key(policy if where == "key" else None)
    answer = await world.call(method, path, key=key, json={"deleted": True} if method == "PATCH" else None)
    body = answer.json()
    assert (answer.status_code, body["code"], answer.headers["hedgerow-policy"]) == (403, "policy_denied", rule)
    assert not world.fake.received
    assert (await world.get("/posthog/api/projects/1/insights/", key=key)).status_code == 200


async def test_row_34_current_is_no_project_of_a_limited_key(world: World) -> None:
    await world.connect()
    answer = await world.get("/posthog/api/projects/@current/insights/", key=await world.new_key(LIMITED))
    assert (answer.status_code, answer.json()["code"]) == (403, "use_numeric_project")
    assert answer.json()["hint"] == "Name the project by its number: 1, 22."


async def test_a_limited_key_s_body_is_judged_and_goes_on_unchanged(world: World) -> None:
    await world.connect()
    key = await world.new_key(LIMITED)
    text = b'{ "name" : "x" }'
    headers = {"Content-Type": "application/json"}
    path = "/posthog/api/projects/1/insights/"
    assert (await world.call("POST", path, key=key, content=text, headers=headers)).status_code == 200
    assert world.fake.last.body == text
    refusal = await world.call("POST", path, key=key, content=b'{"token":"phc_x"}', headers=headers)
    assert (refusal.status_code, len(world.fake.received)) == (403, 1)
    large = await world.call("POST", path, key=key, content=b'"' + b"a" * (2 << 20) + b'"', headers=headers)
    assert (large.status_code, large.json()["code"], len(world.fake.received)) == (413, "body_too_large", 1)


async def test_a_key_may_be_for_some_addresses_alone(world: World) -> None:
    await world.connect()
    for networks, status in ((["127.0.0.0/8"], 200), (["10.0.0.0/8"], 403)):
        answer = await world.get(
            "/posthog/api/", key=await world.new_key({"ip_allow": networks}), headers={"X-Forwarded-For": "10.0.0.1"}
        )
        assert answer.status_code == status
        assert status == 200 or answer.headers["hedgerow-policy"] == "ip"


async def test_the_default_of_a_limited_key_is_one_that_it_may_use(world: World) -> None:
    oldest, allowed = await world.connect(), await world.connect()
    key = await world.new_key({"connections": [str(allowed.id)]})
    assert (await world.get("/posthog/api/", key=key)).headers["hedgerow-connection"] == str(allowed.id)
    named = await world.get("/posthog/api/", key=key, headers={"Maton-Connection": str(oldest.id)})
    assert (named.status_code, named.headers["hedgerow-policy"]) == (403, "connection")
    other = await world.new_key({"connections": []})
    assert (await world.get("/posthog/api/", key=other)).headers["hedgerow-policy"] == "connection"


@pytest.mark.parametrize("where", ["key", "connection"])
async def test_a_key_or_a_connection_has_a_rate(world: World, where: str) -> None:
    policy = {"rate": {"per_second": 0.01, "burst": 2}}
    await world.connect(policy=policy if where == "connection" else None)
    key = await world.new_key(policy if where == "key" else None)
    statuses = [(await world.get("/posthog/api/", key=key)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    answer = await world.get("/posthog/api/", key=key)
    assert answer.json()["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 100
    assert answer.headers["ratelimit"].startswith('"second";r=0')
    assert (await world.get("/posthog/api/")).status_code == (200 if where == "key" else 429)


async def test_a_key_that_is_over_is_no_key(world: World) -> None:
    await world.connect()
    made = await world.gateway.keys.create(
        TESTER, user_id=world.user_id, name="short", expires_at=world.clock.now() - timedelta(seconds=1)
    )
    assert (await world.get("/posthog/api/", key=made.secret)).status_code == 401
