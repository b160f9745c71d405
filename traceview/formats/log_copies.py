"""Finds lines of a log that stand there once more, as where a log was copied together from pieces that overlap.

Two records of one thread, of the same microsecond and text, are rare; several in a row that follow one another as they
did before, where time has stepped back, are none but the same records again.
"""

from __future__ import annotations

import re

from traceview.events import Gap, ReadStats

__all__ = ["FEWEST_LINES", "FURTHEST", "Copies", "Text"]

Text = bytes | bytearray

FEWEST_LINES = 3
"""So many lines in a row must stand there once more."""
FURTHEST = 1 << 20
"""So many bytes back copies are looked for."""
NEAR = 1 << 14
MOST_LOOKS, ONE_LOOK_IN = 64, 256
"""Further back than `NEAR` it is looked so many times, and once more for each so many records."""
_STEPS = (1 << 12, 1 << 14, 1 << 16, 1 << 18, FURTHEST)
_TIME = re.compile(rb"\n\d{1,10}@(\d{1,10})\.(\d{6}):")


class Copies:
    """What a log's last bytes were, and the copy that goes on.

    Places are in a buffer whose first byte follows the last one that was kept (`keep`).
    """

    _noun = "lines"
    _counts_lines = True

    def __init__(self, stats: ReadStats) -> None:
        self._stats = stats
        self._kept = b""
        self._distance = 0
        """How far before the copy that goes on its original stands, 0 where none does."""
        self._gap = (0, 0)
        """Place in the file and line of the copy that goes on."""
        self._lines = self._bytes = self._looks = 0

    @property
    def going_on(self) -> bool:
        """Whether the next lines may belong to a copy."""
        return self._distance > 0

    def keep(self, buffer: Text, size: int) -> None:
        """Take in ``buffer[:size]``, which was read."""
        most = FURTHEST + 1
        self._kept = bytes(buffer[size - most : size]) if size >= most else (self._kept + buffer[:size])[-most:]

    def before(self, buffer: Text, at: int, size: int) -> bytes:
        """Return the `size` bytes before a place, fewer at the beginning of the log."""
        return self._between(buffer, max(at - size, -len(self._kept)), at)

    def _between(self, buffer: Text, first: int, last: int) -> bytes:
        if first >= 0:
            return bytes(buffer[first:last])
        kept = self._kept[len(self._kept) + first : len(self._kept) + min(last, 0)]
        return kept + bytes(buffer[: max(last, 0)])

    def begin(self, buffer: Text, at: int, size: int, ts_us: int, *, final: bool) -> bool | None:
        """Say whether a copy begins with the line at `at`, of a time in µs; None where more lines are needed for that.

        Lines of ``buffer[:size]`` may be looked at, which are the last ones if `final`.
        """
        end = self._end_of(buffer, at, size)
        distance = self._original(buffer, at, bytes(buffer[at:end]), ts_us) if end else 0
        if not distance:
            return False
        for _ in range(FEWEST_LINES - 1):
            following = self._end_of(buffer, end, size)
            if not following:
                return False if final else None
            if self._between(buffer, end - distance, following - distance) != buffer[end:following]:
                return False
            end = following
        self._distance = distance
        return True

    def _original(self, buffer: Text, at: int, line: bytes, ts_us: int) -> int:
        """Return how far before a place the same line stands, 0 where it does not; times are taken to go ahead."""
        for size in _STEPS:
            if size > NEAR and not self._may_look_far():
                return 0
            text = self.before(buffer, at, size + 1)
            found = text.rfind(b"\n" + line)
            if found >= 0:
                return len(text) - found - 1
            if len(text) <= size:  # all there is: no newline stands before the first line
                return len(text) if text.startswith(line) else 0
            first = _TIME.search(text)
            if first is not None and int(first[1]) * 1_000_000 + int(first[2]) < ts_us:
                return 0
        return 0

    def _may_look_far(self) -> bool:
        """Say whether it may be looked far back once more: that takes time, and times may step back at each record."""
        self._looks += 1
        return self._looks <= MOST_LOOKS + self._stats.records // ONE_LOOK_IN

    def _end_of(self, buffer: Text, at: int, size: int) -> int:
        """Return where the line at `at` ends, 0 where it does not in ``buffer[:size]``."""
        return buffer.find(b"\n", at, size) + 1

    def follow(self, buffer: Text, at: int, size: int, base: int) -> int:
        """Pass over the lines from `at` on that belong to the copy; return where it ends, `size` if it may go on.

        `base` is the place of the buffer in the file.
        """
        if not self._lines:
            self._gap = base + at, (self._stats.lines + 1) * self._counts_lines
        while at < size:
            end = self._end_of(buffer, at, size)
            if not end:
                return at
            if self._between(buffer, at - self._distance, end - self._distance) != buffer[at:end]:
                self.finish()
                return at
            self._lines += 1
            self._bytes += end - at
            self._stats.lines += self._counts_lines
            at = end
        return at

    def finish(self) -> None:
        """Tell the copy that went on up to here."""
        if self._lines:
            stats, (offset, line) = self._stats, self._gap
            text = f"{self._lines} {self._noun} stand there once more: they are not counted twice"
            stats.add_gap(
                Gap("duplicated", stats.records, offset, line, stats.last_ts_ns, 0, text, self._bytes)
            )  # fmt: skip
        self._distance = self._lines = self._bytes = 0
