"""What was called and what was done, read back (gateway §5.2)."""

from __future__ import annotations

import pytest
from tests.gateway.control.world import ControlWorld
from tests.gateway.fake_posthog import VALID_KEY


async def called(world: ControlWorld) -> tuple[str, str]:
    """A connection over which two keys have called; its id, and the second key, which may do less."""
    made = await world.create(method="API_KEY", api_key=VALID_KEY, host=world.fake.url)
    limited = await world.new_key({"mode": "read_only"})
    for path in ("/posthog/api/projects/1/insights/", "/posthog/api/projects/2/insights/", "/posthog/status?code=418"):
        await world.call("GET", path)
    await world.call("GET", "/posthog/api/projects/1/insights/", key=limited)
    assert (await world.call("DELETE", "/posthog/api/projects/1/", key=limited)).status_code == 403
    await world.gateway.accounting.flush()
    return made["connection_id"], limited


async def test_usage_adds_up(world: ControlWorld) -> None:
    connection_id, _ = await called(world)
    by_path = (await world.call("GET", "/usage?by=path")).json()["usage"]
    assert {row["path"]: (row["calls"], row["refused"], row["failed"]) for row in by_path} == {
        "GET /api/projects/{id}/insights/": (3, 0, 0),
        "GET /status/": (1, 0, 1),
        "DELETE /api/projects/{id}/": (1, 1, 0),
    }
    by_key = (await world.call("GET", "/usage")).json()["usage"]
    assert sorted(row["calls"] for row in by_key) == [2, 3]
    (by_day,) = (await world.call("GET", "/usage?by=day,connection")).json()["usage"]
    assert (by_day["day"], by_day["connection"]) == (world.clock.now().date().isoformat(), connection_id)
    one = (await world.call("GET", f"/connections/{connection_id}/usage?by=connection")).json()
    assert (one["status"], one["usage"][0]["calls"]) == ("ACTIVE", 5)
    world.clock.advance(days=2)
    since = world.clock.now().isoformat().replace("+00:00", "Z")
    assert (await world.call("GET", f"/usage?since={since}")).json()["usage"] == []
    assert (await world.call("GET", f"/usage?until={since}")).json()["usage"] != []


async def test_a_key_that_manages_nothing_sees_its_own_calls_alone(world: ControlWorld) -> None:
    connection_id, limited = await called(world)
    rows = (await world.call("GET", "/usage", key=limited)).json()["usage"]
    assert [row["calls"] for row in rows] == [2]
    rows = (await world.call("GET", f"/connections/{connection_id}/usage?by=key", key=limited)).json()["usage"]
    assert [row["calls"] for row in rows] == [2]
    assert (await world.call("GET", "/audit", key=limited)).status_code == 403


async def test_another_account_sees_nothing(world: ControlWorld) -> None:
    connection_id, _ = await called(world)
    bob = await world.workspace.person(first_name="Bob")
    theirs = await world.new_key({"manage_keys": True}, user_id=bob.user.id)
    assert (await world.call("GET", "/usage", key=theirs)).json()["usage"] == []
    assert (await world.call("GET", f"/connections/{connection_id}/usage", key=theirs)).status_code == 404
    actions = [entry["action"] for entry in (await world.call("GET", "/audit", key=theirs)).json()["audit"]]
    assert set(actions) <= {"key.created", "key.first_used"}


async def test_the_audit_is_read_in_pages(world: ControlWorld) -> None:
    connection_id, limited = await called(world)
    everything = (await world.call("GET", "/audit")).json()["audit"]
    assert {"connection.created", "key.created"} <= {entry["action"] for entry in everything}
    assert [entry["id"] for entry in everything] == sorted((entry["id"] for entry in everything), reverse=True)
    pages, cursor = [], ""
    while True:
        page = (await world.call("GET", f"/audit?limit=2&cursor={cursor}")).json()
        pages += page["audit"]
        cursor = page["cursor"]
        if not cursor:
            break
    assert pages == everything
    about = (await world.call("GET", f"/audit?subject={connection_id}&action=connection.created")).json()["audit"]
    assert [entry["subject"] for entry in about] == [{"kind": "connection", "id": connection_id}]
    assert limited not in str(everything)
    assert VALID_KEY not in str(everything)


@pytest.mark.parametrize(
    ("path", "attr"),
    [
        ("/usage?by=tea", "by"),
        ("/usage?by=", "by"),
        ("/usage?since=yesterday", "since"),
        ("/usage?since=2031-01-01T00:00:00", "since"),
        ("/audit?limit=0", "limit"),
        ("/audit?limit=x", "limit"),
        ("/audit?cursor=-1", "cursor"),
        ("/audit?cursor=99999999999999999999", "cursor"),
    ],
)
async def test_bad_input_says_where(world: ControlWorld, path: str, attr: str) -> None:
    answer = await world.call("GET", path)
    assert (answer.status_code, answer.json()["attr"]) == (400, attr)
    assert (await world.call("GET", path, key="hgk_x")).status_code == 401
