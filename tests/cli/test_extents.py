"""``traceview extents``, end to end."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli import run, sample

CASE_1, STOCK, FIXED = sample("lp1570134-case-1"), sample("stock-4.1-ide-lost-write"), sample("stock-9.0-parked")


def test_what_is_lost_is_listed_and_is_a_finding() -> None:
    done = run("extents", STOCK)
    assert (done.code, done.err) == (1, "")
    assert done.lines[0].endswith(": 1 extent lost, 4096 B (4 KiB)")
    assert "has what" in done.lines[1]
    assert done.lines[2].split() == ["lost", "28901376", "+4096", "write", "at", "line", done.lines[2].split()[-1]]
    assert done.lines[-1].startswith(f"{STOCK}: what was rewritten is known until the end of the trace, line ")


def test_where_nothing_is_lost_it_is_said_and_is_no_finding() -> None:
    done = run("extents", FIXED)
    assert done.code == 0
    assert done.lines[0].startswith("no lost extent")


def test_the_formats_have_the_same_extents() -> None:
    document = json.loads(run("extents", CASE_1, "--format", "json").out)
    rows = list(csv.DictReader(io.StringIO(run("extents", CASE_1, "--format", "csv").out)))
    assert document["extents"]
    assert [(int(r["offset_bytes"]), int(r["length_bytes"]), r["state"]) for r in rows] == [
        (e["offset_bytes"], e["length_bytes"], e["state"]) for e in document["extents"]
    ]


def test_several_traces_are_told_apart() -> None:
    done = run("extents", CASE_1, STOCK)
    assert done.code == 1
    assert any(line.startswith(f"{CASE_1}: drive0: ") for line in done.lines)
    assert any(line.startswith(f"{STOCK}: 0x") for line in done.lines)
    document = json.loads(run("extents", CASE_1, STOCK, "--format", "json").out)
    assert {e["trace"] for e in document["extents"]} == {0, 1}


def test_stdin_is_read_once_and_that_is_enough() -> None:
    piped = run("extents", "-", "--format", "csv", stdin=STOCK.read_bytes())
    assert piped.out.replace("<stdin>", str(STOCK)) == run("extents", STOCK, "--format", "csv").out


def test_a_map_of_the_old_image_tells_what_is_allocated(tmp_path: Path) -> None:
    file = tmp_path / "old.map"
    file.write_text(
        json.dumps(
            [
                {"start": 0, "length": 28901376, "depth": 0, "zero": True, "data": False},
                {"start": 28901376, "length": 65536, "depth": 0, "zero": False, "data": True},
            ]
        )
    )
    assert run("extents", STOCK, "--qemu-img-map", str(file)).lines[2].endswith("; allocated in the old image")
    file.write_text("no map")
    done = run("extents", STOCK, "--qemu-img-map", str(file))
    assert (done.code, done.out) == (2, "")
    assert "make it with: qemu-img map --output=json IMAGE" in done.complaint


def test_a_trace_that_could_not_show_a_loss_is_inconclusive(tmp_path: Path) -> None:
    file = tmp_path / "vm.log"
    file.write_text("1@1500000000.000000:virtio_queue_notify vdev 0xe1 n 0 vq 0xf1\n" * 3)
    done = run("extents", str(file))
    assert done.code == 3
    assert any(line.startswith("? NOT JUDGED  mirror-exit-guest-io") for line in done.lines)


@pytest.mark.parametrize("name", ["none.log"])
def test_a_trace_that_is_not_there_is_an_error_and_the_others_are_told(name: str) -> None:
    done = run("extents", STOCK.parent / name, STOCK)
    assert done.code == 2
    assert "lost" in done.out
    assert name in done.complaint


def test_it_never_writes_over_what_it_reads() -> None:
    done = run("extents", STOCK, "-o", str(STOCK))
    assert done.code == 2
    assert len(STOCK.read_bytes()) > 1000
