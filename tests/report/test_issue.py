"""The text of an issue: QEMU's own sections, all that is known, a marked blank for all that is not, nothing of ours."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.report import HOSTILE, RAW, request, window
from tests.report.stored import RULE, TREE, document, finding, note, occurrence
from traceview.findings import Extent
from traceview.report.issue import (
    BLANK,
    MOST_EXTENTS,
    MOST_TREE_LINES,
    TEMPLATES,
    Issue,
    count_blanks,
    issue_lines,
    issue_title,
)
from traceview.store.model import ScanNote, StoredFinding, TriageState

SECTIONS = [
    "Host environment", "Emulated/Virtualized environment", "Description of problem", "Steps to reproduce",
    "Additional information",
]  # fmt: skip
"""The headings of QEMU's template for bugs, in their order."""
COMMAND = "LC_ALL=C /usr/bin/qemu-system-x86_64 -name guest=shop -drive file=/srv/shop.img -spice password=hunter2"


def issue(of: ScanNote | None = None, found: StoredFinding | None = None, **changes: Any) -> Issue:
    command = changes.pop("command_line", "")
    rule = changes.pop("rule", RULE)
    return Issue(found if found is not None else finding(), occurrence(of, **changes), rule, command)


def text_of(of: Issue, template: str = "qemu-gitlab") -> str:
    return "\n".join(issue_lines(of, template))


def section(text: str, heading: str) -> str:
    return text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rendered(text: str) -> str:
    html: str = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    return html


def visible(text: str) -> str:
    """Return a text without its comments."""
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


# QEMU's template


def test_the_sections_are_those_of_qemus_template_and_the_label_stands_at_the_end() -> None:
    text = text_of(issue())
    assert re.findall(r"<h2>(.*?)</h2>", rendered(text)) == SECTIONS
    assert text.splitlines()[-1] == '/label ~"kind::Bug"'
    assert text.count("\n/") == 1


@pytest.mark.parametrize(
    ("heading", "fields"),
    [
        (
            "Host environment",
            [
                "Operating system",
                "OS/kernel version",
                "Architecture",
                "QEMU flavor",
                "QEMU version",
                "QEMU command line",
            ],
        ),
        ("Emulated/Virtualized environment", ["Operating system", "OS/kernel version", "Architecture"]),
    ],
)
def test_the_environments_have_the_fields_of_the_template(heading: str, fields: list[str]) -> None:
    assert re.findall(r"^ - ([^:]+):", section(text_of(issue()), heading), re.MULTILINE) == fields


def test_what_the_store_does_not_know_is_a_marked_blank() -> None:
    text = visible(text_of(issue(note(qemu=""))))
    for blank in (
        f" - Operating system: {BLANK} (",
        f" - OS/kernel version: {BLANK} (",
        f" - Architecture: {BLANK} (the host's",
        f" - Architecture: {BLANK} (the one that QEMU provides)",
        f" - QEMU flavor: {BLANK} (",
        f" - QEMU version: {BLANK} (",
        f" - QEMU command line:\n\n   {BLANK} (",
        f" - On QEMU's master branch: {BLANK} (",
    ):
        assert blank in text
    assert count_blanks(text.splitlines()) == text.count(BLANK) == 11


def test_a_command_line_fills_in_what_it_tells_and_keeps_passwords_to_itself() -> None:
    text = text_of(issue(command_line=COMMAND))
    host = section(text, "Host environment")
    assert " - QEMU flavor: `qemu-system-x86_64`" in host
    assert f"{BLANK} (what `qemu-system-x86_64 --version` prints)" in host
    assert f"   {COMMAND.replace('hunter2', '***')}\n" in host
    assert "hunter2" not in text
    assert " - Architecture: `x86_64`" in section(text, "Emulated/Virtualized environment")
    assert "<pre>" in rendered(host)


def test_a_command_line_of_several_lines_keeps_them() -> None:
    host = section(text_of(issue(command_line="/usr/bin/qemu-kvm \\\n  -m 4G\n")), "Host environment")
    assert "   /usr/bin/qemu-kvm \\\n     -m 4G\n" in host


def test_the_release_is_what_the_trace_tells_or_what_the_scan_was_told() -> None:
    assert " - QEMU version: 2.6, as the trace tells; FILL IN (" in text_of(issue())
    assert " - QEMU version: 2.6.0-rc3\n" in text_of(issue(note(options={"qemu": "2.6.0-rc3"})))


def test_a_reproduction_on_master_is_asked_for_and_an_old_release_is_named() -> None:
    old, new, unknown = (text_of(issue(note(until=u))) for u in ("2.6", "9.0", None))
    assert "QEMU 2.6 or older, and there are newer releases: 9.0 at least" in old
    for text in (old, new, unknown):
        assert "asks for a reproduction on the master branch" in text
    assert "newer releases" not in new + unknown


def test_whether_it_is_a_security_issue_is_left_to_people() -> None:
    text = text_of(issue())
    assert "https://www.qemu.org/contribute/security-process/" in text
    assert "security" not in visible(text)


def test_the_public_text_names_nothing_of_ours() -> None:
    found = finding(vms=("vm-secret",), hosts=("host-secret",), links=("https://tickets.secret/1",), reason="secret")
    of = issue(note(trace="/secret/vm.log", host="host-secret", vm="vm-secret"), found)
    assert "secret" not in text_of(of).replace("libvirt", "")
    assert "3 times in 2 traces of 1 VM on 1 host" in text_of(of)
    for named in ("vm-secret", "host-secret", "https://tickets.secret/1", "/secret/vm.log", "secret"):
        assert named in text_of(of, "markdown")


# what happened


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_happened_is_told_with_the_rule_the_figures_and_the_interleaving(template: str) -> None:
    text = text_of(issue(), template)
    assert f"\nWhat the rule says: {RULE.sentence}\n" in text
    for fact in (
        f"A trace of QEMU 2.6 shows {RULE.title} (rule `mirror-exit-guest-io`, LP 1570134).",
        " - Severity: data loss: what the guest wrote in the window is missing from the image",
        " - Evidence: the tracepoints of the very functions",
        " - Window: open for 626 µs, 1 iteration of the main loop, case 1: iohandler",
        " - Opened by: `block_job_defer_to_main_loop at line 10`",
        " - In it: 1 guest write of `drive0` (virtio-blk)",
        " - Closed by: `mirror_exit at line 20`",
        " - Seen: 3 times in 2 traces of 2 VMs on 1 host, first on 2026-11-20, last on 2026-11-28",
        " - Known: QEMU 2.6 is known to be affected; fixed in 4.2.0 by cf3129323f",
        f"\n```text\n{TREE}\n```\n",
    ):
        assert fact in text
    assert "https://bugs.launchpad.net/qemu/+bug/1570134" in text


def test_what_is_only_possible_is_said_to_be() -> None:
    assert "Possible, not certain" in text_of(issue(certain=False))
    assert "Possible, not certain" not in text_of(issue())


def test_a_broken_promise_is_not_called_data_loss() -> None:
    assert "data loss" not in visible(text_of(issue(severity="broken-promise")))


def test_a_rule_that_is_not_known_here_leaves_the_words_of_the_scan() -> None:
    doc = document()
    doc["finding"] |= {"known": {"state": "affected", "words": "QEMU 2.6 was affected"}, "references": ["see there"]}
    text = text_of(issue(rule=None, document=doc))
    assert " - Known: QEMU 2.6 was affected" in text
    assert " - See: see there" in text
    assert f"Enable the tracepoints that the rule `mirror-exit-guest-io` needs: {BLANK} (" in text


def test_lost_extents_are_a_table_that_is_capped_with_the_rest_summed() -> None:
    lost = [Extent(i * 8192, 4096) for i in range(MOST_EXTENTS + 2)]
    text = text_of(issue(document=document(window(request(), lost=lost, rewritten_bytes=512))))
    assert "lacks 212992 B (208 KiB) in 52 extents; 512 B more were rewritten by the guest since:" in text
    assert rendered(text).count("<tr>") == MOST_EXTENTS + 1
    assert "… and 2 more extents of 8192 B (8 KiB)." in text


def test_what_was_all_rewritten_is_said_to_be() -> None:
    text = text_of(issue(document=document(window(request(), rewritten_bytes=512))))
    assert "All that was lost, 512 B, was rewritten by the guest before the trace ends." in text
    assert "lacks" not in section(text, "Description of problem").split("```")[2]


def test_a_long_interleaving_is_cut_and_says_so() -> None:
    text = text_of(issue(interleaving="(b) x\n" * (MOST_TREE_LINES + 5)))
    assert text.count("(b) x") == MOST_TREE_LINES
    assert "… 5 more lines" in text


def test_an_occurrence_without_an_interleaving_has_no_empty_block() -> None:
    assert "```" not in section(text_of(issue(interleaving="")), "Description of problem")


def test_the_title_tells_the_kind_of_device() -> None:
    assert issue_title(issue()) == f"block: {RULE.title} (virtio-blk)"
    assert f"Title: block: {RULE.title} (virtio-blk)" in text_of(issue())
    assert f"<h1>block: {RULE.title} (virtio-blk)</h1>" in rendered(text_of(issue(), "markdown")).replace(
        "<code>:</code>", ":"
    )


def test_the_text_for_ones_own_tracker_tells_the_state() -> None:
    found = finding(state=TriageState.KNOWN, fixed_in="4.2.0", reason="upstream has it")
    assert " - State: known, fixed in 4.2.0: upstream has it" in text_of(issue(found=found), "markdown")


# hostile text

TRICKS = "x` @all #1 ~bug /close <script>alert(1)</script> --> ```\n/close\n/label ~x\n| y | ![z](http://a.b/c)"


def hostile(trick: str) -> Issue:
    doc = document()
    doc["window"] |= {
        "reason": trick,
        "about": trick,
        "evidence": "proxy",
        "subject": {"kind": trick},
        "job_kind": trick,
    }
    doc["window"]["open"]["event"] = doc["window"]["close"]["event"] = trick
    doc["window"]["requests"][0] |= {"device": trick, "op": trick}
    doc["finding"] |= {"known": {"words": trick}, "references": [trick, f"https://a.b/{trick}"]}
    found = finding(
        rule=trick, title=trick, label=trick, device_kind=trick, vms=(trick,), hosts=(trick,), releases=(trick,),
        links=(trick, f"https://a.b/{trick}"), reason=trick, fixed_in=trick, identity=trick,
    )  # fmt: skip
    of = note(trace=trick, host=trick, vm=trick, qemu=trick, options={"qemu": trick}, since=trick, until=trick)
    worst = occurrence(of, document=doc, interleaving=f"{trick}\n/close\n", severity=trick)
    return Issue(found, worst, None, f"{trick}\n/close\n```\n/close")


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("trick", [TRICKS, HOSTILE, "/close", "-->", "a\n/close"])
def test_no_text_of_a_trace_becomes_markup_a_mention_or_a_command(template: str, trick: str) -> None:
    text = text_of(hostile(trick), template)
    assert not [raw for raw in RAW if raw in text.replace("\n", "")]
    commands = [line for line in text.splitlines() if line.startswith("/")]
    assert commands == (['/label ~"kind::Bug"'] if template == "qemu-gitlab" else [])
    html = rendered(text)
    assert "<script" not in html
    assert "<img" not in html
    prose = re.sub(r"<!--.*?-->", "", re.sub(r"<code.*?</code>", "", html, flags=re.DOTALL), flags=re.DOTALL)
    assert "@all" not in prose
    assert "#1" not in prose
    assert "~bug" not in prose
    if template == "qemu-gitlab":
        assert re.findall(r"<h2>(.*?)</h2>", html) == SECTIONS
        assert html.index("-->") < html.index("<h2>")
        assert "master branch" in html.split("-->")[0]


def test_a_rule_of_ones_own_is_told_by_its_own_words() -> None:
    own = replace(RULE, id="my-rule", sentence="Nothing @all may *come*.", references=("see #1",))
    text = text_of(issue(rule=own, found=finding(rule="my-rule")))
    assert "Nothing `@`all may \\*come\\*." in text
    assert " - See: see `#`1" in text
