"""The images that the user gives, and those that the trace speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repair import lost, named
from traceview.errors import RepairRefusedError, UnknownNameError
from traceview.losses import Image, LossState, LostExtent
from traceview.repair.naming import choose_device, file_name, relate

OLD, NEW = Path("/here/old.img"), Path("/here/new.img")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/vm/old.img", "old.img"),
        ("old.img", "old.img"),
        ("/vm/a:b.img", "a:b.img"),
        ("file:old.img", "old.img"),
        ("host_device:/dev/sdb", "sdb"),
        ("", ""),
        ("nbd://10.0.0.1/disk", ""),
        ("nbd:unix:/run/x.sock:exportname=d", ""),
        ("rbd:pool/image", ""),
        ('json:{"driver":"qcow2","file":{"driver":"file","filename":"/vm/old.qcow2"}}', "old.qcow2"),
        ('json:{"file.filename":"/vm/old.qcow2","driver":"qcow2"}', "old.qcow2"),
        ('json:{"driver":"nbd","host":"x"}', ""),
        ('json:["x"]', ""),
        ("json:{", ""),
        ("json:" + "[" * 100_000, ""),
        ('json:{"filename":7}', ""),
    ],
)
def test_the_last_part_of_a_file_name_is_taken_from_what_a_trace_calls_an_image(image: str, name: str) -> None:
    assert file_name(image) == name


def doubts(extent: LostExtent, source: Path = OLD, target: Path = NEW) -> str:
    (related,) = relate([extent], source, target)
    return "; ".join(related.doubts)


def test_names_that_agree_leave_no_doubt_and_neither_do_names_that_are_not_known() -> None:
    assert doubts(named()) == ""
    assert doubts(lost()) == ""
    assert doubts(named(has="nbd://host/x", now="")) == ""


def test_a_source_of_another_name_is_doubted() -> None:
    assert doubts(named(has="/vm/first.img")) == "the trace says that 'first.img' has these bytes, not 'old.img'"


def test_a_target_of_another_name_is_doubted() -> None:
    assert doubts(named(now="/vm/third.img")) == (
        "the trace says that the disk is on 'third.img' when it ends, not on 'new.img'"
    )


def test_a_later_target_is_what_counts_and_where_it_is_not_named_the_jobs_own_does() -> None:
    moved_on = named(now=Image(0xA2, "/vm/third.img"), lacks=Image(0xA1, "/vm/new.img"), has=Image(0xA0, ""))
    assert "on 'third.img' when it ends" in doubts(moved_on)
    assert doubts(moved_on, target=Path("/here/third.img")) == ""
    assert doubts(lost(lacks=Image(0xA1, "/vm/other.img"))) != ""
    assert doubts(lost(lacks=Image(0xA1, "/vm/other.img"), now=Image(0xA2, ""))) == ""


def test_images_given_the_wrong_way_round_are_noticed() -> None:
    assert doubts(named(), source=NEW, target=OLD).endswith("it looks as if --source and --target are swapped")


def test_images_of_the_same_name_given_the_wrong_way_round_are_noticed_where_the_files_are_here(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "disk.img").touch()
    old, new = tmp_path / "a" / "disk.img", tmp_path / "b" / "disk.img"
    extent = named(has=str(old), now=str(new))
    assert doubts(extent, source=old, target=new) == ""
    assert doubts(extent, source=new, target=old) == "it looks as if --source and --target are swapped"


def test_a_link_goes_by_its_own_name_and_by_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "old.img").touch()
    (tmp_path / "link").symlink_to(tmp_path / "old.img")
    assert doubts(named(), source=tmp_path / "link") == ""
    assert doubts(named(has="/vm/link"), source=tmp_path / "link") == ""


def test_what_another_image_has_is_elsewhere_where_this_one_has_the_rest() -> None:
    first, second = relate([named(), named(has="/vm/middle.img")], OLD, NEW)
    assert (first.elsewhere, first.doubts) == ("", ())
    assert (second.elsewhere, second.doubts) == ("/vm/middle.img", ())


def test_where_no_name_is_the_sources_all_are_doubted() -> None:
    both = relate([named(has="/vm/a.img"), named(has="/vm/b.img")], OLD, NEW)
    assert [r.elsewhere for r in both] == ["", ""]
    assert all("not 'old.img'" in r.doubts[0] for r in both)


def test_one_image_without_a_name_among_several_is_doubted() -> None:
    known, unknown = relate([named(), named(has=Image(0xA7, ""))], OLD, NEW)
    assert known.doubts == ()
    assert unknown.doubts == ("the trace does not name the image that has these bytes, and there are several",)


def test_images_without_names_are_told_apart_by_the_jobs_that_left_them() -> None:
    # The address of a node that is gone is taken again.
    first, second = relate([lost(), lost(65536, job=0x20B)], OLD, NEW)
    assert len(first.doubts) == len(second.doubts) == 1
    made_good = lost(65536, job=0x20B, state=LossState.REWRITTEN)
    assert relate([lost(), lost(4096), made_good], OLD, NEW)[0].doubts == ()


def test_the_same_file_under_another_node_is_one_image() -> None:
    again = named(has=Image(0xA9, "/vm/old.img"))
    assert [r.doubts for r in relate([named(), again], OLD, NEW)] == [(), ()]


# which disk


def test_the_only_disk_is_taken() -> None:
    extents = [lost(), lost(65536)]
    assert choose_device(extents, OLD, NEW, None) == extents
    assert choose_device([], OLD, NEW, None) == []


def test_of_several_disks_the_one_is_taken_whose_images_are_named_so() -> None:
    ours, other = named(), named(has="/vm/a.img", now="/vm/b.img", device="drive1")
    assert choose_device([other, ours], OLD, NEW, None) == [ours]


def test_a_disk_whose_images_are_not_named_does_not_stand_in_the_way_of_one_whose_are() -> None:
    ours = named(device="drive1")
    assert choose_device([lost(), ours], OLD, NEW, None) == [ours]


@pytest.mark.parametrize("other", [lost(device="drive1"), named(device="drive1", now="/vm/third.img")])
def test_of_several_disks_that_may_be_meant_none_is_taken_until_one_is_named(other: LostExtent) -> None:
    ours = lost()
    with pytest.raises(RepairRefusedError, match=r"\(drive0, drive1\).*say --device NAME"):
        choose_device([ours, other], OLD, NEW, None)
    assert choose_device([ours, other], OLD, NEW, "drive1") == [other]


def test_a_disk_that_has_lost_nothing_is_an_error_that_names_those_that_have() -> None:
    with pytest.raises(UnknownNameError, match="'drive2' has lost nothing, but drive0 has; did you mean 'drive0'"):
        choose_device([lost()], OLD, NEW, "drive2")
    assert choose_device([], OLD, NEW, "drive2") == []
