"""From an event as sent to an event as stored (sdk-wire §8.3 to §8.7, §8.9): pure functions, no store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.capture.mmdb import write_database

from hedgerow.capture import v0
from hedgerow.capture.envelope import open_body
from hedgerow.capture.event import GroupIdentify, IncomingEvent, IngestionWarning, MergeRequest
from hedgerow.capture.geoip import GeoIP
from hedgerow.capture.identifiers import as_id, may_merge, uuid_bytes
from hedgerow.capture.limits import Limits
from hedgerow.capture.mapped import MAPPED_KEYS
from hedgerow.capture.normalise import Door, door_additions
from hedgerow.core.errors import StartupError

LIMITS = Limits()
NOW = 1_927_879_205_000_000


def door(**changes: Any) -> Door:
    fields: dict[str, Any] = {"team_id": 1, "now_us": NOW, **changes}
    return Door(**fields)


def through(event: dict[str, Any], **how: Any) -> tuple[IncomingEvent | None, list[IngestionWarning]]:
    """One event through the door."""
    body = {"api_key": "phc_x", "batch": [{"event": "seen", "distinct_id": "u1", **event}]}
    posted = open_body(json.dumps(body).encode(), LIMITS, LIMITS.event_bytes)
    given = door(mended=posted.mended, **how)
    warnings: list[IngestionWarning] = []
    drafts = v0.drafts(posted, given, v0.lanes(LIMITS)["/batch"])
    events = v0.finish(drafts, given, warnings)
    return (events[0] if events else None), warnings


def stored(event: dict[str, Any], **how: Any) -> IncomingEvent:
    found, warnings = through(event, **how)
    assert found is not None, warnings
    assert found.keys == json.loads(found.properties)
    return found


def properties_of(event: dict[str, Any], **how: Any) -> dict[str, Any]:
    return json.loads(stored(event, **how).properties)


# -- person properties -------------------------------------------------------------------------------------------------


def test_top_level_maps_are_laid_over_those_in_the_properties() -> None:
    event = stored({
        "$set": {"a": 2, "b": 2},
        "$set_once": {"c": 3},
        "properties": {"$set": {"a": 1, "z": 1}, "x": 1.0},
    })  # fmt: skip

    assert event.properties == b'{"$set":{"a":2,"z":1,"b":2},"x":1.0,"$set_once":{"c": 3}}'
    assert event.set == {"a": 2, "b": 2, "z": 1}
    assert event.set_once == {"c": 3}


@pytest.mark.parametrize("inner", [None, "text", [1], 7])
def test_a_map_that_is_none_gives_way(inner: object) -> None:
    event = stored({"$set": {"a": 1}, "properties": {"$set": inner}})

    assert event.set == {"a": 1}
    assert event.keys == {"$set": {"a": 1}}


def test_maps_that_are_none_change_no_person_and_stay_as_sent() -> None:
    event = stored({"properties": {"$set": "text", "$set_once": [1], "$unset": 7}})

    assert (event.set, event.set_once, event.unset) == (None, None, None)
    assert event.properties == b'{"$set": "text", "$set_once": [1], "$unset": 7}'


@pytest.mark.parametrize("unset", [["a", 1, "b"], {"a": 1, "b": None}])
def test_unset_is_a_list_or_the_keys_of_an_object(unset: object) -> None:
    assert stored({"properties": {"$unset": unset}}).unset == ["a", "b"]
    assert stored({"$unset": unset}).unset is None


def test_properties_that_describe_the_person_are_passed_on_and_not_stored_twice() -> None:
    event = stored({"properties": {"$browser": "Firefox", "utm_source": None, "other": 1}})

    assert event.set == {"$browser": "Firefox", "utm_source": None}
    assert event.set_once == {"$initial_browser": "Firefox", "$initial_utm_source": None}
    assert set(event.keys) == {"$browser", "utm_source", "other"}


def test_an_explicit_value_beats_what_is_said_in_passing() -> None:
    event = stored({
        "properties": {"$browser": "Firefox", "$set": {"$browser": "own"}, "$set_once": {"$initial_browser": "first"}}
    })  # fmt: skip

    assert event.set == {"$browser": "own"}
    assert event.set_once == {"$initial_browser": "first"}


def test_every_mapped_key_has_its_initial_twin() -> None:
    event = stored({"properties": dict.fromkeys(MAPPED_KEYS - {"$os_name"}, "x")})

    assert event.set is not None
    assert event.set_once is not None
    assert len(event.set) == len(event.set_once) == len(MAPPED_KEYS) - 1
    assert set(event.set_once) == {f"$initial_{key.removeprefix('$')}" for key in event.set}


def test_os_name_is_another_name_of_os() -> None:
    assert stored({"properties": {"$os_name": "iOS"}}).set == {"$os": "iOS"}
    assert stored({"properties": {"$os_name": "iOS", "$os": "iPadOS"}}).set == {"$os": "iPadOS"}


def test_a_servers_system_is_not_its_users() -> None:
    event = stored({"properties": {"$is_server": True, "$os": "Linux", "$os_version": "6", "$app_version": "2"}})

    assert event.set == {"$app_version": "2"}
    assert event.set_once == {"$initial_app_version": "2"}


@pytest.mark.parametrize("name", ["$exception"])
def test_an_exception_changes_no_person(name: str) -> None:
    event = stored({"event": name, "$set": {"a": 1}, "properties": {"$browser": "x", "$unset": ["b"]}})

    assert (event.set, event.set_once, event.unset) == (None, None, None)


# -- personless --------------------------------------------------------------------------------------------------------


def test_a_personless_event_changes_no_person() -> None:
    event = stored({
        "$set": {"a": 1},
        "properties": {
            "$process_person_profile": False,
            "$set": {"b": 1},
            "$set_once": {},
            "$unset": ["c"],
            "$browser": "x",
            "$groups": {"company": "c-1"},
            "n": 1.0,
        },
    })  # fmt: skip

    assert event.person_mode == 1
    assert (event.set, event.set_once, event.unset, event.groups) == (None, None, None, None)
    assert event.properties == b'{"$process_person_profile":false,"$browser":"x","$groups":{"company": "c-1"},"n":1.0}'


@pytest.mark.parametrize("name", ["$identify", "$create_alias", "$merge_dangerously", "$groupidentify"])
def test_a_personless_event_about_persons_is_dropped_with_a_warning(name: str) -> None:
    event, [warning] = through({"event": name, "properties": {"$process_person_profile": False}})

    assert event is None
    assert warning.type == "invalid_event_when_process_person_profile_is_false"
    assert warning.details["event"] == name


@pytest.mark.parametrize("value", ["false", 0, [], {}])
def test_only_a_boolean_switches_persons_off(value: object) -> None:
    event, [warning] = through({"properties": {"$process_person_profile": value}})

    assert event is not None
    assert event.person_mode == 0
    assert warning.type == "invalid_process_person_profile"


@pytest.mark.parametrize("value", [True, None])
def test_true_and_null_leave_persons_on(value: object) -> None:
    event, warnings = through({"properties": {"$process_person_profile": value}})

    assert (event is not None, warnings) == (True, [])


# -- merging -----------------------------------------------------------------------------------------------------------

ILLEGAL = [
    *[
        "anonymous",
        "guest",
        "distinctid",
        "distinct_id",
        "id",
        "not_authenticated",
        "email",
        "undefined",
        "true",
        "false",
    ],
    *["ANONYMOUS", "Email", "True", "[object Object]", "NaN", "None", "none", "null", "0"],
    *['"null"', "'guest'", '"0"', "''", '""'],
]
LEGAL = ["u1", "00", "nullable", "nan", "NONE", "[object object]", "'", '"', "anonymous-user", "a@b.c"]


@pytest.mark.parametrize("word", ILLEGAL)
def test_words_that_are_no_ids_are_not_merged(word: str) -> None:
    assert not may_merge(word)
    for fields in (
        {"event": "$identify", "properties": {"$anon_distinct_id": word}},
        {"event": "$create_alias", "distinct_id": word, "properties": {"alias": "u2"}},
    ):
        event, [warning] = through(fields)
        assert event is not None
        assert event.merge is None
        assert warning.type == "cannot_merge_with_illegal_distinct_id"
        assert warning.details["illegalDistinctId"] == word


@pytest.mark.parametrize("word", LEGAL)
def test_words_that_are_ids_are_merged(word: str) -> None:
    assert may_merge(word)


@pytest.mark.parametrize(
    ("name", "properties", "merge"),
    [
        ("$identify", {"$anon_distinct_id": "a1"}, MergeRequest("a1", dangerously=False)),
        ("$identify", {"$anon_distinct_id": 17}, MergeRequest("17", dangerously=False)),
        ("$identify", {"$anon_distinct_id": "u1"}, None),
        ("$identify", {"$anon_distinct_id": None}, None),
        ("$identify", {"$anon_distinct_id": "  "}, None),
        ("$identify", {"alias": "a1"}, None),
        ("$create_alias", {"alias": "a1"}, MergeRequest("a1", dangerously=False)),
        ("$create_alias", {"$anon_distinct_id": "a1"}, None),
        ("$merge_dangerously", {"alias": "a1"}, MergeRequest("a1", dangerously=True)),
        ("seen", {"alias": "a1", "$anon_distinct_id": "a2"}, None),
    ],
)
def test_who_is_merged_with_whom(name: str, properties: dict[str, Any], merge: MergeRequest | None) -> None:
    assert stored({"event": name, "properties": properties}).merge == merge


# -- groups ------------------------------------------------------------------------------------------------------------


def test_groups_are_type_and_key_in_the_order_sent() -> None:
    groups = {"company": "c-9", "number": 7, "none": None, "empty": "", " ": "x", "long": "x" * 500}

    found = stored({"properties": {"$groups": groups}}).groups

    assert found == {"company": "c-9", "number": "7", "long": "x" * 400}
    assert list(found or {}) == ["company", "number", "long"]


@pytest.mark.parametrize("groups", [None, [], "company", 7, {}])
def test_groups_that_are_none(groups: object) -> None:
    assert stored({"properties": {"$groups": groups}}).groups is None


def test_a_group_is_identified_without_touching_a_person() -> None:
    properties = {
        "$group_type": "company",
        "$group_key": 9,
        "$group_set": {"size": 1.0},
        "$set": {"a": 1},
        "$browser": "x",
    }

    event = stored({"event": "$groupidentify", "$set": {"b": 1}, "properties": properties})

    assert event.group_identify == GroupIdentify("company", "9", {"size": 1.0})
    assert (event.set, event.set_once, event.unset) == (None, None, None)
    assert "$set" not in event.keys


@pytest.mark.parametrize(
    "properties", [{}, {"$group_type": "company"}, {"$group_key": "c"}, {"$group_type": "", "$group_key": "c"}]
)
def test_a_group_without_type_or_key_is_none(properties: dict[str, Any]) -> None:
    assert stored({"event": "$groupidentify", "properties": properties}).group_identify is None


def test_a_group_without_changes_is_still_a_group() -> None:
    properties = {"$group_type": "company", "$group_key": "c", "$group_set": "text"}

    assert stored({"event": "$groupidentify", "properties": properties}).group_identify == GroupIdentify(
        "company", "c", {}
    )


# -- addresses and places ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def geoip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GeoIP]:
    path = tmp_path_factory.mktemp("geoip") / "city.mmdb"
    write_database(path, 203)
    opened = GeoIP(str(path))
    yield opened
    opened.close()


ADDRESS: dict[str, Any] = {"address": "203.0.113.9", "additions": door_additions("203.0.113.9", None)}


def test_the_clients_address_is_added() -> None:
    assert properties_of({"properties": {"a": 1}}, **ADDRESS) == {"a": 1, "$ip": "203.0.113.9"}


@pytest.mark.parametrize("own", ["198.51.100.1", None, ""])
def test_an_address_that_was_sent_stays(own: object) -> None:
    assert properties_of({"properties": {"$ip": own}}, **ADDRESS) == {"$ip": own}


def test_an_address_may_be_hidden(geoip: GeoIP) -> None:
    for sent in ({}, {"$ip": "203.0.113.9"}):
        found = properties_of({"properties": sent}, anonymize_ips=True, geoip=geoip, **ADDRESS)
        assert "$ip" not in found
        assert found["$geoip_country_code"] == "BE"


def test_a_place_describes_event_and_person(geoip: GeoIP) -> None:
    event = stored({"properties": {}}, geoip=geoip, **ADDRESS)

    place = {key: value for key, value in event.keys.items() if key.startswith("$geoip_")}
    assert place == {
        "$geoip_city_name": "Gent",
        "$geoip_country_name": "Belgium",
        "$geoip_country_code": "BE",
        "$geoip_continent_name": "Europe",
        "$geoip_continent_code": "EU",
        "$geoip_postal_code": "9000",
        "$geoip_latitude": 51.05,
        "$geoip_longitude": 3.72,
        "$geoip_accuracy_radius": 20,
        "$geoip_time_zone": "Europe/Brussels",
        "$geoip_subdivision_1_code": "VLG",
        "$geoip_subdivision_1_name": "Flanders",
    }
    assert event.set == place
    assert event.set_once == {f"$initial_{key[1:]}": value for key, value in place.items()}


@pytest.mark.parametrize("sent", [{"$geoip_disable": True}, {"$ip": "8.8.8.8"}, {"$ip": "nowhere"}, {"$ip": 7}])
def test_no_place_where_none_is_known_or_wanted(geoip: GeoIP, sent: dict[str, Any]) -> None:
    found = properties_of({"properties": sent}, geoip=geoip, **ADDRESS)

    assert not [key for key in found if key.startswith("$geoip_c")]


def test_a_place_that_was_sent_stays(geoip: GeoIP) -> None:
    found = properties_of({"properties": {"$geoip_city_name": "Home"}}, geoip=geoip, **ADDRESS)

    assert (found["$geoip_city_name"], found["$geoip_country_code"]) == ("Home", "BE")


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_a_geoip_file_that_is_none_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "city.mmdb"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(StartupError, match=r"city\.mmdb cannot be read"):
        GeoIP(str(path))


# -- fields ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("u1", "u1"),
        (" u1 ", " u1 "),
        (17, "17"),
        (1.0, "1.0"),
        (True, "true"),
        (["a", 1], '["a",1]'),
        ({"a": None}, '{"a":null}'),
        ("a\0b", "a\ufffdb"),
        ("x" * 300, "x" * 200),
        ("🦊" * 300, "🦊" * 200),
        (2**70, str(2**70)),
        ("", None),
        (" \t\n", None),
        (None, None),
    ],
)
def test_any_value_is_a_distinct_id(value: object, found: str | None) -> None:
    assert as_id(value) == found


@pytest.mark.parametrize(
    ("fields", "distinct_id"),
    [
        ({"distinct_id": "a", "$distinct_id": "b", "properties": {"distinct_id": "c"}}, "a"),
        ({"distinct_id": None, "$distinct_id": "b", "properties": {"distinct_id": "c"}}, "b"),
        ({"distinct_id": "", "properties": {"distinct_id": "c"}}, "c"),
        ({"distinct_id": " ", "$distinct_id": " ", "properties": {"distinct_id": 7}}, "7"),
    ],
)
def test_the_distinct_id_has_three_places(fields: dict[str, Any], distinct_id: str) -> None:
    assert stored(fields).distinct_id == distinct_id


def test_an_event_name_is_cut_and_clean() -> None:
    assert stored({"event": "x" * 201}).event == "x" * 200
    assert stored({"event": "a\0b"}).event == "a\ufffdb"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("018f0000-0000-7000-8000-00000000000a", "018f000000007000800000000000000a"),
        ("018F0000-0000-7000-8000-00000000000A", "018f000000007000800000000000000a"),
        ("018f000000007000800000000000000a", "018f000000007000800000000000000a"),
        ("{018f0000-0000-7000-8000-00000000000a}", "018f000000007000800000000000000a"),
        ("urn:uuid:018f0000-0000-7000-8000-00000000000a", "018f000000007000800000000000000a"),
        ("018f0000-0000-7000-8000-00000000000", None),
        ("018f0000-0000-7000-8000-0000000000 a", None),
        ("018g0000-0000-7000-8000-00000000000a", None),
        ("x" * 1000, None),
    ],
)
def test_uuids_are_read_in_every_spelling(text: str, found: str | None) -> None:
    assert uuid_bytes(text) == (found and bytes.fromhex(found))


def test_an_event_without_uuid_gets_one_of_version_7() -> None:
    for uuid in (None, ""):
        assert stored({"uuid": uuid}).uuid[6] >> 4 == 7


def test_a_session_id_that_is_a_uuid_is_written_in_lower_case() -> None:
    event = stored({"properties": {"$session_id": "018F0000-0000-7000-8000-00000000000A", "n": 1.0}})

    assert event.session_id == "018f0000-0000-7000-8000-00000000000a"
    assert event.properties == b'{"$session_id":"018f0000-0000-7000-8000-00000000000a","n":1.0}'
    assert stored({"properties": {"$session_id": "S-1"}}).session_id == "S-1"


@pytest.mark.parametrize("value", [7, None, ["a"], "x" * 201])
def test_a_session_id_that_is_none_stays_a_property_alone(value: object) -> None:
    event = stored({"properties": {"$session_id": value, "$window_id": value}})

    assert (event.session_id, event.window_id) == ("", "")
    assert event.keys["$session_id"] == value


@pytest.mark.parametrize("style", [{"separators": (",", ":")}, {}, {"indent": 2}])
@pytest.mark.parametrize("before", [{}, {"a": 1}])
@pytest.mark.parametrize("after", [{}, {"z": "$elements_chain"}])
def test_the_chain_of_elements_moves_to_its_column(
    style: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    chain = 'a.cta:href="/buy"text="It\\"s \\\\ é"nth-child="1";div:'
    properties = {**before, "$elements_chain": chain, **after}
    body = {"api_key": "phc_x", "event": "$autocapture", "distinct_id": "u1", "properties": properties}
    posted = open_body(json.dumps(body, **style).encode(), LIMITS, LIMITS.event_bytes)
    [event] = v0.finish(v0.drafts(posted, door(), v0.lanes(LIMITS)["/e"]), door(), [])

    assert event.elements_chain == chain
    assert json.loads(event.properties) == {**before, **after} == event.keys


def test_an_array_of_elements_becomes_a_chain() -> None:
    elements = [
        {
            "tag_name": "a",
            "$el_text": 'Say "hi"',
            "attr__href": "/x",
            "attr__class": "b a",
            "nth_child": 1,
            "nth_of_type": 2,
        },
        {"tag_name": "div", "classes": []},
        7,
    ]

    event = stored({"event": "$autocapture", "properties": {"$elements": elements, "n": 1.0}})

    assert event.elements_chain == 'a.a.b:attr__href="/x"href="/x"nth-child="1"nth-of-type="2"text="Say \\"hi\\"";div:'
    assert event.properties == b'{"n":1.0}'


# -- events that are not stored ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("$$client_ingestion_warning", "client_ingestion_warning"),
        ("$$heatmap", "heatmap_not_stored"),
        ("$snapshot", "snapshot_outside_replay"),
        ("$performance_event", "performance_event_not_supported"),
    ],
)
def test_special_events_become_warnings(name: str, kind: str) -> None:
    event, [warning] = through({"event": name, "properties": {"$$client_ingestion_warning_message": "x" * 2000}})

    assert event is None
    assert warning.type == kind
    assert warning.details["message"] == "x" * 1000


def test_an_event_older_than_the_project_allows_is_dropped() -> None:
    old, new = {"timestamp": "2031-02-02T09:00:00Z"}, {"timestamp": "2031-02-02T11:00:00Z"}
    day = 86_400_000_000

    assert through(old, age_us_max=day)[0] is None
    assert through(old, age_us_max=day)[1][0].type == "event_dropped_too_old"
    assert through(new, age_us_max=day)[0] is not None
    assert through(old)[0] is not None


def test_sent_at_is_kept_as_a_property_and_can_be_ignored() -> None:
    how: dict[str, Any] = {"sent_at_us": NOW + 3_600_000_000, "additions": door_additions("", "2031-02-03T11:00:05Z")}
    timestamp = "2031-02-03T11:00:00Z"

    corrected = stored({"timestamp": timestamp}, **how)
    ignored = stored({"timestamp": timestamp, "properties": {"$ignore_sent_at": True}}, **how)
    own = stored({"properties": {"$sent_at": "mine"}}, **how)

    assert corrected.timestamp_us == NOW - 5_000_000
    assert ignored.timestamp_us == NOW + 3_595_000_000
    assert corrected.keys == {"$sent_at": "2031-02-03T11:00:05Z"}
    assert own.keys == {"$sent_at": "mine"}
