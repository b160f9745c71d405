"""What becomes of a scan's findings besides being printed: baseline, store, webhooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from traceview.api import Trace
    from traceview.baseline import Baseline, LineUse
    from traceview.cli.options import Inputs
    from traceview.findings import ScanResult
    from traceview.rules import RuleSet
    from traceview.triage import Recorder

__all__ = [
    "BASELINE_REASON",
    "NEW",
    "UNSIGNED",
    "BaselineOption",
    "BaselineReason",
    "Filing",
    "HostOption",
    "SecretFile",
    "StoreOption",
    "VmOption",
    "WebhookOption",
    "WriteBaseline",
    "chosen_store",
    "filing",
    "webhook_secret",
]

BASELINE_REASON = "found before this baseline was written"
NEW = "new"
"""What ``--fail-on`` takes besides severities: only what a store says is news is a reason to fail."""
SECRET_VARIABLE = "TRACEVIEW_WEBHOOK_SECRET"  # noqa: S105  (the name of a variable)
UNSIGNED = f"sent without a signature: {SECRET_VARIABLE} or --secret-file has the secret that receivers know senders by"

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="STORE",
        help="Record the scan in this store of findings: a file (SQLite) or postgresql://…; see: traceview triage.",
    ),
]  # fmt: skip
HostOption = Annotated[
    str | None,
    typer.Option(
        "--host", metavar="NAME", help="The hypervisor that the traces are of; with --store this machine by default."
    ),
]
VmOption = Annotated[
    str | None,
    typer.Option(
        "--vm", metavar="NAME",
        help="The VM that the traces are of; told by the file cmdline beside a trace or by its name by default.",
    ),
]  # fmt: skip
BaselineOption = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", help="What this file's lines cover is told and is no reason to fail."),
]
WriteBaseline = Annotated[
    Path | None,
    typer.Option("--write-baseline", metavar="FILE", help="Add a line to this file for each finding without one."),
]
BaselineReason = Annotated[
    str,
    typer.Option("--baseline-reason", metavar="TEXT", help="The reason that --write-baseline gives."),
]
WebhookOption = Annotated[
    list[str] | None,
    typer.Option("--webhook", metavar="URL", help="Post what is new to this URL, as JSON; repeatable. Needs a store."),
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file", metavar="FILE",
        help=f"The file with the secret that webhooks are signed with; by default {SECRET_VARIABLE} has it.",
    ),
]  # fmt: skip


STDIN = Path("-")


@dataclass(slots=True)
class Filing:
    """What is to become of findings, as it was asked for, and what came of it.

    `known` is the baseline that was read, `uses` what its lines were good for, trace by trace; `failed` says whether
    the store did not take all that it was given.
    """

    store: str | None = None
    host: str | None = None
    vm: str | None = None
    baseline: Path | None = None
    write_baseline: Path | None = None
    reason: str = ""
    webhooks: tuple[str, ...] = ()
    secret_file: Path | None = None
    rule_folders: tuple[Path, ...] = ()
    recorder: Recorder | None = None
    failed: bool = False
    known: Baseline | None = None
    uses: list[list[LineUse]] = field(default_factory=list)

    def keeps_interleavings(self, paths: Iterable[Path]) -> bool:
        """Say whether a scan must keep what surrounds windows: for a store, of what can be read but once."""
        return self.store is not None and any(not p.is_dir() and (p == STDIN or p.is_fifo()) for p in paths)

    def begin(self, trace: Trace) -> None:
        """Take note of a trace that is about to be read."""
        if self.recorder is not None:
            recorder = self.recorder
            self._try(lambda: recorder.begin(trace))

    def take(self, trace: Trace, result: ScanResult) -> None:
        """Take the result of one trace: what a baseline covers is marked, all of it is recorded."""
        if self.known is not None:
            self.uses.append(self.known.apply(result, today=datetime.now(UTC).date()))
        if self.recorder is not None:
            recorder = self.recorder
            self._try(lambda: recorder.take(trace, result))

    def _try(self, record: Callable[[], None]) -> None:
        """Record something; where the store does not take it, what was found is told all the same."""
        from traceview.cli.output import complain  # noqa: PLC0415  (when the command runs)
        from traceview.errors import StoreError  # noqa: PLC0415

        try:
            record()
        except StoreError as e:
            self.failed = True
            complain(f"{e}\nThe next scan of the trace records it.")

    def tell(self, result: ScanResult) -> None:
        """Tell, on stderr, what the baseline's lines were good for, and write a new one if that is asked for."""
        from traceview.cli.output import note  # noqa: PLC0415

        for text in _useless(self.known, self.uses, result):
            note(text)
        if self.write_baseline is not None:
            from traceview.baseline import write_baseline  # noqa: PLC0415

            added = write_baseline(self.write_baseline, result, reason=self.reason)
            note(f"{self.write_baseline}: {added} new line{'' if added == 1 else 's'}")


def chosen_store(given: str | None, *, needed: bool) -> str | None:
    """Return the store to record in: the one that is given, the default one where it is `needed`, or None."""
    if given is not None or not needed:
        return given
    from traceview.store import default_store  # noqa: PLC0415

    return default_store()


@contextmanager
def filing(asked: Filing, rules: RuleSet, inputs: Inputs) -> Iterator[Filing]:
    """Open what findings are filed in: before anything is scanned, so that a mistake is told at once.

    When the block ends without an error, the store counts its news as told, and what waits is posted. Raises
    StoreError, BaselineError, TriageError.
    """
    with ExitStack() as open_until_told:
        secret = _secret(asked) if asked.webhooks else None
        _read_baselines(asked)
        if asked.store is not None:
            asked.recorder = open_until_told.enter_context(_recording(asked, rules, inputs))
        yield asked
    if asked.webhooks and asked.recorder is not None:
        _post(asked.recorder, secret)


def _read_baselines(asked: Filing) -> None:
    """Read the baseline, and the one that is to grow: what is wrong with either is told before anything is scanned."""
    written = asked.write_baseline if asked.write_baseline is not None and asked.write_baseline.exists() else None
    if asked.baseline is None and written is None:
        return
    from traceview.baseline import read_baseline  # noqa: PLC0415

    if asked.baseline is not None:
        asked.known = read_baseline(asked.baseline)
    if written is not None and written != asked.baseline:
        read_baseline(written)


@contextmanager
def _recording(asked: Filing, rules: RuleSet, inputs: Inputs) -> Iterator[Recorder]:
    import socket  # noqa: PLC0415

    from traceview import __version__  # noqa: PLC0415
    from traceview.store import open_store  # noqa: PLC0415
    from traceview.triage import Recorder as Made  # noqa: PLC0415

    assert asked.store is not None
    store = open_store(asked.store)
    asked.host = asked.host if asked.host is not None else socket.gethostname()
    folders = [str(f.absolute()) for f in asked.rule_folders]
    declared = str(inputs.trace_events.absolute()) if inputs.trace_events is not None else None
    options = {
        "format": inputs.format, "trace_events": declared, "max_bytes": inputs.max_bytes, "qemu": inputs.qemu,
        "rules": folders or None, "max_lives": inputs.max_lives,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    with store.run(host=asked.host, webhooks=asked.webhooks) as run:
        yield Made(store, run, rules, __version__, given)


def _secret(asked: Filing) -> str | None:
    """Return the secret for webhooks, checked. Raises TriageError for one that is none, or a URL that is none."""
    from traceview.store.deliver import check_url  # noqa: PLC0415

    for url in asked.webhooks:
        check_url(url)
    return webhook_secret(asked.secret_file)


def webhook_secret(file: Path | None) -> str | None:
    """Return the secret that webhooks are signed with: that of a file, or of the environment, or None.

    Raises TriageError for a file that cannot be read, and for a secret that is none.
    """
    import os  # noqa: PLC0415

    from traceview.errors import TriageError  # noqa: PLC0415
    from traceview.store.deliver import parse_secret  # noqa: PLC0415

    secret = os.environ.get(SECRET_VARIABLE) or None
    if file is not None:
        try:
            secret = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise TriageError(f"{file}: the secret for webhooks cannot be read: {e}") from e
    if secret is not None:
        parse_secret(secret)
    return secret


def _post(recorder: Recorder, secret: str | None) -> None:
    from traceview.cli.output import note  # noqa: PLC0415
    from traceview.store.deliver import deliver  # noqa: PLC0415

    outcome = deliver(recorder.store, secret=secret)
    if outcome.sent and secret is None:
        note(UNSIGNED)
    for error in outcome.errors:
        note(error)
    if outcome.waiting:
        note(f"{outcome.waiting} of what is new waits in the outbox: the next run or traceview triage deliver posts it")


def _useless(known: Baseline | None, uses: list[list[LineUse]], result: ScanResult) -> Iterator[str]:
    """Yield what is to be told of a baseline: how much it covers, and of each line that covers nothing why."""
    if known is None:
        return
    from traceview.baseline import LineState  # noqa: PLC0415
    from traceview.report.style import plural  # noqa: PLC0415

    matches = Counter[int]()
    for use in (u for one in uses for u in one):
        matches[use.line] += use.matches
    lines = {u.line: u for one in uses for u in one}
    expired = {n for n, u in lines.items() if u.state is LineState.EXPIRED}
    covered = sum(f.suppression is not None for f in result.findings)
    yield f"{known.path}: {plural(len(lines), 'line')}, {plural(covered, 'finding')} covered"
    for number, use in sorted(lines.items()):
        if number in expired:
            yield f"{known.path} line {number} has expired, and would have covered {matches[number]}: {use.text}"
        elif not matches[number]:
            yield f"{known.path} line {number} covers nothing: {use.text}"
