"""Functions that only HogQL has (hogql §7)."""

from __future__ import annotations

from hedgerow.hogql.functions.registry import table

OWN = table("""
matchesAction     1    bool   -> @matches_action
sparkline         1    any    -> @sparkline
recording_button  1-2  any    -> @recording_button
explain_csp_report 1   any    -> @explain_csp_report
getSurveyResponse 1-3  any    -> @survey_response
uniqueSurveySubmissionsFilter 1  bool  -> @survey_submissions
""")

TABLES = (OWN,)
