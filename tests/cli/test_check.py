"""``traceview check``, end to end: output and exit codes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tests.cli import SAMPLES, run, sample

HEALTHY = sample("stock-7.2-mixed")


def test_a_healthy_trace_exits_with_0() -> None:
    done = run("check", HEALTHY)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].endswith("stock-7.2-mixed/trace.log")
    assert "  ✓ healthy" in done.lines


def test_a_trace_with_a_gap_exits_with_1(tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    path.write_bytes(HEALTHY.read_bytes()[:-3])
    done = run("check", path)
    assert (done.code, done.err) == (1, "")
    assert "  ! not healthy: 1 gap (cut)" in done.lines


def test_what_cannot_be_read_exits_with_2_and_the_others_are_told(tmp_path: Path) -> None:
    done = run("check", tmp_path / "none.log", HEALTHY)
    assert done.code == 2
    assert "no such file" in done.complaint
    assert "  ✓ healthy" in done.lines
    document = json.loads(run("check", tmp_path / "none.log", "--format", "json").out)
    assert (document["traces"], len(document["unreadable"])) == ([], 1)


def test_a_directory_is_searched_and_has_a_summary() -> None:
    done = run("check", SAMPLES)
    assert done.code == 0
    assert any(line.endswith("simpletrace-2.6/trace.bin") for line in done.lines)
    assert any(" traces: " in line and " 0 not, " in line for line in done.lines)


def test_stdin_and_what_is_compressed_are_checked_as_well(tmp_path: Path) -> None:
    packed = gzip.compress(HEALTHY.read_bytes())
    by_stdin = run("check", "-", stdin=packed)
    assert (by_stdin.code, by_stdin.lines[0]) == (0, "<stdin>")
    path = tmp_path / "vm.log.gz"
    path.write_bytes(packed)
    (trace,) = json.loads(run("check", path, "--format", "json").out)["traces"]
    assert (trace["compression"], trace["size_bytes"]) == ("gzip", len(packed))
    assert trace["read_bytes"] == HEALTHY.stat().st_size


def test_the_user_can_name_the_format_the_release_and_the_rules() -> None:
    done = run(
        "check", HEALTHY, "--format", "log", "--format", "json", "--qemu", "7.2", "--rule", "mirror-exit-guest-io"
    )
    (trace,) = json.loads(done.out)["traces"]
    assert trace["format"]["named_by_user"]
    assert trace["qemu"]["since"] == trace["qemu"]["until"] == "7.2"
    assert [r["rule"] for r in trace["rules"]] == ["mirror-exit-guest-io"]


def test_the_number_listed_is_an_option(tmp_path: Path) -> None:
    (trace,) = json.loads(run("check", HEALTHY, "--format", "json", "--top", "3").out)["traces"]
    assert len(trace["events"]["listed"]) == 3
    assert run("check", HEALTHY, "--top", "0").code == 0
    assert run("check", HEALTHY, "--top", "-1").code == 2
    into = tmp_path / "health.txt"
    assert (run("check", HEALTHY, "-o", into).out, into.read_text().splitlines()[-2]) == ("", "  ✓ healthy")
