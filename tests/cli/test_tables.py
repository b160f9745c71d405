"""``traceview windows``, ``requests`` and ``events``: every format, and what is said where there is nothing."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.cli import SAMPLES, Done, run, sample
from tests.report.test_tables import read_csv
from traceview import Selection
from traceview.api import open as open_trace
from traceview.report.tables import EVENT_COLUMNS, WINDOW_COLUMNS

COUNT = sum(1 for _ in SAMPLES.glob("*/trace.*"))
"""How many traces the samples are."""
LOSS = sample("lp1570134-case-1")
BINARY, DECLARED = sample("simpletrace-2.6", "trace.bin"), sample("simpletrace-2.6", "trace-events")
TABLES = ("windows", "requests", "events")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Return a log without any event that traceview knows."""
    path = tmp_path / "foreign.log"
    path.write_bytes(b"4711@1459344553.123456:usb_probe_thing a 1\n" * 3)
    return path


def rows(done: Done) -> list[dict[str, Any]]:
    assert (done.code, done.err) == (0, "")
    return [json.loads(line) for line in done.lines]


def events(*words: str | Path, trace: Path = LOSS) -> list[dict[str, Any]]:
    return rows(run("events", trace, *words, "--format", "jsonl"))


# all three


@pytest.mark.parametrize("command", TABLES)
@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_a_table_is_that_of_the_library(command: str, form: str, tmp_path: Path) -> None:
    trace = open_trace(LOSS)
    frame: pd.DataFrame = {"windows": trace.windows, "requests": trace.requests, "events": trace.events}[command]()
    frame = frame.drop(columns="trace", errors="ignore")
    target = tmp_path / "table"
    done = run(command, LOSS, "--format", form, "-o", target)
    assert (done.code, done.raw, done.err) == (0, b"", "")
    if form == "parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(target), frame)
    elif form == "csv":
        types: dict[str, Any] = {str(c): t for c, t in frame.dtypes.items()}
        back = pd.read_csv(
            target, dtype=types, keep_default_na=False, na_values={c: [""] for c, t in types.items() if t != "str"}
        )
        pd.testing.assert_frame_equal(back, frame)
    else:
        lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
        assert [list(line) for line in lines] == [list(frame.columns)] * len(frame)
        expected = frame.astype(object).where(frame.notna(), None)
        assert [list(line.values()) for line in lines] == expected.to_numpy().tolist()


@pytest.mark.parametrize("command", TABLES)
@pytest.mark.parametrize("form", ["text", "csv", "jsonl", "parquet"])
def test_identical_input_gives_identical_bytes(command: str, form: str) -> None:
    first, second = (run(command, LOSS, "--format", form) for _ in range(2))
    assert first == second
    assert first.raw


@pytest.mark.parametrize("command", TABLES)
def test_text_has_one_heading_and_a_line_a_row(command: str) -> None:
    count = len(rows(run(command, LOSS, "--format", "jsonl")))
    done = run(command, LOSS)
    assert (done.code, done.err, len(done.lines)) == (0, "", count + 1)


@pytest.mark.parametrize("command", TABLES)
def test_stdin_is_read_for_a_dash(command: str) -> None:
    assert run(command, "-", stdin=LOSS.read_bytes()).raw == run(command, LOSS).raw


@pytest.mark.parametrize("command", TABLES)
def test_a_missing_file_is_an_error_and_no_table_is_written(command: str, tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    done = run(command, tmp_path / "missing.log", "--format", "csv", "-o", target)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"traceview: error: {tmp_path / 'missing.log'}: no such file\n"
    assert not target.exists()


@pytest.mark.parametrize("command", TABLES)
def test_a_wrong_format_names_the_nearest(command: str) -> None:
    done = run(command, LOSS, "--format", "parket")
    assert done.code == 2
    assert "'parket' is none of text, csv, jsonl, parquet (to print)" in done.complaint
    assert "did you mean 'parquet'?" in done.complaint


@pytest.mark.parametrize("command", ["requests", "events"])
def test_the_only_trace_of_a_directory_is_taken(command: str, tmp_path: Path) -> None:
    assert run(command, LOSS.parent).raw == run(command, LOSS).raw
    shutil.copy(BINARY, tmp_path / "a.bin")
    shutil.copy(DECLARED, tmp_path / "trace-events")
    assert run(command, tmp_path).raw == run(command, BINARY, "--trace-events", DECLARED).raw


@pytest.mark.parametrize("command", ["requests", "events"])
def test_of_several_traces_one_has_to_be_named(command: str) -> None:
    done = run(command, SAMPLES)
    assert (done.code, done.out) == (2, "")
    assert f"Invalid value for PATH: there are {COUNT} traces in it, give one of them:" in done.complaint


# windows


def test_a_windows_table_names_the_traces_where_there_are_several(tmp_path: Path) -> None:
    assert "trace" not in rows(run("windows", LOSS, "--format", "jsonl"))[0]
    named = rows(run("windows", SAMPLES, "--format", "jsonl"))
    assert len({row["trace"] for row in named}) == COUNT
    assert [row["window"] for row in named] == list(range(len(named)))
    assert list(named[0]) == list(WINDOW_COLUMNS)


def test_windows_go_on_beside_a_trace_that_cannot_be_read(tmp_path: Path) -> None:
    done = run("windows", tmp_path / "missing.log", LOSS, "--format", "csv")
    assert done.code == 2
    assert done.err == f"traceview: error: {tmp_path / 'missing.log'}: no such file\n"
    assert len(done.lines) == 1 + len(rows(run("windows", LOSS, "--format", "jsonl")))


def test_a_rule_limits_the_windows() -> None:
    found = rows(run("windows", LOSS, "--format", "jsonl", "--rule", "mirror-exit-guest-io"))
    assert {row["rule"] for row in found} == {"mirror-exit-guest-io"}


def test_a_trace_without_windows_has_a_heading_and_a_note_why(foreign: Path) -> None:
    done = run("windows", foreign)
    assert done.code == 0
    assert done.lines[0].split()[:3] == ["window", "rule", "verdict"]
    assert len(done.lines) == 1
    assert done.err.startswith(f"traceview: note: {foreign}: no window (mirror-exit-guest-io: no mirror job is seen")


# requests


def test_a_trace_without_requests_has_a_heading_and_a_note_what_to_trace(foreign: Path) -> None:
    done = run("requests", foreign)
    assert done.code == 0
    assert done.lines[0].split()[:3] == ["op", "device", "node"]
    assert len(done.lines) == 1
    assert done.err.startswith(f"traceview: note: {foreign}: no guest request")
    assert "blk_aio_pwritev" in done.err


def test_requests_name_their_device_and_their_place() -> None:
    found = rows(run("requests", LOSS, "--format", "jsonl"))
    lost = [r for r in found if r["offset_bytes"] == 9486336 and r["op"] == "write"]
    assert [(r["device"], r["length_bytes"], r["line"]) for r in lost] == [("drive0", 4096, 354)]


# events


def all_events() -> list[dict[str, Any]]:
    return events()


def test_without_a_choice_every_record_is_listed() -> None:
    assert [e["line"] for e in all_events()] == list(range(1, LOSS.read_bytes().count(b"\n") + 1))
    assert list(all_events()[0]) == list(EVENT_COLUMNS)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["mirror_exit"], {"mirror_exit"}),
        (["mirror_exit*"], {"mirror_exit", "mirror_exit_done"}),
        (["mirror_exit", "block_job_cb"], {"mirror_exit", "block_job_cb"}),
        (["blk_aio_?eadv"], {"blk_aio_readv"}),
        (["blk_aio_[rw]*"], {"blk_aio_readv", "blk_aio_writev"}),
    ],
)
def test_events_are_chosen_by_name_and_pattern(patterns: list[str], names: set[str]) -> None:
    found = events(*(word for p in patterns for word in ("-e", p)))
    assert {e["event"] for e in found} == names
    assert found == [e for e in all_events() if e["event"] in names]


def test_an_event_that_does_not_occur_is_an_error_that_names_the_nearest() -> None:
    done = run("events", LOSS, "--event", "mirror_exi")
    assert done.code == 2
    assert done.err == f"traceview: error: {LOSS}: no record of event 'mirror_exi'; did you mean 'mirror_exit'?\n"


def test_a_pattern_that_matches_nothing_is_a_note() -> None:
    done = run("events", LOSS, "-e", "mirror_exit", "-e", "job_*", "--format", "jsonl")
    assert (done.code, len(done.lines)) == (0, 3)
    assert done.err == f"traceview: note: {LOSS}: no event matches 'job_*'\n"


def test_a_failed_table_leaves_no_file(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    assert run("events", LOSS, "-e", "mirror_exi", "-o", target).code == 2
    assert not target.exists()


def test_events_are_chosen_by_absolute_time() -> None:
    every = all_events()
    first, last = every[100]["ts_ns"], every[200]["ts_ns"]
    found = events("--from", f"{first / 10**9:.6f}", "--to", f"{last // 10**9}.{last % 10**9:09}")
    assert found == [e for e in every if first <= e["ts_ns"] <= last]


def test_events_are_chosen_by_time_since_the_first_record() -> None:
    every = all_events()
    start = every[0]["ts_ns"]
    found = events("--from", "+10.5", "--to", "+11.75")
    assert found == [e for e in every if 10_500_000_000 <= e["ts_ns"] - start <= 11_750_000_000]
    assert 0 < len(found) < len(every)


@pytest.mark.parametrize("option", ["--from", "--to"])
@pytest.mark.parametrize("word", ["noon", "12:00", "nan", "+inf", ""])
def test_what_is_no_time_is_a_usage_error(option: str, word: str) -> None:
    done = run("events", LOSS, option, word)
    assert done.code == 2
    assert f"Invalid value for {option}: {word!r} is no time" in done.complaint


def test_events_are_chosen_by_process() -> None:
    trace = sample("stock-9.0-parked")
    every = events(trace=trace)
    tids = sorted({e["tid"] for e in every})
    assert len(tids) > 1
    for tid in tids:
        assert events("--pid", str(tid), trace=trace) == [e for e in every if e["tid"] == tid]


@pytest.mark.parametrize("spelled", ["0x563433de3b80", "563433de3b80", "0X563433DE3B80"])
def test_events_are_chosen_by_pointer(spelled: str) -> None:
    found = events("--pointer", spelled)
    assert found == [e for e in all_events() if "0x563433de3b80" in e["text"].split()]
    assert {"mirror_start", "mirror_exit"} <= {e["event"] for e in found}


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("drive0", "'drive0' is no pointer: expected hexadecimal such as 0x5597d6923260"),
        ("0x10000000000000000", "it does not fit 64 bits"),
        ("-1", "it does not fit 64 bits"),
    ],
)
def test_what_is_no_pointer_is_a_usage_error(word: str, says: str) -> None:
    done = run("events", LOSS, "--pointer", word)
    assert done.code == 2
    assert "Invalid value for --pointer:" in done.complaint
    assert says in done.complaint


def test_choices_are_taken_together() -> None:
    every = all_events()
    found = events("-e", "blk_aio_*", "--pointer", "0x5634320b8340", "--from", "+10", "--to", "+12", "--pid", "14885")
    start = every[0]["ts_ns"]
    assert found == [
        e
        for e in every
        if e["event"].startswith("blk_aio_")
        and "0x5634320b8340" in e["text"].split()
        and 10**10 <= e["ts_ns"] - start <= 12 * 10**9
    ]
    assert found


@pytest.mark.parametrize("form", ["text", "csv", "jsonl", "parquet"])
def test_where_nothing_is_chosen_there_is_an_empty_table(form: str) -> None:
    done = run("events", LOSS, "--pid", "1", "--format", form)
    assert (done.code, done.err) == (0, "")
    if form == "parquet":
        frame = pd.read_parquet(io.BytesIO(done.raw))
        assert {str(c): str(t) for c, t in frame.dtypes.items()} == EVENT_COLUMNS
        assert frame.empty
    else:
        assert len(done.lines) == (0 if form == "jsonl" else 1)


def test_a_binary_trace_keeps_its_nanoseconds_in_csv() -> None:
    frame = open_trace(BINARY, trace_events=DECLARED).events()
    assert (frame["ts_ns"] % 1000 != 0).any()
    done = run("events", BINARY, "--trace-events", DECLARED, "--format", "csv")
    pd.testing.assert_frame_equal(read_csv(done.raw, EVENT_COLUMNS), frame)


def test_hostile_records_are_harmless_in_text_and_csv(tmp_path: Path) -> None:
    path = tmp_path / "evil.log"
    path.write_bytes(
        b"4711@1459344553.123456:bare_probe \x1b]0;owned\x07 \xe2\x80\xae \xff\rx\n"
        b"4711@1459344553.123457:bare_probe =HYPERLINK(1)\n"
    )
    text, table = run("events", path), run("events", path, "--format", "csv")
    for done in (text, table):
        assert done.code == 0
        assert "\\x1b]0;owned\\x07 \\u202e \\xff\\x0dx" in done.out
        assert done.out.replace("\n", "").isprintable()
    assert table.lines[2].endswith(",'=HYPERLINK(1)")
    assert len(open_trace(path).events(selection=Selection(("bare_*",)))) == 2
