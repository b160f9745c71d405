"""``traceview scan``: what it reads, what it prints where, and its exit code."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cli import SAMPLES, Done, run, run_alone, sample
from tests.conftest import ROOT
from tests.writers import PACK
from traceview.cli.options import FAIL_ON, INPUT_FORMATS
from traceview.cli.scan import exit_code
from traceview.findings import Finding, ScanResult, Severity, TraceSummary, Unjudged
from traceview.vocabulary import Dating

SCHEMA = json.loads((ROOT / "docs" / "scan.schema.json").read_text(encoding="utf-8"))
CLEAN, LOSS, PROMISE = sample("fixed"), sample("lp1570134-case-1"), sample("cancelled")


@pytest.fixture
def unjudged(tmp_path: Path) -> Path:
    """Return a log in which no job is seen."""
    path = tmp_path / "unjudged.log"
    path.write_bytes(b"".join(LOSS.read_bytes().splitlines(keepends=True)[:60]))
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return a file that no format recognises."""
    path = tmp_path / "broken.log"
    path.write_bytes(b"\x00\x01\x02" * 100)
    return path


# exit codes


@pytest.mark.parametrize(
    ("trace", "options", "code"),
    [
        (CLEAN, [], 0),
        (LOSS, [], 1),
        (PROMISE, [], 1),
        (PROMISE, ["--fail-on", "broken-promise"], 1),
        (PROMISE, ["--fail-on", "data-loss"], 0),
        (PROMISE, ["--fail-on", "never"], 0),
        (LOSS, ["--fail-on", "data-loss"], 1),
        (LOSS, ["--fail-on", "Data-Loss"], 1),
        (LOSS, ["--fail-on", "never"], 0),
        (LOSS, ["--allow-inconclusive"], 1),
        (LOSS, ["--rule", "mirror-final-drain-guest-io"], 0),
    ],
)
@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_the_exit_code_tells_what_was_found_whatever_the_format(
    trace: Path, options: list[str], code: int, form: str
) -> None:
    done = run("scan", trace, "--format", form, *options)
    assert (done.code, done.err) == (code, "")
    assert done.out


def test_what_cannot_be_judged_is_3_unless_that_is_allowed(unjudged: Path) -> None:
    assert run("scan", unjudged).code == 3
    assert run("scan", unjudged, "--fail-on", "never").code == 3
    assert run("scan", unjudged, "--allow-inconclusive").code == 0
    assert "NOT JUDGED" in run("scan", unjudged, "--allow-inconclusive").out


def test_findings_outrank_what_cannot_be_judged(unjudged: Path) -> None:
    assert run("scan", unjudged, LOSS).code == 1
    assert run("scan", unjudged, PROMISE, "--fail-on", "data-loss").code == 3


def test_what_cannot_be_read_outranks_all_else(unjudged: Path, broken: Path) -> None:
    assert run("scan", LOSS, broken).code == 2
    assert run("scan", unjudged, broken, "--allow-inconclusive", "--fail-on", "never").code == 2


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("least", FAIL_ON)
def test_a_finding_fails_from_its_severity_on(severity: Severity, least: str) -> None:
    result = ScanResult(findings=[Finding("r", severity, 0, "t", (0,), ())])
    fails = {"data-loss": severity is Severity.DATA_LOSS, "broken-promise": True, "never": False}[least]
    assert exit_code(result, least, allow_inconclusive=False) == int(fails)


def test_a_rule_that_was_not_judged_is_inconclusive() -> None:
    trace = TraceSummary("t", "log", Dating(None, ""), 0, 0, 0, [], [], [Unjudged("r", "no job", ())])
    assert exit_code(ScanResult([trace]), "never", allow_inconclusive=False) == 3


# what is read


def test_stdin_is_read_for_a_dash() -> None:
    done = run("scan", "-", "--format", "json", stdin=LOSS.read_bytes())
    document = json.loads(done.out)
    assert done.code == 1
    assert document["traces"][0]["path"] == "<stdin>"
    file = json.loads(run("scan", LOSS, "--format", "json").out)
    assert (document["windows"], document["findings"]) == (file["windows"], file["findings"])


@pytest.mark.parametrize("kind", sorted(PACK))
def test_stdin_may_be_compressed(kind: str) -> None:
    done = run("scan", "-", stdin=PACK[kind](LOSS.read_bytes()))
    assert (done.code, done.out, done.err) == (1, run("scan", "-", stdin=LOSS.read_bytes()).out, "")


@pytest.mark.parametrize("kind", sorted(PACK))
def test_a_compressed_trace_that_is_cut_says_so_on_one_line(kind: str, tmp_path: Path) -> None:
    packed = PACK[kind](LOSS.read_bytes())
    (tmp_path / "vm.log").write_bytes(packed + packed[:-9])
    done = run("scan", tmp_path / "vm.log", "--format", "json")
    document = json.loads(done.out)
    Draft202012Validator(SCHEMA).validate(document)
    gap = document["traces"][0]["gaps"][-1]
    assert (gap["cause"], gap["count"]) == ("compressed-early", None)
    assert gap["text"].startswith(f"the {kind} stream ends early, after ")
    assert f": {gap['text']}\n" in run("scan", tmp_path / "vm.log").out


def test_a_damaged_trace_is_what_the_schema_says(tmp_path: Path) -> None:
    packed = bytearray(PACK["gzip"](LOSS.read_bytes()))
    packed[-6] ^= 1
    (tmp_path / "vm.log").write_bytes(packed)
    document = json.loads(run("scan", tmp_path / "vm.log", "--format", "json").out)
    Draft202012Validator(SCHEMA).validate(document)
    assert document["traces"][0]["gaps"][0]["cause"] == "many"
    assert not [w for w in document["windows"] if w["verdict"] == "clean"]


@pytest.mark.parametrize(("size", "count"), [("5000", 5000), ("5K", 5 << 10), ("5k", 5 << 10)])
def test_a_scan_stops_after_so_many_bytes_of_each_trace(size: str, count: int, tmp_path: Path) -> None:
    shutil.copy(LOSS, tmp_path / "a.log")
    (tmp_path / "b.log").write_bytes(PACK["xz"](LOSS.read_bytes()))
    done = run("scan", tmp_path, "--max-bytes", size)
    assert done.code == 3
    assert done.out.count(f": stopped after {count} bytes (--max-bytes)\n") == 2


@pytest.mark.parametrize("size", ["500M", "3G", "1T"])
def test_a_limit_that_is_larger_than_the_trace_changes_nothing(size: str) -> None:
    assert run("scan", LOSS, "--max-bytes", size).out == run("scan", LOSS).out


@pytest.mark.parametrize("size", ["", "0", "-1", "1.5M", "10MB", "K", "many", "0x10", "1" * 5000])
@pytest.mark.parametrize("command", ["scan", "show", "windows", "requests", "events"])
def test_a_size_that_is_none_is_a_usage_error_that_says_what_is_one(command: str, size: str) -> None:
    done = run(command, LOSS, f"--max-bytes={size}")
    assert (done.code, done.out) == (2, "")
    assert "is no size: expected a number of bytes from 1 on" in done.complaint
    assert "--max-bytes" in done.complaint


@pytest.mark.parametrize("command", ["show", "windows", "requests", "events"])
def test_every_command_that_reads_stops_after_so_many_bytes(command: str) -> None:
    end = LOSS.read_bytes().index(b"mirror_exit")
    whole, part = run(command, LOSS), run(command, LOSS, f"--max-bytes={end}")
    assert whole.out != part.out
    assert len(part.out) < len(whole.out)


def test_empty_stdin_is_no_trace() -> None:
    done = run("scan", "-")
    assert (done.code, done.out) == (2, "")
    assert done.err == "traceview: error: <stdin>: the file is empty\n"


def test_a_directory_is_searched_for_traces(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    shutil.copy(LOSS, tmp_path / "a" / "b" / "vm.log")
    shutil.copy(CLEAN, tmp_path / "vm.log")
    (tmp_path / "notes.txt").write_text("nothing of the kind\n", encoding="utf-8")
    done = run("scan", tmp_path)
    assert done.code == 1
    assert [line for line in done.lines if line.startswith(str(tmp_path))] == [
        str(tmp_path / "a" / "b" / "vm.log"), str(tmp_path / "vm.log")
    ]  # fmt: skip


def test_the_only_trace_of_a_directory_is_named_and_a_file_that_was_given_is_not() -> None:
    assert run("scan", LOSS.parent).lines[0] == str(LOSS)
    assert str(LOSS) not in run("scan", LOSS).out


def test_a_directory_without_traces_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing of the kind\n", encoding="utf-8")
    done = run("scan", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"traceview: error: {tmp_path}: none of the 1 files below it is a trace")


def test_declarations_beside_a_binary_trace_are_found_in_a_directory() -> None:
    done = run("scan", SAMPLES / "simpletrace-2.6", "--format", "json")
    document = json.loads(done.out)
    assert done.code == 1
    assert sorted(t["format"] for t in document["traces"]) == ["log", "simpletrace"]
    assert document["errors"] == []


def test_a_binary_trace_alone_needs_its_declarations_and_the_error_says_so() -> None:
    binary = sample("simpletrace-2.6", "trace.bin")
    done = run("scan", binary)
    assert (done.code, done.out) == (2, "")
    assert "give it with --trace-events FILE" in done.err
    assert run("scan", binary, "--trace-events", sample("simpletrace-2.6", "trace-events")).code == 1


def test_a_binary_trace_without_its_declarations_does_not_stop_the_others(tmp_path: Path) -> None:
    shutil.copy(sample("simpletrace-2.6", "trace.bin"), tmp_path / "a.bin")
    shutil.copy(CLEAN, tmp_path / "b.log")
    done = run("scan", tmp_path)
    assert done.code == 2
    assert "a.bin: simpletrace version 3" in done.err
    assert re.search(r"windows: (\d+) checked, \1 clean", done.out)


def test_declarations_that_are_not_there_stop_the_scan(tmp_path: Path) -> None:
    done = run("scan", LOSS, "--trace-events", tmp_path / "none")
    assert (done.code, done.out) == (2, "")
    assert "no such declarations file" in done.err


def test_an_input_format_overrules_the_content() -> None:
    done = run("scan", LOSS, "--format", "simpletrace")
    assert done.code == 2
    assert "not a simpletrace file" in done.err
    assert run("scan", LOSS, "--format", "log", "--format", "json").out == run("scan", LOSS, "--format", "json").out


def test_what_cannot_be_read_is_told_on_stderr_and_the_others_go_on(broken: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.log"
    done = run("scan", missing, LOSS, broken)
    assert done.code == 2
    first, second = done.err.splitlines()
    assert first == f"traceview: error: {missing}: no such file"
    assert second.startswith(f"traceview: error: {broken}: no trace format recognises")
    assert done.lines[0] == str(LOSS)
    assert any(line.startswith("✗ DATA LOSS") for line in done.lines)


def test_nothing_is_claimed_where_nothing_could_be_read(broken: Path) -> None:
    done = run("scan", broken)
    assert (done.code, done.out) == (2, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_leave_to_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "secret.log"
    path.write_bytes(LOSS.read_bytes())
    path.chmod(0)
    assert "cannot be read: Permission denied" in run("scan", path).err


# what is printed


def test_json_tells_what_could_not_be_read(broken: Path) -> None:
    done = run("scan", broken, LOSS, "--format", "json")
    document = json.loads(done.out)
    assert done.code == 2
    assert [e["kind"] for e in document["errors"]] == ["UnknownFormatError"]
    assert [t["path"] for t in document["traces"]] == [str(LOSS)]
    nothing = json.loads(run("scan", broken, "--format", "json").out)
    assert (nothing["traces"], len(nothing["errors"])) == ([], 1)
    for d in (document, nothing):
        Draft202012Validator(SCHEMA).validate(d)


def test_all_samples_together_are_what_the_schema_says() -> None:
    document = json.loads(run("scan", SAMPLES, "--format", "json").out)
    Draft202012Validator(SCHEMA).validate(document)
    assert {Path(t["path"]).parent for t in document["traces"]} == {p for p in SAMPLES.iterdir() if p.is_dir()}


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_identical_input_gives_identical_bytes_in_any_process(form: str) -> None:
    runs = [run_alone("scan", SAMPLES, "--format", form, env={"PYTHONHASHSEED": seed}) for seed in ("1", "77")]
    assert runs[0] == runs[1]
    assert runs[0].code == 1


def test_output_goes_to_a_file_on_demand(tmp_path: Path) -> None:
    target = tmp_path / "scan.json"
    done = run("scan", LOSS, "--format", "json", "-o", target)
    assert (done.code, done.out, done.err) == (1, "", "")
    assert target.read_bytes() == run("scan", LOSS, "--format", "json").raw


def test_output_to_a_dash_is_stdout() -> None:
    assert run("scan", LOSS, "-o", "-") == run("scan", LOSS)


def test_output_in_utf8_does_not_hang_on_the_locale() -> None:
    done = run_alone("scan", LOSS, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert done.lines == run("scan", LOSS).lines


@pytest.mark.parametrize("command", ["scan", "windows", "requests", "events"])
def test_a_place_that_cannot_be_written_to_is_a_clean_error(command: str, tmp_path: Path) -> None:
    target = tmp_path / "none" / "out"
    done = run(command, LOSS, "-o", target)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"traceview: error: {target}: cannot be written: No such file or directory\n"


@pytest.mark.parametrize("command", ["scan", "windows", "requests", "events"])
def test_a_full_disk_is_a_clean_error(command: str) -> None:
    done = run(command, LOSS, "-o", "/dev/full")
    assert done.code == 2
    assert done.err == "traceview: error: /dev/full: cannot be written: No space left on device\n"


@pytest.mark.parametrize("command", ["scan", "windows", "requests", "events"])
@pytest.mark.parametrize("given", ["vm.log", "."])
def test_the_trace_that_is_read_is_never_written_over(command: str, given: str, tmp_path: Path) -> None:
    trace = tmp_path / "vm.log"
    shutil.copy(LOSS, trace)
    done = run(command, tmp_path / given, "--output", trace)
    assert done.code == 2
    assert done.err == f"traceview: error: {trace}: is being read: choose another file to write to\n"
    assert trace.read_bytes() == LOSS.read_bytes()


def test_declarations_that_are_read_are_never_written_over(tmp_path: Path) -> None:
    declarations = tmp_path / "trace-events"
    shutil.copy(sample("simpletrace-2.6", "trace-events"), declarations)
    done = run("events", sample("simpletrace-2.6", "trace.bin"), "--trace-events", declarations, "-o", declarations)
    assert done.code == 2
    assert declarations.read_bytes() == sample("simpletrace-2.6", "trace-events").read_bytes()


# wrong words


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--format", "jso"], "Invalid value for --format: 'jso' is none of text, json, jsonl, sarif, junit, gitlab, "
                              f"markdown, csv, parquet (to print), {', '.join(INPUT_FORMATS)} (to read); "
                              "did you mean 'json'?"),
        (["--format", "xml"], "'xml' is none of text, json, jsonl, sarif"),
        (["--format", "simpletrac"], "did you mean 'simpletrace'?"),
        (["--fail-on", "dataloss"], "Invalid value for --fail-on: 'dataloss' is none of data-loss, broken-promise, "
                                    "never, new; did you mean 'data-loss'?"),
        (["--rule", "mirror-exit"], "did you mean 'mirror-exit-guest-io'?"),
        (["--rul", "x"], "--rule"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_a_usage_error_that_names_the_nearest(words: list[str], says: str) -> None:
    done = run("scan", LOSS, *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.complaint


def test_a_wrong_rule_is_told_once_for_many_traces() -> None:
    assert run("scan", SAMPLES, "--rule", "nonsense").complaint.count("'nonsense'") == 1


def test_a_path_is_needed() -> None:
    done = run("scan")
    assert done.code == 2
    assert "Missing argument 'PATH'" in done.complaint


# hostile names


def hostile_trace(folder: Path, data: bytes) -> Path:
    name = b"a\x1b[31m\ntraceview: error: \xe2\x80\xae\xff.log"
    path = Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))
    path.write_bytes(data)
    return path


SHOWN = "a\\x1b[31m\\x0atraceview: error: \\u202e\\xff.log"


def harmless(done: Done) -> bool:
    return not any(c in done.out + done.err for c in "\x1b\u202e\r")


def test_a_hostile_file_name_is_harmless_in_the_report(tmp_path: Path) -> None:
    done = run("scan", hostile_trace(tmp_path, CLEAN.read_bytes()).parent)
    assert done.code == 0
    assert SHOWN in done.lines[0]
    assert harmless(done)


def test_a_hostile_file_name_cannot_pass_for_a_message_of_ours(tmp_path: Path) -> None:
    hostile_trace(tmp_path, sample("simpletrace-2.6", "trace.bin").read_bytes())
    shutil.copy(CLEAN, tmp_path / "b.log")
    done = run("scan", tmp_path)
    assert done.code == 2
    assert harmless(done)
    assert [line for line in done.err.split("\n") if line.startswith("traceview:")] == done.err.split("\n")[:1]


def test_a_hostile_file_name_is_harmless_in_json(tmp_path: Path) -> None:
    done = run("scan", hostile_trace(tmp_path, CLEAN.read_bytes()), "--format", "json")
    assert done.raw.isascii()
    assert json.loads(done.out)["traces"][0]["path"].endswith("\u202e\\xff.log")


def test_an_error_in_declarations_keeps_its_caret_under_its_place(tmp_path: Path) -> None:
    declarations = tmp_path / "trace-events"
    declarations.write_text('good(int a) "a %d"\nbad int a "a %d"\n', encoding="utf-8")
    done = run("scan", LOSS, "--trace-events", declarations)
    head, text, caret = done.err.rstrip("\n").split("\n")[:3]
    assert head == f"traceview: error: {declarations}:2: not an event declaration:"
    assert text.strip() == 'bad int a "a %d"'
    assert caret.index("^") - text.index("bad") == len("bad ")
