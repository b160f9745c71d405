"""The command line, run in this process (fast) or in one of its own (as people run it)."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tests.conftest import ROOT
from traceview.cli import main

SAMPLES = ROOT / "sample-traces"
QUIET = (
    "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TERM", "COLUMNS", "PYTHONUNBUFFERED",
    "TRACEVIEW_TRACEBACK", "TRACEVIEW_STORE", "TRACEVIEW_WEBHOOK_SECRET",
)  # fmt: skip
"""Variables of the caller's that would change what is printed, or when."""
CLEAN = {k: v for k, v in os.environ.items() if k not in QUIET}
IN_OWN_PROCESS = {**CLEAN, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
COMMAND = [sys.executable, "-m", "traceview"]


@dataclass(frozen=True)
class Done:
    """What a run of the command line left behind."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode("utf-8")

    @property
    def lines(self) -> list[str]:
        return self.out.split("\n")[:-1]

    @property
    def complaint(self) -> str:
        """The text on stderr, freed from the box around usage errors and from its line ends."""
        return " ".join(re.sub(r"[│╭╮╰╯─]|\x1b\[[0-9;]*m", " ", self.err).split())


def sample(name: str, file: str = "trace.log") -> Path:
    """Return the path of a sample trace."""
    return SAMPLES / name / file


class _Stream(io.TextIOWrapper):
    """A standard stream that is no terminal, kept in memory."""

    def __init__(self, data: bytes = b"") -> None:
        self.memory = io.BytesIO(data)
        super().__init__(self.memory, encoding="utf-8", errors="surrogateescape")

    def content(self) -> bytes:
        self.flush()
        return self.memory.getvalue()


def run(*words: str | Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Done:
    """Run the command line in this process."""
    out, err = _Stream(), _Stream()
    streams = mock.patch.multiple(
        sys, stdin=_Stream(stdin), stdout=out, stderr=err, argv=["traceview", *map(str, words)]
    )
    code = 0
    with streams, mock.patch.dict(os.environ, {**CLEAN, **(env or {})}, clear=True):
        try:
            main()
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 0
    return Done(code, out.content(), err.content().decode("utf-8", "replace"))


def run_alone(
    *words: str | Path, stdin: bytes = b"", env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Done:
    """Run the command line in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *(os.fspath(w) for w in words)],
        input=stdin,
        env={**IN_OWN_PROCESS, **(env or {})},
        cwd=cwd,
        capture_output=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
