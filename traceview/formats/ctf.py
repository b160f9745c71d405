"""CTF traces of LTTng-UST: folders of streams with a ``metadata`` file, read through the program babeltrace2.

The file is what the format is known by; the trace is the folder that it lies in. babeltrace2 puts the events of all
streams into the order of their times and prints them, which is read as the text of it is that people saved.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from traceview.errors import MissingPackageError, UnsupportedVersionError
from traceview.events import EventBatch, Gap, ReadStats
from traceview.formats import lttng
from traceview.formats.base import FormatInfo, FormsOf, Wanted
from traceview.formats.carried import read_lines
from traceview.formats.declarations import Declarations
from traceview.formats.field_lines import FieldLines
from traceview.source import ByteSource

__all__ = ["FORMAT", "METADATA", "CtfReader"]

METADATA = "metadata"
"""The file that describes the streams in its folder."""
PROGRAM = "babeltrace2"
_MAGICS = (b"\x57\x1d\xd1\x75", b"\x75\xd1\x1d\x57", b"/* CTF 1.")
_OPTIONS = ("--clock-seconds", "--no-delta", "--names=context,payload", "--color=never")
_COMPLAINT = 500
"""So many characters are kept of what babeltrace2 complains of."""


def score(head: bytes) -> float:
    """Return 1.0 for the metadata of a CTF trace, else 0.0."""
    return float(head.startswith(_MAGICS))


class CtfReader:
    """Reads the trace that a metadata file describes.

    Raises UnsupportedVersionError where there is no folder, as of stdin, and MissingPackageError without babeltrace2.
    """

    def __init__(self, source: ByteSource, forms_of: FormsOf, declarations: Declarations | None, jobs: int = 1) -> None:  # noqa: ARG002
        self.stats = ReadStats()
        self._forms_of = forms_of
        self._declarations = declarations
        self._source = source
        advice = f"where it is installed: {PROGRAM} DIR 2>&1 | traceview scan -"
        if source.once or source.compression:
            raise UnsupportedVersionError(
                f"{source.name}: the metadata of a CTF trace, which is a folder: give its path, or {advice}"
            )
        self.folder = Path(source.path).absolute().parent
        program = shutil.which(PROGRAM)
        if program is None:
            raise MissingPackageError(
                f"{self.folder}: a CTF trace is read by {PROGRAM} (Debian: apt install {PROGRAM}), which is "
                f"not here. Or {advice}"
            )
        self._program = program

    def batches(self, wanted: Wanted) -> Iterator[EventBatch]:
        """Yield the records of the wanted events, in the order of their times."""
        dialect = lttng.Babeltrace(only_literals=True)
        lines = FieldLines(dialect, self._forms_of, self._declarations, wanted, self.stats)
        command = [self._program, *_OPTIONS, str(self.folder)]
        with _started(command) as process:
            printed = _Printed(process, dialect, lines, self._source.max_bytes)
            yield from read_lines(printed.read_into, self._source.chunk_bytes, lines, printed.end)


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program of which both outputs are read; it has ended when the context is left."""
    plain = {**os.environ, "LC_ALL": "C"}
    with subprocess.Popen(  # noqa: S603  (a program that the user installed, and a path of its own)
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, env=plain
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class _Printed:
    """What babeltrace2 prints: events, and beside them what it says of lost ones."""

    def __init__(
        self, process: subprocess.Popen[bytes], dialect: lttng.Babeltrace, lines: FieldLines, most: int | None
    ) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._events: IO[bytes] = process.stdout
        self._messages: IO[bytes] = process.stderr
        self._dialect = dialect
        self._lines = lines
        self._left = most
        self._message = b""
        self._complaint = ""
        self._read = 0
        os.set_blocking(self._messages.fileno(), False)
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(self._events, selectors.EVENT_READ)
        self._waiting.register(self._messages, selectors.EVENT_READ)

    def read_into(self, view: memoryview) -> int:
        """Fill the front of a view with what is printed next; messages that were printed before it are taken first."""
        if self._left is not None:
            view = view[: self._left]
        while len(view):
            ready = [key.fileobj for key, _ in self._waiting.select()]
            if self._messages in ready:
                self._take_messages()
            if self._events in ready:
                got = self._events.readinto(view)  # type: ignore[attr-defined]
                self._take_messages()
                self._read += got
                self._left = None if self._left is None else self._left - got
                return int(got)
        return 0

    def _take_messages(self) -> None:
        while True:
            got = self._messages.read(1 << 16)
            if not got:
                if got is not None and self._messages in self._waiting.get_map():
                    self._waiting.unregister(self._messages)
                return
            *whole, self._message = (self._message + got).split(b"\n")
            for line in whole:
                self._take_message(line)

    def _take_message(self, line: bytes) -> None:
        loss = self._dialect.loss(line)
        if loss is not None:
            self._lines.lost(loss, self._read)
        elif line.strip():  # the last line of a complaint tells the cause
            self._complaint = line.strip()[:_COMPLAINT].decode("utf-8", "replace")

    def end(self, at: int) -> None:
        """Note why there is nothing more, where that is not the end of the trace."""
        stats = self._lines.stats
        if self._left == 0:
            text = f"stopped after {at} bytes of text (--max-bytes)"
        else:
            code = self._process.wait()
            self._take_messages()
            self._lines.finish()
            if code == 0:
                return
            text = f"{PROGRAM} ended with exit code {code}: {self._complaint or 'it does not say why'}"
        stats.add_gap(Gap("cut", stats.records, at, stats.lines, stats.last_ts_ns, None, text))


FORMAT = FormatInfo(
    id="ctf",
    title="CTF folder of LTTng-UST, by its metadata file (read through babeltrace2)",
    releases="2.0 to 9.0",
    clock="wall clock in nanoseconds",
    thread="thread id (context vtid), else process id (vpid), none where neither was recorded",
    loss="discarded events (marked by the tracer)",
    reference="QEMU scripts/tracetool/backend/ust.py; Common Trace Format 1.8",
    score=score,
    make=CtfReader,
    printed=False,
    resolution_ns=100,
)
