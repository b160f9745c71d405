"""The contenders: traceview, and what people would use in its place."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.captures import ROOT
from benchmarks.inputs import Input
from benchmarks.measure import Contender

__all__ = [
    "awk",
    "cat",
    "decompressor",
    "grep",
    "imports",
    "ripgrep",
    "scan",
    "shows_help",
    "simpletrace_py",
    "struct_reader",
]

_TRACEVIEW = (sys.executable, "-m", "traceview")
_HERE = Path(__file__).parent
_NOT_INSTALLED = "not installed"


@cache
def _has_jobs() -> bool:
    done = subprocess.run([*_TRACEVIEW, "scan", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    return "--jobs" in done.stdout


def scan(
    made: Input,
    cores: int | None = None,
    *,
    trace_events: Path | None = None,
    label: str = "traceview scan",
    fresh_caches: bool = False,
    may_lack_support: bool = False,
    rules: tuple[str, ...] = (),
) -> Contender:
    """Return a scan with as many workers as `cores`, pinned to one processor for one; None leaves that to traceview.

    `rules` are options that choose the rules to judge by.

    A scan may leave with 1 (findings) or 3 (something inconclusive). With `may_lack_support` it may also leave with 2.
    """
    more = ("--trace-events", str(trace_events)) if trace_events is not None else ()
    jobs = ("--jobs", str(cores)) if cores is not None and _has_jobs() else ()
    several = cores is not None and cores > 1
    return Contender(
        f"{label}, {cores} cores" if several else label,
        (*_TRACEVIEW, "scan", str(made.path), *jobs, *more, *rules),
        made.bytes,
        made.records,
        one_core=cores == 1,
        warm_up=not fresh_caches,
        fresh_caches=fresh_caches,
        good_codes=(0, 1, 3),
        unsupported_codes=(2,) if may_lack_support else (),
        absent="this version has no --jobs" if several and not _has_jobs() else "",
    )


def ripgrep(made: Input, *, one_core: bool) -> Contender:
    """Return ripgrep counting the lines that name an event which matters."""
    return _counting("rg", (), made, one_core=one_core)


def grep(made: Input) -> Contender:
    """Return grep counting the same lines on one core."""
    return _counting("grep", ("-E",), made, one_core=True)


def _counting(program: str, options: tuple[str, ...], made: Input, *, one_core: bool) -> Contender:
    return Contender(
        " ".join((program, *options, "-c")) + ("" if one_core else ", not pinned"),
        (program, *options, "-c", "-e", "|".join(made.names), str(made.path)),
        made.bytes,
        made.records,
        one_core=one_core,
        absent="" if shutil.which(program) else _NOT_INSTALLED,
    )


def awk(made: Input) -> Contender:
    """Return awk, mawk where there is one, printing the first two fields."""
    program = "mawk" if shutil.which("mawk") else "awk"
    return Contender(
        f"{program} '{{print $1, $2}}'",
        (program, "{print $1, $2}", str(made.path)),
        made.bytes,
        made.records,
        one_core=True,
        discard=True,
        absent="" if shutil.which(program) else _NOT_INSTALLED,
    )


def cat(made: Input) -> Contender:
    """Return cat: what reading the bytes costs."""
    return Contender(
        "cat", ("cat", str(made.path)), made.bytes, made.records, one_core=True, discard=True,
        absent="" if shutil.which("cat") else _NOT_INSTALLED,
    )  # fmt: skip


def struct_reader(made: Input, layouts: Path) -> Contender:
    """Return the reader in plain Python (`benchmarks.struct_reader`)."""
    script = str(_HERE / "struct_reader.py")
    return Contender(
        "Python with struct", (sys.executable, script, str(made.path), str(layouts)), made.bytes, made.records,
        one_core=True,
    )  # fmt: skip


def simpletrace_py(made: Input, declared: Path, script: Path | None) -> Contender:
    """Return QEMU's own reader, which `script` is the path of."""
    return Contender(
        "QEMU's simpletrace.py",
        (sys.executable, str(script), str(declared), str(made.path)),
        made.bytes,
        made.records,
        one_core=True,
        discard=True,
        absent="" if script is not None else "not given (--simpletrace-py)",
    )


def decompressor(made: Input) -> Contender:
    """Return decompression alone, to nowhere."""
    return Contender(
        "decompressing alone",
        (sys.executable, str(_HERE / "decompress.py"), str(made.path)),
        made.bytes,
        made.records,
    )


def imports(module: str) -> Contender:
    """Return Python importing one module."""
    return Contender(f'python -c "import {module}"', (sys.executable, "-c", f"import {module}"))


def shows_help() -> Contender:
    """Return traceview showing its help."""
    return Contender("traceview --help", (*_TRACEVIEW, "--help"))
