"""Functions that only HogQL has (hogql §7)."""

from __future__ import annotations

from hedgerow.hogql.channel_types import LOOKUPS
from hedgerow.hogql.functions.registry import table
from hedgerow.hogql.languages import LANGUAGE_NAME

OWN = table("""
matchesAction     1    bool   -> @matches_action
sparkline         1    any    -> @sparkline
recording_button  1-2  any    -> @recording_button
explain_csp_report 1   any    -> @explain_csp_report
getSurveyResponse 1-3  any    -> @survey_response
uniqueSurveySubmissionsFilter 1  bool  -> @survey_submissions
""")
TABLES_OF_NAMES = table(
    "\n".join(
        [
            f"languageCodeToName 1 str -> {LANGUAGE_NAME}",
            *(f"{prefix}{name} 1 str? -> {sql}" for name, sql in LOOKUPS.items() for prefix in ("hogql_", "")),
        ]
    )
)

TABLES = (OWN, TABLES_OF_NAMES)
