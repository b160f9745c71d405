"""Markdown for an issue or a chat: summary, table, the points of each finding, and nothing that a name could do."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.conftest import ROOT
from tests.report import HOSTILE, RAW, SAMPLES, request, result, sample, summary, window
from tests.report.told import COVERS, everything, known, unclear
from traceview.errors import TraceNotFoundError
from traceview.events import Gap
from traceview.findings import ScanResult
from traceview.fleet import scan_all
from traceview.report.markdown import MOST_TOLD, markdown_lines
from traceview.report.style import Style
from traceview.report.text import finding_lines
from traceview.rules import EXIT_RULE


def text_of(scan: ScanResult, *errors: TraceNotFoundError) -> str:
    return "\n".join(markdown_lines(scan, errors))


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of the table, without its heading."""
    rows = [line for line in text.split("\n") if line.startswith("|")]
    return [[c.strip() for c in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]


def outside_of_code(text: str) -> str:
    """Return what stands neither in a block of code nor in code within a line."""
    plain = re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", text)
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", plain)


def test_the_summary_comes_first() -> None:
    promise, loss = window(request(), pivoted=False), window(request())
    scan = known(result(promise, loss, window(), unclear(), loss))
    scan.findings[2] = replace(scan.findings[2], suppression=COVERS)
    lines = text_of(scan).split("\n")
    assert lines[:4] == [
        "# traceview scan",
        "",
        "**3 findings (1 data loss, 1 broken promise, 1 suppressed)** in 1 trace.",
        "5 windows checked: 1 clean, 3 violated, 1 inconclusive.",
    ]
    assert lines[4] == "Something that must be judged could not be: see below."


def test_the_table_has_a_row_for_each_finding() -> None:
    rows = rows_of(text_of(everything()))
    assert rows == [
        ["1", "data loss", f"`{EXIT_RULE}`", "`mirror job 0x10b on drive0`", "`logs/vm.log`", "line 12",
         f"`v1-{1:032x}`"],
    ]  # fmt: skip


def test_each_finding_has_its_points_in_a_block_of_code() -> None:
    scan = scan_all([sample("lp1570134-case-1")])
    text = "\n".join(markdown_lines(scan, root=ROOT))
    block = re.search(r"(?ms)^```text\n(.*?)\n```$", text)
    assert block is not None
    (finding,) = scan.findings
    window_of = scan.windows[finding.window]
    assert block[1].split("\n") == list(finding_lines(1, finding, window_of, Style(colour=False)))
    assert "In `sample-traces/lp1570134-case-1/trace.log`" in text
    assert "See <https://bugs.launchpad.net/qemu/+bug/1570134>, " in text


def test_a_suppressed_finding_is_told_as_such() -> None:
    text = text_of(known(result(window(request())), suppression=COVERS))
    assert rows_of(text)[0][1] == "data loss, suppressed"
    assert "  suppressed by known.baseline line 3: the hosts of rack 7 get the fix in March\n" in text


def test_what_was_not_judged_and_what_went_wrong_is_told() -> None:
    text = text_of(everything(), TraceNotFoundError("gone.log: no such file"))
    head, _, tail = text.partition("## Not judged\n")
    assert "1 trace could not be read: see below." in head
    assert tail.split("\n") == [
        "",
        "- other rules, by 1 of 1 trace: `traceview vocabulary TRACE` tells which, and what they need",
        f"- `logs/vm.log`: 2 windows of `{EXIT_RULE}` inconclusive: records were dropped in it",
        "- `logs/vm.log`: `mirror-final-drain-guest-io` not judged: no job looks; `enable: a or b, c`",
        "",
        "## Troubles",
        "",
        "- not read: `gone.log: no such file`",
        "- `logs/vm.log`: gap at line 4: records were dropped",
        "- `logs/vm.log`: gap at line 7: the end is cut",
        "- `logs/vm.log`: 2 lines of a known event fit none of its forms",
        "",
    ]


def test_a_clean_scan_is_short() -> None:
    assert text_of(result(window())).split("\n") == [
        "# traceview scan", "", "**0 findings** in 1 trace.", "1 window checked: 1 clean.", "",
    ]  # fmt: skip


def test_very_many_findings_are_counted_and_the_text_stays_short() -> None:
    text = text_of(known(result(*(window(request()) for _ in range(MOST_TOLD + 30)))))
    assert len(rows_of(text)) == MOST_TOLD
    assert "\n30 more are not told here.\n" in text
    assert text.count("```text") == MOST_TOLD
    assert len(text) < 65_536


def test_very_many_gaps_are_counted() -> None:
    gaps = [Gap("dropped", i, i, i, 0, 1, "lost") for i in range(1, 500)]
    text = text_of(result(trace=summary(gaps=gaps)))
    assert text.count("gap at") < 50
    assert "more\n" in text


def hostile(name: str) -> str:
    trace = summary(f"{name}/vm.log", gaps=[Gap("cut", 1, 1, 1, 0, None, name)])
    trace.vm = trace.host = name
    broken = window(request(device=name, doubt=name), target_image=name, reason=name)
    scan = known(result(broken, unclear(), trace=trace))
    scan.findings = [
        replace(f, title=name, references=(name,), suppression=replace(COVERS, source=name, reason=name))
        for f in scan.findings
    ]
    return text_of(scan, TraceNotFoundError(name))


def test_control_characters_of_the_trace_are_escaped() -> None:
    text = hostile(HOSTILE)
    assert not [raw for raw in RAW if raw in text and raw != "\n"]


def test_names_cannot_leave_their_code_or_their_cell() -> None:
    name = "``` ` ```` | x |\n# y <script> @all #1 ![i](http://example.org/x) /close"
    text = hostile(name)
    assert [len(row) for row in rows_of(text)] == [7]
    plain = outside_of_code(text)
    assert not [word for word in ("<script>", "@all", "#1", "](http") if re.search(rf"(?<!\\){re.escape(word)}", plain)]
    assert not re.search(r"(?m)^/", text)
    assert [line for line in plain.split("\n") if line.startswith("# ")] == ["# traceview scan"]


def test_the_same_scan_gives_the_same_text() -> None:
    first, second = (list(markdown_lines(scan_all([SAMPLES]), root=ROOT)) for _ in range(2))
    assert first == second
    assert not [line for line in first if str(ROOT) in line]
