"""Gives inputs to a reader, one after the other, and saves what comes out and must not."""

from __future__ import annotations

import hashlib
import random
import resource
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.entries import run
from tests.fuzz.mutate import mutate
from tests.fuzz.seeds import seeds

__all__ = [
    "FINDS",
    "GROWTH",
    "MEMORY",
    "MOST_FINDS",
    "HangError",
    "Told",
    "fuzz",
    "limited",
    "limited_in_time",
    "note",
    "tried",
]

FINDS = Path(__file__).parent / "finds"
MEMORY = 3 << 30
"""Bytes of address space of a reader's process: the interpreter and its libraries take up to one of the three GiB."""
GROWTH = 256 << 20
"""So much more memory than at its beginning may a reader take for inputs of a few KiB."""
_SECONDS, _SECONDS_A_MEGABYTE = 2.0, 1.0
MOST_FINDS = 20
"""After so many a reader is given no more."""


class HangError(BaseException):
    """A reader takes too long. It is no Exception, so that nothing takes it for one of its own."""


@dataclass
class Told:
    """What came of one reader."""

    reader: str
    inputs: int = 0
    read: int = 0
    """Inputs that were read, and not refused."""
    seconds: float = 0.0
    grown: int = 0
    """Bytes by which memory grew."""
    finds: dict[str, str] = field(default_factory=dict)
    """What was found, with the file that shows it, by kind and place."""


def tried(reader: str, data: bytes) -> tuple[bool, str]:
    """Give an input to a reader; return whether it was read, and what was found: ``""`` for nothing."""
    limit = max(_SECONDS, _SECONDS_A_MEGABYTE * len(data) / 1e6)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        return run(reader, data), ""
    except HangError as e:
        return False, f"hang of {limit:.0f} s at {_place(e)}"
    except Exception as e:  # noqa: BLE001  (that is what is looked for)
        return False, f"{type(e).__name__} at {_place(e)}: {e}"[:300]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _place(error: BaseException) -> str:
    """Return the innermost line of traceview's own that an error came through."""
    place, trace = "?", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/traceview/" in file:
            place = f"{file.rpartition('/traceview/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _hang(_signal: int, _frame: object) -> None:
    raise HangError


def limited_in_time() -> None:
    """Have this process raise HangError where a reader hangs (`tried` says when)."""
    signal.signal(signal.SIGVTALRM, _hang)


def limited() -> None:
    """Have this process raise HangError where a reader hangs, and MemoryError where it takes too much."""
    limited_in_time()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))


def resident() -> int:
    """Return the most memory that this process had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fuzz(reader: str, runs: int, seconds: float, seed: int, finds: Path) -> Told:
    """Give a reader mutated input in this process."""
    limited()
    told, begun = Told(reader), time.monotonic()
    chance = random.Random(f"{seed}-{reader}")  # noqa: S311  (not for secrets)
    known = seeds(reader)
    for data in known:
        run(reader, data)
    before = resident()
    while told.inputs < runs and len(told.finds) < MOST_FINDS:
        if seconds and time.monotonic() - begun > seconds:
            break
        note(told, mutate(chance, known), finds)
    end(told, begun, before)
    return told


def end(told: Told, begun: float, before: int) -> None:
    """Note how long a reader took since `begun`, and by how much memory grew from `before` on."""
    told.seconds, told.grown = time.monotonic() - begun, max(0, resident() - before)
    if told.grown > GROWTH:
        told.finds[f"memory grew by {told.grown >> 20} MiB"] = ""


def note(told: Told, data: bytes, finds: Path) -> None:
    """Give a reader one input and note what came of it; what is found is saved."""
    was_read, found = tried(told.reader, data)
    told.inputs += 1
    told.read += was_read
    key = found.partition(": ")[0]
    if found and key not in told.finds:
        name = f"{told.reader}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.bin"
        finds.mkdir(parents=True, exist_ok=True)
        (finds / name).write_bytes(data)
        told.finds[key] = name
