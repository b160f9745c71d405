"""A scan as JSON, schema version 1: stable, ordered, the one machine format that all others are made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from traceview.errors import TraceviewError
from traceview.events import NO_TIME, Gap
from traceview.findings import (
    Filed,
    Finding,
    Fingerprint,
    Happening,
    Request,
    RuleCoverage,
    ScanResult,
    Suppression,
    TraceSummary,
    Verdict,
    Window,
)
from traceview.report.escape import valid_text
from traceview.rules.standing import Standing
from traceview.source.rotated import Member
from traceview.timeline.lives import Life
from traceview.timeline.marks import Mark
from traceview.timeline.names import pointer
from traceview.vocabulary import Dating

__all__ = ["SCHEMA_VERSION", "scan_document", "scan_json", "scan_jsonl"]

SCHEMA_VERSION = 1


def point(mark: Mark) -> dict[str, Any]:
    """Return a POINT: where and when a record stands."""
    return {
        "line": mark.line or None,
        "record": mark.record,
        "byte_offset": mark.byte_offset,
        "ts_ns": None if mark.ts_ns == NO_TIME else mark.ts_ns,
        "event": mark.event,
    }


def _request(request: Request) -> dict[str, Any]:
    return {
        "op": request.op.label,
        "offset_bytes": request.offset,
        "length_bytes": request.length,
        "device": request.device,
        "node": pointer(request.node),
        "held_back": request.held_back,
        **point(request.mark),
        "kick": point(request.kick) if request.kick is not None else None,
        "context": request.context,
        "certain": request.certain,
        "doubt": request.doubt,
    }


def _happening(happening: Happening) -> dict[str, Any]:
    return {**point(happening.mark), "text": happening.text, "certain": happening.certain, "doubt": happening.doubt}


def _window(index: int, window: Window) -> dict[str, Any]:
    return {
        "id": index,
        "trace": window.trace,
        "rule": window.rule,
        "subject": {"kind": window.subject, "pointer": pointer(window.key)},
        "evidence": window.evidence.value,
        "about": window.about,
        "verdict": window.verdict.value,
        "reason": window.reason,
        "shape": window.shape.value if window.shape is not None else None,
        "shape_reason": window.shape_reason,
        "job": pointer(window.job),
        "job_kind": window.job_kind or None,
        "node": pointer(window.node),
        "target": pointer(window.target),
        "target_image": window.target_image,
        "pivoted": window.pivoted,
        "ends_in_switch": window.ends_in_switch,
        "open": point(window.open) if window.open is not None else None,
        "close": point(window.close) if window.close is not None else None,
        "duration_ns": window.duration_ns,
        "iterations": window.iterations,
        "requests": [_request(r) for r in window.requests],
        "happenings": [_happening(h) for h in window.happenings],
        "more": window.more,
        "lost": [{"offset_bytes": e.offset, "length_bytes": e.length} for e in window.lost],
        "rewritten_bytes": window.rewritten_bytes,
        "device_kind": window.device_kind or None,
        "life": window.life,
    }


def _finding(index: int, finding: Finding) -> dict[str, Any]:
    return {
        "id": index + 1,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "window": finding.window,
        "title": finding.title,
        "requests": list(finding.requests),
        "references": list(finding.references),
        "happenings": list(finding.happenings),
        "label": finding.label,
        "certain": finding.certain,
        "known": _standing(finding.standing),
        "rule_version": finding.rule_version,
        "fingerprint": _fingerprint(finding.fingerprint),
        "suppression": _suppression(finding.suppression),
        "filed": _filed(finding.filed),
    }


def _fingerprint(fingerprint: Fingerprint | None) -> dict[str, Any] | None:
    if fingerprint is None:
        return None
    return {
        "identity": fingerprint.identity,
        "group": fingerprint.group,
        "instance": fingerprint.instance,
        "older": list(fingerprint.older),
    }


def _suppression(suppression: Suppression | None) -> dict[str, Any] | None:
    if suppression is None:
        return None
    return {
        "source": suppression.source,
        "line": suppression.line,
        "reason": suppression.reason,
        "until": suppression.until or None,
    }


def _filed(filed: Filed | None) -> dict[str, Any] | None:
    return None if filed is None else {"number": filed.number, "state": filed.state, "news": filed.news}


def _standing(known: Standing | None) -> dict[str, Any] | None:
    return None if known is None else {"state": known.state.value, "words": known.words}


def _coverage(coverage: RuleCoverage) -> dict[str, Any]:
    return {
        "rule": coverage.rule,
        "windows": coverage.windows,
        "unlisted": coverage.unlisted,
        "reason": coverage.reason,
        "events": [list(names) for names in coverage.events],
        "must_judge": coverage.must_judge,
        "fell_short": coverage.fell_short,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "cause": gap.cause,
        "record": gap.record,
        "byte_offset": gap.byte_offset,
        "line": gap.line or None,
        "count": gap.count,
        "size_bytes": gap.size_bytes,
        "end_byte_offset": gap.end_byte_offset,
        "text": gap.text,
    }


def _dating(dating: Dating) -> dict[str, Any]:
    span = dating.span
    return {
        "release": dating.text,
        "reason": dating.reason,
        "since": span.since if span is not None else None,
        "until": span.until if span is not None else None,
    }


def _life(life: Life) -> dict[str, Any]:
    return {"process": life.process, "first_record": life.first_record, "last_record": life.last_record}


def _member(member: Member) -> dict[str, Any]:
    return {
        "path": member.path,
        "first_line": member.first_line,
        "first_byte_offset": member.first_byte,
        "thread": member.thread,
        "left_out": member.left_out or None,
    }


def _trace(trace: TraceSummary) -> dict[str, Any]:
    return {
        "path": trace.path,
        "format": trace.format,
        "qemu": _dating(trace.dating),
        "events": trace.events,
        "other_lines": trace.other_lines,
        "refused_lines": trace.refused_lines,
        "refused": [
            {"line": r.line, "byte_offset": r.byte_offset, "explanation": r.explanation} for r in trace.refused
        ],
        "gaps": [_gap(g) for g in trace.gaps],
        "missing_events": trace.missing_events,
        "unjudged": [
            {"rule": u.rule, "reason": u.reason, "events": [list(names) for names in u.events]} for u in trace.unjudged
        ],
        "rules": [_coverage(c) for c in trace.coverage],
        "digest": trace.digest,
        "host": trace.host,
        "vm": trace.vm,
        "lives": [_life(life) for life in trace.lives],
        "members": [_member(m) for m in trace.members],
        "notes": trace.notes,
    }


def scan_document(result: ScanResult, errors: Sequence[TraceviewError] = ()) -> dict[str, Any]:
    """Return a scan as plain data, in the order of the schema (``docs/scan.schema.json``).

    `errors` are those of traces that could not be read and so are not among the result's. Bytes of the trace that are
    no UTF-8 are written as escapes, so that any JSON reader takes the document.
    """
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "traces": [_trace(t) for t in result.traces],
        "windows": [_window(i, w) for i, w in enumerate(result.windows)],
        "findings": [_finding(i, f) for i, f in enumerate(result.findings)],
        "errors": [{"kind": type(e).__name__, "message": str(e)} for e in errors],
        "summary": {"windows": len(result.windows), **{v.value: result.count(v) for v in Verdict}},
    }
    return {key: _valid(value) for key, value in document.items()}


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, dict):
        return {k: _valid(v) for k, v in value.items()}
    return [_valid(v) for v in value] if isinstance(value, list) else value


def scan_json(result: ScanResult, errors: Sequence[TraceviewError] = ()) -> str:
    """Return a scan as one JSON document. Text of the trace is escaped to ASCII."""
    return json.dumps(scan_document(result, errors), indent=1)


def scan_jsonl(result: ScanResult, errors: Sequence[TraceviewError] = ()) -> Iterator[str]:
    """Yield a scan line by line: each trace, window, finding and error, then the summary, with its ``type``."""
    document = scan_document(result, errors)
    for kind in ("traces", "windows", "findings", "errors"):
        for item in document[kind]:
            yield json.dumps({"type": kind[:-1], "schema_version": SCHEMA_VERSION, **item})
    yield json.dumps({"type": "summary", "schema_version": SCHEMA_VERSION, **document["summary"]})
