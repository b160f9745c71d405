"""Perfetto's traces read back with its schema, as its trace processor reads them: by time, a stack a track."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from traceview.perfetto import load_schema

SLICE_BEGIN, SLICE_END, INSTANT = 1, 2, 3


@dataclass
class Told:
    """A slice or an instant; `end` is None for an instant."""

    track: str
    name: str
    begin: int
    end: int | None
    depth: int
    fields: dict[str, Any]
    leads: list[int]
    comes_from: list[int]


@dataclass
class ReadTrace:
    """What a trace tells."""

    processes: dict[int, str] = field(default_factory=dict)
    tracks: dict[int, Any] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    clocks: dict[int, int] = field(default_factory=dict)
    packets: int = 0

    def named(self, name: str) -> list[Told]:
        return [t for t in self.told if t.name == name]

    def on(self, track: str) -> list[Told]:
        return [t for t in self.told if t.track == track]

    @property
    def titles(self) -> list[str]:
        return [t.name for t in self.tracks.values()]


def read(data: bytes) -> ReadTrace:
    """Read a trace; whatever the trace processor would complain of or drop is a failure."""
    found = ReadTrace()
    trace = load_schema().Trace.FromString(data)
    found.packets = len(trace.packet)
    events = []
    for packet in trace.packet:
        assert packet.trusted_packet_sequence_id
        if packet.HasField("track_descriptor"):
            _describe(found, packet.track_descriptor)
        elif packet.HasField("clock_snapshot"):
            found.clocks = {c.clock_id: c.timestamp for c in packet.clock_snapshot.clocks}
        else:
            assert packet.HasField("track_event")
            events.append((packet.timestamp, packet.track_event))
    assert [t for t, _ in events] == sorted(t for t, _ in events), "packets stand in the order of time"
    stacks: dict[int, list[Told]] = defaultdict(list)
    running: set[int] = set()
    ended: set[int] = set()
    for ts, event in events:
        track = found.tracks[event.track_uuid]
        stack = stacks[event.track_uuid]
        if event.type == SLICE_END:
            assert stack, f"an end without a beginning on {track.name}"
            stack.pop().end = ts
            continue
        fields = {a.name: getattr(a, a.WhichOneof("value")) for a in event.debug_annotations}
        told = Told(
            track.name, event.name, ts, None, len(stack), fields, list(event.flow_ids), list(event.terminating_flow_ids)
        )
        found.told.append(told)
        for flow in told.leads:
            assert flow not in running | ended, "a flow begins once"
            running.add(flow)
        for flow in told.comes_from:
            assert flow in running, "a flow ends once, after it has begun"
            running.remove(flow)
            ended.add(flow)
        if event.type == SLICE_BEGIN:
            stack.append(told)
    assert not any(stacks.values()), "every slice ends"
    assert not running, "every flow ends"
    return found


def _describe(found: ReadTrace, descriptor: Any) -> None:
    assert descriptor.uuid not in found.tracks
    assert descriptor.uuid not in found.processes
    if descriptor.HasField("process"):
        found.processes[descriptor.uuid] = descriptor.process.process_name
        return
    assert descriptor.parent_uuid in found.processes, "a track's process is described before it"
    found.tracks[descriptor.uuid] = descriptor
