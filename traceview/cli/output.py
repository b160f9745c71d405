"""Where output goes: data to stdout or a file, notes and errors to stderr, colour on a terminal only."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from traceview.report.escape import printable
from traceview.report.style import Style

__all__ = ["CannotWriteError", "Sink", "complain", "note", "open_output", "out_style", "tell", "write_lines"]

STDOUT = Path("-")


class CannotWriteError(Exception):
    """The place where output should go does not take it."""


class _ReaderGoneError(Exception):
    """Whoever reads our stdout has gone (``head``, a pager that was left)."""


def complain(text: str) -> None:
    """Print an error to stderr, made harmless: file names and trace text are untrusted.

    Lines after the first are set in, so that none of them can pass for a message of its own.
    """
    lines = [printable(line, limit=2000) for line in text.split("\n")]
    print("traceview: error: " + "\n    ".join(lines), file=sys.stderr)


def tell(text: str) -> None:
    """Print lines to stderr as they are, made harmless."""
    for line in text.split("\n"):
        print(printable(line, limit=2000), file=sys.stderr)


def note(text: str) -> None:
    """Print a note to stderr."""
    print(f"traceview: note: {printable(text, limit=2000)}", file=sys.stderr)


def out_style(output: Path | None = None) -> Style:
    """Return the style for stdout: colour on a terminal; NO_COLOR, TERM=dumb and FORCE_COLOR have their say."""
    if output not in (None, STDOUT) or os.environ.get("NO_COLOR"):
        return Style(colour=False)
    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return Style(colour=terminal or os.environ.get("FORCE_COLOR", "0") not in ("", "0"))


class Sink:
    """A place to write to, whose refusals are told apart from those of the traces that are read."""

    def __init__(self, target: BinaryIO, name: str) -> None:
        self._target = target
        self._name = name
        self.reader_gone = False

    @property
    def closed(self) -> bool:
        """Whether it takes no more (what pyarrow asks of a file)."""
        return self._target.closed

    def write(self, data: bytes) -> None:
        """Write all of `data`."""
        with self._refusals():
            self._target.write(data)

    def flush(self) -> None:
        """Hand over what is buffered."""
        with self._refusals():
            self._target.flush()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as e:
            raise _ReaderGoneError from e
        except OSError as e:
            raise CannotWriteError(f"{self._name}: cannot be written: {e.strerror or e}") from e


@contextmanager
def open_output(path: Path | None, reads: Iterable[Path] = ()) -> Iterator[Sink]:
    """Open the place where data goes: the file `path`, or stdout for None and ``-``.

    `reads` are the files that are read meanwhile, which `path` must not be. A reader of stdout that has gone ends the
    block early and quietly (`Sink.reader_gone`); after any other failure no half written file is left behind. Raises
    CannotWriteError.
    """
    if path is None or path == STDOUT:
        sink = Sink(sys.stdout.buffer, "stdout")
        try:
            yield sink
            sink.flush()
        except _ReaderGoneError:
            sink.reader_gone = True
            _drop_stdout()
        except CannotWriteError:
            _drop_stdout()
            raise
        return
    if any(_same_file(path, r) for r in reads):
        raise CannotWriteError(f"{path}: is being read: choose another file to write to")
    try:
        target = path.open("wb")
    except OSError as e:
        raise CannotWriteError(f"{path}: cannot be written: {e.strerror or e}") from e
    sink = Sink(target, str(path))
    try:
        yield sink
        sink.flush()
    except _ReaderGoneError:
        sink.reader_gone = True
    except BaseException:
        if path.is_file():
            path.unlink(missing_ok=True)
        raise
    finally:
        with suppress(OSError):
            target.close()


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False


def _drop_stdout() -> None:
    """Let what is still buffered for stdout vanish, so that nothing complains about it at exit."""
    with suppress(OSError, io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_lines(lines: Iterable[str], output: Path | None = None, *, reads: Iterable[Path] = ()) -> None:
    """Write lines as UTF-8, whatever the locale says."""
    with open_output(output, reads) as out:
        for line in lines:
            out.write(line.encode("utf-8", "backslashreplace") + b"\n")
