"""What the browser SDK is told about its project (sdk-wire §13.2, §13.3).

A field is true only when this server can do what it switches on: replay, surveys, conversations and product tours
are off, because a browser that is told otherwise would fetch scripts and send bodies that nobody reads.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hedgerow.core.identity.teams import Team

CAPTURE_ENDPOINT: Final = "/i/v0/e/"

_CLOSES_SCRIPT: Final = (("<", r"\u003c"), ("\u2028", r"\u2028"), ("\u2029", r"\u2029"))


def remote_config(team: Team) -> dict[str, Any]:
    """The config object of one project, by the switches in its settings."""
    switch = team.settings.get
    errors_on = bool(switch("autocapture_exceptions_opt_in"))
    return {
        "token": team.api_token,
        "supportedCompression": ["gzip", "gzip-js"],
        # True even while a project has no flag: the SDK calls back `onFeatureFlags` only after it has asked.
        "hasFeatureFlags": True,
        "analytics": {"endpoint": CAPTURE_ENDPOINT},
        "elementsChainAsString": True,
        "autocapture_opt_out": bool(switch("autocapture_opt_out")),
        "autocaptureExceptions": errors_on,
        "errorTracking": {"autocaptureExceptions": errors_on, "suppressionRules": []},
        "captureDeadClicks": bool(switch("capture_dead_clicks")),
        "heatmaps": bool(switch("heatmaps_opt_in")),
        "defaultIdentifiedOnly": True,
        "capturePerformance": {
            "network_timing": bool(switch("capture_performance_opt_in")),
            "web_vitals": bool(switch("autocapture_web_vitals_opt_in")),
            "web_vitals_allowed_metrics": switch("autocapture_web_vitals_allowed_metrics"),
        },
        "logs": {"captureConsoleLogs": False},
        "sessionRecording": False,
        "surveys": False,
        "conversations": False,
        "productTours": False,
        "siteApps": [],
        "isAuthenticated": False,
        "toolbarParams": {},
    }


def config_script(team: Team) -> bytes:
    """`config.js`: hands the object to the SDK, whichever of the two is loaded first."""
    token, config = _literal(team.api_token), _literal(remote_config(team))
    return (
        "(function (w) {\n"
        "  var all = (w._POSTHOG_REMOTE_CONFIG = w._POSTHOG_REMOTE_CONFIG || {});\n"
        f"  all[{token}] = {{ config: {config}, siteApps: [] }};\n"
        "})(window);\n"
    ).encode()


def _literal(value: Any) -> str:
    """JSON that is also a JavaScript expression, wherever the script may be put."""
    text = msgspec.json.encode(value).decode()
    for sign, escaped in _CLOSES_SCRIPT:
        text = text.replace(sign, escaped)
    return text
