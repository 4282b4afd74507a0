"""The hostile table of the contract (gateway §4.2): one test a row, over raw sockets. Rows of the control plane stand there.

In each, one connection to the FAKE cloud is ACTIVE, and what is refused must have touched nothing.
"""

from __future__ import annotations

import pytest
from tests.gateway.fake_posthog import FakePostHog
from tests.gateway.world import World

BAD_PATHS = {
    1: "/posthog/../connections",
    2: "/posthog/%2e%2e/connections",
    3: "/posthog/api/%252e%252e/admin",
    4: "/posthog/api/..;/x",
    5: "/posthog//evil.example/x",
    6: "/posthog/https://evil.example/",
    8: "/posthog/\\\\evil.example/",
    9: "/posthog/%5c%5cevil.example",
    10: "/posthog/api/x%0d%0aX-Evil:1",
    11: "/posthog/api/x%00",
    12: "/posthog/api/%zz",
    112: "/posthog/api/%c0%ae%c0%ae/",
    113: "/posthog/api/%25252525252e/",
    114: "/posthog/api/\uff0e\uff0e/".encode().decode("latin-1"),
    115: "/posthog/api/%ef%bc%8e%ef%bc%8e/x",
    116: "/posthog/api/%2f%2fevil.example",
    117: "/posthog/.",
    118: "/posthog/api/%2e%2e%2f%2e%2e%2fconnections",
}


@pytest.fixture(autouse=True)
async def _one_connection(world: World) -> None:
    await world.connect()


@pytest.mark.parametrize("row", sorted(BAD_PATHS))
async def test_rows_1_to_12_a_path_that_could_mean_two_things_is_refused(world: World, row: int) -> None:
    answer = await world.ask(BAD_PATHS[row])
    assert answer.status == 400
    assert answer.json()["code"] in ({"invalid_path", "invalid_request"} if row in {8, 114} else {"invalid_path"})
    assert answer.headers["hedgerow-origin"] == "gateway"
    assert world.untouched()


@pytest.mark.parametrize(
    "target", ["/@evil.example/", "/api/a%2Fb/", "/api/x?u=http://169.254.169.254/", "/a/@me/%2B+%20"]
)
async def test_rows_7_13_14_what_means_one_thing_goes_on_as_it_came(world: World, target: str) -> None:
    answer = await world.ask("/posthog" + target)
    assert answer.status == 200
    assert answer.json()["target"] == target
    assert world.fake.last.header("host") == f"127.0.0.1:{world.fake.port}"


async def test_row_15_a_target_that_is_a_url_is_no_proxy_request(world: World) -> None:
    answer = await world.ask("http://evil.example/posthog/api/")
    assert (answer.status, answer.closed) == (400, True)
    assert world.untouched()


async def test_row_16_connect_is_refused_and_closed(world: World) -> None:
    answer = await world.raw("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    assert (answer.status, answer.closed) == (405, True)
    assert world.untouched()


async def test_row_17_an_unknown_host_is_not_answered_to(world: World) -> None:
    answer = await world.ask("/posthog/api/", host="evil.example")
    assert answer.status == 421
    assert world.untouched()


async def test_row_18_what_claims_to_know_the_real_request_is_dropped(world: World) -> None:
    lines = [
        "X-Forwarded-Host: evil.example",
        "X-Original-URL: /connections",
        "X-Forwarded-For: 1.2.3.4",
        "X-Real-IP: 1.2.3.4",
    ]
    answer = await world.ask("/posthog/api/", *lines)
    assert answer.json()["target"] == "/api/"
    names = {name.lower() for name, _ in world.fake.last.headers}
    assert not names & {"x-forwarded-host", "x-original-url", "x-forwarded-for", "x-real-ip"}


@pytest.mark.parametrize("named", ["authorization", "Host", "close, content-length", "cookie", "Hedgerow-Connection"])
async def test_row_19_a_connection_header_takes_nothing_away_that_must_arrive(world: World, named: str) -> None:
    answer = await world.ask("/posthog/api/", f"Connection: {named}")
    assert (answer.status, answer.json()["code"]) == (400, "invalid_request")
    assert world.untouched()


async def test_row_20_what_a_connection_header_names_stays_here(world: World) -> None:
    answer = await world.ask("/posthog/api/", "Connection: close, x-foo", "X-Foo: 1", "X-Bar: 2")
    assert answer.status == 200
    assert world.fake.last.header("x-foo") is None
    assert world.fake.last.header("x-bar") == "2"


BAD_FRAMING = {
    "21 both lengths": ("Content-Length: 5\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
    "22 two lengths": ("Content-Length: 5\r\nContent-Length: 6", "hello"),
    "22 two equal lengths": ("Content-Length: 5\r\nContent-Length: 5", "hello"),
    "22 a list of lengths": ("Content-Length: 5, 5", "hello"),
    "22 a signed length": ("Content-Length: +5", "hello"),
    "23 unknown coding": ("Transfer-Encoding: xchunked", "5\r\nhello\r\n0\r\n\r\n"),
    "24 bare LF in an extension": ("Transfer-Encoding: chunked", "5;a\nhello\r\n0\r\n\r\n"),
    "24 hexadecimal prefix": ("Transfer-Encoding: chunked", "0x10\r\nhello\r\n0\r\n\r\n"),
    "25 space before the colon": ("Foo : bar", ""),
    "25 folded line": ("Foo: bar\r\n baz", ""),
    "25 bare CR": ("Foo: bar\rbaz", ""),
    "25 NUL": ("Foo: bar\0baz", ""),
    "two hosts": ("Host: 127.0.0.1", ""),
}


@pytest.mark.parametrize("case", sorted(BAD_FRAMING))
async def test_rows_21_to_25_bad_framing_ends_the_connection(world: World, case: str) -> None:
    lines, body = BAD_FRAMING[case]
    answer = await world.ask("/posthog/api/", lines, method="POST", body=body)
    assert (answer.status, answer.closed) == (400, True)
    assert not [one for one in world.fake.received if one.body]
    assert not world.inner.reached


async def test_row_26_two_authorizations(world: World) -> None:
    answer = await world.ask("/posthog/api/", "Authorization: Bearer $KEY")
    assert (answer.status, answer.json()["code"]) == (400, "invalid_request")
    assert world.untouched()


async def test_row_27_an_account_s_key_is_not_ours(world: World) -> None:
    secret = "phx_" + "A" * 43
    answer = await world.raw(f"GET /posthog/api/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n\r\n")
    assert (answer.status, answer.json()["code"]) == (401, "invalid_api_key")
    assert secret.encode() not in answer.body
    assert world.untouched()


@pytest.mark.parametrize(
    "query", ["personal_api_key=phx_x", "a=1&personal%5Fapi%5Fkey=phx_x", "a=1;personal_api_key=x"]
)
async def test_row_28_a_credential_in_the_query_is_refused(world: World, query: str) -> None:
    answer = await world.ask(f"/posthog/api/?{query}")
    assert (answer.status, answer.json()["code"]) == (400, "credential_in_query")
    assert b"phx_x" not in answer.body
    assert world.untouched()


async def test_row_28_a_credential_in_the_body_is_the_callers_own_affair(world: World) -> None:
    body = '{"personal_api_key":"phx_x"}'
    lines = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    answer = await world.ask("/posthog/api/", *lines, method="POST", body=body)
    assert answer.status == 200
    assert world.fake.last.body == body.encode()


async def test_row_29_a_method_in_a_header_changes_nothing(world: World) -> None:
    key = await world.new_key({"mode": "read_only"})
    lines = "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-HTTP-Method: DELETE"
    answer = await world.raw(
        f"GET /posthog/api/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer $KEY\r\n{lines}\r\n\r\n", key=key
    )
    assert answer.status == 200
    assert world.fake.last.method == "GET"
    assert not any("override" in name.lower() or "method" in name.lower() for name, _ in world.fake.last.headers)


@pytest.mark.parametrize("named", ["other", "unknown"])
async def test_row_35_a_connection_of_somebody_else_is_unknown(world: World, named: str) -> None:
    others = await world.connect(user_id=await world.new_user())
    connection_id = others.id if named == "other" else "ce2b0840-4e39-4b58-b607-7290fa7a3595"
    answer = await world.ask("/posthog/api/", f"Maton-Connection: {connection_id}")
    body = answer.json()
    assert (answer.status, body["code"], body["detail"]) == (400, "connection_not_found", "No connection with this id.")
    assert str(connection_id).encode() not in answer.body
    assert world.untouched()


@pytest.mark.parametrize("value", ["../../x", "x" * 10_000, "\xe4\xf6", ""])
async def test_row_36_a_connection_that_is_no_id(world: World, value: str) -> None:
    answer = await world.ask("/posthog/api/", f"Maton-Connection: {value}")
    assert answer.status == 400
    assert world.untouched()


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "https:/\\evil.example",
        "http://127.0.0.1:1/",
        "javascript:alert(1)",
        "http://127.0.0.1@evil.example/",
        "/\\evil.example",
        "\thttps://evil.example/",
        "https:evil.example",
    ],
)
async def test_rows_37_39_a_redirect_to_elsewhere_stays_here(world: World, to: str) -> None:
    from urllib.parse import quote

    answer = await world.ask(f"/posthog/redirect?to={quote(to)}")
    assert (answer.status, answer.json()["code"]) == (502, "redirect_blocked")
    assert "location" not in answer.headers
    assert answer.headers["hedgerow-origin"] == "gateway"


async def test_row_38_a_redirect_at_home_leads_through_the_gateway(world: World, fake: FakePostHog) -> None:
    own = world.settings.origin
    for to in ("/api/projects/1/?a=b", f"{fake.url}/api/projects/1/?a=b"):
        answer = await world.ask(f"/posthog/redirect?code=301&to={to.replace('&', '%26')}")
        assert (answer.status, answer.headers["location"]) == (301, f"{own}/posthog/api/projects/1/?a=b")


async def test_rows_40_41_what_belongs_to_another_origin_is_not_answered(world: World) -> None:
    answer = await world.ask("/posthog/odd-headers", "Cookie: sessionid=mine", "Origin: https://evil.example")
    gone = {
        "set-cookie",
        "strict-transport-security",
        "access-control-allow-origin",
        "alt-svc",
        "clear-site-data",
        "x-hop",
    }
    assert not gone & answer.headers.keys()
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["hedgerow-origin"] == "upstream"
    assert answer.headers["x-kept"] == "yes"
    assert answer.headers["hedgerow-upstream-request-id"] == "theirs"
    assert answer.body == b"<script>alert(1)</script>"
    assert not {"cookie", "origin"} & {name.lower() for name, _ in world.fake.last.headers}


async def test_row_50_a_bomb_goes_on_as_it_is(world: World) -> None:
    answer = await world.ask("/posthog/api/projects/1/persons/?how=bomb", "Accept-Encoding: gzip")
    assert answer.status == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert "link" not in answer.headers


async def test_row_51_a_call_to_this_server_does_not_come_back_in(world: World) -> None:
    local = await world.connect(method="LOCAL")
    answer = await world.ask("/posthog/posthog/api/", f"Maton-Connection: {local.id}")
    assert (answer.status, answer.json()["inner"]) == (
        200,
        "/posthog/api/",
    )  # what stands behind the gateway, not the gateway
    assert not world.fake.received


@pytest.mark.parametrize(
    ("lines", "target", "status"),
    [
        ([f"X-{number}: 1" for number in range(101)], "/posthog/api/", 431),
        (["X-Large: " + "a" * 40_000], "/posthog/api/", 431),
        ([], "/posthog/api/" + "a" * 20_000, 414),
        ([], "/posthog/api/?" + "a" * 20_000, 414),
        (["X-Endless: " + "a" * 900_000], "/posthog/api/", 431),
    ],
)
async def test_row_52_a_head_has_an_end(world: World, lines: list[str], target: str, status: int) -> None:
    answer = await world.ask(target, *lines)
    assert (answer.status, answer.closed) == (status, True)
    assert world.untouched()


async def test_row_53_a_body_that_does_not_come_is_not_waited_for(world: World) -> None:
    opened = world.fake.connections
    answer = await world.ask("/posthog/api/", "Content-Length: 100", method="POST")
    assert (answer.status, answer.json()["code"]) == (408, "body_timeout")
    assert world.fake.connections == opened
    assert world.untouched()


async def test_row_54_a_request_in_the_body_of_another_is_a_body(world: World) -> None:
    inside = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await world.ask("/posthog/api/", f"Content-Length: {len(inside)}", body=inside)
    assert answer.status == 200
    assert [one.path for one in world.fake.received] == ["/api/"]
    assert world.fake.last.body == inside.encode()


async def test_row_55_no_websockets(world: World) -> None:
    lines = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"]
    answer = await world.ask("/posthog/api/", *lines)
    assert (answer.status, answer.json()["code"]) == (501, "upgrade_not_supported")
    assert world.untouched()


async def test_row_55_h2c_stays_here(world: World) -> None:
    lines = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"]
    answer = await world.ask("/posthog/api/", *lines)
    assert answer.status == 200
    assert not {"upgrade", "http2-settings"} & {name.lower() for name, _ in world.fake.last.headers}
    refused = await world.ask("/posthog/api/", *lines, "Content-Length: 3", method="POST", body="abc")
    assert (refused.status, refused.closed) == (400, True)
