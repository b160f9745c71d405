"""Many traces at once: files and directories, each opened and asked the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from traceview.api import Trace
from traceview.detect.lives import MAX_LIVES
from traceview.errors import TraceNotFoundError, TraceReadError, TraceviewError
from traceview.findings import ScanResult
from traceview.formats import FORMATS, Detection, format_by_id
from traceview.formats.base import FormatInfo
from traceview.formats.declarations import read_declarations
from traceview.losses import Losses
from traceview.origin import vm_of
from traceview.rules import RuleSet, load_rules
from traceview.sets import Kind, TraceSet, find_sets, open_set, siblings
from traceview.source import STDIN, ByteSource, find_files

__all__ = ["declarations_beside", "each_trace", "find_traces", "losses_all", "scan_all", "sets_in"]

SURE_IN_A_FOLDER = 0.4
"""A file of a directory is taken for a trace where a format is at least this sure of it."""
_BESIDE = ("trace-events", "trace-events-all")


def find_traces(path: str | Path) -> list[Path]:
    """Return the trace files below a directory, recognised by their content (or `path` itself if it is a file).

    Raises TraceNotFoundError where there is none.
    """
    if str(path) == STDIN or not Path(path).is_dir():
        return [Path(path)]
    files = find_files(path)
    found = [f for f in files if _may_be_trace(f)]
    if not found:
        known = ", ".join(f.id for f in FORMATS)
        raise TraceNotFoundError(f"{path}: none of the {len(files)} files below it is a trace ({known})")
    return found


def _may_be_trace(path: Path) -> bool:
    try:
        source = ByteSource(path)
        detection = Detection(source)
    except TraceReadError:
        return True  # whoever opens it is told why it cannot be read
    if source.cut and not detection.head:
        return True  # a compressed file of which nothing could be unpacked: the same
    return max(detection.scores.values(), default=0.0) >= SURE_IN_A_FOLDER


def declarations_beside(path: Path) -> Path | None:
    """Return the declarations file that lies in the same folder as a trace, if there is one."""
    for name in _BESIDE:
        if (path.parent / name).is_file():
            return path.parent / name
    return None


def scan_all(
    paths: Iterable[str | Path],
    *,
    format: str | None = None,
    trace_events: str | Path | None = None,
    rules: RuleSet | Iterable[str] | None = None,
    keep_witness: bool = False,
    qemu: str | None = None,
    max_bytes: int | None = None,
    jobs: int | None = None,
    host: str = "",
    vm: str | None = None,
    rotated: bool = False,
    max_lives: int = MAX_LIVES,
    on_trace: Callable[[Trace], None] = lambda _trace: None,
    on_result: Callable[[Trace, ScanResult], None] = lambda _trace, _result: None,
    on_error: Callable[[TraceviewError], None] | None = None,
) -> ScanResult:
    """Scan files and directories; return one result over all of them.

    In a directory, simpletrace files take the ``trace-events`` or ``trace-events-all`` that lies beside them where
    none is given. `rules` and `qemu` are those of `Trace.scan`, `max_bytes` and `jobs` those of `open`, for each trace.
    Files that are one trace together (`traceview.sets`) are scanned as one: those of a directory, those that are given
    together, with `rotated` also those that lie beside a given file and are of the same log. `max_lives` is that of
    `open`. `host` and `vm` say where the traces come from; by default the VM is told by what lies beside each trace
    (`traceview.origin.vm_of`). `on_trace` is told of each trace before it is read, `on_result` of its result before
    that is merged with the others, and may change its findings; `on_error` takes what goes wrong with one of them and
    lets the others go on (None raises).
    """
    chosen = rules if isinstance(rules, RuleSet) else load_rules().choose(rules)
    result = ScanResult()

    def take(trace: Trace) -> None:
        on_trace(trace)
        part = trace.scan(chosen, keep_witness=keep_witness, qemu=qemu)
        part.traces[0].host = host
        part.traces[0].vm = vm_of(trace.named) if vm is None else vm
        on_result(trace, part)
        result.merge(part)

    each_trace(paths, format, trace_events, max_bytes, jobs, take, on_error, rotated=rotated, max_lives=max_lives)
    return result


def losses_all(
    paths: Iterable[str | Path],
    *,
    format: str | None = None,
    trace_events: str | Path | None = None,
    rules: RuleSet | Iterable[str] | None = None,
    qemu: str | None = None,
    max_bytes: int | None = None,
    jobs: int | None = None,
    rotated: bool = False,
    max_lives: int = MAX_LIVES,
    on_trace: Callable[[Trace], None] = lambda _trace: None,
    on_error: Callable[[TraceviewError], None] | None = None,
) -> Losses:
    """Return the lost extents of files and directories; what it takes is told at `scan_all`."""
    chosen = rules if isinstance(rules, RuleSet) else load_rules().choose(rules)
    losses = Losses()

    def take(trace: Trace) -> None:
        on_trace(trace)
        losses.merge(trace.losses(chosen, qemu=qemu))

    each_trace(paths, format, trace_events, max_bytes, jobs, take, on_error, rotated=rotated, max_lives=max_lives)
    return losses


def sets_in(path: str | Path, *, format: str | None = None, rotated: bool = False) -> list[TraceSet]:
    """Return the traces below a directory, with the files that each lies in.

    Of a file it is the file alone, or with what lies beside it and is of the same log (`rotated`). `format` is the
    id of that of all of them, if it is known. Raises as `find_traces`, and UnknownNameError.
    """
    traces = find_traces(path)
    if traces == [Path(path)]:
        if rotated and str(path) != STDIN:
            return list(find_sets(traces, siblings(Path(path)), format=_known(format)))
        return [TraceSet(Kind.FILE, (Path(path),))]
    return find_sets(traces, find_files(path), format=_known(format))


def _known(format: str | None) -> FormatInfo | None:
    return format_by_id(format) if format is not None else None


def _sets(
    paths: Sequence[str | Path], format: str | None, rotated: bool, on_error: Callable[[TraceviewError], None] | None
) -> Iterator[tuple[TraceSet, bool]]:
    """Yield the traces of files and directories in the order in which they are given, and whether of a directory."""
    files = [Path(p) for p in paths if str(p) == STDIN or not Path(p).is_dir()]
    beside = [s for p in files if rotated and str(p) != STDIN for s in siblings(p)]
    given = find_sets(files, beside, format=_known(format))
    for path in paths:
        if str(path) != STDIN and Path(path).is_dir():
            try:
                yield from ((files, True) for files in sets_in(path, format=format))
            except TraceviewError as e:
                _raise_or_tell(e, on_error)
            continue
        own = next((s for s in given if Path(path) in s.paths or str(path) in s.left_out), None)
        if own is not None:
            given.remove(own)
            yield own, False


def each_trace(
    paths: Iterable[str | Path],
    format: str | None,
    trace_events: str | Path | None,
    max_bytes: int | None,
    jobs: int | None,
    take: Callable[[Trace], None],
    on_error: Callable[[TraceviewError], None] | None,
    *,
    rotated: bool = False,
    max_lives: int = MAX_LIVES,
) -> None:
    """Open each trace of files and directories, and let it be taken; the rest is told at `scan_all`."""
    declared = read_declarations(trace_events) if trace_events is not None else None
    for files, in_folder in _sets(list(paths), format, rotated, on_error):
        beside = declarations_beside(files.path) if in_folder and declared is None else None
        try:
            take(
                open_set(
                    files, format=format, trace_events=declared or beside, max_bytes=max_bytes, jobs=jobs,
                    max_lives=max_lives,
                )
            )  # fmt: skip
        except TraceviewError as e:
            _raise_or_tell(e, on_error)


def _raise_or_tell(error: TraceviewError, on_error: Callable[[TraceviewError], None] | None) -> None:
    if on_error is None:
        raise error
    on_error(error)
