"""posthog-node, unmodified, against a running server (sdk-wire §19, 14, 17, 18)."""

from __future__ import annotations

import pytest
from tests.fault_proxy import FaultProxy
from tests.live_server import LiveProject
from tests.sdk.node_sdk import run_node

pytestmark = pytest.mark.sdk

MOMENT = "2026-03-04T05:06:07.891Z"
UUID = "018f3a4b-0000-7000-8000-00000000a001"

EVERY_CALL = """
const posthog = new PostHog(args.token, { host: args.host, ...args.options });
posthog.capture({
  distinctId: "u1", event: "order paid", uuid: args.uuid, timestamp: new Date(args.moment),
  groups: { company: "c-9" }, properties: { total: 19.5, $set: { plan: "pro" }, $set_once: { first: 19.5 } },
});
posthog.identify({ distinctId: "u1", properties: { email: "ada@mail.example", $set_once: { source: "mail" } } });
posthog.alias({ distinctId: "u1", alias: "a1" });
posthog.groupIdentify({ groupType: "company", groupKey: "c-9", properties: { name: "Nine", seats: 5 } });
posthog.captureException(new TypeError("x is undefined"), "u1");
await posthog.captureImmediate({ distinctId: "u1", event: "at once" });
posthog.capture({ distinctId: "u1", event: "last" });
await posthog.flush();
await posthog.shutdown();
"""


@pytest.mark.parametrize("options", [{}, {"disableCompression": True}], ids=["gzip", "plain"])
def test_every_call_is_stored(project: LiveProject, proxy: FaultProxy, options: dict[str, object]) -> None:
    run_node(EVERY_CALL, token=project.token, host=proxy.url, uuid=UUID, moment=MOMENT, options=options)

    sent = proxy.to("/batch/")
    assert {passed.status for passed in sent} == {200}
    is_plain = bool(options)
    assert {passed.body.startswith(b"\x1f\x8b") for passed in sent} == {not is_plain}
    wanted = ["$create_alias", "$exception", "$groupidentify", "$identify", "at once", "last", "order paid"]
    assert sorted(project.events()) == wanted
    rows = project.query(
        "SELECT uuid, toUnixTimestamp64Milli(timestamp), `$group_0`, properties.total, person.properties.plan"
        " FROM events WHERE event = 'order paid'"
    )
    ((uuid, moment_ms, group, total, plan),) = rows
    assert (uuid, group, total, plan) == (UUID, "c-9", 19.5, "pro")
    assert abs(moment_ms - 1772600767891) < 5_000  # what the two clocks differ by is taken off

    assert project.query(
        "SELECT properties.email, properties.source, properties.first FROM persons WHERE properties.email IS NOT NULL"
    ) == [["ada@mail.example", "mail", 19.5]]
    ids = project.query(
        "SELECT distinct_id FROM person_distinct_ids WHERE distinct_id IN ('a1', 'u1') ORDER BY distinct_id"
    )
    assert ids == [["a1"], ["u1"]]
    assert project.query("SELECT index, key, properties.name, properties.seats FROM groups") == [
        [0, "c-9", "Nine", "5"]
    ]
    (found,) = project.properties("$exception")["$exception_list"]
    assert (found["type"], found["value"]) == ("TypeError", "x is undefined")


def test_batches_are_filled(project: LiveProject, proxy: FaultProxy) -> None:
    run_node(
        """
const posthog = new PostHog(args.token, { host: args.host, flushAt: 20, flushInterval: 60000 });
for (let number = 0; number < 105; number += 1) {
  posthog.capture({ distinctId: `u${number % 5}`, event: "step", properties: { number } });
}
await posthog.shutdown();
""",
        token=project.token,
        host=proxy.url,
    )
    assert sum(len(passed.json()["batch"]) for passed in proxy.to("/batch/")) == 105
    assert project.query("SELECT count(), count(DISTINCT properties.number) FROM events") == [[105, 105]]


@pytest.mark.parametrize("status", [429, 503])
def test_a_refused_batch_is_sent_again(project: LiveProject, proxy: FaultProxy, status: int) -> None:
    proxy.fail("/batch/", status, times=2, passes=status == 503, Retry_After="0")
    run_node(
        """
const posthog = new PostHog(args.token, { host: args.host, fetchRetryDelay: 50 });
posthog.capture({ distinctId: "u1", event: "kept" });
await posthog.flush().catch(() => {});
await posthog.shutdown();
""",
        token=project.token,
        host=proxy.url,
    )
    statuses = [passed.status for passed in proxy.to("/batch/")]
    assert statuses[-1] == 200
    assert statuses.count(status) == 2
    assert project.events() == ["kept"]


def test_a_batch_of_3_mb_is_taken(project: LiveProject, proxy: FaultProxy) -> None:
    run_node(
        """
const posthog = new PostHog(args.token, { host: args.host, flushAt: 1000, flushInterval: 60000, disableCompression: true });
const text = "x".repeat(100 * 1024);
for (let number = 0; number < 30; number += 1) {
  posthog.capture({ distinctId: "u1", event: "large", properties: { number, text } });
}
await posthog.shutdown();
""",
        token=project.token,
        host=proxy.url,
    )
    assert max(len(passed.body) for passed in proxy.to("/batch/")) > 3_000_000
    assert project.query("SELECT count(), min(length(toString(properties.text))) FROM events") == [[30, 102_400]]


def test_a_batch_that_is_too_large_is_halved(project: LiveProject, proxy: FaultProxy) -> None:
    """20 MB are the limit; 26 MB are refused with 413, and the two halves are taken."""
    run_node(
        """
const posthog = new PostHog(args.token, {
  host: args.host, flushAt: 1000, maxBatchSize: 1000, flushInterval: 60000, disableCompression: true,
});
const text = "x".repeat(650 * 1024);
for (let number = 0; number < 40; number += 1) {
  posthog.capture({ distinctId: "u1", event: "large", properties: { number, text } });
}
await posthog.flush().catch(() => {});
await posthog.shutdown();
""",
        token=project.token,
        host=proxy.url,
    )
    statuses = [passed.status for passed in proxy.to("/batch/")]
    assert statuses[0] == 413
    assert statuses.count(200) == 2
    assert project.query("SELECT count(), count(DISTINCT properties.number) FROM events") == [[40, 40]]


def test_version_1_of_capture(project: LiveProject, proxy: FaultProxy) -> None:
    run_node(
        """
const posthog = new PostHog(args.token, { host: args.host });
posthog.capture({ distinctId: "u1", event: "newer way", uuid: args.uuid, properties: { $set: { plan: "pro" } } });
await posthog.shutdown();
""",
        environ={"POSTHOG_CAPTURE_MODE": "v1"},
        token=project.token,
        host=proxy.url,
        uuid=UUID,
    )
    assert [passed.status for passed in proxy.to("/i/v1/analytics/events")] == [200]
    rows = project.query("SELECT uuid, properties.$lib, person.properties.plan FROM events")
    assert rows == [[UUID, "posthog-node", "pro"]]


def test_flags_are_empty_and_quiet(project: LiveProject, proxy: FaultProxy) -> None:
    report = run_node(
        """
const posthog = new PostHog(args.token, { host: args.host });
report.all = await posthog.getAllFlags("u1");
report.beta = (await posthog.isFeatureEnabled("beta", "u1")) ?? null;
await posthog.shutdown();
""",
        token=project.token,
        host=proxy.url,
    )
    assert report["all"] == {}
    assert report["beta"] in {None, False}
    assert {passed.status for passed in proxy.to("/flags/")} == {200}
