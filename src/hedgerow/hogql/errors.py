"""What HogQL says when a text cannot be used: one exception family with positions (hogql §2, §10)."""

from __future__ import annotations


class HogQLError(Exception):
    """A query that cannot be answered as it stands.

    `start` and `end` are character offsets into the text that was given (end exclusive), or None where no place in
    the text is to blame. The message is fit for the person who wrote the query; callers answer 400 with it.
    """

    def __init__(self, message: str, start: int | None = None, end: int | None = None) -> None:
        """Keep the message and the span it is about."""
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end

    def __reduce__(self) -> tuple[type[HogQLError], tuple[str, int | None, int | None]]:
        """Survive pickling with the span, so that the error may cross a process or thread pool."""
        return type(self), (self.message, self.start, self.end)


class SyntaxError_(HogQLError):  # noqa: N801, N818 -- PostHog's own class is SyntaxError, which Python has taken
    """The text is not HogQL."""


class QueryError(HogQLError):
    """The text is HogQL, but asks for something that does not exist or does not fit."""


class NotSupported(HogQLError):  # noqa: N818 -- reads as PostHog's NotImplementedError does
    """The text is HogQL, but uses a construct that the language knows and refuses."""
