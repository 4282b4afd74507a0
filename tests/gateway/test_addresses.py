"""Which addresses a host may have (gateway §4.1 rule 4, §4.2 rows 42 to 45), and that no other is ever connected to."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.gateway.fake_posthog import FakePostHog
from tests.gateway.world import a_world
from tests.stores.databases import database_url

from hedgerow.core.clock import Clock, ManualClock
from hedgerow.core.errors import StartupError
from hedgerow.gateway.addresses import AddressRefused, NameUnknown, Resolver, may_connect
from hedgerow.gateway.apps import POSTHOG, Apps, plain_origin
from hedgerow.gateway.channel import CannotConnect, TlsFailed
from hedgerow.gateway.upstream import BREAKS_AFTER, Target, UpstreamClient
from hedgerow.settings import Settings

NEVER = [
    "0.0.0.0", "169.254.169.254", "169.254.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "fe80::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "fe80::1%eth0", "fd00:ec2::254", "x", "",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.1.2.3", "::1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200",
    "192.0.0.192", "198.18.0.1", "fc00::1", "fd12:3456::1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "2001:db8::1",
    "fec0::1", "192.0.2.1", "203.0.113.5",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.63.255.255", "2606:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_connected_to(address: str) -> None:
    assert not may_connect(address, is_private=False)
    assert not may_connect(address, is_private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_only_where_the_operator_says_so(address: str) -> None:
    assert not may_connect(address, is_private=False)
    assert may_connect(address, is_private=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_ones(address: str) -> None:
    assert may_connect(address, is_private=False)


class Names:
    """A name server whose answers a test changes."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        del host, port
        self.asked += 1
        found = self.answers[min(self.asked, len(self.answers)) - 1]
        if not found:
            raise OSError("unknown")
        return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, tzinfo=UTC))


async def test_one_bad_address_among_good_ones_refuses_the_name(clock: ManualClock) -> None:
    resolver = Resolver(clock, Names(["8.8.8.8", "127.0.0.1"]))
    with pytest.raises(AddressRefused):
        await resolver.resolve("us.posthog.com", 443, is_private=False)


async def test_a_name_that_changes_its_mind_stays_pinned_and_is_then_refused(clock: ManualClock) -> None:
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    resolver = Resolver(clock, names)
    for _ in range(3):
        assert await resolver.resolve("ph.example.com", 443, is_private=False) == "8.8.8.8"
    assert names.asked == 1
    clock.advance(31)
    with pytest.raises(AddressRefused):
        await resolver.resolve("ph.example.com", 443, is_private=False)


async def test_an_address_that_does_not_answer_makes_way_for_the_next(clock: ManualClock) -> None:
    resolver = Resolver(clock, Names(["8.8.4.4", "8.8.8.8"]))
    first = await resolver.resolve("ph.example.com", 443, is_private=False)
    resolver.forget("ph.example.com", 443, is_private=False)
    assert {first, await resolver.resolve("ph.example.com", 443, is_private=False)} == {"8.8.4.4", "8.8.8.8"}


async def test_a_name_that_nobody_knows(clock: ManualClock) -> None:
    for names in (Names([]), Names([])):
        with pytest.raises(NameUnknown):
            await Resolver(clock, names).resolve("nowhere.example", 443, is_private=False)


async def test_rows_42_43_a_host_that_now_means_this_machine(tmp_path: Path, fake: FakePostHog) -> None:
    """Nothing is sent, and the caller does not learn which address it was."""
    host = f"http://ph.example.com:{fake.port}"
    settings = Settings(
        data_dir=tmp_path, database_url=database_url(), gateway_hosts=(host,), gateway_rate_per_second=0
    )
    async with a_world(settings, Clock(), fake, resolver=Resolver(Clock(), Names(["127.0.0.1"]))) as world:
        await world.connect(base_url=host)
        answer = await world.get("/posthog/api/")
        assert (answer.status_code, answer.json()["code"]) == (502, "upstream_unreachable")
        assert "127.0.0.1" not in answer.text
        assert answer.headers["proxy-status"] == "hedgerow; error=destination_ip_prohibited"
        assert not fake.received


async def test_the_pinned_address_is_used_with_the_host_s_own_name(tmp_path: Path, fake: FakePostHog) -> None:
    host = f"http://ph.example.com:{fake.port}"
    settings = Settings(
        data_dir=tmp_path, database_url=database_url(), gateway_hosts=(f"{host};private",), gateway_rate_per_second=0
    )
    names = Names(["127.0.0.1"])
    async with a_world(settings, Clock(), fake, resolver=Resolver(Clock(), names)) as world:
        await world.connect(base_url=host)
        for _ in range(3):
            assert (await world.get("/posthog/api/")).status_code == 200
        assert fake.last.header("host") == f"ph.example.com:{fake.port}"
        assert names.asked == 1


@pytest.mark.parametrize(
    "text",
    ["http://[::ffff:169.254.169.254]/x?y", "us.posthog.com", "https://us.posthog.com@evil.example", "https://a:b@c",
     "ftp://us.posthog.com", "https://us.posthog.com/#", "https://us.posthog.com/../x", "https://x\\y", "https://", "https://a b"],
)  # fmt: skip
def test_what_is_no_origin(text: str) -> None:
    assert plain_origin(text) is None


@pytest.mark.parametrize(
    "base_url",
    ["http://2130706433", "http://0x7f.1", "http://us.posthog.com.evil.example", "https://us.posthog.com:8443",
     "http://us.posthog.com", "https://US.posthog.com.", "http://[::ffff:169.254.169.254]", "https://posthog.com"],
)  # fmt: skip
def test_rows_44_45_only_what_is_listed_is_allowed(base_url: str) -> None:
    apps = Apps.load(Settings())
    assert not apps.allows_origin(POSTHOG, base_url)
    assert apps.allows_origin(POSTHOG, "https://us.posthog.com")


@pytest.mark.parametrize("entry", ["evil", "https://a@b", "https://a;public", "https://a/?x"])
def test_a_host_setting_that_cannot_be_used_stops_the_start(entry: str) -> None:
    with pytest.raises(StartupError, match="HEDGEROW_GATEWAY_HOSTS"):
        Apps.load(Settings(gateway_hosts=(entry,)))


def test_apps_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "apps.toml"
    file.write_text(
        '[example]\ntitle = "Example"\nmethods = ["API_KEY"]\nprobes = ["/v1/me"]\n'
        'hosts = [{ name = "main", title = "Example", origin = "https://api.example.com" }]\n'
    )
    apps = Apps.load(Settings(gateway_apps_file=str(file)))
    assert [app.name for app in apps.all()] == ["posthog", "example"]
    file.write_text('[example]\ntitle = "Example"\nunknown = 1\n')
    with pytest.raises(StartupError, match=r"apps\.toml"):
        Apps.load(Settings(gateway_apps_file=str(file)))


async def test_a_host_that_is_down_is_left_alone_for_a_while(clock: ManualClock) -> None:
    client = UpstreamClient(clock)
    target = Target.of("http://127.0.0.1:1", is_private=True)
    for _ in range(BREAKS_AFTER):
        with pytest.raises(CannotConnect) as raised:
            await client.acquire(target)
        assert raised.value.kind == "connection_refused"
    with pytest.raises(CannotConnect) as raised:
        await client.acquire(target)
    assert raised.value.kind == "destination_unavailable"
    clock.advance(6)
    with pytest.raises(CannotConnect) as raised:
        await client.acquire(target)
    assert raised.value.kind == "connection_refused"


async def test_a_connection_that_was_idle_for_long_is_not_used(fake: FakePostHog, clock: ManualClock) -> None:
    client = UpstreamClient(clock)
    target = Target.of(fake.url, is_private=True)

    async def ask() -> None:
        channel = await client.acquire(target)
        channel.begin(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", is_head=False, has_more=False)
        await channel.head(5)
        while await channel.read(5):
            pass
        client.release(channel)

    await ask()
    await ask()
    assert client.opened == 1
    clock.advance(31)
    await ask()
    assert client.opened == 2
    await client.close()


async def test_a_certificate_that_nobody_trusts(tmp_path: Path, clock: ManualClock) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certificate(tmp_path))

    async def serve(_reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    client = UpstreamClient(clock, resolver=Resolver(clock, Names(["127.0.0.1"])))
    with pytest.raises(TlsFailed):
        await client.acquire(Target.of(f"https://ph.example.com:{port}", is_private=True))
    server.close()
    await server.wait_closed()


def _certificate(folder: Path) -> tuple[Path, Path]:
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ph.example.com")])
    now = Clock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("ph.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


async def test_a_redirect_to_a_listed_storage_is_followed_without_credential(tmp_path: Path, fake: FakePostHog) -> None:
    storage = FakePostHog()
    await storage.start()
    settings = Settings(
        data_dir=tmp_path,
        database_url=database_url(),
        gateway_hosts=(f"{fake.url};private",),
        gateway_follow_hosts=(f"{storage.url};private",),
        gateway_rate_per_second=0,
    )
    async with a_world(settings, Clock(), fake) as world:
        await world.connect()
        to = quote(f"{storage.url}/bucket/export.csv?X-Signature=a%2Fb")
        answer = await world.get(f"/posthog/redirect?to={to}", headers={"X-Mine": "1", "Range": "bytes=0-"})
        assert (answer.status_code, answer.headers["hedgerow-origin"]) == (200, "upstream")
        assert storage.last.target == "/bucket/export.csv?X-Signature=a%2Fb"
        assert storage.last.header("range") == "bytes=0-"
        assert not {"authorization", "x-mine", "x-request-id"} & {name.lower() for name, _ in storage.last.headers}
        twice = quote(f"{storage.url}/redirect?to=" + quote(f"{storage.url}/redirect?to=" + quote(f"{storage.url}/x")))
        assert (await world.get(f"/posthog/redirect?to={twice}")).status_code == 502, "two hops, no more"
        written = await world.call("POST", f"/posthog/redirect?to={to}")
        assert (written.status_code, written.json()["code"]) == (502, "redirect_blocked")
        assert (await world.get(f"/posthog/redirect?to={quote('http://127.0.0.1:1/x')}")).status_code == 502
    await storage.stop()


async def test_a_host_name_of_the_gateway_s_own(tmp_path: Path, fake: FakePostHog) -> None:
    settings = Settings(
        data_dir=tmp_path,
        database_url=database_url(),
        gateway_hosts=(f"{fake.url};private",),
        gateway_host="gateway.example.com",
    )
    async with a_world(settings, Clock(), fake) as world:
        await world.connect()
        for host, target, status in (
            ("gateway.example.com", "/posthog/api/", 200),
            ("gateway.example.com:8000", "/posthog/api/", 200),
            ("gateway.example.com", "/connections", 404),
            ("127.0.0.1", "/posthog/api/", 421),
            ("127.0.0.1", "/connections", 200),
            ("evil.example", "/posthog/api/", 421),
        ):
            assert (await world.ask(target, host=host)).status == status, (host, target)
        assert world.inner.reached == ["/connections"]
