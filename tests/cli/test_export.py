"""``traceview export``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli import Done, run, sample
from tests.cli.test_startup import imported
from tests.perfetto.reading import ReadTrace, read
from traceview.perfetto import extent

LOSS = sample("lp1570134-case-1")
SECOND_DOOR = sample("second-door")


def exported(*words: str | Path) -> ReadTrace:
    done = run("export", *words, "-o", "-")
    assert (done.code, done.err) == (0, "")
    return read(done.raw)


def refused(*words: str | Path) -> Done:
    done = run("export", *words)
    assert (done.code, done.raw) == (2, b"")
    return done


def test_a_trace_is_written_to_a_file_and_nothing_is_printed(tmp_path: Path) -> None:
    out = tmp_path / "vm.perfetto-trace"
    done = run("export", LOSS, "-o", out)
    assert (done.code, done.raw, done.err) == (0, b"", "")
    found = read(out.read_bytes())
    assert list(found.processes.values()) == ["trace.log"]
    assert found.titles[:2] == ["[1] mirror-exit-guest-io", "process 14885"]


def test_a_directory_with_one_trace_stands_for_it() -> None:
    assert len(exported(LOSS.parent).told) == len(exported(LOSS).told)


def test_all_findings_of_a_trace_have_tracks() -> None:
    assert [t for t in exported(SECOND_DOOR).titles if t.startswith("[")] == [
        f"[{n}] mirror-final-drain-guest-io" for n in (1, 2, 3)
    ]


def test_a_finding_is_cut_out() -> None:
    found = exported(SECOND_DOOR, "--finding", "2")
    assert [t for t in found.titles if t.startswith("[")] == ["[2] mirror-final-drain-guest-io"]
    assert len(found.told) < len(exported(SECOND_DOOR).told) / 2
    assert {t.name[:3] for t in found.told} >= {"(a)", "(b)", "(c)"}


def test_a_window_is_cut_out_by_the_number_of_the_table() -> None:
    rows = run("windows", LOSS, "--format", "csv").lines
    number = next(r.split(",")[0] for r in rows if ",violated," in r)
    with_finding = exported(LOSS, "--window", number).on(f"window {number} mirror-exit-guest-io")
    assert with_finding[0].fields["severity"] == "data-loss"
    quiet = exported(LOSS, "--window", "0")
    assert quiet.titles[0].startswith("window 0 ")
    assert "severity" not in quiet.on(quiet.titles[0])[0].fields


def test_a_time_range_is_cut_out() -> None:
    all_of_it = exported(LOSS)
    first = min(t.begin for t in all_of_it.told)
    last = max(t.end or t.begin for t in all_of_it.told)
    middle = (first + last) // 2
    found = exported(LOSS, "--from", f"{middle / 1e9:.6f}")
    assert min(t.begin for t in found.told) >= middle - 1000
    assert 0 < len(found.told) < len(all_of_it.told)
    head = exported(LOSS, "--to", f"{middle / 1e9:.6f}")
    assert max(t.end or t.begin for t in head.told) <= middle + 1000
    assert 0 < len(head.told) < len(all_of_it.told)


def test_the_rules_to_judge_by_can_be_chosen() -> None:
    assert [t for t in exported(LOSS, "--rule", "mirror-final-drain-guest-io").titles if t.startswith("[")] == []


def test_findings_are_no_failure_and_nor_is_their_absence() -> None:
    assert run("export", sample("fixed"), "-o", "-").code == 0


def test_a_binary_trace_has_the_monotonic_clock() -> None:
    folder = sample("simpletrace-2.6").parent
    found = exported(folder / "trace.bin", "--trace-events", folder / "trace-events")
    assert set(found.clocks) == {3, 6}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--finding", "2", "-o", "-"], "there is no finding 2; the scan has 1"),
        (["--window", "99", "-o", "-"], "there is no window 99"),
        (["--finding", "1", "--from", "+1", "-o", "-"], "give one of --finding, --window, and --from with --to"),
        (["--from", "soon", "-o", "-"], "'soon' is no time"),
        (["--from", "+100", "-o", "-"], "no record with a meaning"),
        (["--format", "json", "-o", "-"], "'json' is none of"),
        ([], "Missing option '--output'"),
        (["-o", LOSS], "is being read: choose another file"),
    ],
)
def test_what_cannot_be_done_is_said(words: list[str | Path], complaint: str) -> None:
    assert complaint in refused(LOSS, *words).complaint


def test_stdin_is_refused() -> None:
    assert "stdin can be read but once" in refused("-", "-o", "-").complaint


def test_a_directory_with_several_traces_is_refused() -> None:
    assert "there are 2 traces in it" in refused(sample("simpletrace-2.6").parent, "-o", "-").complaint


def test_what_is_no_trace_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(b"\x00\x01")
    done = refused(tmp_path / "x.log", "-o", tmp_path / "out")
    assert done.err.count("error") == 1
    assert not (tmp_path / "out").exists()


def test_more_records_than_fit_are_refused_before_they_are_held(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = run("export", LOSS, "-o", "-").raw
    monkeypatch.setattr(extent.extent_of, "__defaults__", (300,))
    assert "choose a finding, a window or a shorter time" in refused(LOSS, "-o", tmp_path / "out").complaint
    assert not (tmp_path / "out").exists()
    begin = min(t.begin for t in read(whole).told)
    assert exported(LOSS, "--to", f"{begin / 1e9 + 0.001:.6f}").told


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "perfetto.protos.perfetto.trace", None)
    assert "pip install 'traceview[perfetto]'" in refused(LOSS, "-o", "-").complaint


def test_help_does_not_load_the_schema() -> None:
    assert imported("export", "--help") & {"perfetto", "google", "numpy", "pandas"} == set()
