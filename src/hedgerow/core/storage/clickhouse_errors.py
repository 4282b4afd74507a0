"""What ClickHouse's exceptions mean: the caller's mistake, or a store that cannot answer now."""

from __future__ import annotations

import re

UNAVAILABLE_CODES = {
    74,  # CANNOT_READ_FROM_FILE_DESCRIPTOR
    75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR
    76,  # CANNOT_OPEN_FILE
    87,  # CANNOT_SEEK_THROUGH_FILE
    88,  # CANNOT_TRUNCATE_FILE
    198,  # DNS_ERROR
    209,  # SOCKET_TIMEOUT
    210,  # NETWORK_ERROR
    236,  # ABORTED: shutting down
    242,  # TABLE_IS_READ_ONLY
    243,  # NOT_ENOUGH_SPACE
    252,  # TOO_MANY_PARTS: merges are behind
    279,  # ALL_CONNECTION_TRIES_FAILED
    425,  # SYSTEM_ERROR
    481,  # CANNOT_CREATE_DIRECTORY
    499,  # S3_ERROR
    1001,  # STD_EXCEPTION: the file system's own
}

_HEAD = re.compile(r"Code:\s*(\d+)\.\s*(?:DB::Exception:\s*)?", re.IGNORECASE)
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")
_TAIL = re.compile(
    r"(?:\s*\([A-Z][A-Z0-9_]+\)|\s*\(version [^)]*\)|\s*Stack trace:.*|\s*\(for url .*\))+\s*$", re.DOTALL
)


class StoreError(Exception):
    """ClickHouse refused a statement. `code` and `name` are its own (47, UNKNOWN_IDENTIFIER); `message` is its text
    without code, name, version and stack trace.
    """

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(f"{name or code}: {message}")
        self.code = code
        self.name = name
        self.message = message


class StoreUnavailable(Exception):  # noqa: N818 — a state, not a mistake
    """ClickHouse cannot answer at the moment. Trying again later is right."""


def from_text(text: str) -> StoreError | StoreUnavailable:
    """Read the exception text that ClickHouse writes."""
    head = _HEAD.search(text)
    if head is None:
        return StoreUnavailable(text.strip() or "ClickHouse gave no answer")
    code = int(head.group(1))
    rest = text[head.end() :]
    while (inner := _HEAD.match(rest)) is not None:
        rest = rest[inner.end() :]
    names = _NAME.findall(rest)
    message = _TAIL.sub("", rest.partition("Stack trace:")[0]).strip().rstrip(".")
    if code in UNAVAILABLE_CODES:
        return StoreUnavailable(message)
    return StoreError(code, names[-1] if names else "", message)
