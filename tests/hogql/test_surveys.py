"""Survey functions over events of new and old SDKs (hogql §7)."""

from __future__ import annotations

import pytest
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore


@pytest.fixture(scope="module")
def project(store: EventStore) -> Project:
    made = Project(store, fresh_team_id())
    questions = [{"id": "a", "question": "How?"}, {"id": "b", "question": "What?"}]
    sent = [
        ({"$survey_response": "old", "$survey_response_1": ["x", "y"]}, None),
        ({"$survey_response_a": "draft", "$survey_questions": questions}, "one"),
        ({"$survey_response_a": "new", "$survey_response_b": ["z"], "$survey_questions": questions}, "one"),
    ]
    for minute, (properties, submission) in enumerate(sent):
        more = {"$survey_id": "s", **({"$survey_submission_id": submission} if submission else {})}
        made.sends("survey sent", at=f"2026-01-05 10:0{minute}:00", properties={**properties, **more})
    return made


def asked(project: Project, what: str, where: str = "1 = 1") -> list[object]:
    return [row[0] for row in project.asks(f"SELECT {what} FROM events WHERE {where} ORDER BY timestamp")]


def test_answers_by_place_and_by_question(project: Project) -> None:
    assert asked(project, "getSurveyResponse(0)") == ["old", "draft", "new"]
    assert asked(project, "getSurveyResponse(0, 'a')") == ["old", "draft", "new"]
    assert asked(project, "getSurveyResponse(1, 'b', true)") == [['"x"', '"y"'], [], ['"z"']]
    assert asked(project, "getSurveyResponse(5)") == [None, None, None]


def test_only_the_newest_of_a_submission_counts(project: Project) -> None:
    assert asked(project, "getSurveyResponse(0)", "uniqueSurveySubmissionsFilter('s')") == ["old", "new"]
    assert asked(project, "getSurveyResponse(0)", "uniqueSurveySubmissionsFilter('other')") == []
