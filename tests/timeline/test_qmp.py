"""The files that commands to the monitor name."""

from __future__ import annotations

import json

import pytest

from traceview.timeline.qmp import QmpFiles


def command(name: str, **arguments: object) -> str:
    return f"handle_qmp_command mon 0x1 req: {json.dumps({'execute': name, 'arguments': arguments})}"


def add(node: str, **options: object) -> str:
    return command("blockdev-add", **{"node-name": node, "driver": "raw", **options})


def test_a_drive_mirror_names_its_target_itself() -> None:
    files = QmpFiles()
    files.feed(command("drive-mirror", device="drive0", target="/img/new.img", sync="full"))
    assert files.target_of_next() == "/img/new.img"
    assert files.target_of_next() == ""


def test_a_blockdev_mirror_names_a_node_that_was_added_with_its_file() -> None:
    files = QmpFiles()
    files.feed(add("t0", file={"driver": "file", "filename": "/img/t0.img"}))
    files.feed(add("t1", file={"driver": "raw", "file": {"driver": "file", "filename": "/img/t1.img"}}))
    files.feed(command("blockdev-mirror", device="d0", target="t1"))
    files.feed(command("blockdev-mirror", device="d1", target="t0"))
    files.feed(command("blockdev-mirror", device="d2", target="unknown"))
    assert [files.target_of_next() for _ in range(4)] == ["/img/t1.img", "/img/t0.img", "", ""]


@pytest.mark.parametrize(
    "text",
    [
        'handle_qmp_command mon 0x1 cmd_name "drive-mirror"',
        'handle_qmp_command mon 0x1 req: {"execute": "drive-mirror", "argum',
        "handle_qmp_command mon 0x1 req: [1, 2]",
        'handle_qmp_command mon 0x1 req: {"execute": "drive-mirror"}',
        command("drive-mirror", target=7),
        command("blockdev-mirror", target=["t0"]),
        add("t0", file={"filename": 7}),
        command("blockdev-add", **{"node-name": None}),
        command("query-block"),
    ],
)
def test_what_is_no_whole_command_of_that_kind_is_passed_over(text: str) -> None:
    files = QmpFiles()
    files.feed(text)
    assert files.target_of_next() == ""
