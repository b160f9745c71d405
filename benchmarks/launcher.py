"""Run one command and say what it took; a process of its own, so that it is small.

    python launcher.py OUTPUT ERRORS CORE COMMAND...

OUTPUT and ERRORS are the files that take the command's stdout and stderr, CORE the processor to pin it to or ``-``.
Prints wall seconds, seconds of CPU, peak memory in KiB and the exit code.

A process that is forked has the memory of the one that forked it until it starts its program, and Linux counts that in
its peak. So a command is started from here, where little is in memory, and not from where inputs were made.
"""

import os
import sys
import time


def main() -> None:
    """Run the command of the command line."""
    output, errors, core, *command = sys.argv[1:]
    start = time.perf_counter()
    child = os.fork()
    if not child:
        try:
            if core != "-":
                os.sched_setaffinity(0, {int(core)})
            for number, path in ((1, output), (2, errors)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
            os.execvp(command[0], command)  # noqa: S606  (what is measured is this very program, without a shell)
        finally:
            os._exit(127)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
