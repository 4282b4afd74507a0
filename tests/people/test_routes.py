"""`/api/projects/:id/persons/` over HTTP (rest-api §5): what is in SQL, what HogQL sees after an edit, what is refused."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import msgspec
import pytest
from tests.live_server import LiveProject, until

from hedgerow.people.schemas import PersonOut
from hedgerow.people.table import COLUMNS_MAX, csv_of

REQUIRED = "This field is required."


def send(project: LiveProject, *events: dict[str, Any]) -> None:
    answer = httpx.post(f"{project.url}/batch/", json={"api_key": project.token, "batch": list(events)})
    assert answer.status_code == 200, answer.text


def an_event(distinct_id: str, /, event: str = "seen", **properties: Any) -> dict[str, Any]:
    return {
        "event": event,
        "distinct_id": distinct_id,
        "properties": {f"${k.removeprefix('_')}" if k[0] == "_" else k: v for k, v in properties.items()},
    }


def ask(project: LiveProject, path: str = "", method: str = "GET", **options: Any) -> httpx.Response:
    return project.server.api.request(method, f"/api/projects/{project.id}/persons/{path}", **options)


def names(project: LiveProject, **params: Any) -> list[str]:
    answer = ask(project, params=params)
    assert answer.status_code == 200, answer.text
    return [person["name"] for person in answer.json()["results"]]


@pytest.fixture
def people(project: LiveProject) -> LiveProject:
    send(project, an_event("ada", _set={"email": "ada@x.test", "age": 36, "vip": True}))
    send(project, an_event("bob", _set={"email": "bob@y.test", "age": 9}))
    send(project, an_event("eve", _set={"name": "Eve", "joined": "2026-01-05", "app version`\\": "1.10.0"}))
    return project


def test_a_person_of_the_list(project: LiveProject):
    send(project, an_event("0190f0f0-0000-7000-8000-000000000001", _process_person_profile=False))
    send(
        project,
        an_event(
            "ada", "$identify", _anon_distinct_id="0190f0f0-0000-7000-8000-000000000001", _set={"email": "ada@x.test"}
        ),
    )
    (person,) = ask(project).json()["results"]
    uuid, created_at = person.pop("uuid"), person.pop("created_at")
    assert created_at.endswith("Z")
    assert person == {
        "type": "person",
        "id": uuid,
        "name": "ada@x.test",
        "is_identified": True,
        "distinct_ids": ["ada", "0190f0f0-0000-7000-8000-000000000001"],
        "properties": {"email": "ada@x.test"},
        "matched_recordings": [],
        "value_at_data_point": None,
    }
    assert ask(project, f"{uuid}/").json() == {**person, "uuid": uuid, "created_at": created_at}


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["Eve", "bob@y.test", "ada@x.test"]),
    ({"search": "ADA@"}, ["ada@x.test"]),
    ({"search": "ev"}, ["Eve"]),
    ({"search": "bob"}, ["bob@y.test"]),
    ({"search": "%"}, []),
    ({"search": "_"}, []),
    ({"search": " "}, ["Eve", "bob@y.test", "ada@x.test"]),
    ({"search": "@", "distinct_id": "bob"}, ["bob@y.test"]),
    ({"search": "@", "email": "ada@x.test"}, ["ada@x.test"]),
    ({"search": "@", "properties": '[{"key":"vip","operator":"is_set"}]'}, ["ada@x.test"]),
    ({"email": "bob@y.test"}, ["bob@y.test"]),
    ({"distinct_id": "eve"}, ["Eve"]),
    ({"distinct_id": "nobody"}, []),
    ({"properties": '[{"key":"age","value":36}]'}, ["ada@x.test"]),
    ({"properties": '[{"key":"age","value":10,"operator":"gt"}]'}, ["ada@x.test"]),
    ({"properties": '[{"key":"age","operator":"is_not_set"}]'}, ["Eve"]),
    ({"properties": '[{"key":"vip","value":["true"]}]'}, ["ada@x.test"]),
    ({"properties": '[{"key":"email","value":"Y.TEST","operator":"icontains"}]'}, ["bob@y.test"]),
    ({"properties": '[{"key":"email","value":"Y.TEST","operator":"not_icontains"}]'}, ["Eve", "ada@x.test"]),
    ({"properties": '[{"key":"email","value":"^(ada|bob)@y","operator":"regex"}]'}, ["bob@y.test"]),
    ({"properties": '[{"key":"email","value":"^(ada|bob)@y","operator":"not_regex"}]'}, ["Eve", "ada@x.test"]),
    ({"properties": '[{"key":"email","value":["ada@x.test","bob@y.test"]}]'}, ["bob@y.test", "ada@x.test"]),
    ({"properties": '[{"key":"email","value":"ada@x.test","operator":"is_not"}]'}, ["Eve", "bob@y.test"]),
    ({"properties": '[{"key":"age","value":[9,36],"operator":"between"}]'}, ["bob@y.test", "ada@x.test"]),
    ({"properties": '[{"key":"age","value":10,"operator":"lt"}]'}, ["bob@y.test"]),
    ({"properties": '[{"key":"age","operator":"is_set"}]'}, ["bob@y.test", "ada@x.test"]),
    ({"properties": '[{"key":"joined","value":"2026-02-01","operator":"is_date_before"}]'}, ["Eve"]),
    ({"properties": '[{"key":"app version`\\\\","value":"1.2.3","operator":"semver_gt"}]'}, ["Eve"]),
    ({"properties": '[{"key":"distinct_id","value":"bob"}]'}, ["bob@y.test"]),
    ({"properties": "[]"}, ["Eve", "bob@y.test", "ada@x.test"]),
    ({"properties": '{"type":"AND","values":[]}'}, ["Eve", "bob@y.test", "ada@x.test"]),
    (
        {"properties": '{"type":"OR","values":[{"key":"age","value":9},{"key":"name","value":"Eve"}]}'},
        ["Eve", "bob@y.test"],
    ),
]


@pytest.mark.parametrize(("params", "wanted"), FILTERS, ids=[str(row[0]) for row in FILTERS])
def test_filters(people: LiveProject, params: dict[str, Any], wanted: list[str]):
    assert names(people, **params) == wanted


def test_pages(people: LiveProject):
    first = ask(people, params={"limit": 2}).json()
    assert (first["count"], len(first["results"]), first["previous"]) == (3, 2, None)
    second = people.server.api.get(first["next"]).json()
    assert [person["name"] for person in second["results"]] == ["ada@x.test"]
    assert second["next"] is None
    assert second["previous"].endswith("limit=2&offset=0")


def the_one(project: LiveProject, distinct_id: str) -> str:
    return ask(project, params={"distinct_id": distinct_id}).json()["results"][0]["uuid"]


def properties_in_hogql(project: LiveProject, uuid: str) -> str:
    return str(project.value("SELECT properties FROM persons WHERE id = {id}", id=uuid))


def test_properties_are_changed_in_both_stores(people: LiveProject):
    uuid = the_one(people, "ada")
    for path, method, body in (
        (f"{uuid}/", "PATCH", {"properties": {"plan": "basic"}}),
        (f"{uuid}/", "PUT", {"properties": {"plan": "pro"}}),
        (f"{uuid}/update_property/", "POST", {"key": "age", "value": 37}),
    ):
        answer = ask(people, path, method, json=body)
        assert (answer.status_code, answer.content) == (202, b"")
    gone = ask(people, f"{uuid}/delete_property/", "POST", json={"$unset": "vip"})
    assert (gone.status_code, gone.json()) == (201, {"success": True})
    wanted = {"email": "ada@x.test", "age": 37, "plan": "pro"}
    assert ask(people, f"{uuid}/").json()["properties"] == wanted
    for key, value in wanted.items():
        assert str(value) in properties_in_hogql(people, uuid), key


def test_a_kept_answer_is_calculated_again_after_an_edit(people: LiveProject):
    """The same question with `refresh: blocking` before and after: the second must not come out of the cache."""
    uuid = the_one(people, "ada")
    question = {"query": {"kind": "HogQLQuery", "query": "SELECT properties.plan FROM persons ORDER BY 1"}}
    address = f"/api/projects/{people.id}/query/"
    before = people.server.api.post(address, json=question).json()
    assert people.server.api.post(address, json=question).json()["is_cached"]
    ask(people, f"{uuid}/", "PATCH", json={"properties": {"plan": "pro"}})

    after = people.server.api.post(address, json=question).json()

    assert ["pro"] not in before["results"]
    assert ["pro"] in after["results"]
    assert not after["is_cached"]


def test_the_next_event_sees_what_was_edited(people: LiveProject):
    uuid = the_one(people, "ada")
    ask(people, f"{uuid}/", "PATCH", json={"properties": {"plan": "pro"}})
    send(people, an_event("ada", _set={"more": 1}))
    assert ask(people, f"{uuid}/").json()["properties"] == {
        "email": "ada@x.test",
        "age": 36,
        "vip": True,
        "plan": "pro",
        "more": 1,
    }


def test_a_deleted_person_is_gone_and_its_distinct_id_free(people: LiveProject):
    uuid = the_one(people, "ada")
    deleted = ask(people, f"{uuid}/", "DELETE")
    assert (deleted.status_code, deleted.content) == (202, b"")
    assert ask(people, f"{uuid}/").status_code == 404
    assert names(people) == ["Eve", "bob@y.test"]
    assert people.value("SELECT count() FROM persons") == 2
    assert people.value("SELECT count() FROM events") == 3
    send(people, an_event("ada", _set={"email": "new@x.test"}))
    assert names(people) == ["new@x.test", "Eve", "bob@y.test"]


def test_events_are_deleted_along_when_asked(people: LiveProject):
    assert ask(people, f"{the_one(people, 'ada')}/?delete_events", "DELETE").status_code == 202
    send(people, an_event("ada"))  # a new person, whose event is none of the old one's
    assert until(lambda: people.value("SELECT count() FROM events") == 3)
    assert people.value("SELECT count() FROM events WHERE distinct_id = 'ada'") == 1


def test_events_of_many_are_deleted_along_when_asked(people: LiveProject):
    body = {"distinct_ids": ["ada", "bob"], "delete_events": True}
    answer = ask(people, "bulk_delete/", "POST", json=body)
    assert (answer.status_code, answer.json()["events_queued_for_deletion"]) == (202, True)
    assert until(lambda: people.value("SELECT count() FROM events WHERE distinct_id IN ('ada', 'bob')") == 0)
    assert people.value("SELECT count() FROM events") == 1


def test_bulk_delete(people: LiveProject):
    answer = ask(people, "bulk_delete/", "POST", json={"distinct_ids": ["ada", "bob", "nobody"]})
    assert (answer.status_code, answer.json()["persons_deleted"]) == (202, 2)
    assert names(people) == ["Eve"]


def test_a_split_makes_a_person_of_each_distinct_id_and_events_follow(project: LiveProject):
    send(project, an_event("anon"), an_event("ada"), an_event("ada", "$identify", _anon_distinct_id="anon"))
    uuid = the_one(project, "ada")
    assert the_one(project, "anon") == uuid
    answer = ask(project, f"{uuid}/split/", "POST", json={})
    assert (answer.status_code, answer.json()) == (201, {"success": True})
    assert the_one(project, "ada") == uuid != the_one(project, "anon")
    found = project.query(
        "SELECT distinct_id, toString(any(person_id)), count(DISTINCT person_id) FROM events GROUP BY distinct_id"
    )
    assert {row[0]: (row[1], row[2]) for row in found} == {"ada": (uuid, 1), "anon": (the_one(project, "anon"), 1)}


def test_values(people: LiveProject):
    send(people, an_event("dan", _set={"age": 9}))
    assert ask(people, "values/", params={"key": "age"}).json() == [
        {"name": "9", "count": 2},
        {"name": "36", "count": 1},
    ]
    assert ask(people, "values/", params={"key": "email", "value": "bob"}).json() == [
        {"name": "bob@y.test", "count": 1}
    ]


def test_persons_by_distinct_ids(people: LiveProject):
    found = ask(people, "batch_by_distinct_ids/", "POST", json={"distinct_ids": ["ada", "nobody"]}).json()["results"]
    assert {key: person["name"] for key, person in found.items()} == {"ada": "ada@x.test"}


REFUSALS: list[tuple[str, str, dict[str, Any], int, dict[str, Any]]] = [
    ("GET", "ada/", {}, 400, {"code": "invalid_input", "attr": None}),
    ("GET", "00000000-0000-0000-0000-000000000000/", {}, 404, {"code": "not_found"}),
    ("GET", "999999999/", {}, 404, {"code": "not_found"}),
    ("POST", "", {}, 405, {"code": "method_not_allowed"}),
    (
        "PATCH",
        "1/",
        {},
        400,
        {"attr": "properties", "code": REQUIRED, "detail": "required", "type": "validation_error"},
    ),
    ("POST", "1/update_property/", {"key": "a"}, 400, {"attr": "value", "code": REQUIRED, "detail": "required"}),
    ("POST", "1/update_property/", {"value": 1}, 400, {"attr": "key", "code": REQUIRED, "detail": "required"}),
    ("POST", "bulk_delete/", {}, 400, {"detail": "You need to specify either distinct_ids or ids"}),
    ("POST", "bulk_delete/", {"ids": ["x"] * 1001}, 400, {"detail": "You can only pass 1000 ids in one call"}),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=[f"{row[0]} {row[1]} {row[3]}" for row in REFUSALS])
def test_refusals(project: LiveProject, refusal: tuple[str, str, dict[str, Any], int, dict[str, Any]]):
    method, path, body, status, wanted = refusal
    answer = ask(project, path, method, **({"json": body} if method != "GET" else {}))
    assert answer.status_code == status, answer.text
    assert wanted.items() <= answer.json().items()


@pytest.mark.parametrize(
    "properties",
    [
        *("{", "3", "[3]", '[{"key":1}]', '[{"key":"a","operator":"odd","value":1}]', '[{"key":"a","value":{"b":1}}]'),
        '[{"key":"a","operator":"between","value":[1]}]',
        '[{"key":"a","type":"event","value":1}]',
        '[{"key":"1 = 1","type":"hogql"}]',
        '[{"key":"id","type":"cohort","value":1}]',
        '{"type":"XOR","values":[{"key":"a","value":1}]}',
        "[" * 900 + "]" * 900,
        '{"type":"AND","values":' * 80 + "[]" + "}" * 80,
        "[" + '{"key":"a","value":1},' * 60 + '{"key":"a","value":1}]',
    ],
    ids=lambda text: text[:60],
)
def test_filters_that_make_no_sense(project: LiveProject, properties: str):
    answer = ask(project, params={"properties": properties})
    assert (answer.status_code, answer.json()["attr"]) == (400, "properties")


def test_persons_of_another_project_are_not_found(people: LiveProject, server: Any):
    other = server.new_project("another")
    uuid = the_one(people, "ada")
    assert ask(other).json()["results"] == []
    assert ask(other, f"{uuid}/").status_code == 404
    assert ask(other, f"{uuid}/", "DELETE").status_code == 404


def test_a_table(people: LiveProject):
    send(people, an_event("dan", _set={"email": 'a "b", c', "tags": ["x", 1], "plan": None, "10": 1.0}))
    answer = ask(people, params={"format": "csv"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="persons.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    first, *rows = csv.reader(io.StringIO(answer.text))
    assert first == [
        *("id", "name", "created_at", "is_identified", "distinct_ids.0", "properties.10", "properties.age"),
        *("properties.app version`\\", "properties.email", "properties.joined", "properties.name", "properties.plan"),
        *("properties.tags", "properties.vip"),
    ]
    dan, eve, bob, ada = (dict(zip(first, row, strict=True)) for row in rows)
    assert (
        dan["name"],
        dan["distinct_ids.0"],
        dan["properties.tags"],
        dan["properties.plan"],
        dan["properties.10"],
    ) == (
        'a "b", c',
        "dan",
        '["x",1]',
        "",
        "1.0",
    )
    assert [person["properties.email"] for person in (eve, bob, ada)] == ["", "bob@y.test", "ada@x.test"]
    assert ada["id"] == the_one(people, "ada")
    only = ask(people, params={"format": "csv", "properties": '[{"key":"vip","value":"true"}]', "limit": 5}).text
    assert [row[1] for row in csv.reader(io.StringIO(only))] == ["name", "ada@x.test"]
    assert ask(people, params={"format": "xml"}).status_code == 404


def test_a_table_of_nobody(project: LiveProject):
    assert ask(project, params={"format": "csv"}).text == "id,name,created_at,is_identified\r\n"


def test_rare_properties_share_a_column_of_a_table():
    def person(number: int, keys: range) -> PersonOut:
        properties = msgspec.Raw(msgspec.json.encode({f"p{key}": key for key in keys}))
        distinct_ids = [f"d{number}"]
        return PersonOut(
            id=str(number),
            uuid=str(number),
            name="x",
            created_at="2026-01-01T00:00:00Z",
            is_identified=False,
            distinct_ids=distinct_ids,
            properties=properties,
        )

    persons = [person(1, range(600)), person(2, range(1_200)), person(3, range(600))]
    first, *rows = csv.reader(io.StringIO(csv_of(persons).decode()))
    assert len(first) == COLUMNS_MAX + 1
    assert {f"properties.p{key}" for key in range(600)} < set(first)
    of_second = dict(zip(first, rows[1], strict=True))
    assert len(json.loads(of_second["other"])) == 5 + 1_200 - COLUMNS_MAX
    assert rows[0][-1] == ""


def test_pages_of_a_filtered_list(people: LiveProject):
    for number in range(5):
        send(people, an_event(f"n{number}", _set={"kind": "numbered"}))
    properties = '[{"key":"kind","value":"numbered"}]'
    seen, address = [], f"/api/projects/{people.id}/persons/?limit=2&properties={properties}"
    counts = []
    while address:
        page = people.server.api.get(address).json()
        seen += [person["distinct_ids"][0] for person in page["results"]]
        counts.append(page["count"])
        address = page["next"]
    assert sorted(seen) == [f"n{number}" for number in range(5)]
    assert counts == [5, 5, 5]


def test_a_filtered_list_shows_nobody_of_another_project(people: LiveProject, server: Any):
    other = server.new_project("another")
    send(other, an_event("ada", _set={"email": "ada@x.test", "vip": True}))
    (found,) = ask(other, params={"properties": '[{"key":"vip","value":"true"}]'}).json()["results"]
    (mine,) = ask(people, params={"search": "ada@"}).json()["results"]
    assert found["uuid"] != mine["uuid"]
    assert ask(other, params={"search": mine["uuid"]}).json()["results"] == []


NUL = "\0"


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        *(("GET", "", {"params": {name: NUL}}) for name in ("search", "email", "distinct_id")),
        *(("GET", "values/", {"params": {"key": "age", name: NUL}}) for name in ("key", "value")),
        ("POST", "batch_by_distinct_ids/", {"json": {"distinct_ids": [NUL, "ada"]}}),
        ("POST", "bulk_delete/", {"json": {"distinct_ids": [NUL]}}),
        ("PATCH", "{ada}/", {"json": {"properties": {NUL: NUL}}}),
        ("POST", "{ada}/split/", {"json": {"main_distinct_id": NUL}}),
    ],
)
def test_what_no_text_may_hold_is_refused(people: LiveProject, method: str, path: str, options: dict[str, Any]):
    answer = ask(people, path.replace("{ada}", the_one(people, "ada")), method, **options)
    assert (answer.status_code, answer.json()["code"]) == (400, "null_characters_not_allowed")


def test_a_filter_may_ask_for_what_no_text_may_hold(people: LiveProject):
    assert names(people, properties=json.dumps([{"key": NUL, "value": NUL}])) == []
    assert names(people, properties=json.dumps([{"key": "email", "value": [NUL, "ada@x.test"]}])) == ["ada@x.test"]
    assert ask(people, "%00/").status_code == 400


def test_a_pattern_that_is_none_is_refused(people: LiveProject):
    answer = ask(people, params={"properties": '[{"key":"email","operator":"regex","value":"("}]'})
    assert (answer.status_code, answer.json()["attr"]) == (400, "properties")
    assert "missing )" in answer.json()["detail"]
