"""The text of an issue about a finding, for QEMU's tracker or for one's own.

The sections of ``qemu-gitlab`` are those of QEMU's template for bugs (``.gitlab/issue_templates/bug.md`` in its tree).
What the store does not know is left as a blank that is marked (`BLANK`). QEMU's tracker is public: that text names no
host, no VM, no path of a trace and no ticket of one's own. Everything of a trace is made harmless
(`traceview.report.issue_markdown`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from traceview.findings import Severity
from traceview.releases import ReleaseRange, first_of, last_of, parse_release
from traceview.report.escape import printable
from traceview.report.extents import size
from traceview.report.issue_command import flavor, machine, without_secrets
from traceview.report.issue_markdown import code, fenced, link, prose
from traceview.report.issue_steps import newest_release, step_lines
from traceview.report.style import plural
from traceview.report.triage import names, state_words
from traceview.report.triage_occurrence import Happened, happened
from traceview.rules import Rule
from traceview.rules.standing import standing
from traceview.store.model import ScanNote, StoredFinding, StoredOccurrence

__all__ = ["BLANK", "TEMPLATES", "Issue", "count_blanks", "issue_lines", "issue_title"]

TEMPLATES = ("qemu-gitlab", "markdown")
BLANK = "FILL IN"
_NOT_IN_A_COMMENT = re.compile(r"[^\w .,:;/()'-]|-(?=-)", re.ASCII)
"""What a title loses in a comment, which it must not end."""
MOST_EXTENTS = 50
MOST_TREE_LINES = 400
_SEVERITY = {
    Severity.DATA_LOSS: "data loss: what the guest wrote in the window is missing from the image that it was moved to",
    Severity.BROKEN_PROMISE: "a broken promise: something happened that the block layer relies on not to happen",
}


@dataclass(frozen=True, slots=True)
class Issue:
    """What an issue is written from. `rule` is None for one that is not known here; `command_line` may be ``""``."""

    finding: StoredFinding
    worst: StoredOccurrence
    rule: Rule | None
    command_line: str

    @property
    def note(self) -> ScanNote:
        """The scan of the worst occurrence."""
        return self.worst.scan.note

    @property
    def told(self) -> Happened:
        """What the worst occurrence's document tells."""
        return happened(self.worst.document)


def issue_title(issue: Issue) -> str:
    """Return a title for the issue, one line of plain text."""
    finding = issue.finding
    kind = f" ({printable(finding.device_kind)})" if finding.device_kind else ""
    return f"block: {printable(finding.title)}{kind}"


def count_blanks(lines: Iterable[str]) -> int:
    """Return how many blanks there are in the text of an issue."""
    return sum(line.count(f"{BLANK} (") for line in lines)


def issue_lines(issue: Issue, template: str) -> Iterator[str]:
    """Yield the lines of the issue's text by one of `TEMPLATES`."""
    yield from _for_qemu(issue) if template == "qemu-gitlab" else _for_any_tracker(issue)


def _for_qemu(issue: Issue) -> Iterator[str]:
    yield from _comment_to_the_reporter(issue)
    yield ""
    yield "## Host environment"
    yield ""
    yield f" - Operating system: {BLANK} (the host's distribution and its release)"
    yield f" - OS/kernel version: {BLANK} (what `uname -a` prints on the host)"
    yield f" - Architecture: {BLANK} (the host's: x86_64, aarch64, s390x, …)"
    command = issue.command_line
    yield f" - QEMU flavor: {code(flavor(command)) or f'{BLANK} (qemu-system-x86_64, qemu-kvm, …)'}"
    yield f" - QEMU version: {_version(issue)}"
    yield from _command_lines(command)
    yield ""
    yield "## Emulated/Virtualized environment"
    yield ""
    yield f" - Operating system: {BLANK} (the guest's)"
    yield f" - OS/kernel version: {BLANK} (what `uname -a` prints in the guest)"
    yield f" - Architecture: {code(machine(command)) or f'{BLANK} (the one that QEMU provides)'}"
    yield ""
    yield "## Description of problem"
    yield ""
    yield from _description(issue)
    yield ""
    yield "## Steps to reproduce"
    yield ""
    yield from step_lines(issue.finding, issue.note, issue.told, issue.rule, blank=BLANK)
    yield ""
    yield "## Additional information"
    yield ""
    yield f" - On QEMU's master branch: {BLANK} (seen there too, not seen in how many runs, or not tried)"
    yield from _references(issue)
    yield f" - Identity of the finding, by which traceview knows it again: {code(issue.finding.identity)}"
    yield ""
    yield '/label ~"kind::Bug"'


def _for_any_tracker(issue: Issue) -> Iterator[str]:
    finding, note = issue.finding, issue.note
    yield f"# {prose(issue_title(issue))}"
    yield ""
    yield from _description(issue)
    yield ""
    yield "## Where it was seen"
    yield ""
    yield f" - State: {prose(state_words(finding))}"
    for what, values in (("VMs", finding.vms), ("Hosts", finding.hosts), ("Releases of QEMU", finding.releases)):
        if values:
            yield f" - {what}: {prose(names(values, most=10), limit=1000)}"
    of_whom = f"{_in_words(' of VM ', note.vm)}{_in_words(' on ', note.host)}"
    yield f" - The worst occurrence: trace {code(note.trace)}{of_whom}"
    yield f" - QEMU version: {_version(issue)}"
    yield from _command_lines(issue.command_line)
    yield ""
    yield "## Steps to reproduce"
    yield ""
    yield from step_lines(finding, note, issue.told, issue.rule, blank=BLANK)
    yield ""
    yield "## References"
    yield ""
    yield from _references(issue)
    yield from (f" - {link(url)}" for url in finding.links)
    yield f" - Finding {finding.id} of the store, identity {code(finding.identity)}"


def _in_words(before: str, name: str) -> str:
    return f"{before}{code(name)}" if name else ""


def _comment_to_the_reporter(issue: Issue) -> Iterator[str]:
    """Yield what whoever files the issue must know, as a comment, which is not shown."""
    yield "<!--"
    yield f"Title: {_NOT_IN_A_COMMENT.sub('', issue_title(issue))}"
    yield ""
    yield f"Written by traceview from its store. What that does not know is marked {BLANK}. The tracker is public: read"
    yield "what the command line and the trace name before you send it."
    yield ""
    until, known = _last_possible(issue.note), newest_release()
    if until and last_of(until) < first_of(known):
        yield f"The trace is of QEMU {until} or older, and there are newer releases: {known} at least."
    yield "QEMU supports its last two releases only, and asks for a reproduction on the master branch: try both, and"
    yield "say below what came of it. An older QEMU of a distribution is reported to the distribution."
    yield ""
    yield "traceview does not decide whether this is a security issue. If it may be one, read this before you file it:"
    yield "https://www.qemu.org/contribute/security-process/"
    yield "-->"


def _last_possible(note: ScanNote) -> str:
    """Return the last release that can have written the trace; ``""`` where that is open, or no release."""
    try:
        return parse_release(note.until or "")
    except ValueError:
        return ""


def _version(issue: Issue) -> str:
    given = issue.note.options.get("qemu")
    exact = f"{BLANK} (what `{flavor(issue.command_line) or 'qemu-system-x86_64'} --version` prints)"
    if isinstance(given, str) and given:
        return prose(given)
    return f"{prose(issue.note.qemu)}, as the trace tells; {exact}" if issue.note.qemu else exact


def _command_lines(command: str) -> Iterator[str]:
    yield " - QEMU command line:"
    yield ""
    if command.strip():
        yield from fenced(without_secrets(command).strip().splitlines(), indent="   ")
    else:
        yield f"   {BLANK} (the smallest one that shows the problem; libvirt keeps those of its VMs in"
        yield "   `/var/log/libvirt/qemu/`)"


def _description(issue: Issue) -> Iterator[str]:
    finding, told, rule = issue.finding, issue.told, issue.rule
    if rule is not None:
        yield f"What the rule says: {prose(rule.sentence, limit=5000)}"
        yield ""
    label = f", {prose(finding.label)}" if finding.label else ""
    qemu = f"QEMU {prose(issue.note.qemu)}" if issue.note.qemu else "a QEMU whose release it does not tell"
    yield f"A trace of {qemu} shows {prose(finding.title)} (rule {code(finding.rule)}{label})."
    yield ""
    yield from _facts(issue)
    if issue.worst.interleaving.strip():
        yield ""
        yield "The interleaving: (a) opens the window, (b) is what must not be in it, (c) closes it."
        yield ""
        yield from _tree(issue.worst.interleaving.splitlines())
    if told.lost or told.rewritten_bytes:
        yield ""
        yield from _loss(told)


def _facts(issue: Issue) -> Iterator[str]:
    finding, told = issue.finding, issue.told
    severities = {s.value: words for s, words in _SEVERITY.items()}
    yield f" - Severity: {severities.get(issue.worst.severity, prose(issue.worst.severity))}"
    if not issue.worst.certain:
        yield " - Possible, not certain: the trace does not tell for sure whose the requests are, or their order"
    if told.evidence == "exact":
        yield " - Evidence: the tracepoints of the very functions"
    elif told.evidence:
        yield f" - Evidence: stock tracepoints that stand in for the functions{_about(told.about)}"
    figures = ", ".join(told.figures())
    if figures:
        yield f" - Window: {figures}"
    if told.opened:
        yield f" - Opened by: {code(told.opened)}"
    if told.inside:
        device = f" of {code(told.device)}" if told.device else ""
        kind = f" ({prose(finding.device_kind)})" if finding.device_kind else ""
        yield f" - In it: {told.inside}{device}{kind}"
    if told.closed:
        yield f" - Closed by: {code(told.closed)}"
    if told.reason:
        yield f" - Note: {prose(told.reason)}"
    vms = f" of {plural(len(finding.vms), 'VM')}" if finding.vms else ""
    hosts = f" on {plural(len(finding.hosts), 'host')}" if finding.hosts else ""
    yield (
        f" - Seen: {plural(finding.occurrences, 'time')} in {plural(finding.traces, 'trace')}{vms}{hosts}, first on "
        f"{finding.first_seen:%Y-%m-%d}, last on {finding.last_seen:%Y-%m-%d}"
    )
    known = _known(issue)
    if known:
        yield f" - Known: {prose(known)}"


def _about(about: str) -> str:
    return f" ({prose(about)})" if about else ""


def _known(issue: Issue) -> str:
    """Return what is known of the release: by the rule as it is today, else as it was when the trace was scanned."""
    if issue.rule is None:
        return issue.told.known
    since, until = issue.note.since, issue.note.until
    try:
        return standing(issue.rule.affected, ReleaseRange(since, until) if since or until else None).facts
    except ValueError:  # no releases: of another store, perhaps
        return issue.told.known


def _tree(lines: list[str]) -> Iterator[str]:
    left_out = len(lines) - MOST_TREE_LINES
    yield from fenced([*lines[:MOST_TREE_LINES], *([f"… {left_out} more lines"] if left_out > 0 else [])])


def _loss(told: Happened) -> Iterator[str]:
    rewritten = f"; {size(told.rewritten_bytes)} more were rewritten by the guest since" if told.rewritten_bytes else ""
    if not told.lost:
        yield f"All that was lost, {size(told.rewritten_bytes)}, was rewritten by the guest before the trace ends."
        return
    lacking = f"{size(told.lost_bytes)} in {plural(len(told.lost), 'extent')}"
    yield f"When the trace ends, the image that the guest was moved to lacks {lacking}{rewritten}:"
    yield ""
    yield "| offset in bytes | length in bytes |"
    yield "|---:|---:|"
    yield from (f"| {offset} | {length} |" for offset, length in told.lost[:MOST_EXTENTS])
    rest = told.lost[MOST_EXTENTS:]
    if rest:
        yield ""
        yield f"… and {plural(len(rest), 'more extent')} of {size(sum(length for _, length in rest))}."


def _references(issue: Issue) -> Iterator[str]:
    references = issue.rule.references if issue.rule is not None else issue.told.references
    for reference in references:
        yield f" - See: {link(reference) if re.match('https?://', reference) else prose(reference)}"
