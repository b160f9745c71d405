"""Where a trace comes from: the VM's name and its command line, as far as what lies beside the trace tells."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

from traceview.errors import TraceReadError
from traceview.source import STDIN

__all__ = ["command_line_beside", "vm_of"]

COMMAND_LINE = "cmdline"
"""The file beside a trace in which the command line of its QEMU is looked for, in a shell's quotes."""
MOST_BYTES = 1 << 20
_ENDINGS = re.compile(
    r"(\.(log|trace|bin|txt|gz|xz|zst|bz2|old|\d+)([-._]?(\d{4}-\d{2}-\d{2}|\d{8}(\d{2,6})?))?)+$", re.IGNORECASE
)
_GENERIC = frozenset(("", "trace", "traces", "qemu", "log"))
"""File names that any VM's trace may have: the folder's tells more."""


def vm_of(path: str | Path) -> str:
    """Return the VM's name, for a trace's path: what the command line beside it says (``-name``), else the file's name.

    Endings such as ``.log.2.gz`` and ``.log-20261128`` do not count; a file that is called ``trace.log`` or the like
    has the name of its folder. Returns ``""`` for stdin.
    """
    if str(path) == STDIN:
        return ""
    told = _named(command_line_beside(path))
    if told:
        return told
    here = Path(path)
    stem = _ENDINGS.sub("", here.name)
    return stem if stem.lower() not in _GENERIC else here.absolute().parent.name


def command_line_beside(path: str | Path) -> str:
    """Return the text of the file ``cmdline`` in a trace's folder; ``""`` where there is none.

    Raises TraceReadError where it is there and cannot be read, or has more than a MiB.
    """
    beside = Path(path).parent / COMMAND_LINE
    if str(path) == STDIN or not beside.is_file():
        return ""
    try:
        with beside.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as e:
        raise TraceReadError(f"{beside}: cannot be read: {e.strerror or e}") from e
    if len(data) > MOST_BYTES:
        raise TraceReadError(f"{beside}: has more than {MOST_BYTES} bytes, which no command line has")
    return data.decode("utf-8", "backslashreplace").strip()


def _named(command_line: str) -> str:
    """Return the guest's name in a command line of QEMU: ``-name NAME,…`` or ``-name guest=NAME,…``."""
    try:
        words = shlex.split(command_line)
    except ValueError:
        words = command_line.split()  # quotes that do not match: names have none
    for option, value in pairwise(words):
        if option in ("-name", "--name"):
            # In QEMU's options a comma in a value is written twice (util/qemu-option.c).
            first, *others = (part.replace("\0", ",") for part in value.replace(",,", "\0").split(","))
            named = [p.removeprefix("guest=") for p in (first, *others) if p.startswith("guest=")]
            return named[0] if named else first if "=" not in first else ""
    return ""
