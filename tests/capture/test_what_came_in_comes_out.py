"""What a client sent comes back from `select properties` as it was, to the letter (sdk-wire §8.3; JSON in = JSON out)."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests.capture.room import CaptureProject

from hedgerow.capture import properties
from hedgerow.capture.envelope import open_body
from hedgerow.capture.limits import Limits
from hedgerow.capture.normalise import Door, Draft, door_additions, normalise
from hedgerow.capture.tolerance import Mended

pytestmark = pytest.mark.stores

EXAMPLES = 5_000 if os.environ.get("HEDGEROW_TEST_TIER") == "all" else 200
ADDED = ',"$ip":"203.0.113.9"'

TEXTS: list[tuple[str, str]] = [
    ("explicit null", '{"a":null}'),
    ("a float that is whole", '{"a":1.0,"b":100.00}'),
    ("exponents", '{"a":1E5,"b":1e-07,"c":1.5e+3}'),
    ("minus zero", '{"a":-0,"b":-0.0}'),
    ("beyond 64 bits", '{"a":9223372036854775809,"b":-9223372036854775809,"c":123456789012345678901234567890}'),
    ("a thousand digits", '{"a":' + "7" * 1000 + "}"),
    ("many decimals", '{"a":0.1000000000000000055511151231257827021181583404541015625}'),
    ("too small for a double", '{"a":1e-400}'),
    ("dotted keys", '{"a.b":1,"a":{"b":2},"a.b.c":3}'),
    ("empty things", '{"a":{},"b":[],"c":"","":0}'),
    ("emoji", '{"🦊":"🦊","a":"\\ud83e\\udd8a"}'),
    ("spellings of one text", '{"a":"\\u0041\\/\\n","\\u0042":"é\\u00e9"}'),
    ("white space", '{ "a" : 1 ,\n\t"b" : [ 1 , 2 ] }'),
    ("mixed lists", '{"a":[1,"x",null,{"b":[1.50,{}]},[2]]}'),
    ("quotes and colons in texts", '{"a":"\\":","b":"x : y","c":"{\\"d\\":1}"}'),
    ("keys that end in a backslash", '{"a\\\\":1,"b":2}'),
    ("names of ClickHouse", '{"null":1,"`a`":2,"\'":3,"a%2Eb":4}'),
    ("noncharacters", '{"a":"\\uffff\\ufffe"}'),
    ("line separators", '{"a":"\\u2028\u2029"}'),
    ("lone surrogates", '{"a":"x\\ud83d","b":"\\ude00 y","\\ud83d":1}'),
    ("lone and paired surrogates", '{"a":"\\ud83d\\ud83d\\ude00","b":"\\\\ud83d"}'),
    ("64 levels", '{"a":' + "[" * 63 + "]" * 63 + "}"),
    ("a key of 8 KiB", '{"' + "k" * 8192 + '":1}'),
]


async def stored(project: CaptureProject, text: str) -> str:
    body = f'{{"api_key":"{project.token}","event":"a","distinct_id":"u1","properties":{text}}}'
    answer = await project.post("/e/", body.encode())
    assert answer.status == 200, answer.text
    [found] = await project.properties()
    return found


@pytest.mark.parametrize("text", [row[1] for row in TEXTS], ids=[row[0] for row in TEXTS])
async def test_the_text_is_the_one_that_was_sent(project: CaptureProject, text: str) -> None:
    assert await stored(project, text) == text[:-1] + ADDED + "}"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('{"a":1,"b":2,"a":3.0}', '{"a":3.0,"b":2'),
        ('{"a":{"b":1,"b":[{"c":1e5,"c":-0.0}]}}', '{"a":{"b":[{"c":-0.0}]}'),
        ('{"a":"\\u0000x","b\\u0000":1}', '{"a":"\\ufffdx","b\\ufffd":1'),
        ('{"a\\u0000":1,"a\\ufffd":2}', '{"a\ufffd":2'),
        ('{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN"}', '{"a":null,"b":[null,null],"c":"NaN"'),
    ],
)
async def test_what_cannot_be_kept_becomes_what_javascript_would_read(
    project: CaptureProject, sent: str, kept: str
) -> None:
    assert await stored(project, sent) == kept + ADDED + "}"


@pytest.mark.parametrize("blank", [0, 1, 31, 32, 33, 500])
async def test_no_properties_are_no_trouble_however_blank(project: CaptureProject, blank: int) -> None:
    assert await stored(project, "{" + " " * blank + "}") == "{" + ADDED[1:] + "}"


async def test_bytes_that_are_no_text_become_replacement_characters(project: CaptureProject) -> None:
    body = b'{"api_key":"%b","event":"a","distinct_id":"u\xff","properties":{"a":"\xed\xa0\x80","b":"\xc3\xa9"}}'

    assert (await project.post("/e/", body % project.token.encode())).status == 200

    [[distinct_id, text]] = await project.rows("distinct_id, properties")
    assert distinct_id == "u\ufffd"
    assert json.loads(text)["a"] == "\ufffd" * 3
    assert json.loads(text)["b"] == "é"


async def test_a_lone_surrogate_costs_no_neighbour_and_can_be_queried(project: CaptureProject) -> None:
    events = [
        {"event": "e", "distinct_id": f"u{n}", "properties": {"n": n, "a": "\ud83d" if n == 1 else "x"}}
        for n in (0, 1, 2)
    ]

    await project.sends(*events)

    rows = await project.rows("properties_map['n'], properties_map['a']", "distinct_id")
    assert rows == [["0", '"x"'], ["1", '"\ufffd"'], ["2", '"x"']]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OWN_KEYS = st.sampled_from(["$set", "$set_once", "$session_id", "$ip", "a", "$elements_chain", "$groups"])
OBJECTS = st.dictionaries(st.text() | OWN_KEYS, JSON, max_size=8)
STYLES = st.sampled_from([
    {"separators": (",", ":")},
    {"ensure_ascii": False},
    {"indent": 1},
    {"separators": (" , ", " : ")},
])  # fmt: skip


def door(mended: Mended | None = None) -> Door:
    return Door(
        team_id=1, now_us=0, address="203.0.113.9", additions=door_additions("203.0.113.9", None), mended=mended
    )


def through(text: bytes) -> Any:
    body = b'{"api_key":"phc_x","event":"a","distinct_id":"u1","properties":%b}' % text
    posted = open_body(body, Limits(), 1 << 20)
    [opened] = posted.events
    return normalise(Draft("a", "u1", bytes(16), 0, opened.text, opened.values), door(posted.mended), [])


def without_nul(value: Any) -> Any:
    """The contract's one change of texts."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    return value


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(OBJECTS, STYLES)
@example({"$elements_chain": "a:", "b": 1.0}, {"separators": (",", ":")})
@example({"a": 1, "$elements_chain": 'a"\\'}, {"indent": 1})
@example({"$elements_chain": "a:"}, {})
def test_any_json_in_is_the_same_json_out(value: dict[str, Any], style: dict[str, Any]) -> None:
    assume("$elements" not in value)  # becomes `$elements_chain`
    event = through(json.dumps(value, **style).encode("utf-8", "surrogatepass"))

    wanted = without_nul(value)
    if isinstance(wanted.get("$elements_chain"), str):
        assert event.elements_chain == wanted.pop("$elements_chain")
    wanted.setdefault("$ip", "203.0.113.9")
    # as text, so that 1 and 1.0 are two things
    assert json.dumps(json.loads(event.properties)) == json.dumps(wanted)
    assert event.keys == wanted


HALVES = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=10)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.dictionaries(HALVES.filter(lambda key: not key.startswith("$")), HALVES, max_size=4), st.booleans())
def test_any_surrogates_in_are_the_same_out(value: dict[str, str], ascii_only: bool) -> None:
    text = json.dumps(value) if ascii_only else json.dumps(value).replace("\\ue0", "\\uE0")

    event = through(text.encode())

    wanted = json.loads(json.dumps(without_nul(value)))
    found = json.loads(event.properties)
    assert found.pop("$ip") == "203.0.113.9"
    assert found == wanted
    indexed = event.indexed_properties or event.properties
    assert not any("\ud800" <= c <= "\udfff" for c in json.loads(indexed).__repr__())


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", 'c"', "\\"]), JSON), max_size=6), STYLES)
def test_of_keys_that_come_twice_the_last_value_stays(pairs: list[tuple[str, Any]], style: dict[str, Any]) -> None:
    text = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value, **style)}" for key, value in pairs) + "}"

    checked, values = properties.read(without_nul_text(text).encode("utf-8", "surrogatepass"))

    seen: list[int] = []
    json.loads(checked, object_pairs_hook=lambda found: seen.append(len(found) - len(dict(found))) or dict(found))
    assert not any(seen)
    assert json.loads(checked) == values == json.loads(without_nul_text(text))


def without_nul_text(text: str) -> str:
    return text.replace("\\u0000", "\\ufffd")
