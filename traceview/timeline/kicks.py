"""The guest's last kick of a virtqueue, by thread."""

from __future__ import annotations

from traceview.timeline.marks import Mark
from traceview.vocabulary import Meaning, Row

__all__ = ["KickTracker"]


class KickTracker:
    """Remembers the last kick on each thread: the read of the host notifier, or the queue's notify without one."""

    MEANINGS = (Meaning.NOTIFIER_READ, Meaning.QUEUE_NOTIFY)
    TAKEN_UP = (Meaning.DEVICE_REQUEST, Meaning.DMA_START)
    """What a device does with a request that it has taken out of its queue, or out of its registers."""

    def __init__(self) -> None:
        self._last: dict[int, Mark] = {}
        self._device: dict[int, int] = {}
        self._read: dict[int, bool] = {}

    def feed(self, row: Row) -> None:
        """Take a kick or a device request, in file order; other records are passed over."""
        if row.meaning is Meaning.DEVICE_REQUEST:
            self._read[row.tid] = False
        elif row.meaning is Meaning.NOTIFIER_READ or (
            # A notify that follows the notifier's read at once is the same kick on its way to the device.
            row.meaning is Meaning.QUEUE_NOTIFY and not self._read.get(row.tid)
        ):
            self._last[row.tid] = Mark.of(row)
            self._device[row.tid] = row.role("device")
            self._read[row.tid] = row.meaning is Meaning.NOTIFIER_READ

    def last(self, tid: int) -> Mark | None:
        """Return the last kick on a thread, or None."""
        return self._last.get(tid)

    def last_device(self, tid: int) -> int:
        """Return the device whose queue was kicked last on a thread, or 0."""
        return self._device.get(tid, 0)
