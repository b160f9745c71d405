"""libvirt's log of a VM (``/var/log/libvirt/qemu/*.log``): the log backend's lines, and the VM's lives around them.

Each start of QEMU begins with a line of libvirt and the command line, over several lines or in one. Everything else is
the standard error of QEMU, as in a log.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from functools import cache

from traceview.events import NO_TIME, ReadStats
from traceview.formats.base import FormatInfo, FormsOf, Wanted
from traceview.formats.carried import reader_of
from traceview.formats.carried_grammar import expression, rule_pattern
from traceview.formats.carried_time import Times
from traceview.formats.declarations import Declarations
from traceview.formats.log_blocks import Fault
from traceview.formats.log_lines import LineReader
from traceview.releases import parse_release

__all__ = ["FORMAT", "LibvirtStats", "Life"]

MAX_COMMAND_LINE = 1 << 18
"""So many bytes of a command line are kept."""
MAX_LIVES = 10_000
"""So many lives are kept, the first ones."""
# The environment comes before the program; both may be quoted.
_BEGINS_COMMAND = re.compile(rb"'?[A-Za-z_][A-Za-z0-9_]*=|'?/|\S*qemu\S* -")
_NAME_OPTION = re.compile(r"\s'?--?name'?\s+([^\s'\"\\][^\s\\]{0,1000}|'[^']{1,1000}')")
_RELEASE = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?(?:-rc[0-9]{1,2})?")


@dataclass(slots=True)
class Life:
    """One run of the VM, as libvirt tells it.

    `record` is the number of records before it, `byte_offset` and `line` the place of the line that begins it,
    `started_ns` its time (wall clock). `qemu`, `libvirt`, `kernel` and `host` are as libvirt writes them, "" where it
    does not; `release` is QEMU's release without what a distribution adds, "" where it cannot be told. `vm` is the
    name on the command line. `end_record` is the number of records when it ended, None where libvirt does not say;
    `ended_ns` the time of that and `reason` why. libvirt does not tell the process.
    """

    record: int
    byte_offset: int
    line: int
    started_ns: int
    qemu: str = ""
    release: str = ""
    libvirt: str = ""
    kernel: str = ""
    host: str = ""
    command_line: str = ""
    vm: str = ""
    end_record: int | None = None
    ended_ns: int = NO_TIME
    reason: str = ""


@dataclass(slots=True)
class LibvirtStats(ReadStats):
    """What reading has met, with the lives of the VM."""

    lives: list[Life] = field(default_factory=list)


@cache
def _expressions() -> tuple[re.Pattern[bytes], re.Pattern[bytes], re.Pattern[bytes]]:
    """Return those of a line of libvirt, of one that begins a life, and of one that ends it."""
    banner, ending = (expression(f"^{rule_pattern('libvirt', rule)}$") for rule in ("banner", "ending"))
    stamp = rule_pattern("libvirt", "stamp")
    # A stamp is at the beginning of a line (it has 30 characters); what begins or ends a life may stand behind text.
    return expression(f"{stamp}: (?:(?<=^.{{30}})|starting up|shutting down)[^\\n]*$"), banner, ending


class LibvirtLines:
    """Takes the lines of one log: libvirt's are kept apart, the others are a log's."""

    def __init__(self, forms_of: FormsOf, declarations: Declarations | None, wanted: Wanted, stats: ReadStats) -> None:
        assert isinstance(stats, LibvirtStats), "lives have their place there"
        self.stats = stats
        self._log = LineReader(forms_of, declarations, wanted, stats)
        self.builder = self._log.builder
        self._stamped, self._banner, self._ending = _expressions()
        self._times = Times()
        self._command: bytearray | None = None
        """The command line that is being read, as far as it has come; None where none is."""
        self._life: Life | None = None

    def take_lines(self, block: bytes, base: int) -> None:
        """Take complete lines; `base` is the offset of the first in the file."""
        at = 0
        while at < len(block):
            if self._command is not None:
                end = block.index(b"\n", at)
                if self._takes_command(block[at:end].removesuffix(b"\r")):
                    at = end + 1
                    continue
            found = self._stamped.search(block, at)
            start = len(block) if found is None else found.start()
            whole = block.rfind(b"\n", at, start) + 1 or at
            if whole > at:
                self._log.take_lines(block[at:whole], base + at)
            at = start
            if found is not None:
                self._log.finish()  # it may hold lines back
                if start > whole:  # QEMU ended in the middle of a line
                    self._log.take_unfinished(block[whole:start], base + whole)
                    self.stats.lines -= 1
                self._libvirt_line(found[0].removesuffix(b"\r"), base + start)
                at = found.end() + 1

    def take_fault(self, fault: Fault) -> None:
        """Take what is no line."""
        self._log.take_fault(fault)

    def finish(self) -> None:
        """Take the end."""
        self._log.finish()

    def take_unfinished(self, line: bytes, base: int) -> None:
        """Take the last line, which lacks its end."""
        if self._command is not None and self._takes_command(line):
            return
        self._log.take_unfinished(line, base)

    def _takes_command(self, line: bytes) -> bool:
        """Take a line as a piece of the command line, and say whether it is one."""
        assert self._command is not None
        if not self._command and _BEGINS_COMMAND.match(line) is None:
            self._command = None
            return False
        self.stats.lines += 1
        self.stats.other_lines += 1
        piece = line.removesuffix(b"\\")
        self._command += piece[: MAX_COMMAND_LINE - len(self._command)]
        if len(piece) == len(line):
            if self._life is not None:
                self._life.command_line = self._command.decode("utf-8", "surrogateescape")
                self._life.vm = _guest_name(self._life.command_line)
            self._command = None
        return True

    def _libvirt_line(self, line: bytes, offset: int) -> None:
        self.stats.lines += 1
        self.stats.other_lines += 1
        begun = self._banner.match(line)
        if begun is not None:
            self._begin(begun, offset)
            return
        ended = self._ending.match(line)
        if ended is not None and self._life is not None:
            self._life.end_record = self.stats.records
            self._life.ended_ns = self._times.iso_ns(ended["stamp_STAMP"])
            self._life.reason = _text(ended["reason_REASON"])
            self._life = None

    def _begin(self, begun: re.Match[bytes], offset: int) -> None:
        stats = self.stats
        qemu = _text(begun["qemu_QEMU"])
        self._life = Life(
            stats.records, offset, stats.lines, self._times.iso_ns(begun["stamp_STAMP"]), qemu, _release(qemu),
            _text(begun["library_LIBRARY"]), _text(begun["kernel_KERNEL"]), _text(begun["host_HOST"]),
        )  # fmt: skip
        if len(stats.lives) < MAX_LIVES:
            stats.lives.append(self._life)
        self._command = bytearray()
        # Another QEMU may write other prefixes, and has other threads.
        self._log.prefixed = False
        self._log.threads.clear()


def _text(group: bytes | None) -> str:
    return "" if group is None else group.decode("utf-8", "surrogateescape")


def _release(qemu: str) -> str:
    found = _RELEASE.match(qemu)
    return "" if found is None else parse_release(found[0])


def _guest_name(command_line: str) -> str:
    """Return the guest's name on a command line: ``-name NAME`` or ``-name guest=NAME,...``, "" without one."""
    found = _NAME_OPTION.search(command_line)
    if found is None:
        return ""
    try:
        option = shlex.split(found[1])[0]
    except ValueError:  # a quote without its end
        return ""
    # A comma inside a name is doubled.
    first = option.replace(",,", "\0").split(",")[0].replace("\0", ",")
    return first.removeprefix("guest=")


def score(head: bytes) -> float:
    """Return how sure it is that `head` is libvirt's: where it begins or ends a life, or stamps a line."""
    stamped, banner, ending = _expressions()
    lines = [m[0].removesuffix(b"\r") for m in stamped.finditer(head)]
    if any(banner.match(line) or ending.match(line) for line in lines):
        return 0.99
    return 0.0


FORMAT = FormatInfo(
    id="libvirt",
    title="libvirt's log of a VM, with the log backend's text in it",
    releases="1.0 to 9.0",
    clock="that of the log backend; libvirt's own lines have wall clock in milliseconds",
    thread="that of the log backend",
    loss="none by itself; lines of other writers mix in",
    reference="libvirt src/qemu/qemu_process.c, src/qemu/qemu_domain.c; QEMU scripts/tracetool/backend/log.py",
    score=score,
    make=reader_of(LibvirtLines, LibvirtStats),
)
