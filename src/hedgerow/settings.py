"""Every setting, typed, with defaults that run on one machine with nothing else started.

Each field is read from the environment as `HEDGEROW_<FIELD NAME IN CAPITALS>`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

PREFIX = "HEDGEROW_"


class SettingsError(ValueError):
    """A setting that cannot be used; the message is one sentence for a person."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set. Durations are seconds, sizes are bytes unless a name says otherwise."""

    # Where things are
    data_dir: Path = Path(".hedgerow")
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""  # the origin that people and SDKs use, when it is not http://host:port
    allowed_hosts: tuple[str, ...] = ()  # further host names to answer to; loopback names always are
    trusted_proxies: tuple[str, ...] = ()  # peers whose X-Forwarded-For counts (addresses or networks)

    # Stores
    clickhouse_url: str = ""  # "" is chdb:///{data_dir}/clickhouse; or clickhouse://user:password@host:8123/database
    database_url: str = ""  # "" is sqlite:///{data_dir}/hedgerow.db; or postgresql://…
    objects_url: str = ""  # "" is {data_dir}/objects; or s3://, gs://, az://
    redis_url: str = ""  # counters and caches; "" keeps them in memory
    durability: Literal["process", "fsync"] = "process"  # what a 200 survives: the process's death, or power loss too

    # Capture
    capture_queue_events: int = 50_000  # events waiting or in flight before 503
    capture_queue_bytes: int = 256 << 20
    capture_group_events: int = 5_000  # most events committed as one group
    capture_max_event_bytes: int = 2 << 20  # body of /e/ and its like
    capture_max_batch_bytes: int = 20 << 20  # body of /batch/, inflated
    capture_max_v1_bytes: int = 10 << 20  # body of the v1 endpoint as sent
    capture_max_ai_event_bytes: int = 8 << 20
    capture_max_batch_events: int = 20_000
    capture_inflight_bytes: int = 96 << 20  # bodies being decoded at once, all requests together
    capture_body_timeout_seconds: float = 30.0
    dedupe_window_days: int = 7
    dedupe_memory_events: int = 16_000_000  # uuids that the in-memory filter may hold, all generations
    geoip_path: str = ""  # an MMDB file; "" is no GeoIP

    # Queries
    query_max_seconds: float = 60.0
    query_max_memory_bytes: int = 4 << 30
    query_max_read_bytes: int = 0  # uncompressed, of one query; 0 is no limit
    query_max_result_bytes: int = 256 << 20
    query_max_rows: int = 50_000  # PostHog's most rows of one SELECT over the API
    query_max_text_bytes: int = 1 << 20
    query_export_max_rows: int = 1_000_000_000  # of one CSV, JSON lines, Arrow or Parquet answer
    query_export_max_seconds: float = 3_600.0
    query_concurrency: int = 4  # queries that run at once in this process
    query_waiting: int = 64  # queries that may wait for a place before 503
    query_concurrency_per_key: int = 4
    query_threads: int = 0  # threads of one query; 0 leaves one core to the writer where there are several
    query_cache_bytes: int = 64 << 20
    clickhouse_memory_bytes: int = 0  # ceiling of the embedded engine; 0 is 70 % of the machine

    # Background work
    squash_after_seconds: float = 300.0  # merges are written into the events at the latest this long after the first
    squash_at_overrides: int = 10_000  # or as soon as so many distinct ids have moved; until then queries join them

    # Requests
    rate_limit_profile: Literal["local", "posthog"] = "local"
    rate_limit_burst_per_minute: int = 480
    rate_limit_sustained_per_hour: int = 4_800
    rate_limit_clickhouse_burst_per_minute: int = 240
    rate_limit_clickhouse_sustained_per_hour: int = 1_200
    rate_limit_query_per_hour: int = 120
    rate_limit_api_queries_burst_per_minute: int = 240
    rate_limit_api_queries_sustained_per_hour: int = 2_400
    rate_limit_persons_burst_per_minute: int = 180
    rate_limit_persons_sustained_per_hour: int = 1_200
    rate_limit_local_evaluation_per_minute: int = 600
    rate_limit_remote_config_per_minute: int = 600
    rate_limit_snapshots_burst_per_minute: int = 120
    rate_limit_snapshots_sustained_per_hour: int = 600
    rate_limit_sign_in_per_minute: int = 10  # tries to sign in with one e-mail address
    request_concurrency: int = 512
    taxonomy_max_properties: int = 50_000  # property definitions noticed per project

    # Gateway
    gateway_hosts: tuple[str, ...] = ()  # further origins for accounts; `;private` behind one of a private network
    gateway_follow_hosts: tuple[str, ...] = ()  # origins, such as of exports' storage, that redirects are followed to
    gateway_apps_file: str = ""  # a TOML file that declares further apps
    gateway_host: str = ""  # a host name that serves the data plane alone; "" is every known host
    gateway_body_max_bytes: int = 64 << 20
    gateway_connect_seconds: float = 5.0
    gateway_first_byte_seconds: float = 90.0
    gateway_idle_seconds: float = 60.0  # between two pieces of a body, in either direction
    gateway_stream_idle_seconds: float = 300.0  # between two pieces of a text/event-stream
    gateway_total_seconds: float = 600.0
    gateway_calls_per_connection: int = 128  # calls through one connection at once; more wait
    gateway_rate_per_second: float = 50.0  # of a key whose policy says nothing; 0 is no limit
    gateway_rate_burst: int = 100
    gateway_guard: Literal["off", "posthog"] = "off"  # refuse by PostHog's own limits before it does
    events_url: str = ""  # where a gateway that runs alone sends its calls: https://phc_token@host; "" is nowhere
    gateway_return_origins: tuple[str, ...] = ()  # where the connect page may lead back to, besides this server
    gateway_events: bool = True  # every call becomes an event of a project of its own
    secret_keys: tuple[str, ...] = ()  # seal stored credentials, first one first; none is a file in the data folder

    # Sign-in
    session_days: int = 14

    # OAuth provider
    oauth_client_hosts: tuple[
        str, ...
    ] = ()  # hosts whose client metadata documents may be fetched; * is any public one
    oauth_rotate_dynamic: bool = False  # replace refresh tokens of applications that registered themselves, too
    oauth_signing_key_path: str = ""  # a PEM file that several servers share; "" makes one in the data folder

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
        """Read the environment, then lay `overrides` that are not None over it.

        Raises SettingsError for a value of the wrong type and for a name that is no setting.
        """
        environ = os.environ if environ is None else environ
        raw: dict[str, Any] = {}
        known = set(cls.__struct_fields__)
        for name, value in environ.items():
            if not name.startswith(PREFIX) or name.startswith(PREFIX + "TEST_"):
                continue
            field = name[len(PREFIX) :].lower()
            if field in OTHER_NAMES:
                continue
            if field not in known:
                raise SettingsError(f"{name} is no setting of Hedgerow.")
            raw[field] = tuple(filter(None, (v.strip() for v in value.split(",")))) if field in LISTS else value
        raw.update({k: str(v) if isinstance(v, Path) else v for k, v in overrides.items() if v is not None})
        try:
            return msgspec.convert(raw, cls, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            where = str(error).rpartition("$.")[2].rstrip("`")
            raise SettingsError(f"{PREFIX}{where.upper()} cannot be used: {error}.") from None

    @property
    def effective_clickhouse_url(self) -> str:
        return self.clickhouse_url or f"chdb:///{self.data_dir.absolute().as_posix().lstrip('/')}/clickhouse"

    @property
    def effective_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.absolute().as_posix()}/hedgerow.db"

    @property
    def embedded(self) -> bool:
        """True when ClickHouse runs inside this process (chDB), hence one process a folder."""
        return self.effective_clickhouse_url.startswith("chdb:")

    @property
    def origin(self) -> str:
        """Where people and SDKs reach this server, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


LISTS = {
    "allowed_hosts",
    "trusted_proxies",
    "oauth_client_hosts",
    "gateway_hosts",
    "gateway_follow_hosts",
    "gateway_return_origins",
    "secret_keys",
}
OTHER_NAMES = {"chaos_rounds", "fuzz_examples", "golden"}  # read elsewhere: tests


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)
