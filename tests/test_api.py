"""The library as its users hold it: its public names, opening, scanning, choosing, tables."""

from __future__ import annotations

import ast
import doctest
import os
import shutil
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

import traceview
from tests.conftest import ROOT
from traceview import Selection, Trace, TraceviewError, Verdict, find_traces, scan_all
from traceview.formats.declarations import read_declarations
from traceview.report.machine import scan_json
from traceview.report.tables import EVENT_COLUMNS, WINDOW_COLUMNS

SAMPLES = ROOT / "sample-traces"
LOSS = SAMPLES / "lp1570134-case-1" / "trace.log"
CLEAN = SAMPLES / "fixed" / "trace.log"
BINARY = SAMPLES / "simpletrace-2.6" / "trace.bin"
DECLARED = SAMPLES / "simpletrace-2.6" / "trace-events"
PUBLIC = [
    "Baseline", "BaselineError", "DeclarationsMismatchError", "DeclarationsNeededError", "Evidence", "Finding",
    "Fingerprint", "GrammarError", "ImageError", "ImageMapError", "LossState", "Losses", "LostExtent",
    "MissingEventsError", "MissingPackageError", "RepairRefusedError", "Request", "Rule", "RuleFileError", "RuleSet",
    "ScanResult", "Selection", "Severity", "Shape", "Store", "StoreError", "Timeline", "TooManyRecordsError", "Trace",
    "TraceNotFoundError", "TraceReadError", "TraceviewError", "TriageError", "TriageState", "UndoFileError",
    "UnknownFormatError", "UnknownNameError", "UnsupportedVersionError", "Verdict", "Window", "__version__",
    "find_traces", "load_rules", "losses_all", "open", "open_store", "read_baseline", "scan_all", "write_baseline",
]  # fmt: skip


# public names


def test_the_public_names_are_exactly_these() -> None:
    assert traceview.__all__ == PUBLIC
    assert dir(traceview) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(traceview, name) is not None


def test_the_type_checker_sees_the_names_that_there_are() -> None:
    tree = ast.parse((ROOT / "traceview" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [n for n in tree.body if isinstance(n, ast.If)]
    homes = {(n.module, a.name) for n in block.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert {name for _, name in homes} == set(PUBLIC) - {"__version__"}
    for module, name in homes:
        assert getattr(import_module(str(module)), name) is getattr(traceview, name)


def test_every_public_error_is_a_traceview_error_and_a_built_in() -> None:
    errors = [getattr(traceview, n) for n in PUBLIC if n.endswith("Error")]
    assert len(errors) == 20
    for error in errors:
        assert issubclass(error, TraceviewError)
        if error is not TraceviewError:
            assert issubclass(error, OSError | ValueError | LookupError | RuntimeError | ImportError)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'traceview' has no attribute 'scan'"):
        _ = traceview.scan


def test_the_examples_of_the_package_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copy(LOSS, tmp_path / "vm.log")
    monkeypatch.chdir(tmp_path)
    (test,) = [t for t in doctest.DocTestFinder().find(traceview, "traceview") if t.name == "traceview"]
    assert len(test.examples) >= 3
    scope: dict[str, object] = {}
    for example in test.examples:
        exec(compile(example.source, "<docstring>", "single"), scope)  # noqa: S102  (our own docstring)
    assert isinstance(scope["trace"], Trace)


# opening


def test_a_path_is_a_string_or_a_path() -> None:
    assert traceview.open(str(LOSS)).path == traceview.open(LOSS).path == str(LOSS)


def test_the_format_is_recognised_by_content() -> None:
    assert traceview.open(LOSS).format.id == "log"
    assert traceview.open(BINARY, trace_events=DECLARED).format.id == "simpletrace"


def test_the_format_can_be_overruled() -> None:
    assert traceview.open(BINARY, format="log").format.id == "log"
    with pytest.raises(traceview.UnknownNameError, match="format 'lag' is not known; did you mean 'log'"):
        traceview.open(LOSS, format="lag")


@pytest.mark.parametrize("kind", [str, Path, read_declarations])
def test_declarations_are_a_path_or_what_was_read_of_one(kind: type) -> None:
    trace = traceview.open(BINARY, trace_events=kind(DECLARED))
    assert [w.verdict for w in trace.scan().windows].count(Verdict.VIOLATED) == 2


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    (tmp_path / "noise.log").write_bytes(b"\x00\x01" * 500)
    with pytest.raises(traceview.TraceNotFoundError, match=r"missing\.log: no such file"):
        traceview.open(tmp_path / "missing.log")
    with pytest.raises(traceview.TraceNotFoundError, match="is a directory"):
        traceview.open(tmp_path)
    with pytest.raises(traceview.UnknownFormatError, match=r"empty\.log: the file is empty"):
        traceview.open(tmp_path / "empty.log")
    with pytest.raises(
        traceview.UnknownFormatError, match=r"noise\.log: no trace format recognises its first 1000 bytes"
    ):
        traceview.open(tmp_path / "noise.log")
    with pytest.raises(traceview.DeclarationsNeededError, match="give it with --trace-events"):
        traceview.open(BINARY)
    with pytest.raises(traceview.TraceNotFoundError, match="no such declarations file"):
        traceview.open(BINARY, trace_events=tmp_path / "none")


def test_an_error_is_also_the_built_in_that_it_resembles(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        traceview.open(tmp_path / "missing.log")
    with pytest.raises(ValueError, match="recognises"):
        traceview.open(_noise(tmp_path))


def _noise(folder: Path) -> Path:
    path = folder / "noise"
    path.write_bytes(b"\x00" * 100)
    return path


def test_a_trace_can_be_asked_again_and_again() -> None:
    trace = traceview.open(LOSS)
    assert scan_json(trace.scan()) == scan_json(trace.scan())
    assert trace.stats.records == len(trace.events()) == LOSS.read_bytes().count(b"\n")


def test_a_named_pipe_can_be_asked_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(LOSS.read_bytes(),))
    writer.start()
    trace = traceview.open(pipe)
    assert len(trace.scan().findings) == 1
    writer.join()
    with pytest.raises(traceview.TraceReadError, match="can be read only once"):
        trace.scan()


def test_stdin_is_opened_by_a_dash() -> None:
    code = "import traceview; t = traceview.open('-'); print(t.path, len(t.scan().findings))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=LOSS.read_bytes(), capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == b"<stdin> 1\n"


@pytest.mark.parametrize("chunk", [7, 100, 4096])
def test_the_size_of_pieces_changes_no_result(chunk: int) -> None:
    assert scan_json(traceview.open(LOSS, chunk_bytes=chunk).scan()) == scan_json(traceview.open(LOSS).scan())
    pd.testing.assert_frame_equal(traceview.open(LOSS, chunk_bytes=chunk).events(), traceview.open(LOSS).events())


def test_pieces_are_told_as_they_are_read() -> None:
    trace = traceview.open(LOSS, chunk_bytes=10_000)
    sizes: list[int] = []
    trace.source.on_bytes = sizes.append
    trace.scan()
    assert sum(sizes) == LOSS.stat().st_size
    assert max(sizes) == 10_000


# records


def names_in(trace: Trace, **options: object) -> set[str]:
    return {b.forms[int(c)].name for b in trace.batches(**options) for c in b.code}  # type: ignore[arg-type]


def test_batches_are_chosen_by_name_by_function_or_not_at_all() -> None:
    trace = traceview.open(LOSS)
    every = names_in(trace)
    assert names_in(trace, wanted=["mirror_exit", "blk_attach"]) == {"mirror_exit", "blk_attach"}
    assert names_in(trace, wanted=lambda n: n.startswith("mirror_")) == {n for n in every if n.startswith("mirror_")}
    assert names_in(trace, wanted=[]) == set()


def test_records_that_are_not_wanted_are_counted_all_the_same() -> None:
    trace = traceview.open(LOSS)
    (batch,) = trace.batches(["mirror_exit"])
    assert trace.stats.names["mirror_exit"] == len(batch) == 3
    assert sum(trace.stats.names.values()) == trace.stats.records == LOSS.read_bytes().count(b"\n")


def test_events_are_a_table_of_names_patterns_or_a_selection() -> None:
    trace = traceview.open(LOSS)
    by_name = trace.events(["mirror_exit", "blk_attac?"])
    assert set(by_name["event"]) == {"mirror_exit", "blk_attach"}
    selection = Selection(("mirror_*",), pointer=0x563433DE3B80)
    chosen = trace.events(selection=selection)
    every = trace.events()
    ours = every["event"].str.startswith("mirror_") & every["text"].str.contains("0x563433de3b80")
    pd.testing.assert_frame_equal(chosen, every[ours].reset_index(drop=True))


def test_an_event_that_does_not_occur_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(
        traceview.UnknownNameError, match=r"no record of event 'mirror_exi'; did you mean 'mirror_exit'\?"
    ):
        traceview.open(LOSS).events(["mirror_exi"])


def test_selected_batches_are_the_rows_of_the_table() -> None:
    trace = traceview.open(LOSS, chunk_bytes=5000)
    selection = Selection(("blk_aio_*",), tid=14885)
    rows = [int(r) for batch in trace.select(selection) for r in batch.record]
    assert rows == trace.events(selection=selection)["record"].tolist()
    assert rows


# tables


def test_windows_are_those_of_the_scan() -> None:
    trace = traceview.open(LOSS)
    frame, windows = trace.windows(), trace.scan().windows
    assert list(frame.columns) == list(WINDOW_COLUMNS)
    assert frame["open_line"].tolist() == [w.open.line for w in windows if w.open is not None]
    assert frame["verdict"].tolist() == [w.verdict.value for w in windows]


def test_requests_are_those_of_the_timeline_also_in_pieces() -> None:
    trace = traceview.open(LOSS, chunk_bytes=9000)
    whole = trace.requests()
    pd.testing.assert_frame_equal(pd.concat(list(trace.request_frames()), ignore_index=True), whole)
    assert len(whole) > 50


def test_a_part_of_a_timeline_is_numbered_from_the_beginning_of_the_trace() -> None:
    trace = traceview.open(LOSS)
    whole, part = trace.timeline(), trace.timeline(300, 400)
    assert part.table.record.min() >= 300
    assert part.table.record.max() <= 400
    every = whole.iterations
    inside = every[every["first_record"].between(300, 400)]
    assert part.iterations["iteration"].tolist() == inside["iteration"].tolist()
    assert len(inside) > 1


def test_tables_of_a_foreign_trace_are_empty_or_an_error_that_says_what_lacks(tmp_path: Path) -> None:
    path = tmp_path / "foreign.log"
    path.write_bytes(b"4711@1459344553.123456:usb_probe_thing a 1\n" * 3)
    trace = traceview.open(path)
    assert trace.windows().empty
    assert list(trace.events().columns) == list(EVENT_COLUMNS)
    with pytest.raises(traceview.MissingEventsError):
        trace.requests()


# scanning


def test_a_scan_can_be_limited_to_rules() -> None:
    trace = traceview.open(SAMPLES / "second-door" / "trace.log")
    both = trace.scan()
    for rule in ("mirror-exit-guest-io", "mirror-final-drain-guest-io"):
        one = trace.scan([rule])
        assert [w.open for w in one.windows] == [w.open for w in both.windows if w.rule == rule]
    assert trace.scan([]).windows == []
    with pytest.raises(traceview.UnknownNameError, match="did you mean 'mirror-exit-guest-io'"):
        trace.scan(["mirror-exit"])


def test_records_around_a_window_are_kept_on_demand_and_change_no_verdict() -> None:
    trace = traceview.open(LOSS)
    without, kept = trace.scan(), trace.scan(keep_witness=True)
    assert scan_json(without) == scan_json(kept)
    assert all(w.witness is None for w in without.windows)
    assert [w.witness is not None for w in kept.windows] == [bool(w.requests) for w in kept.windows]


def test_a_file_is_found_as_itself_and_a_directory_by_what_is_in_it(tmp_path: Path) -> None:
    assert find_traces(LOSS) == [LOSS]
    shutil.copytree(SAMPLES / "simpletrace-2.6", tmp_path / "b")
    shutil.copy(LOSS, tmp_path / "a.txt")
    (tmp_path / "notes.md").write_text("# notes\n", encoding="utf-8")
    (tmp_path / "empty.log").touch()
    assert find_traces(tmp_path) == [tmp_path / "a.txt", tmp_path / "b" / "trace.bin", tmp_path / "b" / "trace.log"]
    with pytest.raises(traceview.TraceNotFoundError, match="none of the 0 files below it is a trace"):
        find_traces(_folder(tmp_path / "bare"))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_several_traces_are_one_result_with_shifted_indices() -> None:
    scan = scan_all([LOSS, CLEAN, SAMPLES / "second-door"])
    assert [t.path for t in scan.traces] == [str(LOSS), str(CLEAN), str(SAMPLES / "second-door" / "trace.log")]
    singles = [traceview.open(t.path).scan() for t in scan.traces]
    assert len(scan.windows) == sum(len(s.windows) for s in singles)
    assert [w.trace for w in scan.windows] == [i for i, s in enumerate(singles) for _ in s.windows]
    alone = [(s.windows[f.window].open, f.severity) for s in singles for f in s.findings]
    assert [(scan.windows[f.window].open, f.severity) for f in scan.findings] == alone


def test_the_first_error_is_raised_unless_it_is_taken(tmp_path: Path) -> None:
    missing = tmp_path / "missing.log"
    with pytest.raises(traceview.TraceNotFoundError):
        scan_all([missing, LOSS])
    errors: list[TraceviewError] = []
    scan = scan_all([missing, LOSS, BINARY], on_error=errors.append)
    assert [type(e) for e in errors] == [traceview.TraceNotFoundError, traceview.DeclarationsNeededError]
    assert [t.path for t in scan.traces] == [str(LOSS)]


def test_each_trace_is_told_before_it_is_read() -> None:
    told: list[tuple[str, int]] = []
    scan_all([LOSS, CLEAN], on_trace=lambda t: told.append((t.path, t.stats.records)))
    assert told == [(str(LOSS), 0), (str(CLEAN), 0)]


def test_declarations_beside_a_trace_are_taken_in_a_directory_only(tmp_path: Path) -> None:
    shutil.copy(BINARY, tmp_path / "trace.bin")
    shutil.copy(DECLARED, tmp_path / "trace-events-all")
    assert len(scan_all([tmp_path]).findings) == 2
    with pytest.raises(traceview.DeclarationsNeededError):
        scan_all([tmp_path / "trace.bin"])


def test_given_declarations_come_before_those_beside(tmp_path: Path) -> None:
    shutil.copy(BINARY, tmp_path / "trace.bin")
    (tmp_path / "trace-events").write_text('only_one(int a) "a %d"\n', encoding="utf-8")
    with pytest.raises(traceview.DeclarationsMismatchError):
        scan_all([tmp_path])
    assert len(scan_all([tmp_path], trace_events=DECLARED).findings) == 2


def test_nothing_to_scan_is_an_empty_result() -> None:
    scan = scan_all([])
    assert (scan.traces, scan.windows, scan.findings, scan.inconclusive) == ([], [], [], False)


def test_a_file_that_cannot_be_read_does_not_hide_the_others_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "good.log").write_bytes(b"1@2.000003:mirror_before_drain s 0x1 dirty count 0\n")
    (tmp_path / "bad.log").symlink_to("/proc/self/mem")
    errors: list[traceview.TraceviewError] = []
    result = traceview.scan_all([tmp_path], on_error=errors.append)
    assert [t.path for t in result.traces] == [str(tmp_path / "good.log")]
    assert [type(e) for e in errors] == [traceview.TraceReadError]
