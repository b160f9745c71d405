"""simpletrace files that are made to measure with, and the plain reader that is measured beside traceview."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

import traceview
from benchmarks import struct_reader
from benchmarks.captures import UnusableInputError, is_wanted
from benchmarks.inputs import Input, InputMaker
from benchmarks.inputs_binary import BinarySource
from benchmarks.template import POINTER_STEP
from tests.conftest import ROOT

SAMPLE = ROOT / "sample-traces" / "simpletrace-2.6"
VERSIONS_AND_SHARES = [(3, 10), (3, 60), (4, 10), (4, 60)]


def opened(maker: InputMaker, version: int, path: Path) -> traceview.Trace:
    return traceview.open(path, trace_events=maker.binary_source(version).declared)


def column(trace: traceview.Trace, name: str, arg: str) -> list[int]:
    return [
        int(value)
        for batch in trace.batches([name])
        for code, values in zip(batch.code.tolist(), batch.args, strict=True)
        for value in [values[batch.forms[code].slot(arg)]]
    ]


@pytest.mark.parametrize(("version", "percent"), VERSIONS_AND_SHARES)
def test_what_matters_is_as_often_there_as_in_the_log_of_the_same_run(
    maker: InputMaker, version: int, percent: int
) -> None:
    made = maker.binary(version, percent)
    trace = opened(maker, version, made.path)
    trace.scan()
    log = traceview.open(SAMPLE / "trace.log")
    log.scan()
    expected = {n: c * made.repetitions for n, c in log.stats.names.items() if is_wanted(n)}
    assert {n: c for n, c in trace.stats.names.items() if is_wanted(n)} == expected
    assert trace.stats.records == made.records
    assert trace.stats.gaps == []
    assert 100 * made.matter / made.records == pytest.approx(percent, abs=1)


@pytest.mark.parametrize("version", [3, 4])
def test_a_scan_finds_the_windows_of_one_repetition_in_each(maker: InputMaker, version: int) -> None:
    made = maker.binary(version, 60)
    verdicts = Counter(w.verdict for w in opened(maker, version, made.path).scan().windows)
    expected = Counter(w.verdict for w in opened(maker, 3, SAMPLE / "trace.bin").scan().windows)
    assert expected
    assert verdicts == Counter({v: n * made.repetitions for v, n in expected.items()})


@pytest.mark.parametrize("version", [3, 4])
def test_repetitions_are_later_and_their_pointers_others(maker: InputMaker, version: int) -> None:
    made = maker.binary(version, 60)
    trace = opened(maker, version, made.path)
    each = made.records // made.repetitions
    times = [t for batch in trace.batches() for t in batch.ts_ns.tolist()]
    parts = [times[at : at + each] for at in range(0, len(times), each)]
    assert len(parts) == made.repetitions > 2
    assert all(max(a) < min(b) for a, b in pairwise(parts))
    jobs = column(trace, "mirror_exit", "job")
    per_part = len(jobs) // made.repetitions
    assert jobs == [j + number * POINTER_STEP for number in range(made.repetitions) for j in jobs[:per_part]]


@pytest.mark.parametrize(("version", "percent"), VERSIONS_AND_SHARES)
def test_the_plain_reader_counts_what_traceview_counts(maker: InputMaker, version: int, percent: int) -> None:
    made = maker.binary(version, percent)
    trace = opened(maker, version, made.path)
    trace.scan()
    assert _read_plainly(maker, version, made) == trace.stats.names


def _read_plainly(maker: InputMaker, version: int, made: Input) -> dict[str, int]:
    layouts = json.loads(maker.layouts(version).read_text())
    assert layouts["wanted"]
    return struct_reader.read(str(made.path), layouts["wanted"], layouts["numbers"])


@pytest.mark.parametrize("version", [3, 4])
def test_the_plain_reader_does_not_depend_on_where_it_cuts_the_file(
    maker: InputMaker, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = maker.binary(version, 60, part=8)
    whole = _read_plainly(maker, version, made)
    monkeypatch.setattr(struct_reader, "CHUNK", 1 << 10)
    assert _read_plainly(maker, version, made) == whole


def test_the_plain_reader_runs_by_itself(maker: InputMaker) -> None:
    made = maker.binary(4, 60, part=8)
    command = [sys.executable, "-S", "-E", struct_reader.__file__, str(made.path), str(maker.layouts(4))]
    done = subprocess.run(command, capture_output=True, check=True)
    assert sum(json.loads(done.stdout).values()) == made.records


def test_strings_and_signed_numbers_are_unpacked() -> None:
    unpack = struct_reader.unpacker("sqs")
    raw = b"\x02\0\0\0ab" + (-5).to_bytes(8, "little", signed=True) + b"\0\0\0\0"
    assert unpack(b"??" + raw, 2) == [b"ab", -5, b""]
    assert struct_reader.unpacker("Qq")(raw[:2] + bytes(16), 2) == (0, 0)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    data = bytearray((SAMPLE / "trace.bin").read_bytes())
    data[16] = 2
    (tmp_path / "trace.bin").write_bytes(data)
    source = BinarySource(tmp_path / "trace.bin", (), SAMPLE / "trace-events")
    with pytest.raises(UnusableInputError, match="version 2, expected 3 or 4"):
        source.template(0.5)
