"""The command line: a thin leaf over the library."""

from __future__ import annotations

import gc
import os
import sys

__all__ = ["main"]

EXIT_INPUT, EXIT_BUG, EXIT_INTERRUPTED = 2, 70, 130


def main() -> None:
    """Run the command line and leave with its exit code.

    0 nothing found, 1 findings, 2 usage, input that cannot be read or output that cannot be written, 3 inconclusive,
    70 a bug in traceview, 130 interrupted.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy would start threads that nothing here uses
    sys.setswitchinterval(0.0002)  # what threads find is asked for as soon as it is there
    gc.disable()  # until work begins (`cli.progress`): all that is imported stays, and looking through it takes long
    try:
        _run()
    finally:
        gc.enable()


def _run() -> None:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever started us has closed it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (open until we leave)
    try:
        from traceview.cli.app import app  # noqa: PLC0415  (an interrupt is met from here on)

        app(prog_name="traceview")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as e:
        from traceview.cli.output import CannotWriteError, complain  # noqa: PLC0415
        from traceview.errors import TraceviewError  # noqa: PLC0415

        if isinstance(e, TraceviewError | CannotWriteError):
            complain(str(e))
            sys.exit(EXIT_INPUT)
        if os.environ.get("TRACEVIEW_TRACEBACK"):
            raise
        complain(
            f"this is a bug in traceview: {type(e).__name__}: {e}\n"
            "Please report it, with what TRACEVIEW_TRACEBACK=1 in the environment makes this command print."
        )
        sys.exit(EXIT_BUG)
