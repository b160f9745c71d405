"""Draw the pictures of the documentation: what is shown is what the command above it draws.

A picture is a line ``<!-- picture: traceview plot … -o FILE -->`` in a page. Run from anywhere:

    python docs/draw.py               draw them all
    python docs/draw.py FOLDER        draw them into another folder, by the same names
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md",)
PICTURE = re.compile(r"<!-- picture: (traceview plot .+?) -o (\S+) -->")


def main() -> int:
    """Draw the pictures of all pages."""
    elsewhere = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
    for page in PAGES:
        for command, name in PICTURE.findall((ROOT / page).read_text(encoding="utf-8")):
            target = elsewhere / Path(name).name if elsewhere is not None else ROOT / name
            target.parent.mkdir(parents=True, exist_ok=True)
            words = [sys.executable, "-m", *shlex.split(command), "-o", str(target)]
            subprocess.run(words, cwd=ROOT, check=True, stderr=subprocess.PIPE)  # noqa: S603  (our own page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
