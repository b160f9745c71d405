"""What pointers are called: a pointer is another node's later on."""

from __future__ import annotations

from tests.timeline.story import DISK, DRIVE, MAIN, Story
from traceview.timeline.names import NameTracker


def opened(story: Story, node: int, file: str) -> int:
    return story.say(f'bdrv_open_common bs 0x{node:x} filename "{file}" flags 0x2002 format_name "raw"') - 1


def told(story: Story) -> NameTracker:
    names = NameTracker()
    table = story.table()
    for row in table.rows(table.where(*NameTracker.MEANINGS)):
        names.feed(row)
    return names


def test_a_node_has_the_file_that_it_was_opened_with_last_at_that_time() -> None:
    story = Story()
    story.iteration()
    first = opened(story, DISK, "a.img")
    story.iteration()
    second = opened(story, DISK, "b.img")
    names = told(story)
    assert [names.image(DISK, r) for r in (first - 1, first, second - 1, second, second + 9)] == [
        "", "a.img", "a.img", "b.img", "b.img",
    ]  # fmt: skip
    assert (names.image(DISK), names.node(DISK)) == ("b.img", "b.img")


def test_what_is_not_named_is_called_by_its_pointer() -> None:
    names = told(Story().cast())
    assert (names.image(DISK), names.node(DISK)) == ("", f"0x{DISK:x}")
    assert (names.device(DRIVE), names.device(0xD5)) == ("drive0", "0xd5")
    assert (names.context(MAIN), names.context(0)) == ("qemu_aio_context", "(nil)")
