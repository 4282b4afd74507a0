"""What the browser SDK asks before it can work (sdk-wire §13, §15)."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from tests.web.conftest import Browser

from hedgerow.web.scripts import SdkScripts

VERSION = SdkScripts.packaged().version

WANTED = (
    "array.js",
    "array.full.js",
    "posthog-recorder.js",
    "lazy-recorder.js",
    "recorder.js",
    "recorder-v2.js",
    "surveys.js",
    "exception-autocapture.js",
    "dead-clicks-autocapture.js",
    "web-vitals.js",
    "web-vitals-with-attribution.js",
    "tracing-headers.js",
    "logs.js",
    "product-tours.js",
    "conversations.js",
    "customizations.js",
    "element-inference.js",
    "intercom-integration.js",
    "crisp-chat-integration.js",
)


def assert_cross_origin(response: httpx.Response) -> None:
    assert response.headers["access-control-allow-origin"] == Browser.origin
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize("name", WANTED)
async def test_every_script_of_the_contract_is_there(browser: Browser, name: str) -> None:
    response = await browser.get(f"/static/{VERSION}/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/javascript")
    assert_cross_origin(response)


async def test_scripts_are_the_unmodified_ones(browser: Browser) -> None:
    response = await browser.get("/static/array.js")
    assert f'"{VERSION}"' in response.text or f"'{VERSION}'" in response.text
    assert "_POSTHOG_REMOTE_CONFIG" in response.text


@pytest.mark.parametrize("path", ["/static/surveys.js?v=1.200.0", "/static/1.200.0/surveys.js", "/static/surveys.js"])
async def test_other_versions_get_the_installed_script_but_not_for_ever(browser: Browser, path: str) -> None:
    response = await browser.get(path)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=300"


async def test_the_installed_version_may_be_kept_for_ever(browser: Browser) -> None:
    response = await browser.get(f"/static/{VERSION}/surveys.js")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    ["/static/toolbar.js", f"/static/{VERSION}/toolbar.js", "/static/integrity.json", "/static/..%2f__init__.py"],
)
async def test_what_the_package_does_not_have_is_not_found(browser: Browser, path: str) -> None:
    response = await browser.get(path)
    assert response.status_code == 404
    assert_cross_origin(response)


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
async def test_scripts_come_in_an_encoding_that_the_client_takes(
    browser: Browser, accepts: str, encoding: str | None
) -> None:
    plain = await browser.get("/static/surveys.js", accept_encoding="identity")
    response = await browser.get("/static/surveys.js", accept_encoding=accepts)
    assert response.headers.get("content-encoding") == encoding
    assert response.content == plain.content
    assert "Accept-Encoding" in response.headers["vary"]


async def test_an_answer_that_is_known_is_not_sent_again(browser: Browser) -> None:
    first = await browser.get("/static/array.js", accept_encoding="gzip")
    again = await browser.get("/static/array.js", accept_encoding="gzip", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert_cross_origin(again)
    other = await browser.get("/static/array.js", accept_encoding="gzip", if_none_match='"something-else"')
    assert other.status_code == 200


async def test_a_cached_script_is_never_given_to_another_origin(browser: Browser) -> None:
    response = await browser.client.get("/static/array.js")
    assert "Origin" in response.headers["vary"]


async def test_the_config_tells_what_this_server_can_do(browser: Browser) -> None:
    response = await browser.get(f"/array/{browser.token}/config")
    assert response.json() == {
        "token": browser.token,
        "supportedCompression": ["gzip", "gzip-js"],
        "hasFeatureFlags": True,
        "analytics": {"endpoint": "/i/v0/e/"},
        "elementsChainAsString": True,
        "autocapture_opt_out": False,
        "autocaptureExceptions": False,
        "errorTracking": {"autocaptureExceptions": False, "suppressionRules": []},
        "captureDeadClicks": False,
        "heatmaps": False,
        "defaultIdentifiedOnly": True,
        "capturePerformance": {"network_timing": False, "web_vitals": False, "web_vitals_allowed_metrics": None},
        "logs": {"captureConsoleLogs": False},
        "sessionRecording": False,
        "surveys": False,
        "conversations": False,
        "productTours": False,
        "siteApps": [],
        "isAuthenticated": False,
        "toolbarParams": {},
    }
    assert response.headers["cache-control"] == "public, max-age=300"
    assert_cross_origin(response)


async def test_the_project_s_switches_reach_the_config(browser: Browser) -> None:
    await browser.switch(autocapture_opt_out=True, heatmaps_opt_in=True, capture_dead_clicks=True)
    await browser.switch(autocapture_web_vitals_opt_in=True, autocapture_web_vitals_allowed_metrics=["LCP"])
    await browser.switch(autocapture_exceptions_opt_in=True, capture_performance_opt_in=True)
    config = (await browser.get(f"/array/{browser.token}/config")).json()
    assert config["autocapture_opt_out"] is True
    assert (config["heatmaps"], config["captureDeadClicks"], config["autocaptureExceptions"]) == (True, True, True)
    assert config["errorTracking"]["autocaptureExceptions"] is True
    wanted = {"network_timing": True, "web_vitals": True, "web_vitals_allowed_metrics": ["LCP"]}
    assert config["capturePerformance"] == wanted


async def test_config_js_holds_the_same_object(browser: Browser) -> None:
    config = (await browser.get(f"/array/{browser.token}/config")).json()
    script = (await browser.get(f"/array/{browser.token}/config.js")).text
    held = re.search(r"all\[(\".*?\")\] = \{ config: (\{.*\}), siteApps: \[\] \};", script)
    assert held is not None
    assert json.loads(held[1]) == browser.token
    assert json.loads(held[2]) == config


async def test_what_a_project_sets_cannot_close_the_script(browser: Browser) -> None:
    await browser.switch(autocapture_web_vitals_allowed_metrics=["</script><!--\u2028"])
    script = (await browser.get(f"/array/{browser.token}/config.js")).text
    assert "</script" not in script
    assert "<!--" not in script
    assert "\u2028" not in script


async def test_array_js_of_a_project_is_the_library_and_its_config(browser: Browser) -> None:
    library = (await browser.get("/static/array.js")).text
    config = (await browser.get(f"/array/{browser.token}/config.js")).text
    both = await browser.get(f"/array/{browser.token}/array.js")
    assert both.text == f"{library}\n{config}"


@pytest.mark.parametrize("name", ["config", "config.js", "array.js"])
@pytest.mark.parametrize("token", ["phc_nobody", "%00", "%E2%82%AC"])
async def test_an_unknown_token_is_not_found(browser: Browser, name: str, token: str) -> None:
    response = await browser.get(f"/array/{token}/{name}")
    assert response.status_code == 404
    assert_cross_origin(response)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("surveys", {"surveys": [], "survey_config": None}),
        ("early_access_features", {"earlyAccessFeatures": []}),
        ("web_experiments", {"experiments": []}),
        ("product_tours", {"product_tours": []}),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
async def test_lists_that_are_empty_here(browser: Browser, path: str, answer: dict[str, object], slash: str) -> None:
    response = await browser.get(f"/api/{path}{slash}?token={browser.token}&_=1700000000000")
    assert (response.status_code, response.json()) == (200, answer)
    assert_cross_origin(response)
    refused = await browser.get(f"/api/{path}{slash}?token=phc_nobody")
    assert refused.status_code == 401
    assert refused.json()["type"] == "authentication_error"
    assert_cross_origin(refused)


@pytest.mark.parametrize("path", ["/static/array.js", "/array/x/config", "/flags/", "/decide", "/api/surveys/"])
async def test_preflights_are_answered_without_a_token(browser: Browser, path: str) -> None:
    headers = {
        "Origin": browser.origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-posthog-session-id",
    }
    response = await browser.client.options(path, headers=headers)
    assert response.status_code == 204
    assert response.headers["access-control-allow-headers"] == "content-type, x-posthog-session-id"
    assert response.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert response.headers["access-control-allow-origin"] == browser.origin


async def test_head_is_answered(browser: Browser) -> None:
    response = await browser.client.head("/static/array.js")
    assert (response.status_code, response.content) == (200, b"")
