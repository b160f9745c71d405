"""The health of traces: each read once, counted, and judged as a scan does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from traceview.api import Trace
from traceview.detect import Scanner
from traceview.detect.health import Health, HealthCounter, Read
from traceview.detect.lives import MAX_LIVES
from traceview.detect.places import unsure_of_order
from traceview.errors import TraceviewError
from traceview.events import Kind
from traceview.fleet import each_trace
from traceview.formats import FORMATS
from traceview.formats.joints import with_joints
from traceview.rules import RuleSet, load_rules
from traceview.vocabulary import Dating

__all__ = ["check", "check_all"]

EXPLAINED = 10
"""How many refused lines of a trace are explained."""


def check(
    trace: Trace, rules: RuleSet | Iterable[str] | None = None, *, qemu: str | None = None,
    explained: int = EXPLAINED, named: bool = False,
) -> Health:  # fmt: skip
    """Return the health of a trace, by one reading.

    `rules` and `qemu` are those of `Trace.scan`; of the refused lines `explained` are explained, as far as the reader
    keeps them. `named` says that the user named the format. Raises what reading the trace raises.
    """
    chosen = rules if isinstance(rules, RuleSet) else load_rules().choose(rules)
    dating = Dating.given(qemu) if qemu else None
    reader = trace.reader()
    scanner = trace.scanner(reader, chosen, lambda: Scanner(trace.vocabulary, chosen, qemu=dating))
    counter = HealthCounter()
    # Strings are kept for good, so that of records nobody judges only those without any are looked at.
    plain = {
        name
        for name, event in trace.vocabulary.events.items()
        if not any(arg.kind is Kind.STRING for form in event.forms for arg in form.args)
    }
    wanted: list[bool] = []
    for batch in with_joints(trace.source, reader, lambda name: name in plain or scanner.wanted(name)):
        counter.feed(batch)
        wanted += [scanner.wanted(form.name) for form in batch.forms[len(wanted) :]]
        scanner.feed(batch.take(np.array(wanted, dtype=np.bool_)[batch.code]))
    stats = reader.stats
    result = scanner.finish(trace.path, trace.format.id, stats)
    unsure_of_order(trace.source, result)
    read = Read(
        path=trace.path, format=trace.format.id, title=trace.format.title, clock=trace.format.clock,
        thread=trace.format.thread, scores={f.id: f.score(stats.head) for f in FORMATS}, named=named,
        compression=trace.source.compression, size=trace.source.size(),
    )  # fmt: skip
    refused = [trace.explained(r) for r in stats.refused[:explained]]
    return counter.finish(read, stats, result, frozenset(trace.vocabulary.events), refused)


def check_all(
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
    explained: int = EXPLAINED,
    on_trace: Callable[[Trace], None] = lambda _trace: None,
    on_error: Callable[[TraceviewError], None] | None = None,
) -> list[Health]:
    """Return the health of files and of the traces in directories; what it takes is told at `traceview.fleet.scan_all`.

    `explained` is that of `check`.
    """
    chosen = rules if isinstance(rules, RuleSet) else load_rules().choose(rules)
    found: list[Health] = []

    def take(trace: Trace) -> None:
        on_trace(trace)
        found.append(check(trace, chosen, qemu=qemu, explained=explained, named=format is not None))

    each_trace(paths, format, trace_events, max_bytes, jobs, take, on_error, rotated=rotated, max_lives=max_lives)
    return found
