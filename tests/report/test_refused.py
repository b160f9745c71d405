"""A line that the grammar refuses is explained where the scan is shown."""

from __future__ import annotations

from pathlib import Path

import traceview
from traceview.report.machine import scan_document
from traceview.report.style import Style
from traceview.report.text import scan_lines

BAD = (
    b"1@2.000001:mirror_before_drain s 0x1 dirty count 0\n"
    b"1@2.000002:mirror_exit bs zz\x1b[2J job 0x1 ret 0 should_complete 1\n"
)


def test_the_report_says_what_was_expected_and_points_at_it(tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    path.write_bytes(BAD)
    lines = list(scan_lines(traceview.open(path).scan(), Style(colour=False)))
    at = next(i for i, line in enumerate(lines) if line.startswith("refused at line 2"))
    assert lines[at] == "refused at line 2: mirror_exit: expected POINTER at column 27"
    assert lines[at + 1].index("zz") == lines[at + 2].index("^")
    assert "\x1b" not in "".join(lines)


def test_the_json_has_the_explanation(tmp_path: Path) -> None:
    path = tmp_path / "vm.log"
    path.write_bytes(BAD)
    (trace,) = scan_document(traceview.open(path).scan())["traces"]
    assert trace["refused_lines"] == 1
    assert [(r["line"], r["byte_offset"]) for r in trace["refused"]] == [(2, 51)]


def test_a_users_declaration_takes_part_in_the_explanation(tmp_path: Path) -> None:
    (tmp_path / "trace-events").write_text('mirror_exit(int code) "code %d"\n')
    path = tmp_path / "vm.log"
    path.write_bytes(b"1@2.000002:mirror_exit code zz\n")
    (refused,) = traceview.open(path, trace_events=tmp_path / "trace-events").scan().traces[0].refused
    assert "expected DECIMAL" in refused.explanation
    assert "expected POINTER" in refused.explanation or "bs" in refused.explanation
