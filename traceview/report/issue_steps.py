"""How to see a finding again: what to do to a VM, what to trace meanwhile, what to ask of the trace."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from traceview.detect.advice import OLDEST, advise, newest
from traceview.releases import ReleaseRange, first_of, last_of, parse_release
from traceview.report.advice import advice_lines
from traceview.report.issue_markdown import code, fenced, prose
from traceview.report.style import duration
from traceview.report.triage_occurrence import Happened
from traceview.rules import Rule
from traceview.store.model import ScanNote, StoredFinding
from traceview.vocabulary import builtin

__all__ = ["newest_release", "step_lines", "traced_release"]

EVENTS_FILE, TRACE_FILE = "vm.events", "vm.log"
_JOBS = {
    "mirror": "Mirror the disk to another image (`drive-mirror` or `blockdev-mirror`)",
    "commit": "Commit the active layer of the disk (`block-commit`)",
}
"""What begins a job, by its kind: QEMU's monitor has these commands."""


def newest_release() -> str:
    """Return the newest QEMU that is known here: there may be newer ones."""
    return newest(builtin())


def traced_release(note: ScanNote) -> str:
    """Return a release to trace anew: the one that was told, else the oldest that is known to be possible.

    Of several the newer ones may have the fix. It is the newest whose events are known where none of that is.
    """
    given = note.options.get("qemu")
    for text in (given if isinstance(given, str) else "", note.since or "", note.until or ""):
        try:
            release = parse_release(text)
        except ValueError:
            continue
        if first_of(OLDEST) <= first_of(release) <= last_of(newest_release()):
            return release
    return newest_release()


def step_lines(
    finding: StoredFinding, note: ScanNote, told: Happened, rule: Rule | None, *, blank: str
) -> Iterator[str]:
    """Yield the steps as a numbered list; `blank` marks what a person has to fill in."""
    release = traced_release(note)
    device = f" on {prose(finding.device_kind)}" if finding.device_kind else ""
    yield from _tracing(finding, told, rule, release, blank)
    yield f"2. In the guest, keep the disk{device} busy with writes and reads all the time."
    if told.job_kind in _JOBS:
        yield f"3. {_JOBS[told.job_kind]}, and when the job is ready complete it (`block-job-complete`)"
        yield f"   while the guest goes on: {blank} (the arguments, which the trace does not tell)"
    else:
        subject = f"a window of a {prose(told.subject)}" if told.subject else "a window"
        yield f"3. {blank} (what was done to the VM: the trace shows {subject}, not the command that led to it)"
    repeat = f" The window stood open for {duration(told.duration_ns)}." if told.duration_ns else ""
    yield f"4. Repeat step 3 until it is met.{repeat}"
    command = f"traceview scan {TRACE_FILE} --rule {shlex.quote(finding.rule)}"
    yield f"5. Ask the trace: {code(command)} exits with 1 and shows the interleaving when the trace has it."


def _tracing(finding: StoredFinding, told: Happened, rule: Rule | None, release: str, blank: str) -> Iterator[str]:
    if rule is None:
        yield f"1. Enable the tracepoints that the rule {code(finding.rule)} needs: {blank} (it is not known here)"
        return
    exact = told.evidence == "exact"
    advice = advise([rule], ReleaseRange(release, release), builtin(), exact=exact)
    wish = " --exact" if exact else ""
    suggest = f"traceview suggest --rules {shlex.quote(rule.id)} --qemu {release}{wish} > {EVENTS_FILE}"
    yield f"1. Put these tracepoints into {code(EVENTS_FILE)}, and start QEMU {release} with the options in them."
    yield f"   {code(suggest)} prints them, and with another `--qemu` those of another release."
    yield ""
    lines = (
        line.replace("TRACE", TRACE_FILE) if line.startswith("# Run") else line
        for line in advice_lines(advice, EVENTS_FILE)
    )
    yield from fenced(lines, indent="   ")
    yield ""
