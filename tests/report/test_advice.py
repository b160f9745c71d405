"""What to trace, as a file that QEMU reads."""

from __future__ import annotations

import pytest

from tests.rules.texts import PLAIN
from traceview.detect.advice import Advice, advise
from traceview.releases import ReleaseRange
from traceview.report.advice import advice_document, advice_lines
from traceview.rules import EXIT_RULE, load_rules
from traceview.rules.build import build_rules
from traceview.rules.load import words
from traceview.vocabulary import builtin

RELEASES = ("1.2", "2.2", "2.6", "2.11", "4.1", "7.2", "9.0")


def advice_for(*rules: str, qemu: str, exact: bool = False) -> Advice:
    chosen = load_rules().choose(rules) if rules else load_rules()
    return advise(chosen, ReleaseRange(qemu, qemu), builtin(), exact=exact)


def lines_for(*rules: str, qemu: str, exact: bool = False) -> list[str]:
    return list(advice_lines(advice_for(*rules, qemu=qemu, exact=exact), "EVENTS"))


@pytest.mark.parametrize("qemu", RELEASES)
@pytest.mark.parametrize("exact", [False, True])
def test_every_line_is_blank_a_comment_or_the_name_of_an_event(qemu: str, exact: bool) -> None:
    lines = lines_for(qemu=qemu, exact=exact)
    names = [line for line in lines if line and not line.startswith("#")]
    assert set(names) <= set(builtin().events)
    assert len(set(names)) == len(names)
    assert all("\n" not in line for line in lines)


def test_the_file_says_by_what_evidence_each_rule_is_judged_and_how_to_run_qemu() -> None:
    lines = lines_for(EXIT_RULE, qemu="7.2")
    assert lines[0] == f"# {EXIT_RULE}: by stand-ins of QEMU 2.12 and newer"
    assert lines[1].startswith("#   QEMU 7.2 has the known fixes, in 2.5.0-rc3 by 176c36997f")
    assert "report it" not in "".join(lines)
    assert "# Run QEMU with: -msg timestamp=on -trace events=EVENTS -D TRACE" in lines
    assert lines.index("# What the rules need.") < lines.index("mirror_start") < lines.index("virtio_blk_handle_write")


def test_the_file_is_called_what_it_will_be_called() -> None:
    text = "\n".join(advice_lines(advice_for(EXIT_RULE, qemu="2.6"), "vm.events"))
    assert "# Run QEMU with: -trace events=vm.events,file=TRACE" in text
    assert "EVENTS" not in text


@pytest.mark.parametrize(
    ("rule", "qemu", "file", "place"),
    [
        ("drained-node-guest-io", "7.2", "block/trace-events", "block/io.c: bdrv_drained_begin, at its end"),
        ("drained-node-guest-io", "2.6", "trace-events", "block/io.c: bdrv_drained_begin, at its end"),
        ("external-off-kick", "7.2", "trace-events", "include/block/aio.h: aio_disable_external, at its end"),
        ("context-switch-guest-io", "7.2", "trace-events", "block.c: bdrv_detach_aio_context, at its entry"),
        ("external-off-kick", "7.2", "hw/virtio/trace-events",
         "hw/virtio/virtio.c: virtio_queue_host_notifier_read, when the notifier was found set"),
    ],
)  # fmt: skip
def test_a_probe_is_declared_and_placed(rule: str, qemu: str, file: str, place: str) -> None:
    lines = lines_for(rule, qemu=qemu)
    at = lines.index(f"#   {place}")
    declaration, name = lines[at - 1], lines[at + 1]
    assert declaration.startswith(f"# {file}: {name}(")


def test_what_a_release_cannot_show_is_said() -> None:
    lines = lines_for("external-off-kick", qemu="9.0")
    assert lines[0] == "# external-off-kick: not to be shown"
    assert "#   QEMU 9.0 has nothing that tells external_off: the rule cannot be judged there" in lines


def test_no_rule_at_all_is_said() -> None:
    nothing = advise(load_rules().choose([]), ReleaseRange("1.2", "1.2"), builtin())
    assert list(advice_lines(nothing, "EVENTS")) == [
        "# QEMU 1.2 shows no rule's windows unless it is patched; name a rule to learn how."
    ]


def test_the_document_says_the_same() -> None:
    advice = advice_for("drained-node-guest-io", EXIT_RULE, qemu="7.2")
    document = advice_document(advice)
    assert (document["schema_version"], document["qemu"]) == (1, "7.2")
    assert document["options"] == "-msg timestamp=on -trace events=EVENTS -D TRACE"
    assert document["events"] == list(advice.events)
    assert document["more"] == list(advice.more)
    assert [p["event"] for p in document["probes"]] == [
        "bdrv_drained_begin", "bdrv_drained_begin_done", "bdrv_drained_end",
    ]  # fmt: skip
    assert all(p["declaration"].startswith(f"{p['event']}(") and p["place"] for p in document["probes"])
    by_rule = {r["rule"]: r for r in document["rules"]}
    assert by_rule[EXIT_RULE]["probes"] == []
    assert by_rule["drained-node-guest-io"]["possible"]
    assert by_rule["drained-node-guest-io"]["known"]["state"] == "affected"


def test_a_rule_of_ones_own_is_served_too() -> None:
    rules = build_rules(PLAIN, "my.rules", words())
    text = "\n".join(advice_lines(advise(rules, ReleaseRange("8.2", "8.2"), builtin()), "EVENTS"))
    assert "bdrv_drained_end" in text
