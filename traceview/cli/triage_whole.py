"""``traceview triage stats``, ``export``, ``import`` and ``deliver``: what concerns a store as a whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from traceview.cli.options import OutFile, PlainFormatOption, choose_formats, examples
from traceview.cli.stored import UNSIGNED, SecretFile, webhook_secret
from traceview.cli.triage_options import StoreOption, json_text, opened, store_file, where_is
from traceview.report.known import DOCUMENT_FORMATS

__all__ = [
    "DELIVER_EXAMPLES",
    "EXPORT_EXAMPLES",
    "IMPORT_EXAMPLES",
    "STATS_EXAMPLES",
    "deliver",
    "export",
    "import_",
    "stats",
]

STATS_EXAMPLES = examples("traceview triage stats", "traceview triage stats --format json")
EXPORT_EXAMPLES = examples("traceview triage export -o findings.json")
IMPORT_EXAMPLES = examples(
    "traceview triage import findings.json",
    "traceview triage export | traceview triage import - --store other.sqlite",
)
DELIVER_EXAMPLES = examples("traceview triage deliver", "traceview triage deliver --now --secret-file hook.secret")
STDIN = Path("-")
EXIT_WAITING = 1


def stats(store: StoreOption = None, formats: PlainFormatOption = None, output: OutFile = None) -> None:
    """Show the figures of the store: findings by state, rule, VM and host, windows by release, scans, the outbox."""
    chosen = choose_formats(formats, DOCUMENT_FORMATS)

    from traceview.cli.output import out_style, write_lines  # noqa: PLC0415  (when the command runs)
    from traceview.report.triage import stats_lines  # noqa: PLC0415
    from traceview.report.triage_json import stats_document  # noqa: PLC0415

    figures = opened(store).stats()
    if chosen.output == "json":
        write_lines([json_text(stats_document(figures))], output)
    else:
        write_lines(stats_lines(figures, out_style(output)), output)


def export(store: StoreOption = None, output: OutFile = None) -> None:
    """Write the whole store as JSON: to keep it, to move it, to merge it into another one."""
    from traceview.cli.output import write_lines  # noqa: PLC0415

    file = store_file(where_is(store))
    write_lines([json_text(opened(store).export())], output, reads=[file] if file is not None else [])


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What export wrote, or - for stdin.", show_default=False)
    ],
    store: StoreOption = None,
) -> None:
    """Add what export wrote to a store, and make that if it is not there; twice the same changes nothing."""
    from traceview.cli.output import write_lines  # noqa: PLC0415
    from traceview.report.triage import added_line  # noqa: PLC0415
    from traceview.store import open_store  # noqa: PLC0415

    document = _read(file)
    write_lines([added_line(open_store(where_is(store)).import_(document))])


def _read(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises StoreError."""
    import json  # noqa: PLC0415

    from traceview.errors import StoreError  # noqa: PLC0415

    name = "<stdin>" if file == STDIN else str(file)
    try:
        document = json.loads(sys.stdin.buffer.read() if file == STDIN else file.read_bytes())
    except OSError as e:
        raise StoreError(f"{name}: cannot be read: {e.strerror or e}") from e
    except (ValueError, RecursionError) as e:
        raise StoreError(f"{name}: is no JSON, so traceview triage export has not written it: {e}") from e
    if not isinstance(document, dict):
        raise StoreError(f"{name}: expected the object that traceview triage export writes, found other JSON")
    return document


def deliver(
    store: StoreOption = None,
    secret_file: SecretFile = None,
    now: Annotated[bool, typer.Option("--now", help="Try everything, also what is to wait until later.")] = False,
) -> None:
    """Send what waits in the outbox to the webhooks now. Exit code 1 if something still waits then."""
    from traceview.cli.output import complain, note, write_lines  # noqa: PLC0415
    from traceview.report.style import plural  # noqa: PLC0415
    from traceview.report.triage import moment  # noqa: PLC0415
    from traceview.store.deliver import deliver as send  # noqa: PLC0415

    known = opened(store)
    secret = webhook_secret(secret_file)
    if now:
        known.hurry()
    done = send(known, secret=secret)
    for error in done.errors:
        complain(error)
    if done.sent and not done.signed:
        note(UNSIGNED)
    due = min((letter.next_try_at for letter in known.outbox()), default=None)
    waiting = f", {done.waiting} waiting" + (f" (the next is due {moment(due)})" if due is not None else "")
    write_lines([f"{plural(done.sent, 'letter')} sent{waiting if done.waiting else ''}"])
    raise typer.Exit(EXIT_WAITING if done.waiting else 0)
