"""Rules of the tests' own, a story with the verbs for them, and what they find however the trace is cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.cuts import every_cut
from tests.detect.test_scan import Cut
from tests.timeline.story import DISK, MAIN, VDEV, Story
from traceview.api import Trace
from traceview.detect import Scanner
from traceview.findings import ScanResult, Window
from traceview.rules import Pattern, Rule, RuleSet, words
from traceview.rules.build import build_rules
from traceview.vocabulary import Dating, MeaningTable, builtin

NAME = "own-rule"
MS_US = 1000
"""A millisecond, in the microseconds that a story counts in."""


def rule(
    *exact: str, subject: str = "node", template: str = "forbidden-in-window", proxies: Sequence[str] = (),
    name: str = NAME, more: str = "",
) -> Rule:  # fmt: skip
    """Return a rule whose blocks hold the given clauses; `more` are clauses of the rule itself."""
    blocks = [f"exact {{ {c} }}" for c in exact] + [f"proxy {{ {c} }}" for c in proxies]
    text = (
        f'rule {name} {{ title "a promise" says "It is kept." template {template} subject {subject} {more}\n'
        + "\n".join(blocks)
        + "\n}"
    )
    (made,) = build_rules(text, "own.rules", words())
    return made


def forbidding(text: str, *, subject: str = "node") -> Pattern:
    """Return a pattern that stands behind `forbid`, in a rule about nodes unless said otherwise."""
    edges = {"node": "open drained(node) close drained_end(node)", "qemu": "open graph_locked close graph_unlocked"}
    (clause,) = rule(f"{edges[subject]} forbid {text}", subject=subject).windows
    return clause.forbid[0]


class Tale(Story):
    """A story with the verbs that are about nodes, contexts and the ends of requests."""

    def begin(self, node: int = DISK, count: int = 1, *, tid: int | None = None, us: int | None = None) -> int:
        return self.say(f"bdrv_drained_begin bs 0x{node:x} quiesce_counter {count}", tid=tid, us=us)

    def drained(self, node: int = DISK, *, tid: int | None = None, us: int | None = None) -> int:
        return self.say(f"bdrv_drained_begin_done bs 0x{node:x}", tid=tid, us=us)

    def end(self, node: int = DISK, count: int = 0, *, tid: int | None = None, us: int | None = None) -> int:
        return self.say(f"bdrv_drained_end bs 0x{node:x} quiesce_counter {count}", tid=tid, us=us)

    def attach_ctx(self, node: int = DISK, ctx: int = MAIN, *, tid: int | None = None) -> int:
        return self.say(f"bdrv_attach_aio_context bs 0x{node:x} new_context 0x{ctx:x}", tid=tid)

    def detach_ctx(self, node: int = DISK, *, tid: int | None = None) -> int:
        return self.say(f"bdrv_detach_aio_context bs 0x{node:x}", tid=tid)

    def lock(self, *, tid: int | None = None) -> int:
        return self.say("bdrv_graph_wrlock depth 1", tid=tid)

    def unlock(self, *, tid: int | None = None) -> int:
        return self.say("bdrv_graph_wrunlock depth 0", tid=tid)

    def done(self, request: int, *, vdev: int = VDEV, us: int | None = None) -> int:
        return self.say(f"virtio_blk_rw_complete vdev 0x{vdev:x} req 0x{request:x} ret 0", us=us)

    def answered(self, request: int, *, vdev: int = VDEV, us: int | None = None) -> int:
        return self.say(f"virtio_blk_req_complete vdev 0x{vdev:x} req 0x{request:x} status 0", us=us)

    def state(self, to: str, job: int) -> int:
        text = f"job_state_transition job 0x{job:x} (ret: 0) attempting allowed transition (x-->{to})"
        return self.say(text)


def told() -> Tale:
    """Begin the trace of an instrumented build: the names, and guest I/O of both kinds."""
    tale = Tale()
    tale.cast()
    tale.warm_up()
    return tale


def table_of(story: Story | Trace) -> MeaningTable:
    """Return all records of a story or a trace with their meanings."""
    trace = story if isinstance(story, Trace) else story.trace()
    return MeaningTable.concat([builtin().interpret(b) for b in trace.batches()])


def scan(
    story: Story | Trace, *rules: Rule, cuts: Iterable[int] = (), keep_witness: bool = False, qemu: str | None = None
) -> ScanResult:
    """Scan a story (or a trace) by some rules, cut as asked."""
    trace = story if isinstance(story, Trace) else story.trace()
    dating = Dating.given(qemu) if qemu else None
    scanner = Scanner(builtin(), RuleSet(rules), keep_witness=keep_witness, qemu=dating)
    for piece in Cut(trace, list(cuts)).pieces([n for n in builtin().events if scanner.wanted(n)]):
        scanner.feed(piece)
    return scanner.finish(trace.path, trace.format.id, trace.stats)


def windows(story: Story | Trace, *rules: Rule, cuts: Iterable[int] = ()) -> list[Window]:
    """Return the windows that rules find in a story."""
    return scan(story, *rules, cuts=cuts).windows


def followed(story: Story | Trace, *rules: Rule, cuts: Iterable[int] = ()) -> list[Window]:
    """Return the same, with those that cannot be judged."""
    return windows(story, *(replace(r, must_judge=True) for r in rules), cuts=cuts)


def of_all_cuts(tale: Tale, *rules: Rule) -> list[Window]:
    """Return the windows of a story, judged or not, which any cut of it must give."""
    found = followed(tale, *rules)
    assert all(followed(tale, *rules, cuts=cuts) == found for cuts in every_cut(tale))
    return found


def spans(windows: Iterable[Window]) -> list[tuple[int, int | None]]:
    """Return the lines of the edges of windows, in the order of their openings."""
    return sorted((w.open.line, w.close.line if w.close else None) for w in windows if w.open is not None)


def inside(window: Window) -> list[int]:
    """Return the lines of the requests in a window."""
    return [r.mark.line for r in window.requests]


def happened(window: Window) -> list[int]:
    """Return the lines of what else stands in a window."""
    return [h.mark.line for h in window.happenings]
