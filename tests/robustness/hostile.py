"""Traces that are made to be too much: each scenario writes as many records of one kind as it is asked for.

``python -m tests.robustness.hostile SCENARIO… --records 100000`` measures scans of them, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SCENARIOS", "Cost", "measure", "write"]

START_US = 1_600_000_000_000_000
_NODE, _BLK, _JOB = 0xB1, 0xD1, 0xA1

Lines = Iterator[str]


def _at(number: int, text: str, *, tid: int = 1000, step_us: int = 10) -> str:
    second, micro = divmod(START_US + number * step_us, 1_000_000)
    return f"{tid}@{second}.{micro:06d}:{text}\n"


def _write(number: int, *, blk: int = _BLK, node: int = _NODE) -> str:
    return f"blk_aio_pwritev blk 0x{blk:x} bs 0x{node:x} offset {number * 4096} bytes 4096 opaque (nil)"


def processes(count: int) -> Lines:
    """Yield a record each of so many processes."""
    for n in range(count):
        yield _at(n, _write(n), tid=n + 1)


def one_job_never_closed(count: int) -> Lines:
    """Yield a job that looks, copies and is written under, and never ends."""
    yield _at(0, f"mirror_start bs 0x{_NODE:x} s 0x{_JOB:x} opaque (nil)")
    for n in range(1, count, 3):
        yield _at(n, f"mirror_before_sleep s 0x{_JOB:x} dirty count {n % 2} synced 1 delay 0ns")
        yield _at(n + 1, f"mirror_one_iteration s 0x{_JOB:x} offset {n} bytes 65536")
        yield _at(n + 2, _write(n))


def window_never_closed(count: int) -> Lines:
    """Yield a window of a job that opens and is written into, and never closes."""
    yield _at(0, f"mirror_start bs 0x{_NODE:x} s 0x{_JOB:x} opaque (nil)")
    yield _at(1, f"mirror_before_sleep s 0x{_JOB:x} dirty count 0 synced 1 delay 0ns")
    yield _at(2, f"block_job_defer_to_main_loop bs 0x{_NODE:x} job 0x{_JOB:x} fn 0x99")
    for n in range(3, count):
        yield _at(n, _write(n))


def window_with_everything(count: int) -> Lines:
    """Yield a window of a job that closes after so many writes."""
    yield from window_never_closed(count - 3)
    yield _at(count - 2, f"mirror_exit bs 0x{_NODE:x} job 0x{_JOB:x} ret 0 should_complete 1")
    yield _at(count - 1, f"bdrv_replace_in_backing_chain old 0x{_NODE:x} new 0xb2")
    yield _at(count, f"mirror_exit_done bs 0x{_NODE:x} job 0x{_JOB:x}")


def jobs_never_closed(count: int) -> Lines:
    """Yield jobs that begin and are never heard of again."""
    for n in range(0, count, 2):
        yield _at(n, f"mirror_start bs 0x{_NODE:x} s 0x{0x10000 + 16 * n:x} opaque (nil)")
        yield _at(n + 1, f"mirror_before_sleep s 0x{0x10000 + 16 * n:x} dirty count 0 synced 1 delay 0ns")


def attachments_under_jobs(count: int) -> Lines:
    """Yield jobs that are never closed, each with a BlockBackend that moves."""
    for n in range(0, count, 4):
        job, blk = 0x10000 + 16 * n, 0x900000 + 16 * n
        yield _at(n, f"blk_root_attach child 0x{blk + 1:x} blk 0x{blk:x} bs 0x{_NODE:x}")
        yield _at(n + 1, f"mirror_start bs 0x{_NODE:x} s 0x{job:x} opaque (nil)")
        yield _at(n + 2, f"blk_root_detach child 0x{blk + 1:x} blk 0x{blk:x} bs 0x{_NODE:x}")
        yield _at(n + 3, f"blk_root_attach child 0x{blk + 1:x} blk 0x{blk:x} bs 0x{_NODE + 2:x}")


def findings(count: int) -> Lines:
    """Yield violated windows, one behind the other: a finding each."""
    for n in range(0, count, 7):
        job = 0x10000 + 16 * n
        yield _at(n, f"mirror_start bs 0x{_NODE:x} s 0x{job:x} opaque (nil)")
        yield _at(n + 1, f"mirror_before_sleep s 0x{job:x} dirty count 0 synced 1 delay 0ns")
        yield _at(n + 2, f"block_job_defer_to_main_loop bs 0x{_NODE:x} job 0x{job:x} fn 0x99")
        yield _at(n + 3, _write(n))
        yield _at(n + 4, f"mirror_exit bs 0x{_NODE:x} job 0x{job:x} ret 0 should_complete 1")
        yield _at(n + 5, f"bdrv_replace_in_backing_chain old 0x{_NODE:x} new 0xb2")
        yield _at(n + 6, f"mirror_exit_done bs 0x{_NODE:x} job 0x{job:x}")


def requests_never_done(count: int) -> Lines:
    """Yield requests that devices take up and that never end, over hours."""
    for n in range(count):
        text = f"virtio_blk_handle_write vdev 0xe1 req 0x{0x1000 + 8 * n:x} sector {8 * n} nsectors 8"
        yield _at(n, text, step_us=20_000)


def requests_done_late(count: int) -> Lines:
    """Yield requests that take an hour each, many at once."""
    half = count // 2
    for n in range(half):
        text = f"virtio_blk_handle_write vdev 0xe1 req 0x{0x1000 + 8 * n:x} sector {8 * n} nsectors 8"
        yield _at(n, text, step_us=20_000)
    for n in range(half):
        text = f"virtio_blk_rw_complete vdev 0xe1 req 0x{0x1000 + 8 * n:x} ret 0"
        yield _at(half + n, text, step_us=20_000)


def drained_never_ended(count: int) -> Lines:
    """Yield drained sections of as many nodes, none of which ends."""
    for n in range(0, count, 2):
        yield _at(n, f"bdrv_drained_begin bs 0x{0x1000 + 16 * n:x} quiesce_counter 1")
        yield _at(n + 1, _write(n, node=0x1000 + 16 * n))


def drained_with_gaps(count: int) -> Lines:
    """Yield short drained sections, with records between them that cannot be read."""
    for n in range(0, count, 2):
        yield _at(n, f"bdrv_drained_begin bs 0x{0x1000 + 16 * (n % 64):x} quiesce_counter 1")
        yield _at(n + 1, f"bdrv_drained_end bs 0x{0x1000 + 16 * (n % 64):x} quiesce_counter 0")
        if n % 64 == 0:
            yield _at(n + 1, "bdrv_drained_begin bs garbage")


def names(count: int) -> Lines:
    """Yield a record each of events that nobody knows."""
    for n in range(count):
        yield _at(n, f"made_up_event_{n:08x} value {n}")


def bare_names(count: int) -> Lines:
    """Yield events that nobody knows, in a log without prefixes."""
    for n in range(count):
        yield f"made_up_event_{n:08x} value {n}\n"


def texts(count: int) -> Lines:
    """Yield records of one event, each with a string of its own."""
    for n in range(count):
        yield _at(n, f'bdrv_open_common bs 0x{0x1000 + 16 * n:x} filename "/srv/{n:060x}" flags 0x0 format_name "raw"')


def blks(count: int) -> Lines:
    """Yield guest requests of as many BlockBackends, on as many nodes."""
    for n in range(count):
        yield _at(n, _write(n, blk=0x1000 + 16 * n, node=0x80000000 + 16 * n))


def gaps(count: int) -> Lines:
    """Yield records of which none can be read."""
    for n in range(count):
        yield _at(n, "mirror_start bs garbage")


def embedded(count: int) -> Lines:
    """Yield one line after the other of which each holds a hundred records."""
    for n in range(0, count, 100):
        yield "".join(_at(n + i, _write(n + i)).rstrip("\n") for i in range(100)) + "\n"


def coroutines(count: int) -> Lines:
    """Yield coroutines that are scheduled and never run, over hours."""
    for n in range(count):
        yield _at(n, f"aio_co_schedule ctx 0xc1 co 0x{0x1000 + 16 * n:x}", step_us=20_000)


def frames(count: int) -> Lines:
    """Yield dispatches that begin and never end, one in the other."""
    yield _at(0, f"mirror_start bs 0x{_NODE:x} s 0x{_JOB:x} opaque (nil)")
    yield _at(0, f"mirror_before_sleep s 0x{_JOB:x} dirty count 0 synced 1 delay 0ns")
    yield _at(0, f"block_job_defer_to_main_loop bs 0x{_NODE:x} job 0x{_JOB:x} fn 0x99")
    for n in range(count):
        yield _at(n, "aio_ctx_dispatch ctx 0xc2")
    yield _at(count, _write(1))
    yield _at(count + 1, f"mirror_exit bs 0x{_NODE:x} job 0x{_JOB:x} ret 0 should_complete 1")


SCENARIOS: dict[str, Callable[[int], Lines]] = {
    f.__name__: f
    for f in (
        processes, one_job_never_closed, window_never_closed, window_with_everything, jobs_never_closed,
        attachments_under_jobs, findings, requests_never_done, requests_done_late, drained_never_ended,
        drained_with_gaps, names, bare_names, texts, blks, gaps, embedded, coroutines, frames,
    )
}  # fmt: skip


def write(scenario: str, count: int, path: Path) -> None:
    """Write a scenario of so many records to a file."""
    with path.open("w", encoding="ascii") as out:
        out.writelines(SCENARIOS[scenario](count))


@dataclass(frozen=True)
class Cost:
    """What a run of the command line took, in a process of its own."""

    seconds: float
    megabytes: float
    """The most memory that it had at once."""
    code: int
    out: bytes
    err: str


_RUN = """
import re, resource, sys
sys.argv = ["traceview", *sys.argv[1:]]
from traceview.cli import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Unlike ru_maxrss, this does not begin with the memory of the process that started this one.
    with open("/proc/self/status") as status:
        most = int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1])
    print("cost", used.ru_utime + used.ru_stime, most / 1024, file=sys.stderr)
"""


def measure(*words: str | Path, limit_s: float = 600) -> Cost:
    """Run the command line; return what it took. Raises subprocess.TimeoutExpired."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *map(str, words)], capture_output=True, check=False, timeout=limit_s
    )
    *err, last = done.stderr.decode("utf-8", "replace").splitlines()
    _, seconds, megabytes = last.split()
    return Cost(float(seconds), float(megabytes), done.returncode, done.stdout, "\n".join(err))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what scans of the scenarios take."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.hostile", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], default=[])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--command", default="scan --format json")
    parser.add_argument("--limit", type=float, default=600, help="seconds")
    asked = parser.parse_args(arguments)
    print(f"{'scenario':<24} {'records':>9} {'MB':>6} {'seconds':>8} {'memory':>8}  exit, windows, findings, gaps")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.log")
        for name in asked.scenarios or SCENARIOS:
            write(name, asked.records, path)
            size = path.stat().st_size / 1e6
            try:
                cost = measure(*asked.command.split(), path, limit_s=asked.limit)
            except subprocess.TimeoutExpired:
                print(f"{name:<24} {asked.records:>9} {size:>6.1f} more than {asked.limit:.0f} s", flush=True)
                continue
            told = ""
            if "json" in asked.command and cost.out and "traces" in (document := json.loads(cost.out)):
                counts = len(document.get("windows", ())), len(document.get("findings", ()))
                told = f"{counts[0]} windows, {counts[1]} findings, {len(document['traces'][0]['gaps'])} gaps"
            print(
                f"{name:<24} {asked.records:>9} {size:>6.1f} {cost.seconds:>8.1f} {cost.megabytes:>5.0f} MB  "
                f"{cost.code} {told} {cost.err[-200:]}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
