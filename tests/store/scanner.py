"""A process that has others scan and record, many at once or until they are killed: ``python -m tests.store.scanner``.

It reads a JSON object a line and answers with one. Each scanner is a process of its own, forked off, so that what takes
long to import is imported once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, event

from tests.store.notes import BROKEN, note, seen
from traceview.store import News, ScanNote, SeenFinding, Store, open_store

__all__ = ["HOOK", "record_all", "traces_of"]

HOOK = "https://chat.example/hook"
Tell = Callable[[dict[str, Any]], None]


def traces_of(scanner: int, number: int) -> list[tuple[ScanNote, list[SeenFinding]]]:
    """Return what a scanner finds in its traces: in each a bug that all scanners find, and one of its own."""
    return [
        (
            note(f"{scanner}-{i}.log", vm=f"vm{scanner}"),
            [seen("shared", (scanner, i)), seen(f"own {scanner}", i, severity=BROKEN), seen("shared", (scanner, i, 2))],
        )
        for i in range(number)
    ]


def record_all(
    store: Store, traces: Sequence[tuple[ScanNote, list[SeenFinding]]], tell: Callable[[list[News]], None]
) -> None:
    """Record traces in one run, as a nightly job does, and tell the news before the run ends."""
    news = []
    with store.run(host="hv1", webhooks=[HOOK]) as run:
        for of_scan, findings in traces:
            run.begin(of_scan.trace, of_scan.digest, of_scan.options)
            news += run.record(of_scan, findings)
        tell(news)


def forked(work: Callable[[Tell], None]) -> tuple[int, int]:
    """Have a process of its own do some work; return its id and the end of a pipe from which its answers are read."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    os.close(read)
    status = 1
    try:
        with os.fdopen(write, "w") as out:
            work(lambda answer: print(json.dumps(answer), file=out, flush=True))
        status = 0
    finally:
        os._exit(status)


def answers(child: int, read: int) -> tuple[int, list[dict[str, Any]]]:
    """Wait for a process; return the signal that ended it (0: none) and what it answered."""
    with os.fdopen(read) as told:
        lines = [json.loads(line) for line in told]
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or not os.WEXITSTATUS(status), "a scanner failed"
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), lines


def told(news: Sequence[News]) -> dict[str, Any]:
    return {"news": [[n.why, n.finding.identity] for n in news]}


def crowd(where: str, scanners: int, number: int) -> list[Any]:
    """Have several open a store and record at once; return the news of each."""
    start = time.monotonic() + 0.3

    def work(scanner: int) -> Callable[[Tell], None]:
        def scan(tell: Tell) -> None:
            time.sleep(max(0.0, start - time.monotonic()))
            record_all(open_store(where), traces_of(scanner, number), lambda news: tell(told(news)))

        return scan

    children = [forked(work(i)) for i in range(scanners)]
    return [lines[0]["news"] for _, lines in [answers(*c) for c in children]]


def killed(where: str, number: int, at: int | None, after_s: float | None) -> dict[str, Any]:
    """Have one open a store and record; kill it (SIGKILL) before its statement number `at`, or after some time.

    Return whether it was killed, and its news if it lived to tell them. If it lived to the end, return how many
    statements it made to open the store, how many in all, and which of them were the ends of transactions.
    """

    def work(tell: Tell) -> None:
        count, commits = 0, []

        @event.listens_for(Engine, "before_cursor_execute")
        def counted(connection: Connection, *_: object) -> None:
            nonlocal count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

        @event.listens_for(Engine, "commit")
        def committed(connection: Connection) -> None:
            counted(connection)
            commits.append(count)

        store = open_store(where)
        tell({"opened": count})
        record_all(store, traces_of(0, number), lambda news: tell(told(news)))
        tell({"statements": count, "commits": commits})

    begun = time.monotonic()
    child, read = forked(work)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    ended_by, lines = answers(child, read)
    answer: dict[str, Any] = {"killed": ended_by == signal.SIGKILL, "seconds": time.monotonic() - begun}
    for line in lines:
        answer |= line
    return answer


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        answer: Any = crowd(**asked) if asked.pop("do") == "crowd" else killed(**asked)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
