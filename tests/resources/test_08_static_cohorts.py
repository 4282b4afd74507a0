"""Static cohorts: lists of persons, by ids and files; the persons of any cohort (rest-api §8)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.resources.house import Project
from tests.resources.test_08_cohorts import PATH, PRO, VIEWED, calculated, those

from hedgerow.core import ids

pytestmark = pytest.mark.stores


@pytest.fixture
async def uuids(ada: Project) -> dict[str, str]:
    """Her persons, by distinct id."""
    for name, plan in (("ann", "pro"), ("ben", "free"), ("cat", "pro")):
        await ada.sends("signup", name, {"$set": {"plan": plan, "email": f"{name}@example.com"}})
    return {row[0]: row[1] for row in await ada.rows("SELECT distinct_id, toString(person_id) FROM events")}


async def names(project: Project, tail: str) -> list[str]:
    return sorted(row["distinct_ids"][0] for row in (await project.found(tail))["results"])


async def test_a_list_of_persons(ada: Project, bob: Project, uuids: dict[str, str]) -> None:
    body = {
        "name": "List",
        "is_static": True,
        "_create_static_person_ids": [uuids["ann"], str(ids.uuid4()), "nonsense"],
    }
    made = await ada.made(PATH, body)
    item = f"{PATH}{made['id']}/"

    assert (made["is_calculating"], (await calculated(ada, made["id"]))["count"]) == (True, 1)
    assert await names(ada, item + "persons/") == ["ann"]
    added = await ada.changed(item + "add_persons_to_static_cohort/", {"person_ids": [uuids["ben"], uuids["ann"]]})
    assert added == {"success": True}
    assert await names(ada, f"persons/?cohort={made['id']}") == ["ann", "ben"]
    asked = f"SELECT distinct_id FROM events WHERE person_id IN COHORT {made['id']} ORDER BY distinct_id"
    assert await ada.rows(asked) == [["ann"], ["ben"]]
    assert (await ada.found(item))["count"] == 2
    await ada.changed(item + "remove_person_from_static_cohort/", {"person_id": uuids["ann"]})
    assert await ada.rows(asked) == [["ben"]]
    assert await ada.rows("SELECT count() FROM static_cohort_people") == [[1]]
    assert await bob.rows("SELECT count() FROM static_cohort_people") == [[0]]
    await bob.refused("GET", item + "persons/", status=404)
    said = await bob.refused("GET", f"persons/?cohort={made['id']}")
    assert (said["attr"], said["detail"]) == ("cohort", "There is no such cohort.")
    await bob.refused("PATCH", item + "add_persons_to_static_cohort/", {"person_ids": [uuids["cat"]]}, status=404)


async def test_changes_of_lists_that_make_no_sense(ada: Project, bob: Project, uuids: dict[str, str]) -> None:
    listed = await ada.made(PATH, {"name": "List", "is_static": True})
    dynamic = await ada.made(PATH, {"name": "Pros", "filters": those(PRO)})
    his = await bob.made(PATH, {"name": "His", "is_static": True})
    add, remove = "add_persons_to_static_cohort/", "remove_person_from_static_cohort/"

    async def detail(project: Project, number: int, tail: str, body: dict[str, Any], status: int = 400) -> str:
        return (await project.refused("PATCH", f"{PATH}{number}/{tail}", body, status=status))["detail"]

    one = {"person_ids": [uuids["ann"]]}
    assert await detail(ada, dynamic["id"], add, one) == "Can only add users to static cohorts"
    assert await detail(ada, listed["id"], add, {"person_ids": "x"}) == "person_ids must be a list"
    assert await detail(ada, listed["id"], add, {"person_ids": []}) == "person_ids cannot be empty"
    assert await detail(ada, listed["id"], add, {"person_ids": ["x"] * 10_001}) == "List size exceeds limit"
    assert await detail(bob, his["id"], add, one) == "No valid users to add to cohort"
    gone = {"person_id": uuids["ann"]}
    assert await detail(ada, dynamic["id"], remove, gone) == "Can only remove users from static cohorts"
    assert await detail(ada, listed["id"], remove, {}) == "person_id is required"
    assert await detail(ada, listed["id"], remove, {"person_id": "x"}) == "person_id must be a valid UUID"
    assert await detail(ada, listed["id"], remove, gone, 404) == "Person is not part of the cohort"
    missing = "Person with this UUID does not exist in the cohort's team"
    assert await detail(bob, his["id"], remove, gone, 404) == missing


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("ann\nben\n", ["ann", "ben"]),
        ("email\nann@example.com\n\nnobody@example.com\n", ["ann"]),
        ("name,distinct_id\nAnn,ann\nCat,cat\n", ["ann", "cat"]),
        ("distinct_id,email\nann,ben@example.com\n", ["ann"]),
    ],
)
async def test_a_file_names_persons(ada: Project, uuids: dict[str, str], text: str, members: list[str]) -> None:
    assert uuids
    files = {"csv": ("people.csv", text.encode(), "text/csv")}
    response = await ada.post(ada.path(PATH), data={"name": "File", "is_static": "true"}, files=files)
    assert response.status_code == 201, response.text
    number = response.json()["id"]

    assert (await calculated(ada, number))["count"] == len(members)
    assert await names(ada, f"{PATH}{number}/persons/") == members


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "CSV file is empty. Please upload a CSV file with at least one row of data."),
        ("email\n", "CSV file contains no valid person IDs, distinct IDs, or email addresses."),
        ("a,b\n1,2\n", "Multi-column CSV must contain at least one column with a supported ID header: 'person_id',"),
    ],
)
async def test_a_file_that_names_nobody_is_refused(ada: Project, text: str, detail: str) -> None:
    files = {"csv": ("people.csv", text.encode(), "text/csv")}
    response = await ada.post(ada.path(PATH), data={"name": "File", "is_static": "true"}, files=files)

    assert response.status_code == 400
    assert response.json()["attr"] == "csv"
    assert response.json()["detail"].startswith(detail)
    assert (await ada.found(PATH))["count"] == 0


async def test_a_calculated_cohort_as_a_list(ada: Project, uuids: dict[str, str]) -> None:
    assert uuids
    pros = await ada.made(PATH, {"name": "Pros", "filters": those(PRO)})
    await calculated(ada, pros["id"])
    copy = await ada.found(f"{PATH}{pros['id']}/duplicate_as_static_cohort/")

    assert (copy["name"], copy["is_static"]) == ("Pros (static copy)", True)
    assert (await calculated(ada, copy["id"]))["count"] == 2
    await ada.changed(f"{PATH}{pros['id']}/", {"filters": those(VIEWED)})
    assert (await calculated(ada, pros["id"]))["count"] == 0
    assert await names(ada, f"{PATH}{copy['id']}/persons/") == ["ann", "cat"]
    table = await ada.get(ada.path(f"{PATH}{copy['id']}/persons/?format=csv"))
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.count("@example.com") >= 2
    said = await ada.refused("GET", f"{PATH}{copy['id']}/duplicate_as_static_cohort/")
    assert said["detail"] == "Cannot duplicate a static cohort as a static cohort."


async def test_a_query_says_who_is_on_a_list(ada: Project, bob: Project, uuids: dict[str, str]) -> None:
    assert uuids
    await bob.sends("signup", "dan")
    text = "SELECT person_id FROM events WHERE distinct_id IN ('ann', 'cat', 'dan')"
    body = {"name": "Asked", "is_static": True, "query": {"kind": "HogQLQuery", "query": text}}
    made = await ada.made(PATH, body)
    found = await calculated(ada, made["id"])

    assert (found["count"], found["last_error_message"]) == (2, None)
    assert await names(ada, f"{PATH}{made['id']}/persons/") == ["ann", "cat"]
    other = await ada.made(PATH, body | {"query": {"kind": "HogQLQuery", "query": "SELECT event FROM events"}})
    found = await calculated(ada, other["id"])
    wrong = "The query of a cohort needs a column person_id, actor_id or id."
    assert (found["count"], found["last_error_message"]) == (None, wrong)


async def test_a_deleted_cohort_has_nobody(ada: Project, uuids: dict[str, str]) -> None:
    assert uuids
    pros = await ada.made(PATH, {"name": "Pros", "filters": those(PRO)})
    await calculated(ada, pros["id"])
    await ada.changed(f"{PATH}{pros['id']}/", {"deleted": True})
    asked = f"SELECT count() FROM cohort_people WHERE cohort_id = {pros['id']}"
    while await ada.rows(asked) != [[0]]:
        pass
    await ada.refused("GET", f"{PATH}{pros['id']}/persons/", status=404)
    await ada.changed(f"{PATH}{pros['id']}/", {"deleted": False})
    assert (await calculated(ada, pros["id"]))["count"] == 2
    assert await ada.rows(asked) == [[2]]
