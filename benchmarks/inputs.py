"""The input files, made once and kept in a work folder with a note of what is in them."""

from __future__ import annotations

import gzip
import json
import lzma
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmarks.captures import UnusableInputError, captures_folder, is_wanted
from benchmarks.inputs_binary import BinarySource, layouts_json
from benchmarks.inputs_text import LogSource, sections_begun, windows_templates
from benchmarks.template import Template, TextTemplate, write_repeated

__all__ = ["Input", "InputMaker", "parse_size", "size_text"]

MAKER = 2
"""Counted up when what is made changes: inputs of an older maker are made anew."""
TEMPLATE_SHARE = 16
"""A template is this part of the size asked for, so that repetitions fill it evenly."""
MOST_TEMPLATE = 64 << 20
WINDOWS_RATIO = 100
"""How many times the windows of the one file the other has."""
LONG_WINDOWS = 1000
"""How many windows stay open for a whole log, or nest in each other."""
SAMPLE_BYTES = 1 << 20
_SPARE = 64 << 20
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

INSTRUMENTED = (
    "qemu-2.6.0-rc3/mirror",
    ("qemu-2.6.0-rc3/mirror-abort", "qemu-2.4.0/mirror", "qemu-2.6.50-fixed/mirror", "qemu-2.6.0-workaround/mirror"),
)
"""The capture of the main rows, and those whose lines are mixed in."""
STOCK = (
    "qemu-7.2.22/mirror-drive-vblk",
    ("qemu-7.2.22/mirror-cancel-ready", "qemu-7.2.22/mirror-ide-reads", "qemu-4.1.0/mirror-iothread"),
)
BINARY = ("qemu-9.0.0/mirror-vblk-noioeventfd", ("qemu-9.0.0/mirror-iothread", "qemu-9.0.0/quad-backends"))
BINARY_3 = ("qemu-2.6.0-rc3/log-and-simpletrace", ())
BINARIES = {4: (BINARY, "qemu-9.0.0/trace-events"), 3: (BINARY_3, f"{BINARY_3[0]}/trace-events")}
"""By simpletrace version: the capture, those whose records are mixed in, the declarations."""
CAPTURES = {"instrumented": INSTRUMENTED, "stock": STOCK}


@dataclass(frozen=True)
class Input:
    """One input file. `names` are the events that matter in it; `repetitions` of `template_bytes` make it up."""

    path: Path
    bytes: int
    records: int
    matter: int
    repetitions: int
    template_bytes: int
    names: tuple[str, ...]
    packed: int = 0
    """The bytes of the file itself where it is compressed; `bytes` are those of what is in it."""

    @property
    def share(self) -> float:
        """The share of its records that matters."""
        return self.matter / self.records


def parse_size(text: str) -> int:
    """Return a size in bytes from text as ``64M`` or ``1G``; raises ValueError for other text."""
    match = re.fullmatch(r"(\d+)([KMG]?)(i?B)?", text.strip().upper().replace("IB", "iB"))
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r} is no size: give a number with K, M or G, as in 64M")
    return int(match[1]) * _UNITS[match[2]]


def size_text(size: int) -> str:
    """Return a size with the largest unit that divides it, as `parse_size` reads it."""
    for unit in ("G", "M", "K"):
        if size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)


class InputMaker:
    """Makes inputs of one size in `work`, from captures in `captures`; what is there already is kept."""

    def __init__(self, work: Path, size: int, captures: Path | None = None) -> None:
        self.work = work / "inputs"
        self.size = size
        self._captures = captures
        self._sources: dict[str, LogSource] = {}
        self._binaries: dict[int, BinarySource] = {}

    @cached_property
    def captures(self) -> Path:
        """The folder of the captures; raises UnusableInputError where there is none."""
        return self._captures if self._captures is not None else captures_folder()

    @property
    def _template_bytes(self) -> int:
        return min(self.size // TEMPLATE_SHARE, MOST_TEMPLATE)

    def source(self, kind: str) -> LogSource:
        """Return the capture of a kind, with those that are mixed in."""
        if kind not in self._sources:
            main, others = CAPTURES[kind]
            logs = [self.captures / name / "trace.log" for name in (main, *others)]
            self._sources[kind] = LogSource(logs[0], tuple(logs[1:]))
        return self._sources[kind]

    def text(self, kind: str, percent: int, *, times: int = 1) -> Input:
        """Return a log of `times` the size in which `percent` of the lines matter."""

        def make() -> list[Template]:
            template = TextTemplate(self.source(kind).jobs(percent / 100, self._template_bytes))
            # The larger file is exactly so many times the smaller one, of the same repetitions.
            return [template] * (times * max(round(self.size / template.size), 1))

        return self._made(f"{kind}-{percent}-{size_text(times * self.size)}.log", times * self.size, make)

    def binary_source(self, version: int) -> BinarySource:
        """Return the capture of a simpletrace version, with those that are mixed in."""
        if version not in self._binaries:
            (main, others), declared = BINARIES[version]
            traces = [self.captures / name / "trace.bin" for name in (main, *others)]
            self._binaries[version] = BinarySource(traces[0], tuple(traces[1:]), self.captures / declared)
        return self._binaries[version]

    def binary(self, version: int, percent: int, *, part: int = 1) -> Input:
        """Return a simpletrace file of a `part`-th of the size in which `percent` of the records matter."""
        size = self.size // part

        def make() -> list[Template]:
            template = self.binary_source(version).template(percent / 100)
            return [template] * max(round(size / template.size), 1)

        return self._made(f"simpletrace-{version}-{percent}-{size_text(size)}.bin", size, make)

    def layouts(self, version: int) -> Path:
        """Return the file that tells `struct_reader` how the arguments of a version's wanted events lie."""
        path = self.work / f"simpletrace-{version}-layouts.json"
        if not path.is_file():
            self.work.mkdir(parents=True, exist_ok=True)
            path.write_text(layouts_json(self.binary_source(version)), encoding="utf-8")
        return path

    def windows(self, percent: int = 10) -> tuple[Input, Input]:
        """Return two logs of about the same size and share; the second has `WINDOWS_RATIO` times the windows."""
        suffix = f"{percent}-{size_text(self.size)}.log"

        def few() -> list[Template]:
            busy, quiet = windows_templates(self.source("instrumented"), percent / 100, self.size // WINDOWS_RATIO)
            return [busy, *[quiet] * round(busy.size * (WINDOWS_RATIO - 1) / quiet.size)]

        def many() -> list[Template]:
            busy, _ = windows_templates(self.source("instrumented"), percent / 100, self.size // WINDOWS_RATIO)
            return [busy] * WINDOWS_RATIO

        return (
            self._made(f"few-windows-{suffix}", self.size, few),
            self._made(f"many-windows-{suffix}", self.size, many),
        )

    def long_windows(self) -> tuple[Input, Input, Input]:
        """Return the instrumented log, one with many nodes drained all through it, and one with a node drained deep."""
        text = self.source("instrumented").jobs(0.1, self._template_bytes)
        end = b"1@1500000000.000000:bdrv_drained_end bs 0x6f0fffffffff quiesce_counter 0\n"

        def made(name: str, head: bytes) -> Input:
            def make() -> list[Template]:
                template = TextTemplate(text, head + end)
                return [template] * max(round(self.size / template.size), 1)

            return self._made(f"{name}-windows-{size_text(self.size)}.log", self.size, make)

        return (
            made("short", b""),
            made("long", sections_begun(LONG_WINDOWS, 1)),
            made("nested", sections_begun(1, LONG_WINDOWS)),
        )

    def sample(self) -> Input:
        """Return a log of about 1 MB."""
        small = InputMaker(self.work.parent, SAMPLE_BYTES, self.captures)
        small._sources = self._sources

        def make() -> list[Template]:
            busy, _ = windows_templates(self.source("instrumented"), 0.6, SAMPLE_BYTES)
            return [busy]

        return small._made("sample-1M.log", SAMPLE_BYTES, make)

    def compressed(self, kind: str, suffix: str) -> Input:
        """Return the 10% log of a kind packed as ``gz``, ``xz`` or ``zst``."""
        plain = self.text(kind, 10)
        path = plain.path.with_name(f"{plain.path.name}.{suffix}")
        note = path.with_name(f"{path.name}.json")
        kept = _kept(path, note)
        if kept is not None:
            return kept
        self._require_space(plain.bytes)
        part = path.with_name(f"{path.name}.part")
        _pack(plain.path, part, suffix)
        part.replace(path)
        made = replace(plain, path=path, packed=path.stat().st_size)
        _note(made, note)
        return made

    def _made(self, name: str, size: int, plan: Callable[[], Sequence[Template]]) -> Input:
        path = self.work / name
        note = path.with_name(f"{name}.json")
        kept = _kept(path, note)
        if kept is not None:
            return kept
        self.work.mkdir(parents=True, exist_ok=True)
        self._require_space(size)
        order = plan()
        counts: Counter[str] = Counter()
        for template in set(order):
            times = order.count(template)
            counts += Counter({n: c * times for n, c in template.counts().items()})
        counts += order[0].head_counts()
        written = write_repeated(path, order)
        matter = {n: c for n, c in counts.items() if is_wanted(n)}
        made = Input(
            path, written, counts.total(), sum(matter.values()), len(order), order[0].size, tuple(sorted(matter))
        )
        _note(made, note)
        return made

    def _require_space(self, size: int) -> None:
        free = shutil.disk_usage(self.work).free
        if free < size + _SPARE:
            raise UnusableInputError(
                f"{self.work}: {free >> 20} MiB free, but {(size + _SPARE) >> 20} MiB are needed: "
                f"choose a smaller --size or another --work"
            )


def _note(made: Input, note: Path) -> None:
    fields = asdict(made) | {"path": made.path.name, "maker": MAKER}
    note.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")


def _kept(path: Path, note: Path) -> Input | None:
    """Return what is noted of an input if it is there and complete, and this maker made it."""
    if not path.is_file() or not note.is_file():
        return None
    fields = json.loads(note.read_text(encoding="utf-8"))
    if fields.pop("maker") != MAKER:
        return None
    made = Input(**fields | {"path": path, "names": tuple(fields["names"])})
    return made if path.stat().st_size == (made.packed or made.bytes) else None


def _pack(plain: Path, packed: Path, suffix: str) -> None:
    with open(plain, "rb") as source:
        if suffix == "gz":
            with gzip.open(packed, "wb", compresslevel=6) as out:
                shutil.copyfileobj(source, out, 1 << 20)
        elif suffix == "xz":
            with lzma.open(packed, "wb", preset=1) as out:
                shutil.copyfileobj(source, out, 1 << 20)
        else:
            import zstandard  # noqa: PLC0415  (needed for this input alone)

            with open(packed, "wb") as raw, zstandard.ZstdCompressor(level=3).stream_writer(raw) as out:
                shutil.copyfileobj(source, out, 1 << 20)
