"""Whether a policy lets a call through, and which of its rules does not (gateway §5.1)."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from hedgerow.gateway.answers import policy_denied
from hedgerow.gateway.apps import App
from hedgerow.gateway.connections import Connection
from hedgerow.gateway.paths import CheckedPath
from hedgerow.gateway.patterns import matches
from hedgerow.gateway.policy import Policy, network_of

READING_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PROJECT: Final = re.compile(r"/api/projects/([^/]+)(?:/.*)?")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}")
TOKEN_NAMES: Final = frozenset({"token", "api_key", "$token", "secret_api_token", "personal_api_key"})
"""Fields by which PostHog finds another project, or another caller, than the path and the credential say."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call that wants to go on."""

    app: App
    method: str
    path: CheckedPath
    query: bytes
    connection: Connection
    address: str | None
    """Of the caller."""
    now: datetime
    is_public: bool
    """Whether it needs no credential, and gets none (gateway §2.11)."""

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing, however the path is read."""
        return all(_reads(self.app, self.method, reading) for reading in self.path.readings)

    @property
    def is_query(self) -> bool:
        """Whether it counts as a query in budgets."""
        return self.method == "POST" and matches(self.app.queries, self.path.plain)


def judge(policy: Policy, call: Call) -> None:
    """Raise `GatewayError` 403 that names the first rule that does not allow the call."""
    if policy.expires_at is not None and policy.expires_at <= call.now:
        raise policy_denied("expired", "The policy's time is over.")
    if policy.ip_allow is not None and not is_from(call.address, policy.ip_allow):
        raise policy_denied("ip", "Calls from this address are not allowed.")
    if policy.apps is not None and call.app.name not in policy.apps:
        raise policy_denied("app", f"The app {call.app.name} is not allowed.")
    if policy.connections is not None and call.connection.id not in policy.connections:
        raise policy_denied("connection", "This connection is not allowed.")
    if policy.methods is not None and call.method not in policy.methods:
        raise policy_denied("method", f"{call.method} is not allowed.")
    if policy.mode == "read_only" and not call.is_read:
        raise policy_denied("read_only", "This call may change something, and only reads are allowed.")
    _judge_paths(policy, call)
    if policy.projects is not None:
        _judge_project(policy.projects, call)


def judge_ingest(policy: Policy, call: Call) -> None:
    """Raise `GatewayError` 403 where the call sends events and the key may not (gateway §2.11)."""
    if call.is_public and not policy.ingest:
        raise policy_denied("ingest", "Sending events and asking for flags by project token is not allowed.")


def _judge_paths(policy: Policy, call: Call) -> None:
    if policy.paths is None:
        return
    for reading in call.path.readings:
        if matches(policy.paths.deny, reading):
            raise policy_denied("path", "This path is not allowed.")
        if policy.paths.allow is not None and not matches(policy.paths.allow, reading):
            raise policy_denied("path", "This path is not among those that are allowed.")


def _judge_project(projects: tuple[int, ...], call: Call) -> None:
    for reading in call.path.readings:
        match = _PROJECT.fullmatch(reading)
        if match is None:
            raise policy_denied("project", "Only paths of the allowed projects may be called: /api/projects/{id}/….")
        if match[1] == "@current":
            raise policy_denied(
                "project",
                "@current could be any project, and only some are allowed.",
                code="use_numeric_project",
                hint=f"Name the project by its number: {', '.join(str(project) for project in projects[:5])}.",
            )
        if not _NUMBER.fullmatch(match[1]) or int(match[1]) not in projects:
            raise policy_denied("project", "This project is not allowed.")
    names = {name for name, _ in parse_qsl(call.query.decode("latin-1"), keep_blank_values=True)}
    if names & TOKEN_NAMES or _hidden_names(call.query):
        raise policy_denied("project", "A project token in the query would override the project of the path.")


def _hidden_names(query: bytes) -> bool:
    """Names that only show after a second decoding, or behind a `;` that some servers take for `&`."""
    text = unquote_plus(unquote_plus(query.decode("latin-1")))
    return any(part.partition("=")[0].strip() in TOKEN_NAMES for part in re.split("[&;]", text))


def judge_body(policy: Policy, content_type: str, encoding: str, body: bytes) -> None:
    """Raise `GatewayError` 403 where a body could name another project than the path (gateway §0.9)."""
    if policy.projects is None or not body:
        return
    refusal = policy_denied("project", "A project token in the body would override the project of the path.")
    if encoding not in {"", "identity"}:
        raise policy_denied("project", "A compressed body cannot be checked for project tokens.")
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("json"):
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise policy_denied("project", "A body that is no JSON cannot be checked for project tokens.") from None
        entries = value if isinstance(value, list) else [value]
        if any(isinstance(entry, dict) and TOKEN_NAMES & entry.keys() for entry in entries):
            raise refusal
    elif kind == "application/x-www-form-urlencoded":
        if _hidden_names(body):
            raise refusal
    elif any(name.encode() in body for name in TOKEN_NAMES):
        raise refusal


def _reads(app: App, method: str, reading: str) -> bool:
    if method in READING_METHODS:
        return method == "OPTIONS" or not matches(app.writing_gets, reading)
    return method == "POST" and matches(app.reading_posts, reading)


def is_from(address: str | None, networks: tuple[str, ...]) -> bool:
    """Whether an address is in one of the networks; one that is not known is in none."""
    if address is None:
        return False
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any((network := network_of(text)) is not None and found in network for text in networks)
