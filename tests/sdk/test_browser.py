"""posthog-js, unmodified, in a real Chromium, on pages of another origin (sdk-wire §19, 19 to 23, 28, 29)."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.chromium import Chromium, Outcome, PageServer
from tests.fault_proxy import FaultProxy
from tests.live_server import LiveProject, until

pytestmark = [pytest.mark.sdk, pytest.mark.browser]

SHOP = """
<h1>Shop</h1>
<form onsubmit="return false"><label for="mail">Mail</label><input id="mail" name="mail">
<button id="send" class="cta big" type="submit">Send it</button></form>
<a id="more" class="link" href="#more" data-track="more">More "of it"</a>
"""
LOADED = "await page.waitForFunction(() => window.posthog && window.posthog.__loaded);"
# A busy Chromium ends a tab half a second after it was closed, whether its handlers have run or not: then another is.
CLOSES_THE_TAB = f"""
await page.close({{ runBeforeUnload: true }});
while (!(await soon(() => stored("$pageleave")))) {{
  const page = await open();
  await page.goto(args.url);
  {LOADED}
  await page.evaluate(() => posthog.capture("late"));
  await page.close({{ runBeforeUnload: true }});
}}
"""

Scenario = Callable[..., Outcome]


@pytest.fixture
def shop(chromium: Chromium, pages: PageServer, project: LiveProject, proxy: FaultProxy) -> Scenario:
    """Run a scenario on a page of another origin that holds the snippet of the server's own start page.

    `options` go into `posthog.init`. The page stands in `args.url`.
    """
    snippet = pasted_snippet(project)

    def run(script: str, options: dict[str, Any] | None = None, **args: Any) -> Outcome:
        chosen = json.dumps({"opt_out_useragent_filter": True, **(options or {})})[1:-1]
        head = snippet.replace(project.server.url, proxy.url)
        head = head.replace('person_profiles: "identified_only"', f'person_profiles: "identified_only", {chosen}')
        url = pages.put("/shop", head, SHOP)
        return chromium.run(script, url=url, project=project.for_scenarios, **args)

    return run


def pasted_snippet(project: LiveProject) -> str:
    """What a newcomer copies from `/`, for this project."""
    page = httpx.get(project.url).text
    found = re.search(r'aria-label="HTML, into the head"><code>(.*?)</code>', page, re.DOTALL)
    assert found is not None
    snippet = html.unescape(found[1])
    assert snippet.startswith("<script>")
    return snippet.replace(project.server.account["project_token"], project.token)


def captured(proxy: FaultProxy, event: str) -> list[tuple[str, dict[str, Any]]]:
    """Path and event of every time that this event was sent."""
    found: list[tuple[str, dict[str, Any]]] = []
    for passed in proxy.to(""):
        if passed.path.startswith(("/e/", "/i/v0/e/")) and passed.body[:1] in {b"{", b"\x1f"}:
            body = passed.json()
            batch = body["batch"] if isinstance(body, dict) and "batch" in body else body
            found += [(passed.path, one) for one in batch if one["event"] == event]
    return found


def test_a_page_of_another_origin_sends_and_nothing_complains(
    shop: Scenario, project: LiveProject, proxy: FaultProxy
) -> None:
    outcome = shop(f"""
const page = await open();
await page.goto(args.url);
{LOADED}
await until(() => asked("/config.js").length);
await page.evaluate(() => posthog.capture("looked around", {{ number: 1, flag: null }}));
await until(() => asked("/i/v0/e/").length);
return page.evaluate(() => ({{ version: posthog.version, id: posthog.get_distinct_id() }}));
""")
    assert outcome.complaints == []
    assert {asked.status for asked in outcome.requests} == {200}
    assert outcome.to("retry_count") == []
    assert outcome.to("/static/")[0].url.endswith("/static/array.js")
    assert outcome.to(f"/array/{project.token}/config.js")
    assert captured(proxy, "$pageview")[0][0].startswith("/e/")
    assert captured(proxy, "looked around")[0][0].startswith("/i/v0/e/")
    compressed = proxy.to("/i/v0/e/")[0]
    assert (compressed.headers["content-type"], compressed.body[:2]) == ("text/plain", b"\x1f\x8b")

    assert project.events() == ["$pageview", "looked around"]
    rows = project.query("SELECT distinct_id, properties.$lib, properties.$lib_version, properties.number FROM events")
    assert rows[1] == [outcome.result["id"], "web", outcome.result["version"], 1]
    assert project.properties("looked around")["flag"] is None
    assert project.value("SELECT count() FROM persons") == 0  # nobody is identified yet


def test_clicks_and_forms_are_captured_and_leaving_too(shop: Scenario, project: LiveProject) -> None:
    outcome = shop(f"""
const page = await open();
await page.goto(args.url);
{LOADED}
await until(() => asked("/config.js").length);
await page.click("#more");
await page.fill("#mail", "ada@mail.example");
await page.click("#send");
await until(async () => (await stored("$autocapture")) >= 4);
{CLOSES_THE_TAB}
""")
    assert outcome.complaints == []
    rows = project.query(
        "SELECT properties.$event_type, properties.$el_text, elements_chain FROM events WHERE event = '$autocapture'"
        " ORDER BY timestamp"
    )
    kinds = [row[0] for row in rows]
    assert {"click", "change", "submit"} <= set(kinds)
    link = rows[0][2]
    assert link.startswith("a.link:")
    assert 'attr__data-track="more"' in link
    assert 'text="More \\"of it\\""' in link
    assert any(chain.startswith("button.big.cta:") and 'text="Send it"' in chain for _, _, chain in rows)
    assert "ada@mail.example" not in "".join(chain for _, _, chain in rows)
    assert (
        "$elements_chain"
        not in project.query("SELECT properties FROM events WHERE event = '$autocapture' LIMIT 1")[0][0]
    )
    leaving = project.query("SELECT DISTINCT properties.$prev_pageview_pathname FROM events WHERE event = '$pageleave'")
    assert leaving == [["/shop"]]


def test_anonymous_pageviews_and_identify_are_one_person(shop: Scenario, project: LiveProject) -> None:
    shop(f"""
const page = await open();
await page.goto(args.url + "?utm_source=mail&utm_campaign=spring");
{LOADED}
await page.evaluate(() => {{
  posthog.capture("before sign-in");
  posthog.identify("u1", {{ email: "ada@mail.example" }}, {{ source: "demo" }});
  posthog.capture("after sign-in");
}});
for (const event of ["$pageview", "before sign-in", "$identify", "after sign-in"]) await until(() => stored(event));
""")
    people = project.query("SELECT DISTINCT person_id FROM events")
    assert len(people) == 1
    rows = project.query(
        "SELECT id, is_identified, properties.email, properties.source, properties.$initial_utm_source FROM persons"
    )
    assert rows == [[people[0][0], True, "ada@mail.example", "demo", "mail"]]
    assert project.value("SELECT count() FROM person_distinct_ids") == 2


def test_groups_aliases_and_reset(shop: Scenario, project: LiveProject) -> None:
    outcome = shop(f"""
const page = await open();
await page.goto(args.url);
{LOADED}
await page.evaluate(() => {{
  posthog.identify("u1");
  posthog.group("company", "c-9", {{ name: "Nine" }});
  posthog.capture("in the group");
  posthog.alias("other-name");
  posthog.setPersonProperties({{ plan: "pro" }}, {{ first_plan: "free" }});
}});
for (const event of ["in the group", "$create_alias", "$groupidentify", "$set"]) await until(() => stored(event));
await page.evaluate(() => {{ posthog.reset(); posthog.capture("somebody else"); }});
await until(() => stored("somebody else"));
""")
    assert outcome.complaints == []
    assert project.query("SELECT index, key, properties.name FROM groups") == [[0, "c-9", "Nine"]]
    assert project.value("SELECT `$group_0` FROM events WHERE event = 'in the group'") == "c-9"
    rows = project.query(
        "SELECT uniq(person_id), count() FROM person_distinct_ids WHERE distinct_id IN ('u1', 'other-name')"
    )
    assert rows == [[1, 2]]
    assert project.query("SELECT properties.plan, properties.first_plan FROM persons") == [["pro", "free"]]
    ((first, last),) = project.query(
        "SELECT anyIf(person_id, event = 'in the group'), anyIf(person_id, event = 'somebody else') FROM events"
    )
    assert first != last


def test_without_compression(shop: Scenario, project: LiveProject, proxy: FaultProxy) -> None:
    outcome = shop(
        f"""
const page = await open();
await page.goto(args.url);
{LOADED}
await until(() => asked("/config.js").length);
await page.evaluate(() => posthog.capture("plain"));
await until(() => stored("plain"));
await page.evaluate(() => posthog.capture("late"));
{CLOSES_THE_TAB}
""",
        {"disable_compression": True},
    )
    assert outcome.complaints == []
    assert {passed.status for passed in proxy.to("/", "OPTIONS")} <= {200, 204}
    assert proxy.to("/i/v0/e/", "OPTIONS")
    assert proxy.to("/i/v0/e/")[0].headers["content-type"] == "application/json"
    beacons = [passed for passed in proxy.to("") if "compression=base64" in passed.path]
    assert beacons
    assert {(passed.status, passed.headers["content-type"]) for passed in beacons} == {
        (200, "application/x-www-form-urlencoded")
    }
    assert set(project.events()) == {"$pageleave", "$pageview", "late", "plain"}


def test_cookieless_events_share_an_id_and_keep_no_address(shop: Scenario, project: LiveProject) -> None:
    project.change(cookieless_server_hash_mode=1)
    outcome = shop(
        f"""
for (const event of ["first tab", "second tab"]) {{
  const page = await open();
  await page.goto(args.url);
  {LOADED}
  await page.evaluate((event) => posthog.capture(event), event);
  await until(() => stored(event));
}}
""",
        {"cookieless_mode": "always"},
    )
    assert outcome.complaints == []
    ((ids, distinct_id),) = project.query("SELECT count(DISTINCT distinct_id), any(distinct_id) FROM events")
    assert ids == 1
    assert distinct_id != "$posthog_cookieless"
    for event in ("first tab", "second tab"):
        assert not {"$ip", "$raw_user_agent", "$cookieless_extra"} & set(project.properties(event))


def test_a_batch_that_got_no_answer_counts_once(shop: Scenario, project: LiveProject, proxy: FaultProxy) -> None:
    proxy.fail("/e/", 503, passes=True)
    outcome = shop(f"""
const page = await open();
await page.goto(args.url);
{LOADED}
await until(() => asked("retry_count=1").length);
""")
    assert [asked.status for asked in outcome.to("retry_count=1")] == [200]
    sent = captured(proxy, "$pageview")
    assert len({event["uuid"] for _, event in sent}) == 1
    assert len(sent) == 2
    assert project.events().count("$pageview") == 1


def test_the_config_as_json_is_used_when_the_script_is_missing(
    shop: Scenario, project: LiveProject, proxy: FaultProxy
) -> None:
    proxy.fail(f"/array/{project.token}/config.js", 404, times=100)
    outcome = shop(f"""
const page = await open();
await page.goto(args.url);
{LOADED}
await until(() => asked("/config").some((request) => !request.url.includes(".js") && request.status === 200));
await until(async () => {{  // what is captured before the page has read the answer goes the old way
  await page.evaluate(() => posthog.capture("configured"));
  return asked("/i/v0/e/").length;
}});
""")
    as_json = [passed for passed in proxy.to("/array/", "GET") if passed.path.partition("?")[0].endswith("/config")]
    assert [passed.status for passed in as_json] == [200]
    assert outcome.to("/i/v0/e/")[0].status == 200


def test_handled_and_unhandled_errors_arrive(shop: Scenario, project: LiveProject) -> None:
    project.change(autocapture_exceptions_opt_in=True)
    outcome = shop(f"""
const page = await open();
await page.goto(args.url);
{LOADED}
await until(() => asked("/exception-autocapture.js").length);
await page.evaluate(() => {{
  posthog.captureException(new RangeError("too far"));
  setTimeout(() => {{ throw new TypeError("not caught"); }});
}});
await until(async () => (await stored("$exception")) === 2);
""")
    assert {asked.status for asked in outcome.to("/exception-autocapture.js")} == {200}
    rows = project.query("SELECT properties.$exception_list FROM events WHERE event = '$exception' ORDER BY timestamp")
    lists = [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in rows]
    assert sorted(found[0]["type"] for found in lists) == ["RangeError", "TypeError"]


def test_lazy_scripts_come_under_the_version_of_the_library(shop: Scenario, project: LiveProject) -> None:
    project.change(capture_dead_clicks=True, autocapture_web_vitals_opt_in=True)
    outcome = shop(f"""
const page = await open();
await page.goto(args.url);
{LOADED}
await until(() => asked("/dead-clicks-autocapture.js").length && asked("/web-vitals").length);
return page.evaluate(() => posthog.version);
""")
    assert outcome.complaints == []
    lazy = outcome.to("/dead-clicks-autocapture.js")[0]
    assert lazy.status == 200
    assert f"/static/{outcome.result}/" in lazy.url


def test_flags_are_empty_and_the_page_is_told(shop: Scenario) -> None:
    outcome = shop(f"""
const page = await open();
await page.goto(args.url);
{LOADED}
return page.evaluate(() => new Promise((resolve) => {{
  posthog.onFeatureFlags((names, variants) => resolve([names, variants, posthog.isFeatureEnabled("beta") ?? null]));
}}));
""")
    assert outcome.result in ([[], {}, None], [[], {}, False])
    assert {asked.status for asked in outcome.to("/flags/")} == {200}


def test_a_full_batch_leaves_with_the_page(shop: Scenario, project: LiveProject) -> None:
    """More than one beacon may carry: 64 KiB is the browser's limit for all of them."""
    shop(f"""
const page = await open();
await page.goto(args.url);
{LOADED}
await until(() => asked("/config.js").length);
await page.evaluate(() => {{
  for (let number = 0; number < 40; number += 1) posthog.capture("step", {{ number, note: crypto.randomUUID() }});
}});
await page.goto("about:blank");
await until(async () => (await stored("step")) === 40);
""")
    assert project.query("SELECT count(), count(DISTINCT properties.number) FROM events WHERE event = 'step'") == [
        [40, 40]
    ]
    assert until(lambda: project.has("$pageleave"))
