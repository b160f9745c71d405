"""What a scan of a damaged trace may say: never more than that of the whole.

``clean``    a window is clean (or guarded) that the whole violates, matched by rule, subject and opening
``finding``  a certain finding that the whole does not have
``firmer``   a certain finding that the whole calls possible
``worse``    a certain finding that is more severe than in the whole
``crash``    an exception that is no TraceviewError
``slow``     more than a second a megabyte
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.robustness.damaging import Damage, Layout, Span, is_simpletrace
from tests.writers import MemorySource
from traceview.api import Trace
from traceview.errors import TraceviewError
from traceview.findings import Finding, ScanResult, Verdict, Window
from traceview.formats import detect
from traceview.formats.declarations import Declarations, read_declarations
from traceview.source import ByteSource
from traceview.vocabulary import builtin

__all__ = ["Breach", "Damaged", "Whole", "whole_of"]

SECONDS_A_MEGABYTE = 1.0
_LEAST_SECONDS = 2.0
"""A small trace may take so long, whatever its size: other programs run, too."""


class Whole:
    """An undamaged trace: its bytes, its records, its scan, and by what its windows and findings are known again."""

    def __init__(self, data: bytes, declarations: Declarations | None = None) -> None:
        self.data = data
        self.declarations = declarations
        self.trace = read(data, declarations)
        self.scan = self.trace.scan()
        self.layout = Layout(data, *self._places())
        self.windows = {(w.rule, w.key, w.open.byte_offset): w for w in self.scan.windows if w.open is not None}
        self.findings: dict[tuple[str, int], list[Finding]] = {}
        self.broken: dict[str, set[int]] = {}
        """By rule, where the requests and other records stand that its findings count."""
        for finding in self.scan.findings:
            window = self.scan.windows[finding.window]
            if window.open is not None:
                self.findings.setdefault((finding.rule, window.open.byte_offset), []).append(finding)
            self.broken.setdefault(finding.rule, set()).update(offsets_of(finding, window))

    def _places(self) -> tuple[list[Span], list[Span]]:
        """Where windows stand that are violated or guarded, and where any others do."""
        hot: list[Span] = []
        cold: list[Span] = []
        for window in self.scan.windows:
            if window.open is None:
                continue
            end = window.close.byte_offset if window.close is not None else len(self.data)
            quiet = window.verdict in (Verdict.CLEAN, Verdict.INCONCLUSIVE)
            (cold if quiet else hot).append((window.open.byte_offset, end))
        return hot, cold


def read(data: bytes, declarations: Declarations | None) -> Trace:
    """Open bytes as a user would, without telling the format. Raises what `traceview.open` raises."""
    source = MemorySource(data, chunk_bytes=1 << 23, name="damaged")
    trace = Trace(source, detect(source), declarations, builtin(), 1)
    trace.reader()
    return trace


def offsets_of(finding: Finding, window: Window) -> list[int]:
    """Return where the records stand that a finding counts."""
    return [
        *(window.requests[i].mark.byte_offset for i in finding.requests),
        *(window.happenings[i].mark.byte_offset for i in finding.happenings),
    ]


@dataclass(frozen=True)
class Breach:
    """What a scan of a damaged trace says and must not.

    `where` says how the damage lies to the window: ``inside``, ``before`` or ``behind`` it. `marked` says whether the
    trace has gaps, refused lines or other lines that the whole does not have, so that a reader met the damage.
    """

    what: str
    rule: str
    where: str
    marked: bool
    words: str


class Damaged:
    """A damaged trace, its scan (None where it was refused), and what breaks the oracle."""

    def __init__(self, whole: Whole, damage: Damage) -> None:
        self.whole = whole
        self.damage = damage
        self.refused = ""
        self.scan: ScanResult | None = None
        self.breaches: list[Breach] = []
        data = damage.apply(whole.data)
        begun = time.process_time()
        try:
            self.scan = read(data, whole.declarations).scan()
        except TraceviewError as e:
            self.refused = f"{type(e).__name__}: {e}"
        except Exception as e:  # noqa: BLE001  (anything else is what is looked for)
            self._breach("crash", "", None, f"{type(e).__name__}: {e}")
        took = time.process_time() - begun
        if took > max(_LEAST_SECONDS, SECONDS_A_MEGABYTE * len(data) / 1e6):
            self._breach("slow", "", None, f"{took:.1f} s for {len(data)} bytes")
        if self.scan is not None:
            self._judge_windows(self.scan)
            self._judge_findings(self.scan)

    @property
    def marked(self) -> bool:
        """Whether the reader met the damage."""
        if self.scan is None:
            return True
        (part,), (complete,) = self.scan.traces, self.whole.scan.traces
        told = [(len(t.gaps), t.other_lines, t.refused_lines) for t in (part, complete)]
        return told[0] != told[1]

    def _judge_windows(self, scan: ScanResult) -> None:
        for window in scan.windows:
            if window.open is None or window.verdict not in (Verdict.CLEAN, Verdict.GUARDED):
                continue
            before = self.whole.windows.get((window.rule, window.key, self.damage.origin(window.open.byte_offset)))
            if before is not None and before.verdict is Verdict.VIOLATED:
                words = f"{window.verdict} at {_mark(window)}; the whole is violated by {_broken_by(before)}"
                self._breach("clean", window.rule, before, words)

    def _judge_findings(self, scan: ScanResult) -> None:
        for finding in scan.findings:
            window = scan.windows[finding.window]
            opened = self.damage.origin(window.open.byte_offset) if window.open is not None else -1
            same = self.whole.findings.get((finding.rule, opened), [])
            found = {self.damage.origin(o) for o in offsets_of(finding, window)}
            known = bool(same) or (bool(found) and found <= self.whole.broken.get(finding.rule, set()))
            words = f"{finding.severity} at {_mark(window)} by {_broken_by(window)}"
            before = self.whole.scan.windows[same[0].window] if same else window
            if finding.certain and not known:
                self._breach("finding", finding.rule, window, words)
            elif finding.certain and same and not any(f.certain for f in same):
                self._breach("firmer", finding.rule, before, words)
            elif finding.certain and same and finding.severity.rank > max(f.severity.rank for f in same):
                self._breach("worse", finding.rule, before, words)

    def _breach(self, what: str, rule: str, window: Window | None, words: str) -> None:
        self.breaches.append(Breach(what, rule, self._where(window), self.marked, words))

    def _where(self, window: Window | None) -> str:
        """Say how the damage lies to a window of either trace."""
        if window is None or window.open is None:
            return ""
        own = self.scan is not None and any(w is window for w in self.scan.windows)
        first = window.open.byte_offset
        last = window.close.byte_offset if window.close is not None else len(self.whole.data) - 1
        if own:
            first, last = self.damage.origin(first), self.damage.origin(last) if window.close is not None else last
        layout = self.whole.layout
        end = layout.starts[min(layout.record_at(last) + 1, len(layout.starts) - 1)] - 1
        if self.damage.touches(first, end):
            return "inside"
        return "before" if min(a for a, _ in self.damage.touched) < first else "behind"


def _mark(window: Window) -> str:
    if window.open is None:
        return f"{window.subject} {window.key:#x}"
    where = f"line {window.open.line}" if window.open.line else f"byte {window.open.byte_offset}"
    return f"{where} ({window.open.event}, {window.subject} {window.key:#x})"


def _broken_by(window: Window) -> str:
    marks = [window.requests[i].mark for i in window.violating] + [h.mark for h in window.happenings]
    more = f" and {len(marks) - 3} more" if len(marks) > 3 else ""
    return ", ".join(f"{m.event} at byte {m.byte_offset}" for m in marks[:3]) + more


def whole_of(path: Path, trace_events: Path | None = None) -> Whole:
    """Read a trace, unpacked, with the declarations that are given or lie beside it or in the folder above."""
    data = b"".join(ByteSource(path).chunks())
    beside = (path.parent / "trace-events", path.parent.parent / "trace-events")
    declared = trace_events or next((p for p in beside if p.is_file()), None)
    return Whole(data, read_declarations(declared) if declared is not None and is_simpletrace(data) else None)
