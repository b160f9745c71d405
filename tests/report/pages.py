"""Pages of `traceview report`, as files, and taken apart the way a browser would."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tests.cli import run
from tests.timeline.story import COPY, DISK, DRIVE, IOHANDLER, MAIN, OTHER_DRIVE, OWN, VDEV, Story

DEVICE = '"><img/src=x/onerror=alert(1)>'
CONTEXT = "</script><script>alert(2)</script>"
IMAGE = "/img/<b>bold</b><a/href='javascript:alert(3)'>&lt;\u202egnp.exe"
FILE = "<img src=x onerror=alert(4)>.log"
"""What a guest, a user or an attacker may have called things."""
VOID = {"meta", "link", "img", "br", "hr", "input"}


def lossy(story: Story, jobs: int = 1) -> Story:
    """Tell of mirror jobs, each of which loses one write."""
    for number in range(jobs):
        job = 0xA000 + number
        story.start(job)
        story.iteration()
        story.dispatch(MAIN)
        story.say(f"bdrv_drained_begin bs 0x{DISK:x} quiesce_counter {number + 1}")
        story.defer(job)
        story.dispatch_done(MAIN)
        story.dispatch(IOHANDLER)
        story.kick()
        story.take_up("write", 8192)
        story.submit("pwritev", 8192, request=0x77)
        story.dispatch_done(IOHANDLER)
        story.iteration()
        story.leave(job)
        story.say(f"virtio_blk_rw_complete vdev 0x{VDEV:x} req 0x77 ret 0")
    return story


def hostile() -> Story:
    """Tell of a lost write, with names that would take over a page that believed them."""
    story = Story()
    story.say(f"aio_context_name ctx 0x{MAIN:x} name qemu_aio_context")
    story.say(f"aio_context_name ctx 0x{IOHANDLER:x} name {CONTEXT}")
    for node, image in ((DISK, IMAGE), (COPY, f"{IMAGE}.copy")):
        story.say(f'bdrv_open_common bs 0x{node:x} filename "{image}" flags 0x2002 format_name "raw"')
    story.say(f"blk_attach blk 0x{DRIVE:x} name {DEVICE} bs 0x{DISK:x}")
    story.say(f"blk_attach blk 0x{OTHER_DRIVE:x} name drive1 bs 0xb4")
    story.say(f"blk_attach blk 0x{OWN:x} name  bs 0x{DISK:x}")
    return lossy(story.warm_up())


def write_page(folder: Path, trace: Story | Path, *options: str, name: str = "vm.log") -> Path:
    """Write the page of a trace as the command does; return where it is."""
    if isinstance(trace, Story):
        log = folder / name
        log.write_bytes(trace.log())
        trace = log
    page = folder / "report.html"
    done = run("report", trace, "-o", page, *options)
    assert done.code in (0, 1, 3), done.err
    return page


@dataclass
class Element:
    """An element with its attributes and all text below it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """A page taken apart. `open` is what is open at its end: nothing, in a page that is whole."""

    source: str
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {k: v or "" for k, v in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> where {self.open[-1].tag} is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements of a tag; `class_` names one class among others, `data_x` is ``data-x``."""
        found = [e for e in self.elements if e.tag == tag]
        for key, value in attributes.items():
            if key == "class_":
                found = [e for e in found if value in e.attributes.get("class", "").split()]
            else:
                found = [e for e in found if e.attributes.get(key.replace("_", "-")) == value]
        return found

    def scenes(self) -> list[dict[str, Any]]:
        """Return the data of the timelines."""
        return [json.loads(e.text) for e in self.all("script", class_="scene")]


def read_page(path: Path) -> Page:
    """Take a page apart."""
    return Page(path.read_text(encoding="utf-8"))
