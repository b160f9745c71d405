"""Cuts the sample traces out of the captures that they come from.

    python sample-traces/cut.py CAPTURES [--into FOLDER]

CAPTURES is the folder with the full captures (``qemu-2.4.0/mirror/trace.log.xz`` and so on, packed or not). A sample
is a few ranges of whole lines of one capture, in their order and with nothing changed; a binary sample is the file's
header and ranges of whole records. Run it over a checkout, and ``git status`` shows that nothing differs.
"""

from __future__ import annotations

import argparse
import lzma
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

Ranges = tuple[tuple[int, int], ...]
"""First and last line (or record) of each range, both included, counted from 1, in ascending order."""


@dataclass(frozen=True)
class Cut:
    """One sample file: what it is called, which file of the captures it is cut from, and where."""

    sample: str
    capture: str
    ranges: Ranges


# simpletrace-2.6 is one run seen by two backends: record n of the binary file is line n of the log.
_ONE_RUN = (
    (1, 61), (56930, 56976), (57763, 58009), (58500, 58550), (60948, 61200), (90540, 90590), (95000, 95320),
)  # fmt: skip

# What the ranges hold, in their order: the names of contexts, BlockBackends and images at the start of the capture;
# then, for each job, its start (on stock builds with the swap of nodes before it), the request to complete or cancel
# it, and its end with the guest's requests around it. Ranges of builds that trace the main loop begin with a call of
# main_loop_wait and end before the next one, so that no dispatch is torn.
CUTS = (
    Cut(
        "lp1570134-first-diagram/trace.log", "qemu-2.4.0/mirror/trace.log",
        (
            (1, 67), (65800, 65905), (72224, 72230), (79699, 79951), (82638, 82761), (87793, 87802),
            (88295, 88770), (91384, 91428), (92733, 92760), (92983, 93034), (97858, 97867), (98476, 98687),
        ),
    ),
    Cut(
        "lp1570134-case-1/trace.log", "qemu-2.6.0-rc3/mirror/trace.log",
        (
            (1, 60), (70150, 70260), (83878, 84250), (84660, 84701), (90369, 90560), (92715, 92765),
            (93225, 93246), (93970, 94002), (97515, 97711),
        ),
    ),
    Cut(
        "lp1570134-case-2/trace.log", "qemu-2.6.0-rc3/mirror-case-2/trace.log",
        ((1, 61), (1046180, 1046263), (1049416, 1049766), (1050150, 1050203), (1053948, 1054146)),
    ),
    Cut(
        "second-door/trace.log", "qemu-2.6.0-rc3/mirror/trace.log",
        (
            (1, 60), (386150, 386221), (390327, 390530), (392270, 392315), (398019, 398175), (484630, 484672),
            (487560, 487740), (550917, 550950), (551049, 551079),
        ),
    ),
    Cut(
        "workaround/trace.log", "qemu-2.6.0-workaround/mirror/trace.log",
        ((1, 58), (105942, 105956), (108607, 108616), (163348, 163529)),
    ),
    Cut(
        "cancelled/trace.log", "qemu-2.4.0/mirror-cancelled/trace.log",
        (
            (1, 67), (40359, 40489), (44348, 44452), (45113, 45485), (49278, 49321), (53777, 53862),
            (54765, 55126),
        ),
    ),
    Cut(
        "other-disk-busy/trace.log", "qemu-2.6.0-rc3/other-disk-busy/trace.log",
        ((1, 60), (35995, 36061), (47558, 47622), (50338, 50649), (69469, 69537), (74779, 75120)),
    ),
    Cut(
        "abort/trace.log", "qemu-2.5.0/mirror-abort/trace.log",
        (
            (1, 67), (34259, 34328), (40400, 40433), (41597, 41880), (46088, 46189), (53679, 53712),
            (54547, 54813),
        ),
    ),
    Cut(
        "fixed/trace.log", "qemu-2.6.50-fixed/mirror/trace.log",
        (
            (1, 68), (55198, 55316), (60760, 60800), (64250, 64788), (69530, 69577), (77559, 77577),
            (80629, 80937),
        ),
    ),
    Cut(
        "stock-4.1-ide-lost-write/trace.log", "qemu-4.1.0/mirror-ide-verify/trace.log",
        (
            (1, 36), (15555, 15555), (110965, 110965), (118062, 118110), (119735, 119760), (127831, 127832),
            (128300, 128600), (133855, 133915), (145238, 145239), (146325, 146375), (153503, 153560),
            (167405, 167445), (187380, 187470),
        ),
    ),
    Cut(
        "stock-9.0-parked/trace.log", "qemu-9.0.0/mirror-vblk-noioeventfd/trace.log",
        (
            (1, 35), (6950, 7010), (8850, 8870), (11830, 11852), (12330, 12560), (16520, 16600), (22473, 22478),
            (22600, 22770), (25965, 26060), (31240, 31480),
        ),
    ),
    Cut(
        "stock-7.2-mixed/trace.log", "qemu-7.2.22/stderr-mixed/trace.log",
        (
            (1, 208), (5900, 5990), (7455, 7470), (8890, 8970), (9203, 9208), (9600, 9800), (11965, 12020),
            (17230, 17235), (17480, 17640),
        ),
    ),
    Cut("simpletrace-2.6/trace.log", "qemu-2.6.0-rc3/log-and-simpletrace/trace.log", _ONE_RUN),
    Cut("simpletrace-2.6/trace.bin", "qemu-2.6.0-rc3/log-and-simpletrace/trace.bin", _ONE_RUN),
)  # fmt: skip

COPIES = {"simpletrace-2.6/trace-events": "qemu-2.6.0-rc3/log-and-simpletrace/trace-events"}
"""Files that are taken whole: the ids in the binary file are positions in this one."""

_FILE_HEADER = 24
_RECORD_HEADER = struct.Struct("<QQII")
"""Event id, time, length of the record with this header, process id."""


def open_capture(captures: Path, name: str) -> IO[bytes]:
    """Open a file of the captures, packed with xz or not. Raises FileNotFoundError."""
    plain = captures / name
    if plain.is_file():
        return plain.open("rb")
    return lzma.open(f"{plain}.xz", "rb")


def read_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines with their line ends; nothing but a newline ends one."""
    yield from stream


def read_records(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the records of a simpletrace file of version 2 or 3 from behind the file's header."""
    while head := stream.read(_RECORD_HEADER.size):
        if len(head) < _RECORD_HEADER.size:
            raise ValueError("the file ends within the header of a record")
        length = _RECORD_HEADER.unpack(head)[2]
        rest = stream.read(length - _RECORD_HEADER.size)
        if len(rest) != length - _RECORD_HEADER.size:
            raise ValueError("the file ends within a record")
        yield head + rest


def take(items: Iterable[bytes], ranges: Ranges) -> Iterator[bytes]:
    """Yield the items of the ranges. Raises ValueError where there are too few."""
    numbered = enumerate(items, start=1)
    for first, last in ranges:
        for number, item in numbered:
            if number >= first:
                yield item
            if number == last:
                break
        else:
            raise ValueError(f"ends before number {last}")


def cut(captures: Path, wanted: Cut) -> bytes:
    """Return the content of a sample."""
    with open_capture(captures, wanted.capture) as stream:
        if wanted.sample.endswith(".bin"):
            header = stream.read(_FILE_HEADER)
            return header + b"".join(take(read_records(stream), wanted.ranges))
        return b"".join(take(read_lines(stream), wanted.ranges))


def write_all(captures: Path, into: Path) -> None:
    """Write all samples into a folder."""
    contents = [(wanted.sample, wanted.capture) for wanted in CUTS] + list(COPIES.items())
    cuts = {wanted.sample: wanted for wanted in CUTS}
    for sample, capture in contents:
        try:
            if sample in cuts:
                content = cut(captures, cuts[sample])
            else:
                with open_capture(captures, capture) as stream:
                    content = stream.read()
        except (OSError, ValueError, lzma.LZMAError) as e:
            raise SystemExit(f"{captures / capture}: {e}") from e
        path = into / sample
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        sys.stdout.write(f"{len(content):7d}  {path}\n")


def main() -> None:
    """Read the command line and write the samples."""
    parser = argparse.ArgumentParser(description="Cut the sample traces out of the full captures.")
    parser.add_argument("captures", type=Path, help="the folder with the full captures")
    parser.add_argument(
        "--into",
        type=Path,
        default=Path(__file__).resolve().parent,
        help="where to write (default: beside this script)",
    )
    options = parser.parse_args()
    write_all(options.captures, options.into)


if __name__ == "__main__":
    main()
