"""The formats of ``traceview scan``: one to stdout, others to files beside it, and none of them at another's cost."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.cli import COMMAND, IN_OWN_PROCESS, SAMPLES, Done, run, run_alone, sample
from tests.conftest import ROOT
from tests.report.told import xml
from tests.writers import PACK
from traceview.report.findings_table import FINDING_COLUMNS
from traceview.report.known import SCAN_FORMATS

CLEAN, LOSS, SECOND = sample("fixed"), sample("lp1570134-case-1"), sample("second-door")
LINES = [form for form in SCAN_FORMATS if form not in ("csv", "parquet")]
BINARY = ("--trace-events", sample("simpletrace-2.6", "trace-events"))


def besides(folder: Path, *formats: str) -> dict[str, Path]:
    return {form: folder / f"scan.{form}" for form in formats or SCAN_FORMATS}


def options(files: dict[str, Path]) -> list[str]:
    return [word for form, path in files.items() for word in (f"--{form}-output", str(path))]


def sarif_of(done: Done) -> Any:
    return json.loads(done.out)["runs"][0]


# which formats there are


@pytest.mark.parametrize("form", SCAN_FORMATS)
def test_every_format_goes_to_stdout_and_the_exit_code_is_the_same(form: str) -> None:
    done = run("scan", LOSS, "--format", form)
    assert (done.code, done.err) == (1, "")
    assert done.raw


@pytest.mark.parametrize("form", SCAN_FORMATS)
def test_a_file_beside_has_the_bytes_that_stdout_would_have(form: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    done = run("scan", LOSS, SECOND, f"--{form}-output", path)
    assert (done.code, done.err) == (1, "")
    assert done.out == run("scan", LOSS, SECOND).out
    assert path.read_bytes() == run("scan", LOSS, SECOND, "--format", form).raw


def test_all_formats_at_once_are_what_each_is_alone(tmp_path: Path) -> None:
    files = besides(tmp_path)
    done = run("scan", SAMPLES, "--format", "json", *options(files))
    assert (done.code, done.err) == (1, "")
    assert done.raw == files["json"].read_bytes()
    for form, path in files.items():
        assert path.read_bytes() == run("scan", SAMPLES, "--format", form).raw, form


def test_each_format_is_of_its_kind(tmp_path: Path) -> None:
    files = besides(tmp_path)
    run("scan", LOSS, *options(files))
    text = {form: path.read_bytes() for form, path in files.items()}
    assert json.loads(text["json"])["schema_version"] == 1
    assert json.loads(text["jsonl"].splitlines()[0])["type"] == "trace"
    assert json.loads(text["sarif"])["version"] == "2.1.0"
    assert xml(text["junit"]).tag == "testsuites"
    assert json.loads(text["gitlab"])[0]["severity"] == "critical"
    assert text["markdown"].startswith(b"# traceview scan\n")
    assert text["csv"].startswith(b"finding,identity,")
    assert pq.read_table(io.BytesIO(text["parquet"])).num_rows == 1
    assert text["text"].decode().startswith("✗ DATA LOSS")
    assert b"\x1b" not in text["text"]


def test_identical_input_gives_identical_bytes_in_any_process(tmp_path: Path) -> None:
    made = []
    for seed, locale in (("1", "C"), ("77", "C.UTF-8")):
        files = besides(tmp_path / seed)
        (tmp_path / seed).mkdir()
        done = run_alone("scan", SAMPLES, *options(files), env={"PYTHONHASHSEED": seed, "LC_ALL": locale})
        assert (done.code, done.err) == (1, "")
        made.append({form: path.read_bytes() for form, path in files.items()})
    assert [form for form in SCAN_FORMATS if made[0][form] != made[1][form]] == []


def test_no_path_of_the_machine_is_told_where_a_relative_one_can_be(tmp_path: Path) -> None:
    files = besides(tmp_path, "sarif", "junit", "gitlab", "markdown", "csv")
    assert run_alone("scan", SAMPLES, *options(files), cwd=ROOT).code == 1
    for form, path in files.items():
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text, form
        assert "sample-traces/lp1570134-case-1/trace.log" in text, form


def test_what_could_not_be_read_is_told_in_every_format_that_can(tmp_path: Path) -> None:
    files = besides(tmp_path, "json", "sarif", "junit", "markdown", "gitlab", "csv", "text")
    done = run("scan", tmp_path / "gone.log", *options(files))
    assert done.code == 2
    told = {form for form, path in files.items() if path.exists() and "no such file" in path.read_text()}
    assert told == {"json", "sarif", "junit", "markdown"}
    assert files["gitlab"].read_text() == "[]\n"
    assert not files["text"].exists()  # nothing is claimed where nothing could be read


# interleavings in SARIF


def test_sarif_has_the_interleaving_of_a_job_as_show_draws_it() -> None:
    run_of = sarif_of(run("scan", LOSS, "--format", "sarif"))
    (found,) = [r for r in run_of["results"] if r["kind"] == "fail"]
    steps = found["codeFlows"][0]["threadFlows"][0]["locations"]
    shown = run("show", LOSS).out
    assert len(steps) == 27
    for step in steps:
        line = step["location"]["physicalLocation"]["region"]["startLine"]
        assert f"line {line} " in shown


KEYED = b"""\
1@1459344553.000001:aio_ctx_dispatch ctx 0x1
1@1459344553.000002:bdrv_drained_begin bs 0xa quiesce_counter 1
1@1459344553.000003:bdrv_drained_begin_done bs 0xa
1@1459344553.000004:blk_aio_writev blk 0xb bs 0xa sector_num 8 nb_sectors 8 opaque 0xc
1@1459344553.000005:blk_aio_readv blk 0xb bs 0xa sector_num 8 nb_sectors 8 opaque 0xd
1@1459344553.000006:bdrv_drained_end bs 0xa quiesce_counter 0
1@1459344553.000007:aio_ctx_dispatch_done ctx 0x1
"""
"""A guest write into a drained node: a window of a pointer, whose surroundings no scan keeps."""


def keyed_flow(done: Done) -> list[str]:
    (found,) = [r for r in sarif_of(done)["results"] if r["ruleId"] == "drained-node-guest-io" and r["kind"] == "fail"]
    merged = found["codeFlows"][0]["threadFlows"][0]
    return [step["location"]["message"]["text"] for step in merged["locations"]]


def test_what_surrounds_a_window_of_a_pointer_is_read_once_more(tmp_path: Path) -> None:
    trace = tmp_path / "vm.log"
    trace.write_bytes(KEYED)
    words = keyed_flow(run("scan", trace, "--format", "sarif"))
    assert words[0] == "aio_ctx_dispatch ctx 0x1"
    assert [w[:3] for w in words if w.startswith("(")] == ["(a)", "(b)", "(b)", "(c)"]


@pytest.mark.parametrize("packed", [False, True])
def test_of_stdin_the_window_s_own_points_are_told(packed: bool) -> None:
    data = PACK["gzip"](KEYED) if packed else KEYED
    done = run("scan", "-", "--format", "sarif", stdin=data)
    assert (done.code, done.err) == (1, "")
    assert [w[:3] for w in keyed_flow(done)] == ["(a)", "(b)", "(b)", "(c)"]
    artifact = sarif_of(done)["artifacts"][0]["location"]
    assert artifact == {"uri": "%3Cstdin%3E", "uriBaseId": "%SRCROOT%", "index": 0}


def test_a_pipe_that_can_be_read_but_once_says_what_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "vm.log").write_bytes(KEYED)
    words = [*COMMAND, "scan", "/dev/fd/0", "--format", "sarif"]
    with subprocess.Popen(["cat", tmp_path / "vm.log"], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(words, stdin=cat.stdout, capture_output=True, env=IN_OWN_PROCESS, check=False)
    told = Done(done.returncode, done.stdout, done.stderr.decode())
    assert told.code == 1
    assert [w[:3] for w in keyed_flow(told)] == ["(a)", "(b)", "(b)", "(c)"]
    assert "traceview: note: " in told.err
    assert "SARIF tells only the points of 1 finding" in told.err


def test_what_is_told_does_not_hang_on_whether_interleavings_are_kept(tmp_path: Path) -> None:
    alone = run("scan", SAMPLES, "--format", "json").raw
    assert run("scan", SAMPLES, "--format", "json", "--sarif-output", tmp_path / "s").raw == alone


def test_findings_may_stand_at_the_files_of_qemu() -> None:
    results = sarif_of(run("scan", LOSS, "--format", "sarif", "--sarif-at", "source"))["results"]
    (found,) = [r for r in results if r["kind"] == "fail"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "block/mirror.c"


# where they go


def test_stdout_may_be_a_format_beside_the_one_of_a_file(tmp_path: Path) -> None:
    done = run("scan", LOSS, "-o", tmp_path / "scan.txt", "--gitlab-output", "-")
    assert (tmp_path / "scan.txt").read_text(encoding="utf-8") == run("scan", LOSS).out
    assert done.raw == run("scan", LOSS, "--format", "gitlab").raw


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--sarif-output", "-"], "stdout cannot take both --format text and --sarif-output: give --format a file "
                                  "with -o"),
        (["-o", "x", "--sarif-output", "-", "--json-output", "-"], "stdout cannot take both --json-output and "
                                                                   "--sarif-output: choose another file for one"),
        (["--sarif-output", "x", "--json-output", "x"], "x cannot take both --json-output and --sarif-output"),
        (["-o", "x", "--json-output", "./x"], "x cannot take both --format text and --json-output"),
        (["-o", "x", "--json-output", "y/../x"], "x cannot take both --format text and --json-output"),
        (["--sarif-at", "source-code"], "'source-code' is none of trace, source"),
    ],
)  # fmt: skip
def test_two_for_one_place_are_refused_before_anything_is_read(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "y").mkdir()
    done = run("scan", tmp_path / "gone.log", *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.complaint
    assert "no such file" not in done.err
    assert os.listdir(tmp_path) == ["y"]


def test_two_names_of_one_file_are_one_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before", encoding="utf-8")
    (tmp_path / "b").symlink_to("a")
    done = run("scan", LOSS, "--json-output", tmp_path / "a", "--sarif-output", tmp_path / "b")
    assert (done.code, done.out) == (2, "")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "before"


@pytest.mark.parametrize("given", ["vm.log", ".", "link.log"])
@pytest.mark.parametrize("form", ["text", "sarif", "csv"])
def test_a_trace_that_is_read_is_never_written_over(given: str, form: str, tmp_path: Path) -> None:
    trace = tmp_path / "vm.log"
    shutil.copy(LOSS, trace)
    (tmp_path / "link.log").symlink_to(trace)
    other = tmp_path / "other"
    done = run("scan", tmp_path / given, "--json-output", other, f"--{form}-output", trace)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"traceview: error: {trace}: is being read: choose another file to write to\n"
    assert trace.read_bytes() == LOSS.read_bytes()
    assert not other.exists(), "it is refused before anything is scanned"


def test_declarations_that_are_read_are_never_written_over(tmp_path: Path) -> None:
    declarations = tmp_path / "trace-events"
    shutil.copy(BINARY[1], declarations)
    done = run(
        "scan", sample("simpletrace-2.6", "trace.bin"), "--trace-events", declarations, "--sarif-output", declarations
    )
    assert (done.code, done.out) == (2, "")
    assert declarations.read_bytes() == BINARY[1].read_bytes()


def test_what_an_earlier_run_wrote_into_the_folder_is_written_over(tmp_path: Path) -> None:
    shutil.copy(LOSS, tmp_path / "vm.log")
    words: list[str | Path] = ["scan", tmp_path, *options(besides(tmp_path))]
    first = run(*words)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    second = run(*words)
    assert (first.code, second.code) == (1, 1)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("broken", SCAN_FORMATS)
def test_one_that_cannot_be_written_does_not_lose_the_others(broken: str, tmp_path: Path) -> None:
    files = besides(tmp_path)
    bad = {**files, broken: tmp_path / "none" / "out"}
    done = run("scan", LOSS, *options(bad))
    assert done.code == 2
    assert done.err == f"traceview: error: {bad[broken]}: cannot be written: No such file or directory\n"
    assert done.out == run("scan", LOSS).out
    assert {f for f, p in files.items() if p.exists()} == {*SCAN_FORMATS} - {broken}


def test_each_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    done = run("scan", LOSS, "--json-output", tmp_path / "a" / "b", "--sarif-output", "/dev/full", "--fail-on", "never")
    assert done.code == 2
    assert [line.partition(": cannot")[0] for line in done.err.splitlines()] == [
        f"traceview: error: {tmp_path / 'a' / 'b'}", "traceview: error: /dev/full",
    ]  # fmt: skip


def test_a_reader_that_leaves_early_costs_no_file(tmp_path: Path) -> None:
    path = tmp_path / "scan.sarif"
    words = [*COMMAND, "scan", str(SAMPLES), "--format", "json", "--sarif-output", str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=IN_OWN_PROCESS) as scan:
        assert scan.stdout is not None
        assert scan.stderr is not None
        scan.stdout.close()
        assert scan.stderr.read() == b""
    assert scan.returncode == 1
    assert json.loads(path.read_text(encoding="utf-8"))["version"] == "2.1.0"


def test_parquet_is_not_thrown_at_a_terminal() -> None:
    leader, follower = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "scan", LOSS, "--format", "parquet"], stdout=follower, stderr=subprocess.PIPE, env=IN_OWN_PROCESS,
        check=False,
    )  # fmt: skip
    os.close(follower)
    os.close(leader)
    assert done.returncode == 2
    assert b"parquet is binary" in done.stderr


@pytest.mark.parametrize(("forms", "imported"), [(("csv",), True), (tuple(LINES), False)])
def test_only_a_table_imports_pandas(forms: tuple[str, ...], imported: bool, tmp_path: Path) -> None:
    probe = "\n".join((
        "import sys; from traceview.cli import main",
        "try: main()",
        "finally: print('pandas' in sys.modules, file=sys.stderr)",
    ))  # fmt: skip
    words = [sys.executable, "-c", probe, "scan", str(LOSS), *options(besides(tmp_path, *forms))]
    done = subprocess.run(words, capture_output=True, env=IN_OWN_PROCESS, check=False)
    assert done.stderr.split()[-1] == str(imported).encode()


def test_the_page_on_formats_names_every_format_and_every_column() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert [f for f in SCAN_FORMATS if f"`{f}`" not in page] == []
    assert [c for c in FINDING_COLUMNS if f"`{c}`" not in page] == []
    written = re.findall(r"traceview scan (?:(?!#).)*", page)
    options_named = set(re.findall(r"--[a-z-]+", " ".join(written)))
    help_text = run("scan", "--help").out
    assert options_named
    assert [o for o in options_named if f"{o} " not in help_text] == []


def test_a_clean_scan_is_clean_in_every_format(tmp_path: Path) -> None:
    files = besides(tmp_path)
    done = run("scan", CLEAN, *options(files))
    assert (done.code, done.err) == (0, "")
    assert not [r for r in json.loads(files["sarif"].read_bytes())["runs"][0]["results"] if r["kind"] == "fail"]
    assert xml(files["junit"].read_bytes()).attrib["failures"] == "0"
    assert files["gitlab"].read_bytes() == b"[]\n"
    assert len(files["csv"].read_bytes().splitlines()) == 1
