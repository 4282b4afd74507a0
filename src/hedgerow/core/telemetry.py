"""Structured logs and Prometheus figures. Secrets never reach either: fields that may hold one are masked by name."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()
METRICS_CONTENT_TYPE = CONTENT_TYPE_LATEST

events_stored = Counter("hedgerow_events_stored", "Events stored and acknowledged", registry=REGISTRY)
events_duplicate = Counter("hedgerow_events_duplicate", "Events that were stored already", registry=REGISTRY)
events_refused = Counter(
    "hedgerow_events_refused", "Capture requests answered with an error", ["status"], registry=REGISTRY
)
groups_committed = Counter("hedgerow_groups_committed", "Groups that the writer committed", registry=REGISTRY)
group_seconds = Histogram("hedgerow_group_seconds", "Seconds from taking a group to answering it", registry=REGISTRY)
queue_events = Gauge("hedgerow_queue_events", "Events waiting for the writer or in flight", registry=REGISTRY)
journal_rows = Gauge("hedgerow_journal_rows", "Stored events that ClickHouse does not have yet", registry=REGISTRY)
outbox_rows = Gauge("hedgerow_outbox_rows", "ClickHouse rows that wait in SQL to be sent", registry=REGISTRY)
jobs_waiting = Gauge("hedgerow_jobs_waiting", "Jobs that wait to be run", registry=REGISTRY)
queries_run = Counter("hedgerow_queries", "Queries by outcome", ["kind", "outcome"], registry=REGISTRY)
query_seconds = Histogram("hedgerow_query_seconds", "Seconds a query took in ClickHouse", registry=REGISTRY)

_SECRET_WORDS = ("key", "token", "secret", "password", "authorization", "cookie")


def metrics() -> bytes:
    """All figures in Prometheus' text format."""
    return generate_latest(REGISTRY)


def log(room: str) -> structlog.stdlib.BoundLogger:
    """The logger of a room: `log("capture").info("stored", events=3)`."""
    return structlog.get_logger(room=room)


def set_up_logging(level: str) -> None:
    """Write one line an event to standard error: key=value pairs for a person, JSON when it is no terminal."""
    renderer: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _mask(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in fields:
        if any(word in name.lower() for word in _SECRET_WORDS):
            fields[name] = "…"
    return fields
