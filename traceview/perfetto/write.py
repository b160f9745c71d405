"""Scenes as Perfetto's TracePackets, written as they are made.

Track descriptors come first, then a snapshot of the clocks, then events in the order of time: the reader sorts by time,
and keeps the order of the file where times are equal.

Source: perfetto.dev/docs/reference/synthetic-track-event, and the comments of track_descriptor.proto and
track_event.proto.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from traceview.perfetto.items import Told, Track, tracks_of
from traceview.perfetto.nesting import Event, Field, Phase, nested
from traceview.perfetto.schema import load_schema
from traceview.report.escape import printable
from traceview.scene import Scene

__all__ = ["Part", "packets", "write_perfetto"]

_SEQUENCE = 1
"""All packets are of one writer."""
_AT_ONCE = 1000
"""So many packets are in memory before they are written."""
_LONGEST = 500
"""Names and annotations are cut to so many characters."""


class Writable(Protocol):
    """What takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One trace of what is written: its scene, under a process of this name.

    `told` are windows with a track of their own. `wall_clock` says that times are those of the day (a log's); else they
    are those of the host's monotonic clock (simpletrace).
    """

    name: str
    scene: Scene
    told: Sequence[Told] = ()
    wall_clock: bool = True


def write_perfetto(out: Writable, parts: Iterable[Part]) -> int:
    """Write scenes as one trace for Perfetto; return how many packets there are.

    Raises MissingPackageError where the extra ``perfetto`` is not installed.
    """
    schema = load_schema()
    written = 0
    stream = packets(parts)
    while chunk := list(itertools.islice(stream, _AT_ONCE)):
        # Messages that follow each other are one message with all their packets.
        out.write(schema.Trace(packet=chunk).SerializeToString())
        written += len(chunk)
    return written


def packets(parts: Iterable[Part]) -> Iterator[Any]:
    """Yield the TracePackets of scenes: each is a process with a track for every lane, every finding, every row.

    A scene without times counts a microsecond a record, and has no clock.
    """
    schema = load_schema()
    parts = list(parts)
    streams = []
    flow = 1
    for number, part in enumerate(parts, start=1):
        tracks = tracks_of(part.scene, part.told, first_flow=flow)
        flow += len(part.scene.arrows)
        process = number << 32
        yield _process(schema, process, number, part)
        for rank, track in enumerate(tracks, start=1):
            yield _track(schema, process, rank, track)
            streams.append(_stream(process + rank, track))
    snapshot = _clocks(schema, parts)
    if snapshot is not None:
        yield snapshot
    for uuid, event in heapq.merge(*streams, key=lambda pair: (pair[1].ts_ns, pair[1].order)):
        yield _event(schema, uuid, event)


def _stream(uuid: int, track: Track) -> Iterator[tuple[int, Event]]:
    return ((uuid, event) for event in nested(track.items))


def _text(text: str) -> str:
    return printable(text, limit=_LONGEST)


def _packet(schema: Any) -> Any:
    return schema.TracePacket(trusted_packet_sequence_id=_SEQUENCE)


def _process(schema: Any, uuid: int, number: int, part: Part) -> Any:
    packet = _packet(schema)
    if number == 1:
        packet.sequence_flags = schema.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
    packet.track_descriptor.uuid = uuid
    packet.track_descriptor.process.pid = number
    packet.track_descriptor.process.process_name = _text(part.name)
    packet.track_descriptor.child_ordering = schema.TrackDescriptor.EXPLICIT
    if part.scene.title:
        packet.track_descriptor.description = _text(f"{part.scene.title} {part.scene.subtitle}".strip())
    return packet


def _track(schema: Any, process: int, rank: int, track: Track) -> Any:
    packet = _packet(schema)
    descriptor = packet.track_descriptor
    descriptor.uuid = process + rank
    descriptor.parent_uuid = process
    descriptor.name = _text(track.title)
    descriptor.sibling_order_rank = rank
    if not track.merges:
        descriptor.sibling_merge_behavior = schema.TrackDescriptor.SIBLING_MERGE_BEHAVIOR_NONE
    return packet


def _clocks(schema: Any, parts: Sequence[Part]) -> Any:
    """Return the packet that says which clock the times are of; None where there is none, or more than one."""
    timed = [p for p in parts if not p.scene.by_record]
    if not timed or len({p.wall_clock for p in timed}) > 1:
        return None
    packet = _packet(schema)
    now = max(min(p.scene.begin_ns for p in timed), 0)
    # Times of packets are of BOOTTIME where nothing else is said: let it run with the clock that is meant.
    meant = schema.BUILTIN_CLOCK_REALTIME if timed[0].wall_clock else schema.BUILTIN_CLOCK_MONOTONIC
    packet.timestamp = now
    for clock in (schema.BUILTIN_CLOCK_BOOTTIME, meant):
        packet.clock_snapshot.clocks.add(clock_id=clock, timestamp=now)
    return packet


def _event(schema: Any, uuid: int, event: Event) -> Any:
    packet = _packet(schema)
    packet.timestamp = max(event.ts_ns, 0)
    told = packet.track_event
    told.track_uuid = uuid
    if event.phase is Phase.END:
        told.type = schema.TrackEvent.TYPE_SLICE_END
        return packet
    slices = event.phase is Phase.BEGIN
    told.type = schema.TrackEvent.TYPE_SLICE_BEGIN if slices else schema.TrackEvent.TYPE_INSTANT
    item = event.item
    told.name = _text(item.name)
    told.categories.append(item.category)
    told.flow_ids.extend(item.leads)
    told.terminating_flow_ids.extend(item.comes_from)
    for name, value in item.fields.items():
        _annotate(told.debug_annotations.add(), name, value)
    return packet


def _annotate(annotation: Any, name: str, value: Field) -> None:
    annotation.name = name
    if isinstance(value, bool):
        annotation.bool_value = value
    elif isinstance(value, str):
        annotation.string_value = _text(value)
    elif -(1 << 63) <= value < 1 << 63:
        annotation.int_value = value
    elif 0 <= value < 1 << 64:
        annotation.uint_value = value
    else:  # a place on a disk that no disk has: a guest may ask for it
        annotation.string_value = str(value)
