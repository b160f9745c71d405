"""The health of traces as data (docs/check.schema.json)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from traceview.detect.health import GapKind, Health, Steps
from traceview.events import NO_TIME, Gap
from traceview.findings import Verdict
from traceview.report.escape import valid_text

__all__ = ["check_document"]


def check_document(checked: Sequence[Health], errors: Sequence[str], *, top: int = 10) -> dict[str, Any]:
    """Return the health of traces as plain data; of events, threads and gaps so many are listed.

    `errors` are the messages of what could not be read.
    """
    return {
        "schema_version": 1,
        "healthy": sum(not h.problems for h in checked),
        "not_healthy": sum(bool(h.problems) for h in checked),
        "unreadable": [valid_text(e) for e in errors],
        "traces": [_trace(h, top) for h in checked],
    }


def _trace(health: Health, top: int) -> dict[str, Any]:
    read, stats, summary, span = health.read, health.stats, health.summary, health.dating.span
    events = sorted(stats.names.items(), key=lambda e: (-e[1], e[0]))
    threads = sorted(health.threads.items(), key=lambda t: (-t[1], t[0]))
    return {
        "path": valid_text(read.path),
        "problems": [valid_text(p) for p in health.problems],
        "notes": [*health.notes, *summary.notes],
        "format": {
            "id": read.format, "title": read.title, "named_by_user": read.named, "scores": dict(read.scores),
            "clock": read.clock, "thread": read.thread, "lossy": valid_text(stats.lossy),
        },
        "compression": read.compression,
        "size_bytes": read.size,
        "read_bytes": stats.bytes_read,
        "digest": summary.digest,
        "qemu": {
            "release": health.dating.text,
            "reason": valid_text(health.dating.reason),
            "since": span.since if span is not None else None,
            "until": span.until if span is not None else None,
        },
        "records": stats.records,
        "looked_at": health.looked_at,
        "lines": stats.lines,
        "other_lines": stats.other_lines,
        "first_ns": _time(health.first_ns),
        "last_ns": _time(health.last_ns),
        "duration_ns": health.duration_ns,
        "records_per_second": round(health.rate, 3) if health.rate is not None else None,
        "busiest_second": _busiest(health),
        "order": {
            "tells_threads": health.tells_threads,
            "within_threads": _steps(health.within),
            "between_threads": _steps(health.between),
        },
        "threads": {
            "count": len(threads),
            "listed": [{"id": tid, "records": count} for tid, count in threads[:top]],
            "other_records": health.other_threads,
        },
        "events": {
            "count": len(events),
            "known": len(health.known),
            "listed": [{"name": valid_text(n), "records": c, "known": n in health.known} for n, c in events[:top]],
        },
        "gaps": {
            "count": len(stats.gaps),
            "causes": [_kind(k) for k in health.gaps],
            "listed": [_gap(g) for g in stats.gaps[:top]],
        },
        "refused": {
            "count": stats.refused_count,
            "explained": [
                {"line": r.line, "byte_offset": r.byte_offset, "explanation": valid_text(r.explanation)}
                for r in health.refused
            ],
        },
        "windows": {v.value: health.windows[v] for v in Verdict},
        "rules": [
            {
                "rule": c.rule, "windows": c.windows, "fell_short": c.fell_short, "reason": valid_text(c.reason),
                "events": [list(names) for names in c.events],
            }
            for c in summary.coverage
        ],
        "not_judged": [{"rule": u.rule, "reason": valid_text(u.reason)} for u in summary.unjudged],
        "silence": {
            "means_something_for": health.judged if not health.silence else [], "reason": valid_text(health.silence),
        },
    }  # fmt: skip


def _time(ns: int) -> int | None:
    return None if ns == NO_TIME else ns


def _busiest(health: Health) -> dict[str, int] | None:
    if health.busiest is None:
        return None
    second, count = health.busiest
    return {"second": second, "records": count}


def _steps(steps: Steps) -> dict[str, int | None]:
    told = steps.count > 0
    return {
        "count": steps.count,
        "worst_ns": steps.worst_ns,
        "record": steps.record if told else None,
        "line": steps.line if told and steps.line else None,
        "byte_offset": steps.byte_offset if told else None,
    }


def _kind(kind: GapKind) -> dict[str, Any]:
    return {
        "cause": kind.cause, "count": kind.count, "records": kind.records, "unknown": kind.unknown,
        "size_bytes": kind.size_bytes,
        "largest": _gap(kind.largest),
    }  # fmt: skip


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "cause": gap.cause, "record": gap.record, "byte_offset": gap.byte_offset, "line": gap.line or None,
        "ts_ns": _time(gap.ts_ns), "count": gap.count, "size_bytes": gap.size_bytes,
        "end_byte_offset": gap.end_byte_offset, "text": valid_text(gap.text),
    }  # fmt: skip
