"""The captures that inputs are made from, as lines with what each of them means to a scan.

They are looked for in ``TRACEVIEW_CAPTURES``, else in ``../shared/captures`` beside the checkout.
"""

from __future__ import annotations

import lzma
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from traceview.detect import Scanner
from traceview.rules import load_rules
from traceview.vocabulary import Meaning, builtin

__all__ = ["ROOT", "LogLines", "UnusableInputError", "captures_folder", "file_bytes", "is_wanted", "meaning_of"]

ROOT = Path(__file__).resolve().parent.parent
"""The top of the checkout."""

_RECORD = re.compile(rb"(\d+@\d{10}\.\d{6}:)(([a-zA-Z_]\w*) .*|([a-zA-Z_]\w*))")
"""A record with the prefix of QEMU 2.3 to 9.0; other lines are left out of what is made."""
_wanted_by_scan = Scanner(builtin(), load_rules(plugins=False)).wanted


class UnusableInputError(Exception):
    """What an input is to be made from is absent or cannot serve."""


def captures_folder() -> Path:
    """Return the folder of the captures; raises UnusableInputError where there is none."""
    named = os.environ.get("TRACEVIEW_CAPTURES")
    folder = Path(named) if named else ROOT.parent / "shared" / "captures"
    if not folder.is_dir():
        raise UnusableInputError(f"no captures in {folder}: set TRACEVIEW_CAPTURES to the folder that holds them")
    return folder


def file_bytes(path: Path) -> bytes:
    """Return the content of a capture's file, unpacked if only ``<path>.xz`` is there."""
    if path.is_file():
        return path.read_bytes()
    packed = path.with_name(f"{path.name}.xz")
    if not packed.is_file():
        raise UnusableInputError(f"{path}: neither it nor {packed.name} is there")
    return lzma.decompress(packed.read_bytes())


def is_wanted(name: str) -> bool:
    """Say whether a scan decodes an event: whether its records matter."""
    return _wanted_by_scan(name)


def meaning_of(name: str) -> Meaning:
    """Return what an event says, `Meaning.NOTHING` for one that the vocabulary does not know."""
    event = builtin().events.get(name)
    return event.meaning if event is not None else Meaning.NOTHING


@dataclass(slots=True)
class LogLines:
    """The records of one log in file order, one entry a line.

    `head` is the prefix (thread and time, with the colon), `rest` the name and the text without the newline.
    `event` (int64) numbers their events; `wanted` (bool) says which lines matter, `meaning` (int16) what they say.
    """

    head: list[bytes]
    rest: list[bytes]
    event: npt.NDArray[np.int64]
    wanted: npt.NDArray[np.bool_]
    meaning: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.rest)

    @classmethod
    def read(cls, path: Path) -> LogLines:
        """Read a log or its ``.xz``; raises UnusableInputError if it has no records with a time."""
        head: list[bytes] = []
        rest: list[bytes] = []
        codes: list[int] = []
        code_of: dict[bytes, int] = {}
        for line in file_bytes(path).split(b"\n"):
            match = _RECORD.fullmatch(line)
            if match is not None:
                name = match[3] or match[4]
                head.append(match[1])
                rest.append(match[2])
                codes.append(code_of.setdefault(name, len(code_of)))
        if not rest:
            raise UnusableInputError(f"{path}: no line is a record with thread and time")
        names = [n.decode("ascii") for n in code_of]
        code = np.array(codes)
        wanted = np.array([is_wanted(n) for n in names])[code]
        meaning = np.array([meaning_of(n) for n in names], dtype=np.int16)[code]
        return cls(head, rest, code, wanted, meaning)

    def take(self, index: npt.NDArray[np.int64]) -> LogLines:
        """Return some of the lines, in the order of `index`."""
        chosen = index.tolist()
        return LogLines(
            [self.head[i] for i in chosen],
            [self.rest[i] for i in chosen],
            self.event[index],
            self.wanted[index],
            self.meaning[index],
        )
