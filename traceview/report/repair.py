"""A repair as text: the plan, what was done, what was put back, what really differs."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from traceview.losses import Losses, LostExtent
from traceview.repair.commands import NEW, commands_of
from traceview.repair.pair import Pair
from traceview.repair.plan import Choice, Plan, Step
from traceview.repair.putback import Restored, Restoring
from traceview.repair.verify import Checked
from traceview.report.escape import printable
from traceview.report.extents import size
from traceview.report.style import Style, place, plural

__all__ = ["done_lines", "plan_lines", "saving_line", "undo_lines", "verify_lines"]

_LONG = 4000
"""Where a name or a reason is cut."""
_CHOICES = {
    Choice.COPY: ("✓", "green", "to copy"),
    Choice.UNSAFE: ("?", "yellow", "not shown to be safe"),
    Choice.ELSEWHERE: ("→", "yellow", "in another image"),
    Choice.IMPOSSIBLE: ("✗", "red", "not to be had from these images"),
    Choice.SAME: ("=", "dim", "the same in both"),
    Choice.REWRITTEN: ("·", "dim", "rewritten since"),
}
_RESTORED = {
    Restoring.PUT_BACK: ("✓", "green", "put back"),
    Restoring.SAME: ("=", "dim", "had the old bytes already"),
    Restoring.CHANGED: ("?", "yellow", "left: changed since"),
}
NOTHING_LOST = "no lost extent: no violated window of a job that moved the guest has a write in it"


def plan_lines(plan: Plan, pair: Pair, losses: Losses, style: Style, *, executed: bool = False) -> Iterator[str]:
    """Yield a plan: the images, an extent a line with what speaks against it, the commands, a summary.

    `executed` says that it is carried out next.
    """
    yield from _image_lines(pair)
    for obstacle in plan.obstacles:
        yield f"{style.paint('✗ not now', 'red')}  {printable(obstacle, _LONG)}"
    for step in plan.steps:
        mark, colour, _ = _CHOICES[step.choice]
        word = "forced" if step.forced else step.choice.value
        yield _extent_line(f"{mark} {word}", colour, step.lost, losses, style) + _differing(step)
        yield from (f"      {printable(reason, _LONG)}" for reason in step.reasons)
        if step.choice is Choice.UNSAFE:
            yield f"      --force {step.lost.extent.offset} copies it nevertheless"
    if not plan.steps:
        yield NOTHING_LOST
    yield from (f"{style.paint('note', 'yellow')}: {printable(note, _LONG)}" for note in plan.notes)
    yield from _command_lines(plan, pair)
    totals = {c: [s.lost.extent.length for s in plan.of(c)] for c in _CHOICES}
    parts = [
        f"{_CHOICES[c][2]}: {plural(len(lengths), 'extent')}, {size(sum(lengths))}"
        for c, lengths in totals.items()
        if lengths
    ]
    yield f"{style.paint('plan', 'bold')}: {'; '.join(parts) or 'nothing to copy'}"
    if plan.to_copy and not executed:
        yield "nothing was written; --execute does it"


def _image_lines(pair: Pair) -> Iterator[str]:
    for role, image in (("source", pair.source), ("target", pair.target)):
        yield f"{role}  {printable(str(image.path), _LONG)}: {image.format}, {size(image.size)}"


def _extent_line(words: str, colour: str, lost: LostExtent, losses: Losses, style: Style) -> str:
    """Return where an extent is, and by which record of which disk it was written."""
    named = f" of {printable(losses.scan.traces[lost.trace].path)}" if len(losses.scan.traces) > 1 else ""
    ops = "/".join(op.label.replace("_", " ") for op in lost.ops)
    span = f"{lost.extent.offset:>15} +{lost.extent.length:<9}"
    line = (
        f"{style.paint(f'{words:<12}', colour)} {span} {printable(lost.device)}: {ops} at {place(lost.written)}{named}"
    )
    return line + (f", rewritten at {place(lost.made_good)}" if lost.made_good is not None else "")


def _differing(step: Step | Checked) -> str:
    if step.difference is None or step.difference.first is None:
        return ""
    return f"; {step.difference.count} B differ, from {step.difference.first} on"


def _command_lines(plan: Plan, pair: Pair) -> Iterator[str]:
    """Yield the commands for what is to be copied, where an image is not raw."""
    steps = [(step, list(commands_of(step, pair))) for step in plan.of(Choice.COPY)]
    if not any(commands for _, commands in steps):
        return
    yield "what --execute runs (the pieces lie in a temporary folder; old.raw goes into the undo file):"
    for step, commands in steps:
        yield f"  # {step.lost.extent.length} B at {step.lost.extent.offset}"
        if pair.source.format == "raw":
            yield f"  # {NEW} is read from the source without QEMU: it is raw"
        if pair.target.format == "raw":
            yield f"  # {NEW} is written to the target without QEMU: it is raw"
        yield from (f"  {printable(shlex.join(command), 4 * _LONG)}" for command in commands)


def saving_line(undo: Path) -> str:
    """Return where a repair that begins saves what it overwrites."""
    return f"what is overwritten is saved in {printable(str(undo), _LONG)}"


def done_lines(steps: Sequence[Step], undo: Path | None, style: Style) -> Iterator[str]:
    """Yield what a repair has done."""
    copied = f"{plural(len(steps), 'extent')}, {size(sum(s.lost.extent.length for s in steps))}"
    yield f"{style.paint('done', 'bold')}: copied, read back and compared: {copied}"
    if undo is not None:
        yield f"to put back what was there: traceview repair --undo {printable(shlex.quote(str(undo)), _LONG)}"


def undo_lines(
    restored: Sequence[Restored], target: Path, style: Style, *, written: bool, finished: bool
) -> Iterator[str]:
    """Yield what was put back, or would be if it were `written`; the repair was `finished` or ended before its end."""
    yield f"target  {printable(str(target), _LONG)}"
    if not finished:
        yield f"{style.paint('note', 'yellow')}: the repair was ended before its end"
    for each in restored:
        mark, colour, _ = _RESTORED[each.outcome]
        words = f"{mark} {'forced' if each.forced else each.outcome.value}"
        yield f"{style.paint(f'{words:<12}', colour)} {each.extent.offset:>15} +{each.extent.length}"
        if each.outcome is Restoring.CHANGED:
            yield "      neither its old bytes nor those of the repair: somebody has written there since"
            yield "      (or a run that was to put them back was ended while it wrote)"
            yield f"      --force {each.extent.offset} puts the old bytes back nevertheless"
    counts = Counter(r.outcome for r in restored)
    parts = [f"{words}: {plural(counts[o], 'piece')}" for o, (_, _, words) in _RESTORED.items() if counts[o]]
    title = style.paint("undo" if written else "undo, not done", "bold")
    yield f"{title}: {'; '.join(parts) or 'nothing was overwritten'}"


def verify_lines(checked: Sequence[Checked], pair: Pair, losses: Losses, style: Style) -> Iterator[str]:
    """Yield which of the lost extents really differ."""
    yield from _image_lines(pair)
    yield from (f"{style.paint('note', 'yellow')}: {printable(n, _LONG)}" for n in (*pair.used, *pair.doubts))
    counts = Counter[str]()
    for each in checked:
        if each.difference is None:
            words, colour = ("? unknown", "yellow") if each.open else ("· rewritten", "dim")
        else:
            words, colour = ("✗ differs", "red") if each.difference.count else ("= same", "green")
        counts[words[2:]] += 1
        yield _extent_line(words, colour, each.lost, losses, style) + _differing(each)
        yield from (f"      {printable(reason, _LONG)}" for reason in each.reasons)
    if not checked:
        yield NOTHING_LOST
    parts = [f"{words}: {plural(count, 'extent')}" for words, count in counts.items()]
    yield f"{style.paint('verify', 'bold')}: {'; '.join(parts) or 'nothing to compare'}"
