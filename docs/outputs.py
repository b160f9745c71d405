"""Fill in, or check, the output blocks of the documentation: what is shown is what the commands print.

A block is a line ``<!-- output: COMMAND -->`` and the fenced ``text`` block behind it. Run from anywhere:

    python docs/outputs.py            fill the blocks in
    python docs/outputs.py --check    leave with 1 if a block is not what its command prints
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md", "sample-traces/README.md", "docs/check.md", "docs/extents.md", "docs/library.md", "docs/repair.md",
    "docs/rules.md", "docs/verdicts.md",
)  # fmt: skip
BLOCK = re.compile(
    r"(<!-- output: (?P<command>.+?) -->\n+```text\n)(?P<body>.*?)(?P<end>^```$)", re.DOTALL | re.MULTILINE
)


def printed(command: str) -> str:
    """Return what a command of the documentation prints to stdout."""
    words = shlex.split(command)
    if words[0] == "traceview":
        words = [sys.executable, "-m", "traceview", *words[1:]]
    elif words[0] == "python":
        words = [sys.executable, *words[1:]]
    else:
        raise SystemExit(f"documentation may only run traceview and python, not {words[0]!r}")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stderr.decode()}")
    return done.stdout.decode()


def filled(page: str) -> str:
    """Return a page with all its blocks filled in."""
    return BLOCK.sub(lambda m: m[1] + printed(m["command"]) + m["end"], page)


def main() -> int:
    """Fill in the pages, or check them with ``--check``."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name in PAGES:
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = filled(old)
        if new != old:
            stale.append(name)
            if not check:
                path.write_text(new, encoding="utf-8")
    for name in stale:
        print(f"{name}: {'is not what its commands print' if check else 'filled in'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
