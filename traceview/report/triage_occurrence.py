"""What the document of a stored occurrence tells: the JSON of a finding and its window, read with care.

Documents come from scans of this traceview, of older ones, and out of files that were imported. A key that is not
there, or that holds something else than ``docs/json.md`` says, is one that is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from traceview.report.style import SHAPE_WORDS, duration, plural

__all__ = ["Happened", "happened"]

_OPS = ("write", "write_zeroes", "discard", "read", "flush")
"""What guests do, by the words of the JSON, in the order in which it is told."""
_SHAPES = {shape.value: words for shape, words in SHAPE_WORDS.items()}


@dataclass(frozen=True, slots=True)
class Happened:
    """One occurrence. Texts are as they were stored, some of them those of a trace; ``""`` is what is not known.

    `requests` are the guest requests that break the promise, counted by operation, `happenings` the texts of what else
    breaks it; `more` were counted and are not listed. An operation that is none is a ``request``. `lost` are offset and
    length in bytes.
    """

    subject: str
    job_kind: str
    device: str
    evidence: str
    about: str
    shape: str
    reason: str
    duration_ns: int | None
    iterations: int | None
    opened: str
    closed: str
    pivoted: bool
    ends_in_switch: bool
    requests: dict[str, int]
    happenings: tuple[str, ...]
    more: int
    lost: tuple[tuple[int, int], ...]
    rewritten_bytes: int
    known: str
    references: tuple[str, ...]

    @property
    def lost_bytes(self) -> int:
        """How many bytes the target lacks still."""
        return sum(length for _, length in self.lost)

    @property
    def inside(self) -> str:
        """What broke the promise, counted, in words; ``""`` where nothing is listed."""
        ops = sorted(self.requests, key=lambda op: _OPS.index(op) if op in _OPS else len(_OPS))
        parts = [plural(self.requests[op], f"guest {op.replace('_', ' ')}") for op in ops]
        if self.happenings:
            parts.append(plural(len(self.happenings), "record") + " of what it forbids")
        if self.more:
            parts.append(f"{self.more} more that {'is' if self.more == 1 else 'are'} not listed")
        return ", ".join(parts)

    def figures(self) -> Iterator[str]:
        """Yield what is known of the window, a clause each, none of it trace text."""
        if self.duration_ns is not None:
            yield f"open for {duration(self.duration_ns)}"
        if self.iterations is not None:
            yield f"{plural(self.iterations, 'iteration')} of the main loop"
        if self.shape in _SHAPES:
            yield _SHAPES[self.shape]


def happened(document: Mapping[str, Any]) -> Happened:
    """Return what a document (``{"finding": …, "window": …}`` of a scan's JSON) tells."""
    finding, window = _part(document, "finding"), _part(document, "window")
    requests, happenings = _parts(window, "requests"), _parts(window, "happenings")
    chosen = [requests[i] for i in _indices(finding, "requests", len(requests))]
    others = [happenings[i] for i in _indices(finding, "happenings", len(happenings))]
    return Happened(
        subject=_text(_part(window, "subject"), "kind"),
        job_kind=_text(window, "job_kind"),
        device=next((d for r in chosen if (d := _text(r, "device"))), ""),
        evidence=_text(window, "evidence"),
        about=_text(window, "about"),
        shape=_text(window, "shape"),
        reason=_text(window, "reason"),
        duration_ns=_number(window, "duration_ns"),
        iterations=_number(window, "iterations"),
        opened=_place(_part(window, "open")),
        closed=_place(_part(window, "close")),
        pivoted=window.get("pivoted") is True,
        ends_in_switch=window.get("ends_in_switch") is True,
        requests=dict(Counter(op if (op := _text(r, "op")) in _OPS else "request" for r in chosen)),
        happenings=tuple(t for h in others if (t := _text(h, "text"))),
        more=_number(window, "more") or 0,
        lost=tuple(_extents(window)),
        rewritten_bytes=_number(window, "rewritten_bytes") or 0,
        known=_text(_part(finding, "known"), "words"),
        references=tuple(r for r in _list(finding, "references") if isinstance(r, str)),
    )


def _extents(window: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    for extent in _parts(window, "lost"):
        offset, length = _number(extent, "offset_bytes"), _number(extent, "length_bytes")
        if offset is not None and length is not None:
            yield offset, length


def _place(point: Mapping[str, Any]) -> str:
    """Return where a point stands, with its event; ``""`` where it is not known."""
    event, line, offset = _text(point, "event"), _number(point, "line"), _number(point, "byte_offset")
    where = f"line {line}" if line else f"byte {offset}" if offset is not None else ""
    return f"{event} at {where}" if event and where else event


def _part(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []


def _parts(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    # What is no object stays as an empty one: the indices of a finding count it.
    return [v if isinstance(v, Mapping) else {} for v in _list(data, key)]


def _indices(data: Mapping[str, Any], key: str, count: int) -> list[int]:
    return [i for i in _list(data, key) if isinstance(i, int) and 0 <= i < count]


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _number(data: Mapping[str, Any], key: str) -> int | None:
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
