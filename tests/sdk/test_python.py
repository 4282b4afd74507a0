"""PostHog's Python SDK, unmodified, against a running server (sdk-wire §19, 1 to 7, 11, 13)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from posthog import Posthog
from tests.fault_proxy import FaultProxy
from tests.live_server import LiveProject

pytestmark = pytest.mark.sdk

Client = Callable[..., Posthog]


@pytest.fixture
def client(project: LiveProject, proxy: FaultProxy) -> Iterator[Client]:
    """Make an SDK that sends through the proxy; it is shut down after the test."""
    made: list[Posthog] = []

    def make(**options: Any) -> Posthog:
        sdk = Posthog(project.token, host=proxy.url, **options)
        made.append(sdk)
        return sdk

    yield make
    for sdk in made:
        sdk.shutdown()


def test_capture_is_stored_with_its_group_and_person(client: Client, project: LiveProject, proxy: FaultProxy) -> None:
    sdk = client()
    uuid = sdk.capture(
        "order paid",
        distinct_id="cust-7",
        groups={"company": "c-9"},
        properties={
            "total": 19.5,
            "nothing": float("nan"),
            "$set": {"plan": "pro"},
            "$set_once": {"first_total": 19.5},
        },
    )
    sdk.flush()

    assert [passed.status for passed in proxy.to("/batch/")] == [200]
    rows = project.query(
        "SELECT uuid, distinct_id, `$group_0`, properties.total, person.properties.plan, person.properties.first_total"
        " FROM events WHERE event = 'order paid'"
    )
    assert rows == [[uuid, "cust-7", "c-9", 19.5, "pro", 19.5]]
    assert project.properties("order paid")["nothing"] is None


@pytest.mark.parametrize("gzip", [False, True])
def test_old_events_keep_their_time(client: Client, project: LiveProject, proxy: FaultProxy, *, gzip: bool) -> None:
    five_years_ago = datetime(2021, 3, 4, 5, 6, 7, 891000, tzinfo=UTC)
    sdk = client(gzip=gzip, historical_migration=True)
    sdk.capture("long ago", distinct_id="old", timestamp=five_years_ago)
    sdk.flush()

    (sent,) = proxy.to("/batch/")
    assert sent.body.startswith(b"\x1f\x8b") is gzip
    assert sent.json()["historical_migration"] is True
    (found,) = project.query("SELECT toUnixTimestamp64Milli(timestamp) FROM events WHERE event = 'long ago'")
    # the SDK's own time of sending shifts an event by what its clock and the server's differ
    assert abs(found[0] - five_years_ago.timestamp() * 1000) < 5_000


def test_an_event_of_nobody_makes_no_person(client: Client, project: LiveProject) -> None:
    sdk = client()
    sdk.capture("anon")
    sdk.flush()

    ((distinct_id, mode),) = project.query("SELECT distinct_id, person_mode FROM events WHERE event = 'anon'")
    assert UUID(distinct_id)
    assert mode == "propertyless"
    assert project.value("SELECT count() FROM persons") == 0


def test_set_overwrites_and_set_once_does_not(client: Client, project: LiveProject) -> None:
    sdk = client()
    sdk.set(distinct_id="u1", properties={"plan": "free", "age": 30})
    sdk.set_once(distinct_id="u1", properties={"source": "mail"})
    sdk.set(distinct_id="u1", properties={"plan": "pro"})
    sdk.set_once(distinct_id="u1", properties={"source": "search"})
    sdk.flush()

    rows = project.query("SELECT properties.plan, properties.age, properties.source FROM persons")
    assert rows == [["pro", 30, "mail"]]


def test_an_alias_makes_two_ids_one_person(client: Client, project: LiveProject) -> None:
    sdk = client()
    sdk.capture("before", distinct_id="anon-1")
    sdk.capture("after", distinct_id="u1")
    sdk.flush()
    sdk.alias("anon-1", "u1")
    sdk.flush()
    assert project.value("SELECT count(DISTINCT person_id) FROM events") == 1
    assert project.value("SELECT count() FROM persons") == 1

    sdk.capture("elsewhere", distinct_id="x9")
    sdk.flush()
    sdk.alias("x9", "u1")  # u1 is identified by now
    sdk.flush()
    assert project.value("SELECT count() FROM persons") == 2
    people = project.query("SELECT distinct_id, person_id FROM person_distinct_ids ORDER BY distinct_id")
    person = dict(people)
    assert person["anon-1"] == person["u1"] != person["x9"]


def test_a_group_is_one_row_with_merged_properties(client: Client, project: LiveProject) -> None:
    sdk = client()
    sdk.group_identify("company", "c-9", {"name": "Nine", "seats": 5})
    sdk.capture("used", distinct_id="u1", groups={"company": "c-9"})
    sdk.group_identify("company", "c-9", {"seats": 7})
    sdk.group_identify("site", "oslo", {"name": "Oslo"})
    sdk.flush()

    groups = project.query("SELECT index, key, properties.name, properties.seats FROM groups ORDER BY index, key")
    assert groups == [[0, "c-9", "Nine", "7"], [1, "oslo", "Oslo", None]]
    assert project.value("SELECT `$group_0` FROM events WHERE event = 'used'") == "c-9"


def test_an_exception_arrives_with_its_frames(client: Client, project: LiveProject) -> None:
    sdk = client()
    try:
        _ = {}["absent"]
    except KeyError as error:
        sdk.capture_exception(error, distinct_id="u1")
    sdk.flush()

    (found,) = project.properties("$exception")["$exception_list"]
    assert (found["type"], found["value"]) == ("KeyError", "'absent'")
    assert found["stacktrace"]["frames"][-1]["function"] == "test_an_exception_arrives_with_its_frames"


def test_many_events_go_out_in_batches(client: Client, project: LiveProject, proxy: FaultProxy) -> None:
    sdk = client(flush_at=50)
    for number in range(230):
        sdk.capture("step", distinct_id=f"u{number % 7}", properties={"number": number})
    sdk.flush()

    sizes = [len(passed.json()["batch"]) for passed in proxy.to("/batch/")]
    assert sum(sizes) == 230
    assert max(sizes) <= 50
    assert project.query(
        "SELECT count(), count(DISTINCT properties.number), count(DISTINCT person_id) FROM events"
    ) == [[230, 230, 7]]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_refused_batch_is_sent_again_and_stored_once(
    client: Client, project: LiveProject, proxy: FaultProxy, status: int
) -> None:
    proxy.fail("/batch/", status, Retry_After="0")
    sdk = client()
    uuid = sdk.capture("kept", distinct_id="u1")
    sdk.flush()

    assert [passed.status for passed in proxy.to("/batch/")] == [status, 200]
    assert project.query("SELECT uuid FROM events") == [[uuid]]


def test_an_answer_that_got_lost_counts_nothing_twice(client: Client, project: LiveProject, proxy: FaultProxy) -> None:
    proxy.fail("/batch/", 503, times=2, passes=True)
    sdk = client()
    for number in range(20):
        sdk.capture("once", distinct_id="u1", properties={"number": number, "$set": {"last": number}})
    sdk.flush()

    sent = proxy.to("/batch/")
    assert [passed.status for passed in sent] == [503, 503, 200]
    assert all(passed.stored for passed in sent)
    assert project.query("SELECT count(), count(DISTINCT uuid) FROM events") == [[20, 20]]


def test_the_same_body_twice_counts_once(client: Client, project: LiveProject, proxy: FaultProxy) -> None:
    sdk = client(gzip=True)
    for number in range(10):
        sdk.capture("copied", distinct_id="u1", properties={"number": number})
    sdk.flush()
    (sent,) = proxy.to("/batch/")

    again = httpx.post(f"{project.url}/batch/", content=sent.body, headers={"Content-Encoding": "gzip"})
    assert again.status_code == 200
    assert project.value("SELECT count() FROM events") == 10


def test_a_wrong_token_is_final(proxy: FaultProxy) -> None:
    failures: list[Any] = []
    sdk = Posthog("phx_not_a_project_token", host=proxy.url, on_error=lambda error, _: failures.append(error))
    sdk.capture("lost", distinct_id="u1")
    sdk.flush()
    sdk.shutdown()
    assert [passed.status for passed in proxy.to("/batch/")] == [401]


def test_sync_mode_stores_before_it_returns(client: Client, project: LiveProject, proxy: FaultProxy) -> None:
    sdk = client(sync_mode=True)
    for number in range(3):
        sdk.capture("now", distinct_id="u1")
        assert project.value("SELECT count() FROM events") == number + 1
    assert len(proxy.to("/batch/")) == 3


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate", "zstd"])
def test_version_1_of_capture(client: Client, project: LiveProject, proxy: FaultProxy, compression: str) -> None:
    sdk = client(capture_mode="v1", capture_compression=compression)
    uuid = sdk.capture("newer way", distinct_id="u1", properties={"$set": {"plan": "pro"}, "n": 1})
    sdk.flush()

    (sent,) = proxy.to("/i/v1/analytics/events")
    assert sent.status == 200
    assert sent.headers.get("content-encoding", "none") == compression
    rows = project.query("SELECT uuid, properties.$lib, properties.n, person.properties.plan FROM events")
    assert rows == [[uuid, "posthog-python", 1, "pro"]]


def test_an_ai_event_of_3_mb_goes_by_its_own_lane(client: Client, project: LiveProject, proxy: FaultProxy) -> None:
    sdk = client(enable_full_ai_capture=True)
    uuid = sdk.capture_ai("$ai_generation", distinct_id="u1", properties={"$ai_input": "x" * 3_000_000})
    sdk.flush()

    assert [passed.status for passed in proxy.to("/i/v0/ai/batch/")] == [200]
    rows = project.query("SELECT uuid, length(properties.$ai_input) FROM events WHERE event = '$ai_generation'")
    assert rows == [[uuid, 3_000_000]]


def test_flags_are_empty_and_quiet(client: Client, proxy: FaultProxy) -> None:
    sdk = client()
    assert sdk.get_all_flags("u1") == {}
    assert sdk.evaluate_flags("u1").is_enabled("beta") is False
    assert {passed.status for passed in proxy.to("/flags/")} == {200}


def test_an_event_keeps_the_time_that_it_says(client: Client, project: LiveProject) -> None:
    sdk = client()
    before = time.time()  # noqa: TID251 — the SDK reads the same clock
    sdk.capture("now", distinct_id="u1", timestamp=datetime.now(UTC) - timedelta(hours=3))  # noqa: TID251
    sdk.flush()
    stored = project.value("SELECT toUnixTimestamp64Milli(timestamp) FROM events") / 1000
    assert abs(stored - (before - 3 * 3600)) < 10
