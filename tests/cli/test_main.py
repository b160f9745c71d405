"""The command line as a whole: help, how it ends, what it writes where, terminals."""

from __future__ import annotations

import gzip
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import traceview
from tests.cli import COMMAND, IN_OWN_PROCESS, run, run_alone, sample
from tests.writers import PACK
from traceview.cli import main
from traceview.cli.progress import ProgressBar
from traceview.repair.undo import Origin, UndoWriter

LOSS = sample("lp1570134-case-1")
SIZE = 17 << 20
"""As large as the disk of that trace must be."""
COMMANDS = (
    "scan", "show", "repair", "verify", "windows", "requests", "events", "export", "formats", "vocabulary", "suggest",
    "rules",
)  # fmt: skip
SUBCOMMANDS = ("rules check", "rules clauses", "rules show", "rules test")
ON_DEFERRAL = """rule guest-io-behind-a-deferral {
  title "guest I/O behind a deferral" says "None may come." template forbidden-in-window subject job
  exact { open job_deferred(job) close job_exit(job) forbid guest_submit(node) }
}
"""


# help and version


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version_is_printed(word: str) -> None:
    done = run(word)
    assert (done.code, done.out, done.err) == (0, f"traceview {traceview.__version__}\n", "")


def test_without_a_command_help_is_printed() -> None:
    done = run()
    assert done.code == 2
    for command in COMMANDS:
        assert f" {command} " in done.out + done.err


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_the_help_tells_the_exit_codes(word: str) -> None:
    text = " ".join(run(word).out.split())
    assert "Exit codes: 0 nothing found, 1 findings, 2 usage" in text
    assert "3 inconclusive, 70 a bug" in text


def test_a_wrong_command_names_the_nearest() -> None:
    done = run("scna", LOSS)
    assert done.code == 2
    assert "Did you mean 'scan'?" in done.complaint


def test_a_wrong_option_names_the_nearest() -> None:
    assert "--finding" in run("show", LOSS, "--findin", "1").complaint


def examples(command: str) -> list[str]:
    """Return the examples of a command's help on a terminal of 80 columns."""
    text = run_alone(*command.split(), "--help", env={"COLUMNS": "80"}).out
    assert max(map(len, text.splitlines())) <= 80
    return [line.strip() for line in text.split("Examples:")[1].splitlines() if line.strip()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files that the examples speak of, and with the command."""
    shutil.copy(LOSS, tmp_path / "vm.log")
    (tmp_path / "my.rules").write_text(ON_DEFERRAL, encoding="utf-8")
    (tmp_path / "vm.log.gz").write_bytes(gzip.compress(LOSS.read_bytes()))
    (tmp_path / "logs").mkdir()
    for name in ("lp1570134-case-2", "cancelled"):
        shutil.copy(sample(name), tmp_path / "logs" / f"{name}.log")
    shutil.copy(sample("simpletrace-2.6", "trace.bin"), tmp_path / "trace.bin")
    shutil.copy(sample("simpletrace-2.6", "trace-events"), tmp_path / "trace-events-all")
    (tmp_path / "old.img").write_bytes(b"\1" * SIZE)
    (tmp_path / "new.img").write_bytes(b"\2" * SIZE)
    undo = UndoWriter(tmp_path / "new.img.undo-20240516T101112Z", Origin("new.img", "raw", SIZE, "old.img", ""))
    undo.finish()
    undo.close()
    command = tmp_path / "bin" / "traceview"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m traceview "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("command", [*COMMANDS, *SUBCOMMANDS])
def test_the_examples_of_the_help_work_as_printed(command: str, folder: Path) -> None:
    lines = examples(command)
    assert lines
    env = {**IN_OWN_PROCESS, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    for line in lines:
        assert "traceview " in line
        done = subprocess.run(line, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)  # noqa: S602  (as a shell takes it)
        assert (done.returncode in (0, 1), done.stderr) == (True, ""), line
        assert done.stdout or any(f.stat().st_size for f in folder.glob("*.*") if f.name in line), line


# how it ends


def test_a_bug_is_70_and_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_words: object, **_options: object) -> None:
        raise ZeroDivisionError("division\x1b[31m by\nzero")

    monkeypatch.setattr("traceview.fleet.scan_all", broken)
    done = run("scan", LOSS)
    assert (done.code, done.out) == (70, "")
    first, *others = done.err.splitlines()
    assert first == "traceview: error: this is a bug in traceview: ZeroDivisionError: division\\x1b[31m by"
    assert "TRACEVIEW_TRACEBACK=1" in others[-1]
    assert all(line.startswith("    ") for line in others)


def test_a_bug_shows_its_traceback_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_words: object, **_options: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("traceview.fleet.scan_all", broken)
    with pytest.raises(ZeroDivisionError, match="by zero"):
        run("scan", LOSS, env={"TRACEVIEW_TRACEBACK": "1"})


def test_an_interrupt_is_130_and_leaves_no_traceback() -> None:
    with subprocess.Popen(
        [*COMMAND, "scan", "-"], env=IN_OWN_PROCESS, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # More than a pipe holds: when it has been taken, the command is reading.
        process.stdin.write(LOSS.read_bytes() * 4)
        process.stdin.flush()
        # A signal that comes just before a read blocks is seen only after it: people press the keys again, too.
        for _ in range(20):
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=3)
                break
        assert process.returncode == 130
        assert process.stdout.read() == b""
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize("kind", sorted(PACK))
def test_an_interrupt_while_compressed_stdin_is_waited_for_is_130(kind: str) -> None:
    with subprocess.Popen(
        [*COMMAND, "scan", "-"], env=IN_OWN_PROCESS, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # More than a pipe holds: when it has been taken, the command is reading.
        process.stdin.write(PACK[kind](LOSS.read_bytes()) * 40)
        process.stdin.flush()
        for _ in range(20):
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=3)
                break
        assert process.returncode == 130
        assert process.stdout.read() == b""
        assert process.stderr.read() == b""


def test_an_interrupt_while_a_trace_is_read_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_source: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("traceview.source.ByteSource.reading", interrupted)
    done = run("scan", LOSS)
    assert (done.code, done.out, done.err) == (130, "", "")


def test_an_interrupt_removes_the_half_written_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "events.csv"

    def interrupted(*_words: object) -> None:
        assert target.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("traceview.report.tables.write_frames", interrupted)
    assert run("events", LOSS, "-o", target).code == 130
    assert not target.exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["events", LOSS], 0), (["events", LOSS, "--format", "parquet"], 0), (["windows", LOSS], 0),
        (["show", LOSS], 0), (["rules"], 0), (["scan", LOSS], 1), (["scan", sample("fixed")], 0),
        (["events", LOSS, "-e", "nothing_of_the_kind"], 0),
    ],
)  # fmt: skip
def test_a_reader_that_has_gone_is_met_in_silence(words: list[str], code: int) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, *map(str, words)], env=IN_OWN_PROCESS, stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (code, b"")


def test_head_gets_its_line_of_a_table_of_any_length(tmp_path: Path) -> None:
    long = tmp_path / "long.log"
    long.write_bytes(LOSS.read_bytes() * 40)
    with subprocess.Popen(
        [*COMMAND, "events", long], env=IN_OWN_PROCESS, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().split()[:3] == [b"record", b"line", b"byte_offset"]
        process.stdout.close()
        assert (process.wait(timeout=30), process.stderr.read()) == (0, b"")


@pytest.mark.parametrize("command", ["scan", "windows", "events"])
def test_a_full_stdout_is_a_clean_error(command: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, command, str(LOSS)], env=IN_OWN_PROCESS, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr == b"traceview: error: stdout: cannot be written: No space left on device\n"


def test_closed_streams_do_not_change_the_exit_code() -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "{sys.executable}" -m traceview scan "$1" >&- 2>&-', "sh", str(LOSS)],
        env=IN_OWN_PROCESS, check=False,
    )  # fmt: skip
    assert done.returncode == 1


# terminals


def on_terminal(
    *words: str | Path, env: dict[str, str] | None = None, only: str = "both", feed: bytes | None = None
) -> str:
    """Run the command with a terminal for stdout, for stderr, or for both, and return what the terminal shows."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, words)],
        env={**IN_OWN_PROCESS, "TERM": "xterm", "COLUMNS": "120", **(env or {})},
        stdin=subprocess.PIPE if feed is not None else subprocess.DEVNULL,
        stdout=slave if only in ("both", "stdout") else subprocess.DEVNULL,
        stderr=slave if only in ("both", "stderr") else subprocess.DEVNULL,
    ) as process:
        os.close(slave)
        if feed is not None:
            assert process.stdin is not None
            half = len(feed) // 2
            process.stdin.write(feed[:half])
            process.stdin.flush()
            time.sleep(1.3)
            process.stdin.write(feed[half:])
            process.stdin.close()
        shown = bytearray()
        while select.select([master], [], [], 30)[0]:
            try:
                piece = os.read(master, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        process.wait(timeout=30)
    os.close(master)
    return shown.decode("utf-8", "replace")


RED = "\x1b[31;1m✗ DATA LOSS\x1b[0m"


def test_a_terminal_has_colour() -> None:
    assert RED in on_terminal("scan", LOSS)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_a_terminal_has_no_colour_where_it_is_not_wanted(env: dict[str, str]) -> None:
    shown = on_terminal("scan", LOSS, env=env)
    assert "✗ DATA LOSS" in shown
    assert "\x1b" not in shown


def test_what_is_no_terminal_has_colour_only_by_force() -> None:
    assert "\x1b" not in run("scan", LOSS).out
    assert "\x1b" not in run("scan", LOSS, env={"FORCE_COLOR": "0"}).out
    assert RED in run("scan", LOSS, env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in run("scan", LOSS, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out


def test_a_file_never_has_colour(tmp_path: Path) -> None:
    target = tmp_path / "scan.txt"
    run("scan", LOSS, "-o", target, env={"FORCE_COLOR": "1"})
    assert target.read_bytes() == run("scan", LOSS).raw


def test_parquet_is_not_sent_to_a_terminal() -> None:
    shown = on_terminal("events", LOSS, "--format", "parquet")
    assert "parquet is binary" in shown
    assert "PAR1" not in shown


# progress

LONG = (LOSS.read_bytes() * 40)[: 3 << 20]


def test_short_work_shows_no_progress() -> None:
    assert on_terminal("scan", LOSS, only="stderr") == ""


def test_long_work_shows_progress_on_a_terminal_and_takes_it_away() -> None:
    shown = on_terminal("scan", "-", only="stderr", feed=LONG)
    assert "<stdin>" in shown
    assert re.search(r"\d\.\d/\? MB|\d\.\d MB|\d+ bytes", shown)
    assert shown.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))


def test_no_terminal_shows_no_progress_however_long_the_work() -> None:
    assert on_terminal("scan", "-", only="stdout", feed=LONG).count("<stdin>") == 0


def test_progress_does_not_run_through_a_table_on_the_same_terminal() -> None:
    shown = on_terminal("events", "-", "-e", "mirror_exit", feed=LONG)
    assert "<stdin>" not in shown
    assert "mirror_exit" in shown


def test_progress_is_shown_only_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    now = [0.0]
    trace = traceview.open(LOSS)
    seen = []
    with ProgressBar(clock=lambda: now[0]) as progress:
        progress.watch(trace)
        assert trace.source.on_bytes is not None
        for moment in (0.9, 1.1):
            now[0] = moment
            trace.source.on_bytes(1000)
            seen.append(progress.visible)
        progress.watch(traceview.open(LOSS))
        seen.append(progress.visible)
    assert seen == [False, True, False]


def test_main_is_what_the_entry_point_names() -> None:
    entry = (sample("fixed").parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'traceview = "traceview.cli:main"' in entry
    assert callable(main)
