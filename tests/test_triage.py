"""Scans into a store: what is new is told once, with all that it takes to act on it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.writers import MemorySource
from traceview.api import Trace
from traceview.errors import StoreError, TraceviewError
from traceview.findings import Filed, ScanResult, Suppression
from traceview.fleet import scan_all
from traceview.formats import format_by_id
from traceview.rules import load_rules
from traceview.store import News, Store, TriageState, Why, open_store
from traceview.triage import Recorder, scan_note
from traceview.vocabulary import builtin

SAMPLES = ROOT / "sample-traces"
CASE_1 = SAMPLES / "lp1570134-case-1"
CASE_2 = SAMPLES / "lp1570134-case-2"
RULES = load_rules(plugins=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "findings.sqlite")


def nightly(store: Store, *paths: Path, suppress: bool = False, **asked: Any) -> tuple[ScanResult, list[News]]:
    """Scan as a nightly job does; with `suppress`, a baseline covers all that is found."""
    with store.run(host="hyper-1") as run:
        recorder = Recorder(store, run, RULES, "0.1.0", asked)

        def take(trace: Trace, result: ScanResult) -> None:
            if suppress:
                covered = Suppression("baseline.txt", 1, "seen before")
                result.findings = [replace(f, suppression=covered) for f in result.findings]
            recorder.take(trace, result)

        result = scan_all(paths, rules=RULES, host="hyper-1", on_trace=recorder.begin, on_result=take)
    return result, recorder.news


def test_what_is_new_is_told_once_and_a_second_scan_changes_nothing(store: Store) -> None:
    _, first = nightly(store, CASE_1)
    before = store.export()
    result, second = nightly(store, CASE_1)
    assert [n.why for n in first] == [Why.NEW]
    assert second == []
    assert store.export() == before
    assert [f.filed for f in result.findings] == [Filed(1, "new")]


def test_the_same_bug_in_another_vm_is_no_news_and_counts(store: Store, tmp_path: Path) -> None:
    nightly(store, CASE_1)
    other = tmp_path / "db-7.log"
    shifted = (
        (CASE_1 / "trace.log").read_text(encoding="utf-8").replace("14885@1795", "977@1790").replace("0x5634", "0x7f12")
    )
    other.write_text(shifted, encoding="utf-8")
    _, news = nightly(store, other)
    found = store.finding("1")
    assert news == []
    assert (found.occurrences, found.traces, found.vms) == (2, 2, ("db-7", "lp1570134-case-1"))


def test_a_finding_knows_where_the_store_has_it_and_why_it_is_news(store: Store) -> None:
    result, news = nightly(store, CASE_1, CASE_2)
    assert {f.filed.number for f in result.findings if f.filed} == {n.finding.id for n in news}
    assert {(f.filed.state, f.filed.news) for f in result.findings if f.filed} == {("new", "new")}


def test_the_first_occurrence_keeps_the_interleaving_and_the_documents(store: Store) -> None:
    result, _ = nightly(store, CASE_1)
    (occurrence,) = store.occurrences(1)
    text = occurrence.interleaving
    assert "(a)     block_job_defer_to_main_loop" in text
    assert "(c)     mirror_exit" in text
    assert "\x1b" not in text
    assert occurrence.document["finding"]["rule"] == "mirror-exit-guest-io"
    assert occurrence.document["window"]["verdict"] == "violated"
    assert occurrence.lost_bytes == sum(e.length for e in result.windows[result.findings[0].window].lost) > 0


def test_the_scan_says_what_was_judged_and_what_was_not(store: Store) -> None:
    result, _ = nightly(store, CASE_1, qemu="2.6.0-rc3")
    (scan,) = store.scans()
    note = scan.note
    assert (note.host, note.vm, note.format) == ("hyper-1", "lp1570134-case-1", "log")
    assert note.trace == str((CASE_1 / "trace.log").absolute())
    assert note.options == {"qemu": "2.6.0-rc3"}
    judged = {r.rule: r for r in note.rules}
    assert set(judged) == set(RULES.ids)
    own = judged["mirror-exit-guest-io"]
    assert (own.violated, own.clean + own.guarded + own.violated + own.inconclusive) == (1, own.windows)
    assert all(r.windows or r.reason for r in note.rules)
    assert sum(r.violated for r in note.rules) == len(result.findings)


def test_the_command_line_beside_a_trace_is_kept_and_names_the_vm(store: Store, tmp_path: Path) -> None:
    shutil.copy(CASE_1 / "trace.log", tmp_path / "trace.log")
    (tmp_path / "cmdline").write_text("qemu-system-x86_64 -name guest=web-3 -m 256\n", encoding="utf-8")
    nightly(store, tmp_path / "trace.log")
    (scan,) = store.scans()
    assert (scan.note.vm, scan.note.command_line) == ("web-3", "qemu-system-x86_64 -name guest=web-3 -m 256")


def test_what_a_baseline_covers_is_recorded_and_no_news(store: Store) -> None:
    result, news = nightly(store, CASE_1, suppress=True)
    assert news == []
    assert [f.filed for f in result.findings] == [Filed(1, "new")]
    assert store.occurrences(1)[0].suppressed == "seen before"


def test_a_bug_that_comes_back_in_a_release_with_the_fix_is_news(store: Store) -> None:
    nightly(store, CASE_1)
    store.set_state(1, TriageState.KNOWN, fixed_in="2.6.0-rc4", who="anna")
    with store.run(host="hyper-2") as run:
        recorder = Recorder(store, run, RULES, "0.1.0", {"qemu": "2.6.0"})
        scan_all(
            [CASE_1], rules=RULES, qemu="2.6.0", on_trace=recorder.begin, on_result=recorder.take,
        )  # fmt: skip
    # The very same happening, read as of another release: it is not counted twice, and no other bug.
    assert recorder.news == []
    assert store.finding("1").state is TriageState.KNOWN


def test_a_scan_that_was_killed_is_told_of_until_the_next_one_completes_it(store: Store) -> None:
    class KilledError(Exception):
        pass

    def die(_trace: Trace, _result: ScanResult) -> None:
        raise KilledError

    def killed() -> None:
        with store.run(host="hyper-1") as run:
            recorder = Recorder(store, run, RULES, "0.1.0")
            scan_all([CASE_1], rules=RULES, on_trace=recorder.begin, on_result=die)

    with pytest.raises(KilledError):
        killed()
    (unfinished,) = store.stats().unfinished
    assert unfinished.note.trace == str((CASE_1 / "trace.log").absolute())
    _, news = nightly(store, CASE_1)
    assert [n.why for n in news] == [Why.NEW]
    assert store.stats().unfinished == ()


def test_a_trace_that_can_be_read_but_once_is_recorded_with_what_it_kept(store: Store) -> None:
    class Once(MemorySource):
        def __init__(self, data: bytes) -> None:
            super().__init__(data, name="-")

    trace = Trace(Once((CASE_1 / "trace.log").read_bytes()), format_by_id("log"), None, builtin())
    with store.run(host="hyper-1") as run:
        recorder = Recorder(store, run, RULES, "0.1.0")
        recorder.begin(trace)
        assert store.stats().unfinished == ()
        recorder.take(trace, trace.scan(RULES, keep_witness=True))
    (occurrence,) = store.occurrences(1)
    assert occurrence.scan.note.trace == "<stdin>"
    assert "mirror_exit" in occurrence.interleaving


def test_a_note_is_the_same_for_the_same_scan(tmp_path: Path) -> None:
    def note_of(path: Path) -> Any:
        notes = []
        scan_all([path], rules=RULES, on_result=lambda t, r: notes.append(scan_note(t, r, RULES, {}, "0.1.0")))
        return notes[0]

    copied = tmp_path / "moved.log"
    shutil.copy(CASE_1 / "trace.log", copied)
    one, other = note_of(CASE_1 / "trace.log"), note_of(copied)
    assert one.key == other.key
    assert json.dumps(one.options) == "{}"
    with copied.open("a", encoding="utf-8") as grown:
        grown.write("14885@1795394199.000000:main_loop_wait nonblocking 0\n")
    assert note_of(copied).key != one.key
    assert note_of(copied).digest == one.digest


def test_an_error_of_the_store_is_one_of_ours() -> None:
    assert issubclass(StoreError, TraceviewError)
