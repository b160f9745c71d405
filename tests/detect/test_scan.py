"""One pass over a trace: which windows it takes, in which order, and that it does not matter how the trace is cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timeline.story import (
    COPY,
    DISK,
    DRIVE,
    FILTER,
    FOUNDING,
    IOHANDLER,
    JOB,
    JOB2,
    MAIN,
    OTHER_DISK,
    OTHER_DRIVE,
    OWN,
    Story,
    drains,
    edges,
    exits,
    instrumented,
    lines,
    stock,
    trace_of,
)
from traceview.api import Trace, open
from traceview.detect import Scanner
from traceview.detect.lives import LivesScanner
from traceview.errors import UnknownNameError
from traceview.events import EventBatch
from traceview.findings import Evidence, ScanResult, Severity, Shape, Verdict
from traceview.fleet import scan_all
from traceview.report.machine import scan_document
from traceview.rules import EXIT_RULE, FINAL_DRAIN_RULE, builtin_rules, load_rules
from traceview.vocabulary import Meaning, builtin

SAMPLES = Path(__file__).resolve().parents[2] / "sample-traces"
LOGS = sorted(SAMPLES.glob("*/trace.log"))


def one_loss() -> Story:
    story = instrumented()
    story.start()
    story.look()
    story.write(4096)
    story.defer()
    story.write(8192)
    story.leave()
    return story


# which windows


def test_windows_come_in_the_order_of_their_opening() -> None:
    story = instrumented()
    for job, node in ((JOB, DISK), (JOB2, OTHER_DISK)):
        story.start(job, node)
        story.look(job)
        story.defer(job, node)
    story.leave(JOB2, OTHER_DISK)
    story.leave(JOB, DISK)
    result = story.scan()
    opened = [w.open.line for w in result.windows if w.open is not None]
    assert opened == sorted(opened)
    assert [w.job for w in exits(result)] == [JOB, JOB2]


def test_a_window_without_opening_takes_the_place_of_its_closing() -> None:
    story = instrumented()
    closed = story.leave()
    story.start(node=COPY)
    story.look()
    story.defer(node=COPY)
    story.leave(node=COPY)
    result = story.scan()
    assert [edges(w)[0] for w in result.windows] == [None, closed + 4, closed + 5]


@pytest.mark.parametrize("rule", [EXIT_RULE, FINAL_DRAIN_RULE])
def test_a_scan_by_one_rule_finds_what_the_rule_finds_among_all(rule: str) -> None:
    story = one_loss()
    by_all, by_one = story.scan(), story.trace().scan([rule])
    assert by_one.windows == [w for w in by_all.windows if w.rule == rule]
    assert {f.rule for f in by_one.findings} == {rule}
    assert [w.lost for w in by_one.windows] != [[]]


def test_a_rule_that_is_not_known_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mirror-exit-guest-io'"):
        one_loss().trace().scan(["mirror-exit-guest-oi"])


def test_a_finding_points_at_its_window_and_at_the_requests_that_count() -> None:
    result = one_loss().scan()
    assert [(f.rule, f.severity, f.window, f.requests) for f in result.findings] == [
        (FINAL_DRAIN_RULE, Severity.DATA_LOSS, 0, (0,)),
        (EXIT_RULE, Severity.DATA_LOSS, 1, (0,)),
    ]
    rules = {r.id: r for r in builtin_rules()}
    for finding in result.findings:
        assert finding.title == f"mirror job 0xa1 on drive0: {rules[finding.rule].title}"
        assert finding.references == rules[finding.rule].references


def test_data_loss_ranks_above_a_broken_promise() -> None:
    assert Severity.DATA_LOSS.rank > Severity.BROKEN_PROMISE.rank


def test_a_finding_names_each_device_once_and_no_device_that_was_held_back() -> None:
    story = instrumented()
    story.start()
    story.defer()
    for blk in (DRIVE, OTHER_DRIVE, DRIVE):
        story.write(blk=blk)
    story.leave()
    (finding,) = story.scan().findings
    assert " on drive0, drive1: " in finding.title


def test_a_commit_is_called_one() -> None:
    story = instrumented()
    story.say(f"commit_active_start bs 0x{DISK:x} base 0x{COPY:x} job 0x{JOB:x}")
    story.start()
    story.defer()
    story.write()
    story.leave()
    (finding,) = story.scan().findings
    assert finding.title.startswith("commit job ")


def test_the_target_is_named_by_the_file_it_was_opened_with() -> None:
    story = instrumented()
    story.say(f'bdrv_open_common bs 0x{COPY:x} filename "/images/copy.raw" flags 0x0 format_name "raw"')
    story.start()
    story.defer()
    story.write()
    story.leave()
    (window,) = exits(story.scan())
    assert window.target_image == "/images/copy.raw"


def test_results_of_several_traces_keep_their_windows_and_findings_apart() -> None:
    result = ScanResult()
    for story in (one_loss(), instrumented(), one_loss()):
        result.merge(story.scan())
    assert len(result.traces) == 3
    assert [w.trace for w in result.windows] == [0, 0, 2, 2]
    assert [f.window for f in result.findings] == [0, 1, 2, 3]
    assert result.count(Verdict.VIOLATED) == 4


def test_a_window_says_how_long_it_stood_open_and_how_many_iterations_it_touches() -> None:
    story = instrumented()
    story.start()
    story.iteration()
    story.defer()
    story.iteration()
    story.leave()
    (window,) = exits(story.scan())
    assert (window.duration_ns, window.iterations) == (20_000, 2)


def test_without_main_loop_wait_a_window_does_not_say_how_many_iterations_it_touches() -> None:
    assert [w.iterations for w in one_loss().scan().windows] == [None, None]


def test_the_exposure_is_known_of_every_window_with_both_edges_and_times() -> None:
    story = one_loss()
    story.start(JOB2, COPY)
    story.defer(JOB2, COPY)
    assert [w.duration_ns is not None for w in story.scan().windows] == [
        w.open is not None and w.close is not None for w in story.scan().windows
    ]
    assert [w.duration_ns for w in story.trace(prefix=False).scan(FOUNDING).windows] == [None] * len(
        story.scan().windows
    )


# the records around a window


def test_the_witness_holds_the_records_of_the_window_from_the_start_of_its_iteration() -> None:
    story = instrumented()
    story.start()
    story.look()
    started = story.iteration()
    story.dispatch(MAIN)
    story.defer()
    story.say(f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter 1")
    story.write()
    closed = story.leave()
    (window,) = exits(story.trace().scan(FOUNDING, keep_witness=True))
    assert window.witness is not None
    assert [int(n) for n in window.witness.batch.line] == list(range(started, closed + 1))
    assert window.witness.where(Meaning.DRAINED_BEGIN).any()


def test_windows_without_requests_keep_no_witness() -> None:
    story = instrumented()
    story.start()
    story.defer()
    story.leave()
    assert [w.witness for w in story.trace().scan(FOUNDING, keep_witness=True).windows] == [None]


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.parent.name)
def test_keeping_witnesses_changes_no_verdict(path: Path) -> None:
    trace = open(path)
    assert scan_document(trace.scan(keep_witness=True)) == scan_document(trace.scan())


# however the trace is cut


@dataclass
class Cut:
    """A trace whose batches are cut at the given rows."""

    trace: Trace
    rows: list[int] = field(default_factory=list)

    def pieces(self, wanted: Iterable[str]) -> Iterator[EventBatch]:
        for batch in self.trace.batches(wanted):
            place = np.searchsorted(sorted(self.rows), np.arange(len(batch)), side="right")
            for piece in np.unique(place):
                yield batch.take(place == piece)

    def scan(self, rules: Iterable[str] | None = None, *, keep_witness: bool = False) -> ScanResult:
        vocabulary, chosen = builtin(), load_rules().choose(rules)
        scanner = LivesScanner(
            vocabulary, chosen, lambda: Scanner(vocabulary, chosen, keep_witness=keep_witness), self.trace.format.id
        )
        for piece in self.pieces([n for n in vocabulary.events if scanner.wanted(n)]):
            scanner.feed(piece)
        return scanner.finish(self.trace.path, self.trace.format.id, self.trace.stats)


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.parent.name)
@pytest.mark.parametrize("size", [1, 7, 100])
def test_batches_of_any_size_give_the_same_result(path: Path, size: int) -> None:
    trace = open(path)
    pieces = Cut(trace, list(range(size, 2000, size)))
    assert scan_document(pieces.scan()) == scan_document(trace.scan())


def far_apart() -> Story:
    """Tell a trace whose window is known by nothing before it, and whose request was let in by what came before it."""
    story = instrumented()
    story.start()
    story.iteration()
    story.dispatch(IOHANDLER)
    story.kick()
    story.poll(MAIN)
    story.defer()
    story.poll_done(MAIN)
    story.write()
    story.dispatch_done(IOHANDLER)
    story.iteration()
    story.leave()
    return story


@pytest.mark.parametrize("cut", range(1, far_apart().lines))
def test_a_cut_between_an_iteration_and_its_window_hides_neither_shape_nor_kick(cut: int) -> None:
    trace = far_apart().trace()
    (window,) = exits(Cut(trace, [cut]).scan())
    assert window.shape is Shape.CASE_1
    assert window.requests[0].kick is not None


def test_rows_that_no_window_needs_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceview.detect.scan.LOOK_BACK", 0)
    vocabulary = builtin()
    story = instrumented()
    story.start()
    look = story.look() - 1
    for _ in range(5):
        story.iteration()
    story.defer()
    left = story.leave()
    after = story.iteration()
    story.iteration()
    scanner = Scanner(vocabulary, load_rules())
    for piece in Cut(story.trace(), list(range(1, story.lines))).pieces(vocabulary.events):
        scanner.feed(piece)
        held = scanner._buffer.between(0, story.lines)
        assert held is not None
        at = int(piece.record[0])
        if look <= at < left - 1:
            assert int(held.record[0]) <= look
        if at > after:
            assert len(held) == 1


def test_a_trace_without_records_has_no_windows_and_judges_no_rule() -> None:
    result = trace_of(b"").scan()
    assert (result.windows, result.findings) == ([], [])
    assert {u.rule for u in result.traces[0].unjudged} == {r.id for r in builtin_rules() if r.must_judge}


def test_a_batch_without_rows_changes_nothing() -> None:
    story = far_apart()
    vocabulary = builtin()
    scanner = Scanner(vocabulary, load_rules().choose([EXIT_RULE]))
    trace = story.trace()
    (batch,) = trace.batches()
    empty = batch.take(np.zeros(len(batch), dtype=np.bool_))
    for piece in (empty, batch, empty):
        scanner.feed(piece)
    (window,) = scanner.finish("synthetic", "log", trace.stats).windows
    assert (window.verdict, window.shape) == (Verdict.VIOLATED, Shape.CASE_1)


def two_jobs() -> Story:
    """Tell a trace in which two jobs look at their bitmaps by turns."""
    story = instrumented()
    nodes = {JOB: DISK, JOB2: OTHER_DISK}
    for job, node in nodes.items():
        story.start(job, node)
    for dirty in (1, 0, 0):
        for job in nodes:
            story.look(job, dirty)
    story.write()
    story.write(blk=OTHER_DRIVE, node=OTHER_DISK)
    for job, node in nodes.items():
        story.defer(job, node)
        story.leave(job, node)
    return story


@pytest.mark.parametrize("cut", range(1, two_jobs().lines))
def test_a_cut_between_the_looks_of_two_jobs_hides_neither_window(cut: int) -> None:
    result = Cut(two_jobs().trace(), [cut]).scan()
    assert [(w.job, w.severity) for w in drains(result)] == [(j, Severity.DATA_LOSS) for j in (JOB, JOB2)]
    first_look = instrumented().lines + 7
    assert [edges(w)[0] for w in drains(result)] == [first_look, first_look + 1]


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 80, 4096])
def test_chunks_of_any_size_give_the_same_result(chunk_bytes: int) -> None:
    story = far_apart()
    pieces = trace_of(story.log(), chunk_bytes=chunk_bytes)
    assert scan_document(pieces.scan()) == scan_document(story.scan(None))


def test_a_directory_is_scanned_trace_by_trace(tmp_path: Path) -> None:
    for name, story in (("a.log", one_loss()), ("b.log", instrumented())):
        (tmp_path / name).write_bytes(story.log())
    result = scan_all([tmp_path])
    assert [Path(t.path).name for t in result.traces] == ["a.log", "b.log"]
    assert [f.severity for f in result.findings] == [Severity.DATA_LOSS] * 2


# against a model that is too simple to be wrong

GUEST_ACTS = {
    "write": ("pwritev", DRIVE, DISK),
    "read": ("preadv", DRIVE, DISK),
    "zeroes": ("pwrite_zeroes", DRIVE, DISK),
    "other disk": ("pwritev", OTHER_DRIVE, OTHER_DISK),
    "the job's own": ("pwritev", OWN, DISK),
}
COUNTING = ("write", "read", "zeroes")
STEPS = ("start", "look clean", "look dirty", "defer", "exit", "pivot", "exit_done")
JOB_STEPS = {
    "start": lambda s: s.start(),
    "look clean": lambda s: s.look(dirty=0),
    "look dirty": lambda s: s.look(dirty=1),
    "defer": lambda s: s.defer(),
    "exit": lambda s: s.exit(),
    "pivot": lambda s: s.pivot(),
    "exit_done": lambda s: s.exit_done(),
}


@st.composite
def lives(draw: st.DrawFn) -> list[str]:
    """Return what happens in a trace with up to three lives of one job pointer, guest requests in between."""
    acts = st.lists(st.sampled_from(sorted(GUEST_ACTS)), max_size=3)
    told: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        looks = draw(st.lists(st.sampled_from(["look clean", "look dirty"]), max_size=4))
        steps = ["start", *looks, "defer", "exit", *(["pivot"] if draw(st.booleans()) else []), "exit_done"]
        for step in steps:
            told += [step, *draw(acts)]
    return told


def tell(acts: list[str]) -> Story:
    story = instrumented()
    for number, act in enumerate(acts):
        if act in GUEST_ACTS:
            op, blk, node = GUEST_ACTS[act]
            story.submit(op, 4096 * number, blk=blk, node=node)
        else:
            JOB_STEPS[act](story)
    return story


def model(acts: list[str], first_line: int) -> list[tuple[str, tuple[int, int], list[int], bool]]:
    """Return (rule, edges, lines of the requests inside, pivoted) of every window, by looking at each act in turn."""
    windows = []
    for at, act in enumerate(acts):
        if act != "defer":
            continue
        left = next(i for i in range(at, len(acts)) if acts[i] == "exit")
        done = next(i for i in range(left, len(acts)) if acts[i] == "exit_done")
        pivoted = "pivot" in acts[left:done]
        life = max(i for i in range(at) if acts[i] == "start")
        looks = [i for i in range(life, at) if acts[i].startswith("look")]
        bounds = [(EXIT_RULE, at, left)]
        if looks and acts[looks[-1]] == "look clean":
            bounds.append((FINAL_DRAIN_RULE, looks[-1], at))
        for rule, a, b in bounds:
            inside = [first_line + i for i in range(a, b) if acts[i] in COUNTING]
            windows.append((rule, (first_line + a, first_line + b), inside, pivoted))
    return sorted(windows, key=lambda w: w[1])


@given(lives(), st.data())
def test_the_requests_in_the_windows_of_a_job_are_those_that_a_plain_walk_finds(
    acts: list[str], data: st.DataObject
) -> None:
    first_line = instrumented().lines + 1
    trace = tell(acts).trace()
    cuts = data.draw(st.lists(st.integers(1, len(acts) + first_line), max_size=4))
    windows = Cut(trace, cuts).scan(FOUNDING).windows
    found = [(w.rule, edges(w), lines(w.requests), w.pivoted) for w in windows]
    assert found == model(acts, first_line)
    for window in windows:
        assert window.verdict is (Verdict.VIOLATED if window.requests else Verdict.CLEAN)
        lost = window.pivoted and any(r.op.changes_data for r in window.requests)
        assert (window.severity is Severity.DATA_LOSS) == lost


STOCK_ACTS = ("write", "read", "other disk", "before_drain", "enter", "copy")


@given(st.lists(st.sampled_from(STOCK_ACTS), max_size=14), st.data())
def test_the_requests_in_the_window_of_a_stock_job_are_those_that_a_plain_walk_finds(
    acts: list[str], data: st.DataObject
) -> None:
    story, reached = stock(), []
    drained: int | None = None
    waiting = False
    for act in [*acts, "before_drain", "enter", "write"]:
        match act:
            case "write" | "read":
                at = story.reach("pwritev" if act == "write" else "preadv")
                reached.append(at)
            case "other disk":
                story.reach("pwritev", blk=OTHER_DRIVE, node=OTHER_DISK)
            case "before_drain":
                story.before_drain()
                waiting = True
            case "copy":
                story.copy()
                waiting = False
            case _:
                at = story.enter()
                if waiting:
                    drained, waiting = at, False
    story.completed()
    closed = story.move(FILTER, COPY)
    story.concluded()
    story.reach("pwritev", node=COPY)
    assert drained is not None
    cuts = data.draw(st.lists(st.integers(1, story.lines), max_size=4))
    (window,) = Cut(story.trace(), cuts).scan(FOUNDING).windows
    assert edges(window) == (drained, closed)
    assert lines(window.requests) == [at for at in reached if drained < at < closed]
    assert (window.evidence, window.pivoted) == (Evidence.PROXY, True)
