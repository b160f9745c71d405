"""Read a simpletrace file with ``struct`` and nothing else, as one would write it for the purpose.

    python struct_reader.py TRACE LAYOUTS

It walks every record, counts them by event, and unpacks the header and the arguments of each wanted one. LAYOUTS is the
JSON that `benchmarks.inputs_binary.layouts_json` makes. The counts are printed as JSON. This script imports nothing of
the project, so that its start-up is its own.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Iterator

Unpack = Callable[[bytes, int], object]

CHUNK = 1 << 22
DROPPED = (1 << 64) - 2


def string_unpacker(layout: str) -> Unpack:
    """Return a function that unpacks arguments of which some are strings."""
    length, number = struct.Struct("<I").unpack_from, struct.Struct("<q").unpack_from

    def unpack(buffer: bytes, at: int) -> object:
        values: list[object] = []
        for letter in layout:
            if letter == "s":
                (size,) = length(buffer, at)
                values.append(buffer[at + 4 : at + 4 + size])
                at += 4 + size
            else:
                values.append(number(buffer, at)[0])
                at += 8
        return values

    return unpack


def unpacker(layout: str) -> Unpack:
    """Return the function that unpacks the arguments of one event."""
    return string_unpacker(layout) if "s" in layout else struct.Struct(f"<{layout}").unpack_from


def chunks(path: str) -> Iterator[bytes]:
    """Yield a file in pieces."""
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            yield data


def read(path: str, wanted: dict[str, str], numbers: dict[str, int]) -> dict[str, int]:
    """Return how many records of each event a file of version 3 or 4 has.

    `wanted` is the layout by name of the events that are unpacked, `numbers` the ids by name in version 3.
    """
    names = {number: name for name, number in numbers.items()}
    unpackers = {number: unpacker(wanted[name]) for name, number in numbers.items() if name in wanted}
    counts: dict[int, int] = dict.fromkeys(names, 0)
    get_unpacker = unpackers.get
    kind_of = struct.Struct("<Q").unpack_from
    mapping = struct.Struct("<QI").unpack_from
    header = struct.Struct("<QQII").unpack_from
    pieces = chunks(path)
    buffer = next(pieces, b"")
    (version,) = kind_of(buffer, 16)
    before = 8 if version == 4 else 0
    at = 24
    while True:
        size = len(buffer)
        while at + before + 24 <= size:
            if before and not kind_of(buffer, at)[0]:
                number, length = mapping(buffer, at + 8)
                end = at + 20 + length
                if end > size:
                    break
                name = names[number] = buffer[at + 20 : end].decode()
                counts[number] = 0
                if name in wanted:
                    unpackers[number] = unpacker(wanted[name])
            else:
                number, _time, length, _pid = header(buffer, at + before)
                end = at + before + length
                if end > size:
                    break
                if number != DROPPED:
                    counts[number] += 1
                    unpack = get_unpacker(number)
                    if unpack is not None:
                        unpack(buffer, at + before + 24)
            at = end
        piece = next(pieces, b"")
        if not piece:
            break
        buffer, at = buffer[at:] + piece, 0
    return {names[number]: count for number, count in counts.items() if count}


def main() -> None:
    """Read the file of the command line."""
    path, layouts = sys.argv[1:]
    with open(layouts, encoding="utf-8") as file:
        described = json.load(file)
    json.dump(read(path, described["wanted"], described["numbers"]), sys.stdout)


if __name__ == "__main__":
    main()
