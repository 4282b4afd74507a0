"""Redirect URIs: what may be registered, and what is the same (gateway §6.5, RFC 8252, RFC 9700)."""

from __future__ import annotations

import string
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hedgerow.oauth.redirect_uris import RedirectUriError, check, is_registered, policy_source, shown_host, with_answer

ALLOWED = [
    "https://example.com",
    "https://example.com/",
    "https://example.com:8443/cb?x=1&y=2",
    "https://xn--bcher-kva.example/cb",
    "https://192.0.2.1/cb",
    "https://[2001:db8::1]:8443/cb",
    "http://localhost",
    "http://localhost:3000/cb",
    "http://127.0.0.1/cb",
    "http://127.8.9.10:1/cb",
    "http://[::1]:9/cb",
    "cursor://anysphere.cursor-retrieval/oauth/callback",
    "com.example.app:/cb",
    "vscode://ms.vscode/cb",
]
REFUSED = [
    "",
    "example.com/cb",
    "//example.com/cb",
    "/cb",
    "https:",
    "https:example.com",
    "https:/example.com/cb",
    "https:///cb",
    "https://",
    "https://?x",
    "https://user@example.com/cb",
    "https://user:pw@example.com/cb",
    "https://@example.com/cb",
    "https://exa mple.com/cb",
    "https://example.com/c b",
    "https://example.com/\tcb",
    "https://example.com/cb\n",
    "https://example.com\\@evil.example/",
    "https://example.com/\\evil",
    "https://bücher.example/cb",
    "https://example.com/cb#fragment",
    "https://example.com/#",
    "https://example.com:99999/cb",
    "https://example.com:0/cb",
    "https://example.com:x/cb",
    "https://example.com:80:80/cb",
    "https://-example.com/cb",
    "https://example..com/cb",
    "https://.example.com/cb",
    "https://exa_mple.com/cb",
    "https://%65xample.com/cb",
    "https://1.2.3.4.5/cb",
    "https://2130706433/cb",
    "https://[::1/cb",
    "https://[::1]x/cb",
    "https://[example]/cb",
    "HTTPS://example.com/cb",
    "http://example.com/cb",
    "http://0.0.0.0/cb",
    "http://127.0.0.1.example.com/cb",
    "http://localhost.example.com/cb",
    "http://10.0.0.1/cb",
    "http://[::ffff:8.8.8.8]/cb",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "blob:https://example.com/x",
    "vbscript:x",
    "view-source:https://example.com",
    "cursor:",
    'https://example.com/"><script>',
    "https://example.com/" + "x" * 2_000,
]


@pytest.mark.parametrize("uri", ALLOWED)
def test_what_may_be_registered(uri: str) -> None:
    check(uri)


@pytest.mark.parametrize("uri", REFUSED)
def test_what_may_not(uri: str) -> None:
    with pytest.raises(RedirectUriError):
        check(uri)


@pytest.mark.parametrize(
    ("said", "registered", "same"),
    [
        ("https://a.example/cb", "https://a.example/cb", True),
        ("https://a.example/cb/", "https://a.example/cb", False),
        ("https://a.example:443/cb", "https://a.example/cb", False),
        ("https://a.example/cb?x=1", "https://a.example/cb", False),
        ("https://A.example/cb", "https://a.example/cb", False),
        ("https://a.example/x/../cb", "https://a.example/cb", False),
        ("https://a.example/%63b", "https://a.example/cb", False),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1/cb", True),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1:4000/cb", True),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4000/cb", True),
        ("http://[::1]:5000/cb", "http://[::1]/cb", True),
        ("http://[::1]:5000/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.2:5000/cb", "http://127.0.0.1/cb", False),
        ("http://localhost:5000/cb", "http://localhost/cb", True),
        ("http://localhost/cb", "http://localhost/cb", True),
        ("http://localhost:5000/cb", "http://localhost:4000/cb", False),
        ("http://localhost:5000/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:5000/cb?x=1", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:5000", "http://127.0.0.1", True),
        ("http://127.0.0.1:5000/", "http://127.0.0.1", False),
        ("http://127.0.0.1:99999/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:0/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:80.evil.example/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:5000/cb\n", "http://127.0.0.1/cb", False),
        ("https://127.0.0.1:5000/cb", "https://127.0.0.1/cb", False),
        ("cursor://a/cb", "cursor://a/cb", True),
        ("cursor://a:1/cb", "cursor://a/cb", False),
    ],
)
def test_what_is_the_same(said: str, registered: str, *, same: bool) -> None:
    assert is_registered(said, [registered]) is same


hosts = st.sampled_from(["127.0.0.1", "127.0.0.2", "[::1]", "localhost"])
ports = st.none() | st.integers(1, 65_535)
texts = st.text(string.ascii_letters + string.digits + "/?&=.-_~@:%", max_size=12)
paths = st.builds(lambda sign, text: sign + text if sign else "", st.sampled_from(["", "/", "?"]), texts)


def uri(host: str, port: int | None, path: str) -> str:
    return f"http://{host}{'' if port is None else f':{port}'}{path}"


@given(hosts, ports, ports, paths)
def test_a_loopback_address_listens_at_any_port(host: str, registered: int | None, said: int | None, path: str) -> None:
    free = host != "localhost" or registered is None or registered == said
    assert is_registered(uri(host, said, path), [uri(host, registered, path)]) is free


@given(st.tuples(hosts, ports, paths), st.tuples(hosts, ports, paths))
def test_nothing_else_of_it_may_differ(one: tuple[str, int | None, str], other: tuple[str, int | None, str]) -> None:
    assume((one[0], one[2]) != (other[0], other[2]))
    assert not is_registered(uri(*other), [uri(*one)])


@given(st.text(max_size=60) | st.builds(lambda text: "http://127.0.0.1" + text, st.text(max_size=30)))
def test_whatever_passes_leads_to_the_registered_host(said: str) -> None:
    for registered in ("http://127.0.0.1:4000/cb", "https://a.example/cb"):
        if is_registered(said, [registered]):
            wanted, found = urlsplit(registered), urlsplit(said)
            assert (found.scheme, found.hostname, found.path) == (wanted.scheme, wanted.hostname, wanted.path)
            assert found.username is None


@given(st.text(max_size=80) | st.builds(lambda text: "https://" + text, st.text(max_size=60)))
def test_what_may_be_registered_is_plain_to_see(text: str) -> None:
    try:
        check(text)
    except RedirectUriError:
        return
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set(" \\\"<>#'") - {"'"}
    parts = urlsplit(text)
    assert parts.scheme != "javascript"
    if parts.scheme in {"http", "https"}:
        assert parts.hostname
        assert parts.username is None
        assert ";" not in policy_source(text)
        assert "'" not in policy_source(text)
        assert " " not in policy_source(text)


@given(st.sampled_from([uri for uri in ALLOWED if "://" in uri]), st.text(max_size=30), st.text(max_size=30))
def test_an_answer_is_in_the_query_as_it_was(uri: str, code: str, state: str) -> None:
    assume(all(not 0xD800 <= ord(sign) <= 0xDFFF for sign in code + state))
    location = with_answer(uri, {"code": code, "state": state, "iss": "http://127.0.0.1:8000"})
    assert location.startswith(uri)
    assert location.isascii()
    assert "\r" not in location
    assert "\n" not in location
    found = parse_qs(urlsplit(location).query, keep_blank_values=True)
    assert (found["code"], found["state"], found["iss"]) == ([code], [state], ["http://127.0.0.1:8000"])


@pytest.mark.parametrize(
    ("uri", "host", "source"),
    [
        ("https://a.example:8443/cb", "a.example:8443", "https://a.example:8443"),
        ("http://[::1]:9/cb", "[::1]:9", "http:"),
        ("cursor://x/cb", "cursor:", "cursor:"),
        ("com.example.app:/cb", "com.example.app:", "com.example.app:"),
    ],
)
def test_what_a_person_and_a_browser_are_told(uri: str, host: str, source: str) -> None:
    assert (shown_host(uri), policy_source(uri)) == (host, source)
