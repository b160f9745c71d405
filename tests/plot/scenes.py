"""Scenes to be drawn, and what of them a figure has."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from traceview.scene import Arrow, Band, Call, Instant, Lane, LaneKind, Letter, RequestBar, Scene
from traceview.vocabulary import Op

US = 1000
"""ns"""
START = 1_600_000_000_000_000_000


def at(us: float) -> int:
    return START + round(us * US)


def call(kind: str, title: str, depth: int, begin: float, end: float, record: int) -> Call:
    return Call(0, depth, kind, title, at(begin), at(end), record, record + 1)


def request(record: int, row: int, begin: float, end: float, *, op: Op = Op.WRITE, breaks: bool = False) -> RequestBar:
    title = f"{op.label} 4096 B at {record * 4096}"
    return RequestBar(2, row, op, title, record * 4096, 4096, at(begin), at(end), record, record + 1, breaks)


def case_1() -> Scene:
    """Return a scene with one of everything: (a) at 0 µs, (b) at 30 µs, (c) at 90 µs, drawn from -20 to 110 µs."""
    scene = Scene("mirror job on drive0", "case 1", at(0), at(-20), at(110), (at(0), at(90)))
    scene.lanes = [
        Lane(LaneKind.THREAD, "process 1000", 3),
        Lane(LaneKind.STATE, "disk drained", 1),
        Lane(LaneKind.DEVICE, "drive0", 2),
    ]
    scene.calls = [
        call("iteration", "main_loop_wait # 7", 0, -20, 110, 10),
        call("dispatch", "aio_ctx_dispatch (qemu_aio_context)", 1, -10, 5, 11),
        call("dispatch", "aio_ctx_dispatch (iohandler_ctx)", 1, 20, 60, 13),
        call("notifier", "notifier read 0xe1", 2, 22, 60, 14),
        call("bh", "BH 0x5", 1, 80, 110, 30),
        call("exit", "exit of job 0xa1", 2, 90, 110, 31),
    ]
    scene.instants = [Instant(0, 2, "block_job_defer_to_main_loop bs 0xb1 job 0xa1 fn 0x99", at(0), 12, 13)]
    scene.bands = [Band(1, "drained", "drained section 1", at(-5), at(110), 9)]
    scene.requests = [request(5, 0, -20, 70, op=Op.READ), request(15, 1, 28, 110, breaks=True)]
    scene.letters = [
        Letter("(a)", 0, at(0), "block_job_defer_to_main_loop", 12, 13),
        Letter("(b)", 2, at(30), "guest write 4096 B at 61440", 15, 16),
        Letter("(c)", 0, at(90), "mirror_exit", 31, 32),
    ]
    scene.arrows = [
        Arrow("bh", 0, at(2), 0, at(80), "BH 0x5", 12, 30),
        Arrow("kick", 0, at(22), 2, at(28), scene.requests[1].title, 14, 15),
    ]
    return scene


def many(count: int) -> Scene:
    """Return the scene with so many more requests, 10 µs long and one a µs, every other of which breaks the promise."""
    scene = case_1()
    scene.requests += [request(100 + i, i % 10, i % 80, i % 80 + 10, breaks=i % 2 == 0) for i in range(count)]
    scene.letters += [Letter("(b)", 2, r.begin_ns, r.title, r.record, r.line) for r in scene.requests[2:] if r.breaks]
    scene.lanes[2] = Lane(LaneKind.DEVICE, "drive0", 10)
    return scene


def texts(axes: Axes) -> dict[str, str]:
    """Return the texts of axes by their gid."""
    return {str(t.get_gid()): t.get_text() for t in axes.findobj(Text) if t.get_gid()}


def boxes(axes: Axes, prefix: str) -> dict[str, tuple[float, float, float, float]]:
    """Return left, top, right and bottom of the boxes whose gid begins so, in the units of the axes."""
    found = {}
    for patch in axes.patches:
        gid = str(patch.get_gid())
        if isinstance(patch, Rectangle) and gid.startswith(prefix):
            x, y = patch.get_xy()
            found[gid] = (x, y, x + patch.get_width(), y + patch.get_height())
    return found


def extents(axes: Axes, prefix: str = "") -> dict[str, Bbox]:
    """Return where the texts stand whose gid begins so, in pixels."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    return {
        str(t.get_gid()): t.get_window_extent()
        for t in axes.texts
        if str(t.get_gid()).startswith(prefix) and t.get_text()
    }


def overlapping(found: dict[str, Bbox]) -> list[tuple[str, str]]:
    """Return the pairs of texts that stand upon each other."""
    names = sorted(found)
    return [
        (a, b) for i, a in enumerate(names) for b in names[i + 1 :]
        if Bbox.intersection(found[a], found[b]) is not None and _area(found[a], found[b]) > 1
    ]  # fmt: skip


def _area(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else float(both.width * both.height)
