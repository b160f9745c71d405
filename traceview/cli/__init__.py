"""The command line: a thin leaf over the library."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]

EXIT_BUG = 70


def main() -> None:
    """Run the command line and leave with its exit code.

    0 nothing found, 1 findings, 2 usage or input that cannot be read, 3 inconclusive, 70 a bug in traceview.
    """
    from traceview.cli.app import app  # noqa: PLC0415
    from traceview.errors import TraceviewError  # noqa: PLC0415

    try:
        app(prog_name="traceview")
    except TraceviewError as e:
        from traceview.cli.output import complain  # noqa: PLC0415

        complain(str(e))
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output has gone (head, less): nothing more to say, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as e:
        if os.environ.get("TRACEVIEW_TRACEBACK"):
            raise
        from traceview.cli.output import complain  # noqa: PLC0415

        complain(
            f"this is a bug in traceview: {type(e).__name__}: {e}\n"
            "Please report it, with what TRACEVIEW_TRACEBACK=1 in the environment makes this command print."
        )
        sys.exit(EXIT_BUG)
