"""Where labels stand: as near as can be to what they name, and never one upon the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

__all__ = ["Label", "gathered", "place"]


@dataclass(frozen=True, slots=True)
class Label:
    """A label in a row of labels.

    `wish` is where its middle should be and `width` how wide it is, in one unit, whichever; `count` is how many things
    it names, `item` the index of the first of them.
    """

    text: str
    wish: float
    width: float
    item: int
    count: int = 1


def gathered(labels: Sequence[Label], gap: float, room: float, measure: Callable[[str], float]) -> list[Label]:
    """Return labels from left to right; those of one text too close to their neighbour for both become one of them.

    A label that stands for several says so (``(b) ×3``) and stands where the first of them does. Where all labels still
    take more than `room`, the closest neighbours of one text become one, too. `measure` tells how wide a text is.
    """
    out: list[Label] = []
    for label in sorted(labels, key=lambda x: x.wish):
        last = out[-1] if out else None
        if last is not None and _same(last, label) and label.wish - last.wish < last.width + gap:
            out[-1] = _both(last, label, measure)
        else:
            out.append(label)
    while sum(x.width + gap for x in out) - gap > room:
        pairs = [i for i in range(len(out) - 1) if _same(out[i], out[i + 1])]
        if not pairs:
            break
        closest = min(pairs, key=lambda i: out[i + 1].wish - out[i].wish)
        out[closest : closest + 2] = [_both(out[closest], out[closest + 1], measure)]
    return out


def _same(one: Label, other: Label) -> bool:
    return one.text.partition(" ×")[0] == other.text.partition(" ×")[0]


def _both(one: Label, other: Label, measure: Callable[[str], float]) -> Label:
    count = one.count + other.count
    text = f"{one.text.partition(' ×')[0]} ×{count:,}"
    return replace(one, text=text, count=count, width=measure(text))


def place(labels: Sequence[Label], left: float, right: float, gap: float) -> list[float]:
    """Return the middles of labels, given from left to right, such that none overlaps and all stay in the row.

    The squares of the ways from their wishes are least (pool adjacent violators: labels that would touch form a block,
    which stands where its members' wishes are on average). Where the row is too short for all, they keep their gaps
    and reach over its right end.
    """
    if not labels:
        return []
    # As offsets from where each would stand if all were pushed to the left, the order is all that is asked for.
    pushed, at = [], left
    for label in labels:
        pushed.append(at + label.width / 2)
        at += label.width + gap
    blocks: list[tuple[float, int]] = []
    for label, base in zip(labels, pushed, strict=True):
        mean, size = label.wish - base, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        blocks.append((mean, size))
    most = max(right - (at - gap), 0.0)
    shifts = [min(max(mean, 0.0), most) for mean, size in blocks for _ in range(size)]
    return [base + shift for base, shift in zip(pushed, shifts, strict=True)]
