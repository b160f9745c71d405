"""A trace as users hold it: open it, scan it, ask it for tables. Everything the command line does is a call of this."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from traceview.detect import Scanner
from traceview.detect.lives import MAX_LIVES, LivesScanner
from traceview.detect.places import placed, unsure_of_order
from traceview.errors import TraceNotFoundError, TraceReadError, UnknownNameError, nearest
from traceview.events import EventBatch, Gap, ReadStats, Refusal
from traceview.findings import Finding, Picture, RefusedLine, ScanResult, Window
from traceview.fingerprints import trace_digest
from traceview.formats import detect, format_by_id
from traceview.formats.base import FormatInfo, Reader, Wanted
from traceview.formats.declarations import Declarations, forms_for, read_declarations
from traceview.formats.joints import with_joints
from traceview.formats.log_grammar import event_name
from traceview.losses import Losses
from traceview.plot.finding import ScenePicture, finding_words
from traceview.rules import RuleSet, load_rules
from traceview.selection import Selection
from traceview.source import DEFAULT_CHUNK, STDIN, ByteSource
from traceview.timeline.iterations import IterationCounter
from traceview.timeline.lives import Life
from traceview.vocabulary import Dating, MeaningTable, Vocabulary, builtin

if TYPE_CHECKING:
    import pandas as pd

    from traceview.detect.tellable import Tellable
    from traceview.scene import Scene
    from traceview.timeline import Timeline

__all__ = ["Trace", "open", "open_source"]

EXPLAINED = 3
"""How many refused lines of a trace are explained."""


class Trace:
    """One trace file (or stdin, ``-``).

    Nothing is read until something is asked; every question reads the file anew from front to back, so memory does
    not grow with the file. stdin can be asked once.
    """

    def __init__(
        self,
        source: ByteSource,
        info: FormatInfo,
        declarations: Declarations | None,
        vocabulary: Vocabulary,
        jobs: int | None = None,
        *,
        max_lives: int = MAX_LIVES,
        lossy: str = "",
    ) -> None:
        self.source = source
        self.format = info
        self.declarations = declarations
        self.vocabulary = vocabulary
        self.jobs = jobs if jobs is not None else _cores()
        self.max_lives = max_lives
        self.lossy = lossy or info.lossy
        """Why records may be missing without a mark, ``""`` where none is."""
        self.named = source.path
        """The path whose name tells of which VM it is."""
        self.lives: list[Life] = []
        """The QEMUs that wrote it, when a scan has told them apart."""
        self.gaps: list[Gap] = []
        """What the last scan found missing, with what only other records tell of."""
        self.stats = ReadStats()
        """What the last reading met; complete when it has come to the end."""

    @property
    def path(self) -> str:
        """The path, or ``<stdin>``."""
        return self.source.name

    def batches(self, wanted: Wanted | Iterable[str] | None = None) -> Iterator[EventBatch]:
        """Yield the records in file order, as columns.

        `wanted` chooses events by name or by a function of the name; None takes all. Raises the errors of the
        format (`UnsupportedVersionError`, `DeclarationsNeededError`, `DeclarationsMismatchError`).
        """
        reader = self.reader()
        if wanted is None:
            choose: Wanted = lambda _name: True  # noqa: E731
        elif callable(wanted):
            choose = wanted
        else:
            choose = frozenset(wanted).__contains__
        yield from with_joints(self.source, reader, choose)

    def reader(self) -> Reader:
        """Return what reads the trace once, from its beginning; its `stats` become those of the trace."""
        reader = self.format.make(self.source, self.vocabulary.forms_of, self.declarations, self.jobs)
        self.stats = reader.stats
        self.stats.head = self.source.head()
        self.stats.lossy = self.lossy
        self.stats.printed = self.format.printed
        self.stats.resolution_ns = self.format.resolution_ns
        return reader

    def scan(
        self, rules: RuleSet | Iterable[str] | None = None, *, keep_witness: bool = False, qemu: str | None = None
    ) -> ScanResult:
        """Judge the windows of the trace.

        `rules` are those to judge by: a set (`load_rules`), or some of the built-in ones by id (`UnknownNameError` for
        one that is not known); None takes the package's and those of plug-ins. With `keep_witness` each window with
        requests keeps the records around it, which `traceview show` draws. `qemu` is the release that wrote the trace
        (``7.2``, ``2.6.0-rc3``); None deduces it. Raises ValueError for text that is no release.
        """
        chosen = rules if isinstance(rules, RuleSet) else load_rules().choose(rules)
        dating = Dating.given(qemu) if qemu else None
        scan = self._run(chosen, lambda: Scanner(self.vocabulary, chosen, keep_witness=keep_witness, qemu=dating))
        return scan[0]

    def losses(self, rules: RuleSet | Iterable[str] | None = None, *, qemu: str | None = None) -> Losses:
        """Return the lost extents: what violated windows left on the old image, and what became of it.

        `rules` and `qemu` are those of `scan`; of the rules, those count that can mean lost data.
        """
        chosen = (rules if isinstance(rules, RuleSet) else load_rules().choose(rules)).losing()
        dating = Dating.given(qemu) if qemu else None
        return self._run(chosen, lambda: Scanner(self.vocabulary, chosen, keep_losses=True, qemu=dating))[1]

    def digest(self) -> str:
        """Return by what the trace is known again (`traceview.fingerprints.trace_digest`), by reading its beginning.

        Raises TraceReadError for stdin and pipes, whose scan tells it.
        """
        if self.source.once:
            raise TraceReadError(f"{self.path}: can be read but once: its scan tells its digest")
        reader = self.reader()
        next(reader.batches(lambda _name: True), None)
        return trace_digest(reader.stats.head, reader.stats.first_ts_ns)

    def _run(self, rules: RuleSet, make: Callable[[], Scanner]) -> tuple[ScanResult, Losses]:
        reader = self.reader()
        scanner = self.scanner(reader, rules, make)
        for batch in with_joints(self.source, reader, scanner.wanted):
            scanner.feed(batch)
        result = scanner.finish(self.path, self.format.id, reader.stats)
        unsure_of_order(self.source, result)
        placed(self.source, result, scanner.losses)
        self.lives, self.gaps = result.traces[0].lives, result.traces[0].gaps
        result.traces[0].refused = [self.explained(r) for r in reader.stats.refused[:EXPLAINED]]
        if not self.source.is_stdin:
            result.findings = [replace(f, picture=self._picture(f, result.windows[f.window])) for f in result.findings]
        return result, scanner.losses

    def scanner(self, reader: Reader, rules: RuleSet, make: Callable[[], Scanner]) -> LivesScanner:
        """Return what judges the batches of a reader of this trace; `make` makes the scanner of one QEMU."""
        return LivesScanner(
            self.vocabulary, rules, make, self.format.id, most=self.max_lives, printed=self.format.printed,
            banners=lambda: getattr(reader.stats, "lives", ()),
        )  # fmt: skip

    def _of_life(self, window: Window | None) -> Iterator[EventBatch]:
        """Yield the records that a timeline is made of; around a window, those of the QEMU that it is of alone."""
        batches = self.batches(self.vocabulary.events.__contains__)
        if window is None or len(self.lives) <= max(1, window.life):
            return batches
        life = self.lives[window.life]
        return (own for batch in batches if len(own := life.take(batch)))

    def _picture(self, finding: Finding, window: Window) -> Picture:
        """Return what draws a finding of this trace."""
        title, subtitle = finding_words(finding, window)
        return ScenePicture(lambda: self.scene(window, title=title, subtitle=subtitle))

    def surroundings(self, window: Window) -> MeaningTable | None:
        """Return the records around a window of a scan (see `traceview.detect.witness`), by reading the trace anew.

        Raises TraceReadError for stdin and pipes, which can be read but once.
        """
        from traceview.detect.witness import surroundings  # noqa: PLC0415  (only what is shown needs it)

        iterations = IterationCounter()

        def tables() -> Iterator[MeaningTable]:
            for batch in self._of_life(window):
                table = self.vocabulary.interpret(batch)
                iterations.number(table)
                yield table

        return surroundings(window, tables())

    def scene(
        self, window: Window | None = None, *, title: str = "", subtitle: str = "",
        span_ns: tuple[int, int] | None = None, records: tuple[int, int] | None = None,
    ) -> Scene:  # fmt: skip
        """Return what stands around a window of a scan, to be drawn; the trace is read anew.

        `span_ns` is what to draw, by the trace's clock, `records` the first and the last record to look at; by default
        the window with a margin. Raises TraceReadError for stdin and pipes, MissingEventsError where nothing is there.
        """
        from traceview.scene import build_scene, records_around  # noqa: PLC0415  (only what is drawn needs it)
        from traceview.timeline import Timeline  # noqa: PLC0415

        first, last = records if records is not None else records_around(window)
        timeline = Timeline.around(self.vocabulary, self._of_life(window), first, last)
        gaps = self.gaps or self.stats.gaps
        return build_scene(timeline, window, title=title, subtitle=subtitle, span_ns=span_ns, gaps=gaps)

    def timelines_around(self, windows: Sequence[Window]) -> Iterator[tuple[int, Timeline]]:
        """Yield the timelines around windows of a scan, each with the window's place in `windows`; one reading a life.

        They come in the order in which their records end. Of a window of very many records only those near its points
        are looked at (`traceview.scene.spans_around`). `traceview.scene.build_scene` makes scenes of them. Raises
        TraceReadError for stdin and pipes.
        """
        from traceview.scene import spans_around  # noqa: PLC0415  (only what is drawn needs it)
        from traceview.timeline import Timeline  # noqa: PLC0415

        for life in dict.fromkeys(w.life for w in windows):
            own = [i for i, w in enumerate(windows) if w.life == life]
            spans = [spans_around(windows[i]) for i in own]
            for place, timeline in Timeline.each_around(self.vocabulary, self._of_life(windows[own[0]]), spans):
                yield own[place], timeline

    def tells(self, rules: RuleSet | Iterable[str] | None = None, *, qemu: str | None = None) -> Tellable:
        """Say what the trace tells: its events by what they mean, and which rules it can judge.

        `rules` and `qemu` are those of `scan`.
        """
        from traceview.detect.tellable import Teller  # noqa: PLC0415  (a scan does without)

        chosen = rules if isinstance(rules, RuleSet) else load_rules().choose(rules)
        teller = Teller(self.vocabulary, Dating.given(qemu) if qemu else None)
        reader = self.reader()
        for batch in reader.batches(self.vocabulary.events.__contains__):
            teller.feed(batch)
        return teller.finish(self.path, reader.stats, chosen)

    def explained(self, refusal: Refusal) -> RefusedLine:
        """Return a refused line with the grammar's own explanation (trace text inside)."""
        raw = refusal.text.encode("utf-8", "surrogateescape")
        forms = forms_for(refusal.event or event_name(raw), self.declarations, self.vocabulary.forms_of)
        return RefusedLine(refusal.line, refusal.byte_offset, self.format.explain(raw, forms))

    def windows(self) -> pd.DataFrame:
        """Return every window of a scan as a table (columns: `traceview.report.tables.WINDOW_COLUMNS`)."""
        from traceview.report.tables import windows_frame  # noqa: PLC0415  (pandas is slow to import)

        return windows_frame(self.scan())

    def requests(self) -> pd.DataFrame:
        """Return every guest request as a table (columns: `traceview.timeline.requests`)."""
        return self.timeline().requests

    def request_frames(self) -> Iterator[pd.DataFrame]:
        """Yield the guest requests as tables, batch by batch: memory does not grow with the trace."""
        from traceview.timeline.stream import request_frames  # noqa: PLC0415  (pandas is slow to import)

        return request_frames(self.vocabulary, self.batches(self.vocabulary.events.__contains__))

    def select(self, selection: Selection) -> Iterator[EventBatch]:
        """Yield the chosen records in file order, as columns. Memory does not grow with the trace."""
        for batch in self.batches(selection.wanted):
            chosen = batch.take(selection.mask(batch, self.stats.first_ts_ns))
            if len(chosen):
                yield chosen

    def events(self, names: Iterable[str] | None = None, *, selection: Selection | None = None) -> pd.DataFrame:
        """Return records as a table (columns: `traceview.report.tables.EVENT_COLUMNS`).

        `names` limits it to some events (patterns with ``*`` are fine), `selection` also by time, thread or pointer.
        The whole table is in memory: for a large trace, use `select`. Raises UnknownNameError for an event that the
        trace does not have.
        """
        from traceview.report.tables import events_frame  # noqa: PLC0415

        chosen = selection if selection is not None else Selection(tuple(names or ()))
        frame = events_frame(self.select(chosen))
        self.require_matched(chosen)
        return frame

    def require_matched(self, selection: Selection) -> None:
        """Raise UnknownNameError if an event of the selection did not occur in what was read."""
        for name in selection.unmatched(self.stats.names):
            raise UnknownNameError(f"{self.path}: no record of event {name!r}{nearest(name, self.stats.names)}")

    def timeline(self, first_record: int = 0, last_record: int | None = None) -> Timeline:
        """Rebuild the timeline of the records from `first_record` to `last_record` (all by default).

        Iterations, requests and jobs are numbered from the beginning of the trace all the same.
        """
        from traceview.timeline import Timeline  # noqa: PLC0415

        known = self.vocabulary.events.__contains__
        return Timeline.build(self.vocabulary, self.batches(known), first_record, last_record)


def open(
    path: str | Path,
    *,
    format: str | None = None,
    trace_events: str | Path | Declarations | None = None,
    chunk_bytes: int = DEFAULT_CHUNK,
    max_bytes: int | None = None,
    jobs: int | None = None,
    vocabulary: Vocabulary | None = None,
    max_lives: int = MAX_LIVES,
) -> Trace:
    """Open a trace file, or stdin (``-``); what is compressed with gzip, xz, zstd or bzip2 is unpacked as it is read.

    Parameters
    ----------
    path
        The file.
    format
        The id of its format; None recognises it by its first bytes.
    trace_events
        The build's declarations: needed for simpletrace versions 2 and 3, useful for events that the built-in
        vocabulary does not know.
    chunk_bytes
        How many bytes to read at a time; results do not depend on it.
    max_bytes
        Read no more than so many bytes, unpacked; what follows is a gap. None reads all.
    jobs
        How many threads may read ahead; None takes as many as there are cores. Results do not depend on it.
    vocabulary
        What events mean; None takes the one that comes with the package.
    max_lives
        So many lives of QEMUs are told apart in it; what later ones did is not judged.

    Raises
    ------
    TraceNotFoundError, TraceReadError
        The file is not there, is a directory, or cannot be read.
    UnknownFormatError, UnknownNameError
        No format recognises it, or `format` names none.
    UnsupportedVersionError, DeclarationsNeededError, GrammarError
        A simpletrace version that cannot be read (so); declarations that cannot.
    """
    if str(path) != STDIN and Path(path).is_dir():
        raise TraceNotFoundError(f"{path}: is a directory; open the traces in it one by one (traceview.find_traces)")
    source = ByteSource(path, chunk_bytes=chunk_bytes, max_bytes=max_bytes)
    return open_source(
        source, format=format, trace_events=trace_events, jobs=jobs, vocabulary=vocabulary, max_lives=max_lives
    )


def open_source(
    source: ByteSource,
    *,
    format: str | FormatInfo | None = None,
    trace_events: str | Path | Declarations | None = None,
    jobs: int | None = None,
    vocabulary: Vocabulary | None = None,
    max_lives: int = MAX_LIVES,
    lossy: str = "",
) -> Trace:
    """Open the trace that a source has; what it takes, and raises, is told at `open`.

    `lossy` says why records may be missing in it without a mark, beside what is so for all traces of its format.
    """
    info = format if isinstance(format, FormatInfo) else format_by_id(format) if format else detect(source)
    declared = (
        trace_events
        if isinstance(trace_events, Declarations) or trace_events is None
        else read_declarations(trace_events)
    )
    known = vocabulary if vocabulary is not None else builtin()
    trace = Trace(source, info, declared, known, jobs, max_lives=max_lives, lossy=lossy)
    trace.reader()  # complain now about a version or missing declarations
    return trace


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
