"""The store for a person: what is new stands out, what is hidden is counted, all of one finding is told."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from tests.report import HOSTILE, RAW, request, window
from tests.report.stored import RULE, TREE, document, entry, finding, note, occurrence, scan, stats
from traceview.findings import Extent
from traceview.report.style import Style
from traceview.report.triage import (
    MOST_EXTENTS,
    MOST_HISTORY,
    MOST_ROWS,
    STATE_COLOUR,
    Shown,
    absence_words,
    added_line,
    begin_lines,
    changed_lines,
    list_lines,
    merged_line,
    names,
    show_lines,
    state_words,
    stats_lines,
)
from traceview.store.model import Absence, StoredFinding, TriageState

PLAIN, COLOUR = Style(colour=False), Style(colour=True)
NOTHING_HIDDEN = {"ignored": 0, "fixed": 0, "merged": 0}


def listed(*findings: StoredFinding, style: Style = PLAIN, **options: Any) -> list[str]:
    return list(list_lines(findings, style, hidden=options.pop("hidden", NOTHING_HIDDEN), **options))


def shown(found: StoredFinding | None = None, style: Style = PLAIN, **changes: Any) -> str:
    plain: dict[str, Any] = {"worst": occurrence(), "history": [], "absence": None, **changes}
    return "\n".join(show_lines(Shown(found if found is not None else finding(), **plain), style))


def told(style: Style = PLAIN, **changes: Any) -> str:
    return "\n".join(stats_lines(stats(**changes), style))


# the list


def test_a_finding_is_one_line_under_a_heading() -> None:
    heading, line, blank, total = listed(finding())
    assert heading.split() == ["#", "state", "severity", "seen", "VMs", "first", "last", "what"]
    what = f"virtio-blk · case-1 · {RULE.title} · LP 1570134"
    assert line == f"3  new    data-loss    3×  vm1, vm2  2026-11-20  2026-11-28  {what}"
    assert (blank, total) == ("", "1 finding: 1 new")


def test_the_columns_stand_below_each_other_whatever_is_in_them() -> None:
    other = finding(
        id=112, state=TriageState.REGRESSED, severity="broken-promise", certain=False, vms=(), occurrences=1
    )
    lines = listed(finding(), other)[:3]
    assert len({line.index(word) for line, word in zip(lines, ("first", "2026-11-20", "2026-11-20"), strict=True)}) == 1
    assert "regressed  broken-promise (possible)    1×  -         2026" in lines[2]


def test_findings_are_counted_by_state() -> None:
    states = [TriageState.NEW, TriageState.KNOWN, TriageState.NEW, TriageState.REGRESSED]
    lines = listed(*(finding(id=i, state=s) for i, s in enumerate(states)))
    assert lines[-1] == "4 findings: 2 new, 1 known, 1 regressed"


def test_what_is_hidden_is_counted_and_how_to_see_it_is_told() -> None:
    assert listed(hidden={"ignored": 2, "fixed": 0, "merged": 1}) == [
        "no finding",
        "not shown: 2 ignored, 1 merged (--all shows them)",
    ]


def test_a_screen_has_the_first_ones_and_says_how_many_more_there_are() -> None:
    lines = listed(*(finding(id=i) for i in range(1, 8)), most=3)
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
    assert lines[4] == "  … 4 more: traceview triage list has all"
    assert lines[-1] == "7 findings: 7 new"


def test_a_narrow_screen_cuts_what_is_said_last() -> None:
    heading, line, *_ = listed(finding(), width=100)
    assert len(line) == 100
    assert line.endswith("…")
    assert " 2026-11-28  virtio-blk · case-1 · guest I/O" in line
    assert listed(finding(), width=10)[1] == listed(finding(), width=20)[1]
    assert listed(finding(), width=500) == listed(finding())
    assert heading.split()[-1] == "what"


def test_a_merged_finding_says_into_which_one() -> None:
    assert "merged into 1" in listed(finding(merged_into=1))[1]


@pytest.mark.parametrize("state", TriageState)
def test_colour_is_for_a_terminal_and_changes_no_text(state: TriageState) -> None:
    found = finding(state=state, severity="broken-promise")
    assert any("\x1b[" in line for line in listed(found, style=COLOUR))
    bare = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in listed(found, style=COLOUR)]
    assert bare == listed(found)


def test_every_state_has_a_colour() -> None:
    assert set(STATE_COLOUR) == set(TriageState)


def test_of_many_names_the_first_are_told_and_the_others_counted() -> None:
    assert names(("a", "b", "c", "d"), most=2) == "a, b +2"
    assert names((), most=2) == ""
    assert "vm1, vm2 +1" in listed(finding(vms=("vm1", "vm2", "vm3")))[1]


# one finding


def test_all_of_a_finding_is_told() -> None:
    text = shown(
        finding(
            state=TriageState.KNOWN, fixed_in="4.2.0", reason="upstream has it", links=("https://example.org/1",),
            identities=(finding().identity, "v0-" + "0" * 32), releases=("2.6", "2.7 or older"),
        ),
        history=[entry("state", "known, fixed in 4.2.0"), entry()],
    )  # fmt: skip
    for expected in (
        "✗ DATA LOSS  #3  guest I/O between the end of a mirror job and the switch to its target · LP 1570134",
        "  state      known, fixed in 4.2.0: upstream has it",
        "  rule       mirror-exit-guest-io (version 1)",
        "  kind       device virtio-blk, shape case-1",
        "  seen       3 times in 2 traces",
        "  first      2026-11-20 03:12 UTC",
        "  last       2026-11-28 03:10 UTC",
        "  VMs        vm1, vm2",
        "  hosts      host1",
        "  releases   2.6, 2.7 or older",
        "  most lost  4096 B (4 KiB) in one occurrence",
        f"  identity   {finding().identity}",
        "    also     v0-00000000000000000000000000000000",
        "  links      https://example.org/1",
        "  trace      /logs/vm1.log (log)",
        "  window     open for 626 µs, 1 iteration of the main loop, case 1: iohandler_ctx dispatched after the job, "
        "same iteration, exact",
        "  inside     1 guest write",
        "  2026-11-28 03:10 UTC  note   eva: the customer was told",
    ):
        assert expected in text.splitlines()
    assert TREE in text


def test_what_is_not_known_is_left_out() -> None:
    text = shown(finding(device_kind="", shape="", vms=(), hosts=(), releases=(), lost_bytes=0, links=()))
    assert not [w for w in ("kind", "VMs", "hosts", "releases", "links", "most lost") if f"\n  {w} " in text]


def test_what_is_only_possible_is_said_to_be() -> None:
    assert shown(finding(certain=False)).startswith("✗ POSSIBLE DATA LOSS  #3")


def test_a_release_that_is_not_told_is_said_not_to_be() -> None:
    assert "  QEMU       the trace does not tell its release" in shown(worst=occurrence(note(qemu="")))


def test_stand_ins_and_a_covering_baseline_are_told() -> None:
    doc = document()
    doc["window"] |= {"evidence": "proxy", "about": "QEMU 2.12 and newer"}
    text = shown(worst=occurrence(document=doc, suppressed="a test machine"))
    assert "by stand-ins of QEMU 2.12 and newer" in text
    assert "  baseline   covered: a test machine" in text


def test_lost_extents_are_listed_up_to_a_number_and_the_rest_is_summed() -> None:
    lost = [Extent(i * 8192, 4096) for i in range(MOST_EXTENTS + 3)]
    text = shown(worst=occurrence(document=document(window(request(), lost=lost, rewritten_bytes=512))))
    assert f"What was lost: 94208 B (92 KiB) in {MOST_EXTENTS + 3} extents, 512 B rewritten since" in text
    assert "\n             8192 +4096\n" in text
    assert "  … 3 more extents, 12288 B (12 KiB)" in text


def test_a_long_history_shows_its_end() -> None:
    text = shown(history=[entry(text=f"note {i}") for i in range(MOST_HISTORY + 2)])
    assert "  … 2 before (--format json has all)" in text
    assert "note 1\n" not in text
    assert text.endswith(f"note {MOST_HISTORY + 1}")


def test_a_note_of_several_lines_stays_one_entry() -> None:
    text = shown(history=[entry(text="first\nsecond\x1b[2J")])
    assert "eva: first\n      second\\x1b[2J" in text


# states and fixes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "new"),
        ({"state": TriageState.KNOWN, "fixed_in": "4.2.0"}, "known, fixed in 4.2.0"),
        ({"state": TriageState.IGNORED, "reason": "test machines"}, "ignored: test machines"),
        (
            {"state": TriageState.IGNORED, "reason": "moving", "until": date(2027, 1, 31)},
            "ignored: moving (until 2027-01-31)",
        ),
    ],
)
def test_a_state_is_told_with_what_belongs_to_it(changes: dict[str, Any], words: str) -> None:
    assert state_words(finding(**changes)) == words


@pytest.mark.parametrize(
    ("absence", "words"),
    [
        (
            Absence("4.2.0", 3, 12, 45, 0, enough=False),
            "not seen in 12 windows of 3 traces of 4.2.0 and newer; 45 needed to be 95% sure: not enough yet",
        ),
        (
            Absence("4.2.0", 9, 45, 45, 0, enough=True),
            "not seen in 45 windows of 9 traces of 4.2.0 and newer; 45 needed to be 95% sure: enough",
        ),
        (Absence("4.2.0", 3, 12, 45, 1, enough=False), "seen 1 time in releases that carry the fix (4.2.0 and newer)"),
    ],
)
def test_how_far_a_fix_is_shown_is_told_with_the_figures(absence: Absence, words: str) -> None:
    assert absence_words(absence) == words
    assert f"  fix        {words}" in shown(absence=absence)


# changes


def test_what_was_changed_is_named_so_that_a_mistake_is_seen() -> None:
    (line,) = changed_lines([finding(state=TriageState.CONFIRMED)], PLAIN)
    assert line.startswith("#3  confirmed  virtio-blk · case-1 · guest I/O between")
    assert merged_line(4, finding()).startswith("#4 is merged into #3  virtio-blk · case-1 · guest I/O")
    assert merged_line(4, finding()).endswith(": seen 3 times in 2 traces now")


def test_an_import_says_what_it_added() -> None:
    assert added_line({"findings": 2, "history": 5, "links": 0}) == "added: 2 findings, 5 entries of history"
    assert added_line({"findings": 0}) == "nothing was added: all of it was there"


def test_an_empty_store_says_how_to_begin() -> None:
    text = "\n".join(begin_lines("/my logs/f.sqlite", PLAIN))
    assert "traceview scan logs/ --store '/my logs/f.sqlite'" in text


# figures of the store


def test_the_figures_are_told_in_the_order_of_the_store() -> None:
    text = told()
    assert text.splitlines()[0] == "3 findings, seen 9 times in 12 scans"
    assert re.findall(r"^ +\d+  (new|known)$", text, re.MULTILINE) == ["new", "known"]
    assert "          3  vm1\n          1  not known" in text
    windows = text.split("windows judged, by release\n")[1].split("\n\n")[0].splitlines()
    assert [line.split()[-1] for line in windows] == ["2.6", "10.0", "known"]
    assert windows[0].split() == ["1200", "3", "violated", "2.6"]


def test_states_are_in_the_order_of_triage() -> None:
    text = told(by_state={"fixed": 5, "regressed": 1, "new": 1, "ignored": 0})
    assert re.findall(r"^ +\d+  (\w+)$", text.split("by rule")[0], re.MULTILINE) == ["new", "fixed", "regressed"]


def test_unfinished_scans_and_waiting_letters_are_named() -> None:
    text = told(unfinished=(scan(finished_at=None),), outbox_pending=2)
    assert "1 unfinished scan\n  /logs/vm1.log on host1, begun 2026-11-20 03:12 UTC" in text
    assert "2 letters waiting in the outbox: traceview triage deliver sends them" in text
    assert "no scan is unfinished" in told()


def test_long_tables_are_cut_and_say_so() -> None:
    text = told(by_vm={f"vm{i}": 1 for i in range(MOST_ROWS + 5)}, unfinished=(scan(),) * (MOST_ROWS + 1))
    assert "  … 5 more (--format json has all)" in text
    assert "  … 1 more (--format json has all)" in text


# hostile text


def hostile_finding() -> StoredFinding:
    return finding(
        rule=HOSTILE, title=HOSTILE, label=HOSTILE, severity=HOSTILE, device_kind=HOSTILE, shape=HOSTILE,
        fixed_in=HOSTILE, reason=HOSTILE, vms=(HOSTILE,), hosts=(HOSTILE,), releases=(HOSTILE,), links=(HOSTILE,),
        identities=(HOSTILE, HOSTILE), group=HOSTILE,
    )  # fmt: skip


def test_no_text_of_the_store_reaches_a_terminal_as_it_stands() -> None:
    found = hostile_finding()
    doc = document()
    doc["window"] |= {"evidence": HOSTILE, "reason": HOSTILE, "shape": HOSTILE}
    doc["finding"]["known"] = {"state": "affected", "words": HOSTILE}
    hostile_note = note(trace=HOSTILE, format=HOSTILE, host=HOSTILE, vm=HOSTILE, qemu=HOSTILE)
    worst = occurrence(hostile_note, instance=HOSTILE, document=doc, interleaving=HOSTILE, suppressed=HOSTILE)
    absence = Absence(HOSTILE, 1, 1, 1, 0, enough=True)
    lines = [
        *listed(found),
        *show_lines(Shown(found, worst, [entry(HOSTILE, HOSTILE, HOSTILE)], absence), PLAIN),
        *changed_lines([found], PLAIN),
        merged_line(1, found),
        *begin_lines(HOSTILE, PLAIN),
        *stats_lines(
            stats(
                by_rule={HOSTILE: 1}, by_vm={HOSTILE: 1}, by_host={HOSTILE: 1}, by_state={HOSTILE: 1},
                by_release={HOSTILE: (1, 1)}, unfinished=(scan(hostile_note),),
            ),
            PLAIN,
        ),
    ]  # fmt: skip
    assert not [line for line in lines for raw in RAW if raw in line]
