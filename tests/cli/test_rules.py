"""``traceview rules``: the list, and tools for those who write rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import run, sample
from tests.rules.texts import PLAIN, changed
from traceview.rules import builtin_rules
from traceview.vocabulary import builtin


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    path = tmp_path / "my.rules"
    path.write_text(PLAIN, encoding="utf-8")
    return path


def test_every_rule_is_listed_with_its_title(rule_file: Path) -> None:
    done = run("rules", "--rules", str(rule_file))
    assert (done.code, done.err) == (0, "")
    for rule in builtin_rules():
        assert any(line.startswith(rule.id) for line in done.lines)
        assert f"  {rule.title}" in done.lines
    assert "drained-node-io · exact" in done.lines


@pytest.mark.parametrize("rule", builtin_rules(), ids=lambda r: r.id)
def test_a_rule_is_shown_with_its_windows_releases_references_and_events(rule: object) -> None:
    known = next(r for r in builtin_rules() if r is rule)
    done = run("rules", "show", known.id)
    assert (done.code, done.err) == (0, "")
    assert " ".join(known.sentence.split()) in " ".join(done.out.split())
    for part in (*known.references, *map(str, known.affected), *(c.about for c in known.windows)):
        assert part in done.out
    for clause in known.windows:
        for need in clause.needs:
            assert any(name in done.out for name in builtin().names_of(*need.meanings))


def test_a_rule_that_is_not_known_is_answered_with_the_nearest() -> None:
    done = run("rules", "show", "mirror-exit-guest-oi")
    assert done.code == 2
    assert "did you mean 'mirror-exit-guest-io'" in done.complaint


def test_a_rule_of_ones_own_can_be_shown(rule_file: Path) -> None:
    done = run("rules", "show", "drained-node-io", "--rules", str(rule_file))
    assert done.code == 0
    assert "    open       drained(node)" in done.lines
    assert f"  written   in {rule_file}, line 1" in done.lines


def test_a_file_that_makes_sense_is_said_to(rule_file: Path) -> None:
    done = run("rules", "check", str(rule_file))
    assert (done.code, done.out, done.err) == (0, f"{rule_file}: 1 rule, no error\n", "")


def test_a_folder_is_checked_file_by_file(rule_file: Path) -> None:
    (rule_file.parent / "other.rules").write_text(changed(("drained-node-io", "second-rule")), encoding="utf-8")
    assert len(run("rules", "check", str(rule_file.parent)).lines) == 2


def test_what_is_wrong_with_a_file_is_told_as_a_compiler_does(rule_file: Path) -> None:
    rule_file.write_text(
        changed(("drained(node)", "draned(node)"), ("guest_io(node)", "guest_io(bs)")), encoding="utf-8"
    )
    done = run("rules", "check", str(rule_file))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"{rule_file}:7:12: unknown meaning 'draned'\n    7 |     open   draned(node)\n")
    assert done.err.endswith("2 errors\n")


def test_what_stands_in_a_rule_file_cannot_steer_a_terminal(rule_file: Path) -> None:
    rule_file.write_text('rule a-b { title "\x1b[31m" title "x" }', encoding="utf-8")
    assert "\x1b" not in run("rules", "check", str(rule_file)).err


def test_a_rule_is_tested_on_a_trace(rule_file: Path) -> None:
    rule_file.write_text(
        PLAIN.replace("subject  node", "subject  job")
        .replace("drained(node)", "job_deferred(job)")
        .replace("drained_end(node)", "job_exit(job)")
        .replace("guest_io(node)", "guest_submit(node)"),
        encoding="utf-8",
    )
    done = run("rules", "test", str(rule_file), str(sample("lp1570134-case-1")))
    assert done.code == 1
    assert "✗ BROKEN PROMISE  mirror job 0x563433de3b80 on drive0   [1] drained-node-io · exact" in done.lines
    assert done.lines[-1] == "drained-node-io: 3 windows"


def test_a_rule_with_nothing_to_judge_says_why_and_is_inconclusive(rule_file: Path) -> None:
    done = run("rules", "test", str(rule_file), str(sample("stock-7.2-mixed")))
    assert done.code == 3
    assert done.lines[-1] == ("drained-node-io: no window: not traced: bdrv_drained_begin_done; bdrv_drained_end")


def test_rules_of_ones_own_are_judged_by_in_a_scan(rule_file: Path) -> None:
    trace = str(sample("fixed"))
    assert run("scan", trace, "--rule", "drained-node-io").code == 2
    done = run("scan", trace, "--rules", str(rule_file), "--rule", "drained-node-io", "--format", "json")
    assert '"rule": "drained-node-io"' in done.out


def test_a_rule_file_that_makes_no_sense_stops_a_scan(rule_file: Path) -> None:
    rule_file.write_text("rulee", encoding="utf-8")
    done = run("scan", str(sample("fixed")), "--rules", str(rule_file))
    assert (done.code, done.out) == (2, "")
    assert "unexpected 'rulee'" in done.complaint


@pytest.mark.parametrize("command", ["scan", "show"])
def test_the_release_can_be_given(command: str) -> None:
    done = run(command, str(sample("lp1570134-case-1")), "--qemu", "2.6.0-rc3")
    assert (
        "  QEMU 2.6.0-rc3 is known to be affected; fixed in 2.6.0-rc4 by ab27c3b5e7, in 4.2.0 by cf3129323f"
        in done.lines
    )


def test_what_is_no_release_is_refused() -> None:
    done = run("scan", str(sample("fixed")), "--qemu", "master")
    assert done.code == 2
    assert "'master' is no release of QEMU" in done.complaint
