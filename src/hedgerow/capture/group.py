"""What the writer commits together, and the requests in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from hedgerow.core import ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgerow.capture.event import IncomingEvent, IngestionWarning
    from hedgerow.capture.rows import EventRow
    from hedgerow.core.storage.events import StoreError, StoreUnavailable
    from hedgerow.people.outbox import Delivery


class Request:
    """One request that waits for its events to be stored."""

    __slots__ = ("done", "events", "warnings", "weight")

    def __init__(self, events: list[IncomingEvent], warnings: Sequence[IngestionWarning], weight: int) -> None:
        self.events = events
        self.warnings = warnings
        self.weight = weight
        """Bytes in the queue; negative once it is answered."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(self, error: BaseException | None = None) -> None:
        """Let `submit` return, or raise; nothing if the client went away."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class Group:
    """What is committed together."""

    def __init__(self, requests: list[Request]) -> None:
        self.requests = requests
        self.token = ids.uuid7().hex
        self.began = 0.0
        self.events: list[IncomingEvent] = []
        """New ones, in order of arrival."""
        self.request_of: list[int] = []
        """For each of `events`, its request's place in `requests`."""
        self.rows: list[EventRow] = []
        self.deliveries: list[Delivery] = []
        """What the group's SQL transaction owes ClickHouse (`people.outbox`)."""
        self.doubles = 0
        self.undecided: set[int] = set()
        """Requests with an event that another worker is storing right now."""


class Inserts(Protocol):
    """How identified groups get into ClickHouse: `direct` or `journalled`."""

    stuck: StoreUnavailable | None
    """Why nothing can be stored right now."""

    @property
    def is_idle(self) -> bool:
        """Nothing waits to be inserted."""
        ...

    def may_take(self, waiting_events: int) -> bool:
        """Whether the next group may be identified now, or shall grow meanwhile."""
        ...

    async def keep(self, group: Group) -> None:
        """Take over an identified group, and see that its requests are answered once it is stored."""
        ...

    async def run(self) -> None:
        """Insert until `finish` was called and nothing is left, or nothing can be inserted."""
        ...

    def finish(self) -> None:
        """No further group will come."""
        ...


class Groups(Protocol):
    """Whom `Inserts` tells what became of groups: the writer."""

    @property
    def is_stopping(self) -> bool:
        """No new requests are taken."""
        ...

    def settle(self, group: Group, refused: dict[int, StoreError]) -> None:
        """The group is stored, but for the requests that ClickHouse refused."""
        ...

    def forget_in_flight(self, events: Sequence[tuple[int, bytes]]) -> None:
        """ClickHouse has these events now: a look-up would find them."""
        ...

    def refuse(self, group: Group | None, error: StoreUnavailable) -> None:
        """Tell a group's requests and all that wait to come again."""
        ...

    def wake(self) -> None:
        """`may_take` or `stuck` changed."""
        ...
