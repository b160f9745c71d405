"""``traceview vocabulary`` and ``traceview suggest``, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli import run, sample
from tests.rules.texts import PLAIN
from traceview.rules import EXIT_RULE, builtin_rules
from traceview.rules.load import words

LOSS = sample("stock-4.1-ide-lost-write")


def test_the_vocabulary_is_shown_whole_or_by_release() -> None:
    whole, of_26 = run("vocabulary"), run("vocabulary", "--qemu", "2.6")
    assert (whole.code, whole.err, of_26.code) == (0, "", 0)
    assert all(any(line.split("(")[0] == name for line in whole.lines) for name in words())
    assert "blk_co_pwritev (2.7 to 9.0)" in whole.out
    assert "blk_co_pwritev" not in of_26.out


def test_the_vocabulary_is_data_for_machines() -> None:
    done = run("vocabulary", "--format", "json")
    assert {m["name"] for m in json.loads(done.out)["meanings"]} == set(words())


def test_a_trace_says_what_it_can_tell_and_what_it_cannot() -> None:
    done = run("vocabulary", LOSS)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].endswith("QEMU 4.0 to 5.1")
    assert f"  ✓ {EXIT_RULE}: by stand-ins of QEMU 2.12 and newer" in done.lines
    assert "      lacks bdrv_drained_end (a probe)" in done.lines
    document = json.loads(run("vocabulary", LOSS, "--format", "json", "--rule", EXIT_RULE).out)
    assert [(r["rule"], r["can_be_judged"]) for r in document["rules"]] == [(EXIT_RULE, True)]


def test_the_vocabulary_of_stdin_and_of_what_is_no_trace() -> None:
    assert run("vocabulary", "-", stdin=LOSS.read_bytes()).code == 0
    done = run("vocabulary", LOSS.parent / "none.log")
    assert (done.code, done.out) == (2, "")


def test_the_events_for_a_rule_are_a_file_that_qemu_reads(tmp_path: Path) -> None:
    by_option = run("suggest", "--rules", EXIT_RULE, "--qemu", "7.2")
    assert (by_option.code, by_option.err) == (0, "")
    names = [line for line in by_option.lines if line and not line.startswith("#")]
    assert {"mirror_start", "mirror_before_drain", "job_completed", "blk_co_pwritev"} <= set(names)
    assert run("suggest", EXIT_RULE, "--qemu", "v7.2.22").code == 0
    into = tmp_path / "vm.events"
    done = run("suggest", EXIT_RULE, "--qemu", "7.2", "-o", into)
    assert (done.code, done.out) == (0, "")
    assert f"-trace events={into} " in into.read_text()


def test_rules_are_named_by_option_by_argument_with_commas_or_as_files(tmp_path: Path) -> None:
    (tmp_path / "my.rules").write_text(PLAIN, encoding="utf-8")
    ids = ["drained-node-job-io", "external-off-kick"]
    texts = {
        run("suggest", "--rules", ids[0], "--rules", ids[1], "--qemu", "6.0").out,
        run("suggest", "--rules", ",".join(ids), "--qemu", "6.0").out,
        run("suggest", *ids, "--qemu", "6.0").out,
    }
    assert len(texts) == 1
    own = run("suggest", "drained-node-io", "--rules", tmp_path / "my.rules", "--qemu", "6.0")
    assert (own.code, own.lines[0][:18]) == (0, "# drained-node-io:")


def test_without_a_rule_all_are_served_that_stock_events_can_judge() -> None:
    done = run("suggest", "--qemu", "9.0")
    assert done.code == 0
    named = {line[2:].split(":")[0] for line in done.lines if line.startswith("# ")} & {r.id for r in builtin_rules()}
    assert {EXIT_RULE, "mirror-start-guest-write", "scsi-bus-stays-drained"} <= named
    assert "drained-node-guest-io" not in named


def test_exact_evidence_can_be_asked_for() -> None:
    done = run("suggest", EXIT_RULE, "--qemu", "2.6", "--exact")
    assert "# trace-events: mirror_exit(void *bs, void *job, " in done.out


def test_a_rule_that_a_release_cannot_show_is_inconclusive() -> None:
    done = run("suggest", "external-off-kick", "--qemu", "9.0")
    assert done.code == 3
    assert "nothing that tells external_off" in done.out
    assert run("suggest", "--qemu", "1.2").code == 3


def test_a_release_that_is_not_known_yet_is_served_like_the_newest() -> None:
    done = run("suggest", EXIT_RULE, "--qemu", "12.1")
    assert done.code == 0
    assert "QEMU 12.1 is newer than what is known: the events are those of 9.0" in done.err
    assert done.out == run("suggest", EXIT_RULE, "--qemu", "9.0").out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("suggest", EXIT_RULE), "Missing option '--qemu'"),
        (("suggest", EXIT_RULE, "--qemu", "new"), "'new' is no release of QEMU"),
        (("suggest", EXIT_RULE, "--qemu", "1.0"), "1.2 is the first"),
        (("suggest", "mirror-exit-guest-oi", "--qemu", "7.2"), "did you mean 'mirror-exit-guest-io'"),
        (("suggest", EXIT_RULE, "--qemu", "7.2", "--format", "csv"), "'csv' is none of"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: tuple[str, ...], complaint: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert complaint in done.complaint


def test_suggestions_are_data_for_machines() -> None:
    document = json.loads(run("suggest", "drained-node-guest-io", "--qemu", "7.2", "--format", "json").out)
    assert document["schema_version"] == 1
    assert document["probes"][0]["event"] == "bdrv_drained_begin"
