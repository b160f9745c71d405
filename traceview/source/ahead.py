"""Work that is done in a thread of its own, a little ahead of who takes its results."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["AHEAD", "ReadAhead"]

AHEAD = 4
"""How many results may wait to be taken."""

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Calls `produce` in a thread until it returns None; an error that it raises is raised where the result is taken.

    A context manager: however it is left, the thread has ended by then.
    """

    def __init__(self, produce: Callable[[], T | None]) -> None:
        self._produce = produce
        self._made: queue.Queue[T | BaseException | None] = queue.Queue(AHEAD)
        self._wanted = True
        self._over = False
        # A daemon: a reading that is never closed must not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._run, name="traceview-unpack", daemon=True)

    def _run(self) -> None:
        try:
            while self._wanted:
                made = self._produce()
                self._made.put(made)
                if made is None:
                    return
        except BaseException as e:  # noqa: BLE001  (whoever takes the results is to see it)
            self._made.put(e)

    def take(self) -> T | None:
        """Return the next result, None after the last."""
        if self._over:
            return None
        made = self._made.get()
        self._over = made is None or isinstance(made, BaseException)
        if isinstance(made, BaseException):
            raise made
        return made

    def __enter__(self) -> ReadAhead[T]:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self._wanted = False
        self._over = True
        try:
            while True:  # at most one more is put after this: there is room for it
                self._made.get_nowait()
        except queue.Empty:
            pass
        if threading.current_thread() is not self._thread:  # as when the collector ends a forgotten reading there
            self._thread.join()
