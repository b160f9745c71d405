"""Lost extents for people, programs and spreadsheets."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from tests.report import HOSTILE, RAW, mark, summary
from traceview.events import Gap
from traceview.findings import Extent, ScanResult
from traceview.image_map import ImageMap
from traceview.losses import Horizon, Image, Losses, LossState, LostExtent
from traceview.report.extents import EXTENT_COLUMNS, extent_csv, extent_lines, extents_json
from traceview.report.style import Style
from traceview.rules import EXIT_RULE
from traceview.vocabulary import Op

PLAIN = Style(colour=False)
OLD, NEW, NEWER = Image(0xB1, "/img/old.img"), Image(0xB2, "/img/new.img"), Image(0xB3, "/img/newer.img")


def extent(offset: int = 0, length: int = 4096, *, state: LossState = LossState.LOST, **more: object) -> LostExtent:
    known = LostExtent(
        trace=0, device="drive0", blk=0xD1, extent=Extent(offset, length), state=state, reason="", ops=(Op.WRITE,),
        rules=(EXIT_RULE,), windows=(0,), job=0xA1, job_kind="mirror", has=OLD, lacks=NEW, now=NEW, written=mark(7),
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]


def losses(*extents: LostExtent, horizon: Horizon | None = None, path: str = "vm.log") -> Losses:
    scan = ScanResult([summary(path)])
    return Losses(scan, list(extents), [horizon if horizon is not None else Horizon(mark(99))])


def lines(*extents: LostExtent, image_map: ImageMap | None = None, **more: object) -> list[str]:
    return list(extent_lines(losses(*extents, **more), PLAIN, image_map))  # type: ignore[arg-type]


def test_each_disk_has_a_headline_each_job_its_images_and_each_extent_a_line() -> None:
    found = lines(
        extent(0), extent(8192, state=LossState.UNCERTAIN, reason="in flight at the switch, and not seen to end"),
        extent(16384, state=LossState.REWRITTEN, made_good=mark(80), ops=(Op.WRITE, Op.WRITE_ZEROES)),
    )  # fmt: skip
    assert found == [
        "drive0: 1 extent lost, 4096 B (4 KiB); 1 extent uncertain, 4096 B (4 KiB); 1 extent rewritten, 4096 B (4 KiB)",
        "  mirror job 0xa1: /img/old.img has what /img/new.img lacks",
        "    lost                    0 +4096      write at line 7",
        "    uncertain            8192 +4096      write at line 7; in flight at the switch, and not seen to end",
        "    rewritten           16384 +4096      write/write zeroes at line 7, rewritten at line 80",
        "",
        "vm.log: what was rewritten is known until the end of the trace, line 99",
    ]


def test_it_is_told_where_later_jobs_have_moved_the_disk() -> None:
    assert lines(extent(now=NEWER))[1] == (
        "  mirror job 0xa1: /img/old.img has what /img/new.img lacks, and /img/newer.img, which the disk is on now"
    )
    unnamed = extent(has=Image(0xB1, ""), lacks=Image(0xB2, ""), now=Image(0xB1, ""))
    assert lines(unnamed)[1] == (
        "  mirror job 0xa1: bs 0xb1 has what bs 0xb2 lacks, and the target of a later job, which the disk is on now"
    )
    assert lines(extent(lacks=Image(0, ""), now=Image(0, "")))[1].endswith("has what an image that is not named lacks")


def test_where_records_are_missing_no_more_is_known() -> None:
    gap = Gap(cause="dropped", record=40, byte_offset=900, line=41, ts_ns=0, count=3, text="3 records dropped")
    assert lines(extent(), horizon=Horizon(mark(99), gap))[-1] == (
        "vm.log: what was rewritten is known until line 41: 3 records dropped"
    )


def test_nothing_lost_is_said_in_words() -> None:
    assert lines()[0].startswith("no lost extent")


@pytest.mark.parametrize(
    ("image_map", "words"),
    [
        (ImageMap((Extent(0, 8192),), 8192), "; allocated in the old image"),
        (ImageMap((Extent(0, 1024),), 8192), "; 1024 of 4096 B allocated in the old image"),
        (ImageMap((), 8192), "; a hole in the old image"),
        (ImageMap((Extent(0, 512),), 512), "; 512 B allocated in the old image, which the map follows to 512 only"),
    ],
)
def test_a_map_of_the_old_image_tells_what_is_allocated(image_map: ImageMap, words: str) -> None:
    assert lines(extent(), image_map=image_map)[2].endswith(words)


def test_the_document_has_every_extent_and_their_sums() -> None:
    found = losses(
        extent(0), extent(8192, state=LossState.REWRITTEN, made_good=mark(80)),
        extent(16384, now=NEWER, lacks=Image(0xB2, "")),
    )  # fmt: skip
    document = json.loads(extents_json(found, [], ImageMap((Extent(0, 1024),), 1 << 20)))
    assert document["schema_version"] == 1
    assert document["summary"] == {
        "lost": {"extents": 2, "bytes": 8192}, "uncertain": {"extents": 0, "bytes": 0},
        "rewritten": {"extents": 1, "bytes": 4096},
    }  # fmt: skip
    first, second, third = document["extents"]
    assert (first["offset_bytes"], first["length_bytes"], first["state"], first["ops"]) == (0, 4096, "lost", ["write"])
    assert first["has"] == {"node": "0xb1", "file": "/img/old.img"}
    assert (first["written"]["line"], first["rewritten"], second["rewritten"]["line"]) == (7, None, 80)
    assert first["allocated"] == [{"offset_bytes": 0, "length_bytes": 1024}]
    assert (third["lacks"]["file"], third["now"]["file"]) == ("", "/img/newer.img")
    assert document["traces"][0]["known_until"]["line"] == 99
    assert json.loads(extents_json(found))["extents"][0]["allocated"] is None


def test_the_csv_has_a_row_an_extent() -> None:
    rows = list(csv.reader(extent_csv(losses(extent(), extent(8192, made_good=mark(80))))))
    assert rows[0] == list(EXTENT_COLUMNS)
    first = dict(zip(EXTENT_COLUMNS, rows[1], strict=True))
    assert (first["offset_bytes"], first["state"], first["has_image"], first["rewritten_line"]) == (
        "0", "lost", "/img/old.img", "",
    )  # fmt: skip
    assert dict(zip(EXTENT_COLUMNS, rows[2], strict=True))["rewritten_line"] == "80"


def test_what_a_trace_says_cannot_steer_a_terminal_nor_become_a_formula() -> None:
    bad = extent(device=HOSTILE, reason=HOSTILE, has=Image(1, HOSTILE), lacks=Image(2, HOSTILE), now=Image(3, HOSTILE))
    assert not any(raw in line for line in lines(bad, path=HOSTILE) for raw in RAW)
    assert extents_json(losses(bad, path=HOSTILE)).isascii()
    formula = extent(device="=cmd()", has=Image(1, "+1"))
    (row,) = list(csv.reader(extent_csv(losses(formula))))[1:]
    assert "'=cmd()" in row
    assert "'+1" in row
