"""Large texts are compiled in a process of their own (docs/decisions/0034).

Python compiles under one lock. A thread that compiles for half a second takes it in turns of milliseconds, and each
hand-over inside the server, of which storing one event has ten, waits for such a turn. A process shares nothing.

It is started for the first large text, asks its parent what it must know of the project, and ends with its parent.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any, Final

from hedgerow.hogql import CompiledQuery, HogQLError, ProjectSchema, QueryError

Work = Callable[[ProjectSchema], CompiledQuery]
SECONDS_MAX: Final = 60.0
"""A text that takes longer is refused, and the process replaced."""
NICENESS: Final = 5
"""The server goes first."""
_LENGTH: Final = struct.Struct("!Q")
_READY: Final = "ready"
_ASK: Final = "ask"
_DONE: Final = "done"
_REFUSED: Final = "refused"
_FAILED: Final = "failed"


class CompilerDied(Exception):  # noqa: N818 — what became of it
    """The process ended in the middle of a text, or took too long."""


class Apart:
    """The process, from the parent's side. Used by one thread at a time; `start_soon` and `is_ready` by any."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self.is_ready = False
        """Whether it can be asked without waiting for its start."""

    def compile(self, work: Work, schema: ProjectSchema) -> CompiledQuery:
        """What `work` makes of the schema. `work` goes over as a pickle. Raises HogQLError, CompilerDied.

        RuntimeError stands for an error of the compiler's own.
        """
        child = self.start()
        killer = threading.Timer(SECONDS_MAX, child.kill)
        killer.start()
        try:
            return self._converse(child, work, schema)
        except (OSError, EOFError) as error:
            self._end(child)
            raise CompilerDied("The compiler's process ended.") from error
        finally:
            killer.cancel()

    def start(self) -> subprocess.Popen[bytes]:
        """The process, started if need be and ready. Raises CompilerDied."""
        with self._starting:
            child = self._child
            if child is not None and child.poll() is None:
                return child
            if child is not None:
                self._end(child)
            command = [sys.executable, "-P", "-c", f"from {__name__} import main; main()"]
            child = self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
            try:
                assert child.stdout is not None
                _receive(child.stdout)
            except (OSError, EOFError) as error:
                self._end(child)
                raise CompilerDied("The compiler's process did not start.") from error
            self.is_ready = True
            return child

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._end(self._child)

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        self._child, self.is_ready = None, False
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        child.wait()

    @staticmethod
    def _converse(child: subprocess.Popen[bytes], work: Work, schema: ProjectSchema) -> CompiledQuery:
        assert child.stdin is not None
        assert child.stdout is not None
        _send(child.stdin, work)
        while True:
            kind, value = _receive(child.stdout)
            if kind == _ASK:
                name, arguments = value
                answer = getattr(schema, name)
                _send(child.stdin, answer if arguments is None else answer(*arguments))
            elif kind == _DONE:
                return value
            elif kind == _REFUSED:
                raise QueryError(*value)
            else:
                raise RuntimeError(value)


class RemoteSchema:
    """A `ProjectSchema` whose answers come from the parent."""

    def __init__(self, asks: IO[bytes], answers: IO[bytes]) -> None:
        self._asks = asks
        self._answers = answers

    @property
    def team_id(self) -> int:
        return self._ask("team_id")

    @property
    def timezone(self) -> str:
        return self._ask("timezone")

    @property
    def week_start_day(self) -> int:
        return self._ask("week_start_day")

    @property
    def has_person_overrides(self) -> bool:
        return self._ask("has_person_overrides")

    def property_type(self, owner: str, name: str, group_type_index: int | None = None) -> str | None:
        return self._ask("property_type", owner, name, group_type_index)

    def property_column(self, name: str) -> str | None:
        return self._ask("property_column", name)

    def group_type_index(self, group_type: str) -> int | None:
        return self._ask("group_type_index", group_type)

    def cohort(self, key: int | str) -> Any:
        return self._ask("cohort", key)

    def action(self, key: int | str) -> Any:
        return self._ask("action", key)

    def view(self, name: str) -> Any:
        return self._ask("view", name)

    def _ask(self, name: str, *arguments: Any) -> Any:
        _send(self._asks, (_ASK, (name, arguments or None)))
        return _receive(self._answers)


def _send(pipe: IO[bytes], value: Any) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)  # noqa: S301 — between a process and its own child, over pipes that nobody else has


def main() -> None:
    """Compile what standard input brings, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    gc.disable()  # it would walk a large tree again and again; trees have no cycles
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not end up between answers
    schema: Any = RemoteSchema(answers, requests)
    _send(answers, (_READY, None))
    while True:
        try:
            work: Work = _receive(requests)
        except EOFError:
            return
        try:
            answer = (_DONE, work(schema))
        except HogQLError as error:
            answer = (_REFUSED, (error.message, error.start, error.end))
        except Exception as error:  # noqa: BLE001 — the parent logs it
            answer = (_FAILED, f"{type(error).__name__}: {error}")
        _send(answers, answer)
