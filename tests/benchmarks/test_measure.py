"""Rounds, ratios and the page. How long anything takes is never asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.inputs import parse_size, size_text
from benchmarks.measure import Contender, Outcome, Run, rounds, run_once
from benchmarks.page import BEGIN, END, filled
from benchmarks.ratios import Comparison, Ratio, compare
from benchmarks.results import Results, ScenarioResult


def python(code: str, **more: object) -> Contender:
    return Contender("python", (sys.executable, "-c", code), **more)  # type: ignore[arg-type]


def outcome(*walls: float, records: int = 0, peak: int = 0, note: str = "") -> Outcome:
    return Outcome("x", 200_000_000, records, [Run(w, w / 2, peak) for w in walls], note)


def test_ratios_are_those_of_a_round_and_their_median_is_not_that_of_the_medians() -> None:
    outcomes = {"ours": outcome(1.0, 20.0, 3.0), "peer": outcome(10.0, 40.0, 3.0)}
    assert compare(Comparison("", "ours", "peer"), outcomes) == Ratio(0.5, 0.1, 1.0)


def test_rates_are_records_a_second() -> None:
    outcomes = {"ours": outcome(2.0, records=800), "peer": outcome(1.0, records=10)}
    assert compare(Comparison("", "ours", "peer", "rate"), outcomes) == Ratio(40, 40, 40)


def test_peak_memory_is_compared_and_told_in_megabytes() -> None:
    outcomes = {"ours": outcome(1.0, 1.0, peak=330_000_000), "peer": outcome(1.0, 1.0, peak=300_000_000)}
    assert compare(Comparison("", "ours", "peer", "peak ratio"), outcomes) == Ratio(1.1, 1.1, 1.1)
    assert compare(Comparison("", "ours", of="peak MB"), outcomes) == Ratio(330, 330, 330)


def test_what_was_not_run_has_no_ratio() -> None:
    outcomes = {"ours": outcome(1.0), "peer": outcome(note="not installed")}
    assert compare(Comparison("", "ours", "peer"), outcomes) is None


@pytest.mark.parametrize(
    ("comparison", "value", "met"),
    [
        (Comparison("", "a", most=0.6), 0.6, True),
        (Comparison("", "a", most=0.6), 0.61, False),
        (Comparison("", "a", least=40), 40, True),
        (Comparison("", "a", least=40), 39.9, False),
        (Comparison("", "a"), 1, None),
    ],
)
def test_targets(comparison: Comparison, value: float, met: bool | None) -> None:
    assert comparison.met(value) is met


def test_each_round_runs_all_once_in_another_order() -> None:
    ran: list[str] = []

    def run(contender: Contender) -> tuple[Run, str, bool]:
        ran.append(contender.label)
        return Run(len(ran), 0, 0), "", False

    contenders = {key: Contender(key, ()) for key in "abc"} | {"d": Contender("d", (), absent="not installed")}
    outcomes = rounds(contenders, 3, print, run)
    assert ran == list("abcbcacab")
    assert [r.wall_s for r in outcomes["a"].runs] == [1, 6, 8]
    assert (outcomes["d"].runs, outcomes["d"].note) == ([], "not installed")


def test_a_contender_that_fails_is_not_run_again_and_has_no_runs() -> None:
    calls: list[str] = []

    def run(contender: Contender) -> tuple[Run | None, str, bool]:
        calls.append(contender.label)
        fails = contender.label == "b" and calls.count("b") == 2
        return (None, "exit code 70", True) if fails else (Run(1, 1, 1), "", False)

    told: list[str] = []
    outcomes = rounds({key: Contender(key, ()) for key in "ab"}, 4, told.append, run)
    assert (calls.count("a"), calls.count("b")) == (4, 2)
    assert (len(outcomes["a"].runs), outcomes["b"].runs, outcomes["b"].failed) == (4, [], True)
    assert told == ["b: exit code 70"]


def test_a_run_says_what_it_took() -> None:
    run, note, failed = run_once(python("x = bytearray(64 << 20); x[::4096] = b'1' * len(x[::4096])"))
    assert run is not None
    assert (note, failed) == ("", False)
    assert run.peak > 64 << 20
    assert min(run.wall_s, run.cpu_s) > 0


def test_memory_of_who_starts_it_is_not_counted_as_that_of_a_run() -> None:
    ballast = bytearray(300 << 20)
    ballast[::4096] = b"1" * len(ballast[::4096])
    run, _, _ = run_once(Contender("true", ("true",)))
    assert run is not None
    assert run.peak < 100 << 20


def test_exit_codes_are_good_unsupported_or_failures() -> None:
    assert run_once(python("raise SystemExit(3)", good_codes=(0, 1, 3)))[1:] == ("", False)
    assert run_once(python("raise SystemExit(2)", unsupported_codes=(2,))) == (None, "not supported", False)
    assert run_once(python("raise SystemExit('no\\nsuch file')")) == (None, "exit code 1: such file", True)


def test_a_contender_is_pinned_and_has_empty_caches_where_it_asks_for_them() -> None:
    pinned = "import os; raise SystemExit(len(os.sched_getaffinity(0)) != 1)"
    assert run_once(python(pinned, one_core=True))[2] is False
    fresh = "import os; raise SystemExit(os.path.exists(os.environ['NUMBA_CACHE_DIR']))"
    assert run_once(python(fresh, fresh_caches=True))[2] is False


def test_output_goes_to_a_file_unless_it_is_discarded() -> None:
    # grep that writes to /dev/null stops at the first match.
    null = "import os; raise SystemExit(os.path.samestat(os.fstat(1), os.stat(os.devnull)))"
    assert run_once(python(null, good_codes=(0,)))[2] is False
    assert run_once(python(null, good_codes=(1,), discard=True))[2] is False


RESULTS = Results(
    {"processor": "P", "cores": "2"},
    {
        "binary-4-10": ScenarioResult("binary", "version 4", {"a": outcome(2.0)}, ()),
        "text-1": ScenarioResult(
            "text",
            "a log",
            {
                "one": outcome(1.0, 2.0, records=4_000_000, peak=123_000_000),
                "rg": outcome(2.0, 2.0),
                "grep": outcome(note="not installed"),
            },
            (
                Comparison("time by rg's", "one", "rg", most=0.6),
                Comparison("time by grep's", "one", "grep", least=2),
                Comparison("peak MB", "one", of="peak MB", most=400),
            ),
        ),
    },
)


def test_results_come_back_from_json_as_they_were() -> None:
    assert Results.from_json(RESULTS.to_json()) == RESULTS
    with pytest.raises(ValueError, match="version 0"):
        Results.from_json('{"version": 0}')


def test_the_page_is_made_from_results() -> None:
    page = filled(f"before\n{BEGIN}\nold\n{END}\nafter\n", RESULTS)
    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert "processor P, cores 2." in page
    assert page.index("### Text") < page.index("### simpletrace")
    assert "**A log** (2 rounds)" in page
    assert "| time by rg's | 0.75 | 0.50 to 1.00 | ≤ 0.6 | **no** |" in page
    assert "| time by grep's | – | not installed | ≥ 2 | |" in page
    assert "| peak MB | 123 | 123 to 123 | ≤ 400 | yes |" in page
    assert "| x | 1.50 | 0.75 | 133 | 2.67 | 123 |" in page
    assert filled(page, RESULTS) == page


def test_a_page_without_the_block_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the lines"):
        filled("nothing", RESULTS)


def test_the_page_can_be_made_again_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.json").write_text(RESULTS.to_json())
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    assert main(["--render", "--work", str(tmp_path), "--page", str(page)]) == 0
    assert "### Text" in page.read_text()
    assert main(["--render", "--work", str(tmp_path), "--page", "-"]) == 0
    assert "### Text" in capsys.readouterr().out


def test_captures_that_are_not_there_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACEVIEW_CAPTURES", str(tmp_path / "none"))
    assert main(["--only", "text", "--size", "1M", "--work", str(tmp_path)]) == 2
    assert "set TRACEVIEW_CAPTURES" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--only", "txet"], ["--size", "much"], ["--runs", "0"]])
def test_options_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2


def test_sizes_are_read_as_they_are_told() -> None:
    assert [parse_size(t) for t in ("1G", "64M", "128MiB", "7")] == [1 << 30, 64 << 20, 128 << 20, 7]
    assert [size_text(s) for s in (10 << 30, 1536 << 20, 3000)] == ["10G", "1536M", "3000"]
    with pytest.raises(ValueError, match="no size"):
        parse_size("-1G")
