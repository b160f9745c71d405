"""Logs that are made to measure with: what differs between repetitions, and that nothing else does."""

from __future__ import annotations

import gzip
import json
import lzma
import re
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

import traceview
from benchmarks.captures import UnusableInputError, is_wanted
from benchmarks.inputs import WINDOWS_RATIO, Input, InputMaker
from benchmarks.template import POINTER_STEP, TextTemplate, write_repeated
from traceview.findings import ScanResult

KINDS_AND_SHARES = [(kind, percent) for kind in ("instrumented", "stock") for percent in (10, 60)]
TIME = re.compile(rb"^\d+@(\d+)\.(\d+):", re.MULTILINE)
POINTER = re.compile(rb"\b0x([0-9a-f]{12})\b")


def repetitions(made: Input) -> list[bytes]:
    data = made.path.read_bytes()
    size = made.template_bytes
    return [data[at : at + size] for at in range(0, len(data), size)]


def times(text: bytes) -> list[int]:
    return [int(seconds + micros) for seconds, micros in TIME.findall(text)]


def judged(result: ScanResult) -> Counter[tuple[str, str]]:
    return Counter((w.rule, w.verdict.value) for w in result.windows)


@pytest.mark.parametrize(("kind", "percent"), KINDS_AND_SHARES)
def test_a_repetition_is_later_than_all_of_the_one_before(maker: InputMaker, kind: str, percent: int) -> None:
    made = maker.text(kind, percent)
    parts = repetitions(made)
    assert len(parts) == made.repetitions > 2
    for before, after in pairwise(parts):
        assert max(times(before)) < min(times(after))


@pytest.mark.parametrize(("kind", "percent"), KINDS_AND_SHARES)
def test_each_pointer_is_moved_by_the_same_offset_and_meets_no_other(
    maker: InputMaker, kind: str, percent: int
) -> None:
    parts = repetitions(maker.text(kind, percent))
    first = [int(p, 16) for p in POINTER.findall(parts[0])]
    assert first
    met: set[int] = set()
    for number, part in enumerate(parts):
        pointers = [int(p, 16) for p in POINTER.findall(part)]
        assert pointers == [p + number * POINTER_STEP for p in first]
        assert met.isdisjoint(pointers)
        met.update(pointers)


def test_nothing_but_times_and_pointers_differs(maker: InputMaker) -> None:
    parts = repetitions(maker.text("instrumented", 60))
    bare = {POINTER.sub(b"0x", TIME.sub(b"", p)) for p in parts}
    assert len(bare) == 1
    micros = {tuple(m for _, m in TIME.findall(p)) for p in parts}
    assert len(micros) == 1


def test_a_nil_pointer_stays_nil() -> None:
    template = TextTemplate(b"7@1459344553.000001:mirror_start bs 0x563433de3b80 s (nil) opaque 0x7f\n")
    assert bytes(template.render(3, template.start + 5)) == (
        b"7@1459344558.000001:mirror_start bs 0x563733de3b80 s (nil) opaque 0x7f\n"
    )


@pytest.mark.parametrize(("kind", "percent"), KINDS_AND_SHARES)
def test_as_many_lines_matter_as_were_asked_for(maker: InputMaker, kind: str, percent: int) -> None:
    made = maker.text(kind, percent)
    trace = traceview.open(made.path)
    trace.scan()
    names = trace.stats.names
    assert trace.stats.records == trace.stats.lines == made.records
    assert sum(c for n, c in names.items() if is_wanted(n)) == made.matter
    assert 100 * made.matter / made.records == pytest.approx(percent, abs=1)
    assert {n for n in names if is_wanted(n)} == set(made.names)


@pytest.mark.parametrize(("kind", "percent"), KINDS_AND_SHARES)
def test_a_scan_finds_the_windows_of_one_repetition_in_each(
    maker: InputMaker, tmp_path: Path, kind: str, percent: int
) -> None:
    made = maker.text(kind, percent)
    one = tmp_path / "one.log"
    one.write_bytes(repetitions(made)[0])
    expected = judged(traceview.open(one).scan())
    assert expected
    assert judged(traceview.open(made.path).scan()) == Counter({k: n * made.repetitions for k, n in expected.items()})


def test_mixing_does_not_change_what_is_found(maker: InputMaker, tmp_path: Path) -> None:
    found = set()
    for share in (0.1, 0.6, 0.9):
        path = tmp_path / f"{share}.log"
        path.write_bytes(maker.source("instrumented").jobs(share, 1 << 20))
        result = traceview.open(path).scan()
        found.add(tuple(sorted(judged(result).items())))
    assert len(found) == 1


@pytest.mark.captures
def test_the_one_log_has_a_hundred_times_the_windows_of_the_other(tmp_path: Path) -> None:
    few, many = InputMaker(tmp_path, 2 << 20).windows()
    assert few.bytes == pytest.approx(many.bytes, rel=0.05)
    assert few.share == pytest.approx(many.share, abs=0.01)
    expected = judged(traceview.open(few.path).scan())
    assert expected
    assert judged(traceview.open(many.path).scan()) == Counter({k: n * WINDOWS_RATIO for k, n in expected.items()})


def test_what_is_there_is_kept_until_the_maker_changes(maker: InputMaker) -> None:
    made = maker.text("stock", 60)
    stamp = made.path.stat().st_mtime_ns
    assert maker.text("stock", 60) == made
    assert made.path.stat().st_mtime_ns == stamp
    note = made.path.with_name(f"{made.path.name}.json")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"maker": 0}))
    assert maker.text("stock", 60) == made
    assert made.path.stat().st_mtime_ns != stamp


def test_a_file_that_was_cut_is_made_anew(maker: InputMaker) -> None:
    made = maker.text("stock", 60)
    whole = made.path.read_bytes()
    made.path.write_bytes(whole[:-1])
    assert maker.text("stock", 60) == made
    assert made.path.read_bytes() == whole


def test_ten_times_the_size_is_ten_times_the_same_repetitions(maker: InputMaker) -> None:
    one, ten = maker.text("instrumented", 10), maker.text("instrumented", 10, times=10)
    assert (ten.bytes, ten.records, ten.repetitions) == (10 * one.bytes, 10 * one.records, 10 * one.repetitions)
    assert ten.path.read_bytes().startswith(one.path.read_bytes())


@pytest.mark.parametrize(("suffix", "unpack"), [("gz", gzip.decompress), ("xz", lzma.decompress)])
def test_a_compressed_input_is_the_plain_one_packed(
    maker: InputMaker, suffix: str, unpack: Callable[[bytes], bytes]
) -> None:
    made = maker.compressed("instrumented", suffix)
    plain = made.path.with_suffix("").read_bytes()
    assert unpack(made.path.read_bytes()) == plain
    assert (made.bytes, made.packed) == (len(plain), made.path.stat().st_size)
    assert maker.compressed("instrumented", suffix) == made


def test_a_full_disk_is_told_before_anything_is_written(maker: InputMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1 << 20))
    with pytest.raises(UnusableInputError, match="1 MiB free, but 66 MiB are needed"):
        maker.text("instrumented", 10)
    assert not list(maker.work.iterdir())


def test_pointers_that_would_need_more_digits_are_refused(tmp_path: Path) -> None:
    template = TextTemplate(b"7@1459344553.000001:mirror_start bs 0xfffe33de3b80 s (nil)\n")
    with pytest.raises(UnusableInputError, match="repetition 2: its pointers need more digits"):
        write_repeated(tmp_path / "x.log", [template] * 3)
    assert not (tmp_path / "x.log").exists()


def test_times_that_would_change_more_digits_are_refused() -> None:
    template = TextTemplate(b"7@1499999999.000001:mirror_start bs 0x563433de3b80 s (nil)\n")
    with pytest.raises(UnusableInputError, match="repetition 1: its times"):
        template.render(1, template.start + template.span)
