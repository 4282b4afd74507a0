"""What SDKs send: decoded, checked, normalised, stored, and only then acknowledged."""

from hedgerow.capture.event import (
    EventObserver,
    GroupIdentify,
    IncomingEvent,
    IngestionWarning,
    MergeRequest,
    QueueFull,
    Submitter,
)
from hedgerow.capture.inside import send_batch
from hedgerow.capture.routes import CAPTURE_PATHS, CaptureApp, matches

__all__ = [
    "CAPTURE_PATHS",
    "CaptureApp",
    "EventObserver",
    "GroupIdentify",
    "IncomingEvent",
    "IngestionWarning",
    "MergeRequest",
    "QueueFull",
    "Submitter",
    "matches",
    "send_batch",
]
