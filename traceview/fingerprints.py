"""By what a finding is known again: in another trace, another VM, another build, after years.

Three keys a finding, each with the version of its algorithm in front (``v1-``), as a digest of 128 bits:

- *identity*, the bug: rule and its major version, what its windows are about, the steps of the witness with pointers
  renamed by first use, the kind of device, the shape. No time, process, pointer, path, number of records or request
  is in it, and nothing that depends on which of several tracepoints a build has for the same thing.
- *group*, coarser: rule and its major version.
- *instance*, this happening: the trace, the place in it, the bytes.

A change of what goes in is a new version: `ALGORITHMS` keeps the old ones, and findings carry their keys as well, so
that what was filed under them is found again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from traceview.events import NO_TIME
from traceview.findings import Finding, Fingerprint, Request, ScanResult, TraceSummary, Window
from traceview.timeline.names import pointer
from traceview.timeline.nesting import IOHANDLER, MAIN
from traceview.vocabulary import Vocabulary

__all__ = ["ALGORITHMS", "digest_of", "fingerprinted", "trace_digest", "witness_steps"]

DIGITS = 32
HEAD_BYTES = 1024
"""How much of a trace's beginning goes into its digest: a log that grows is the same trace."""
_SERVERS = (MAIN, IOHANDLER, "qemu_iohandler_poll")
"""What may serve a request by a name that all of QEMU shares; the names of others are the user's."""


def trace_digest(head: bytes, first_ts_ns: int) -> str:
    """Return by what a trace is known again: its first bytes (unpacked) and the time of its first record.

    It stays the same when the file is moved, renamed, packed or grows.
    """
    begun = "" if first_ts_ns == NO_TIME else str(first_ts_ns)
    return digest_of("trace", begun, head[:HEAD_BYTES].hex())


def fingerprinted(result: ScanResult, vocabulary: Vocabulary) -> list[Finding]:
    """Return the findings of a result, each with its fingerprint."""
    return [
        replace(f, fingerprint=_fingerprint(f, w, result.traces[w.trace], vocabulary))
        for f in result.findings
        for w in (result.windows[f.window],)
    ]


def _fingerprint(finding: Finding, window: Window, trace: TraceSummary, vocabulary: Vocabulary) -> Fingerprint:
    newest, *older = (_key(v, make(finding, window, vocabulary)) for v, make in reversed(ALGORITHMS.items()))
    version = max(ALGORITHMS)
    return Fingerprint(
        identity=newest,
        group=_key(version, ("group", finding.rule, str(finding.rule_version))),
        instance=_key(version, ("instance", *_happened(finding, window, trace))),
        older=tuple(older),
    )


def _key(version: int, parts: Iterable[str]) -> str:
    return f"v{version}-{digest_of(*parts)}"


def digest_of(*parts: str) -> str:
    """Return the digest of some texts, none of which can be taken for a part of its neighbour."""
    made = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape"))
    return made.hexdigest()[:DIGITS]


def _identity_1(finding: Finding, window: Window, vocabulary: Vocabulary) -> tuple[str, ...]:
    return (
        "identity", finding.rule, str(finding.rule_version), *witness_steps(finding, window, vocabulary),
        window.device_kind, window.shape.value if window.shape is not None else "",
    )  # fmt: skip


ALGORITHMS: dict[int, Callable[[Finding, Window, Vocabulary], tuple[str, ...]]] = {1: _identity_1}
"""What identities are made from, by version; the last one is the newest."""


def witness_steps(finding: Finding, window: Window, vocabulary: Vocabulary) -> list[str]:
    """Return what led to a finding, step by step, with pointers renamed by first use.

    The opening and the closing are those of the rule, of the window's subject. Between them stands what first breaks
    the promise: a guest's request with who served it (``request by iohandler_ctx``), or else what happened, by its
    meaning. More of the same, and what the same guest did besides, is the same bug.
    """
    return list(_steps(finding, window, vocabulary))


def _steps(finding: Finding, window: Window, vocabulary: Vocabulary) -> Iterator[str]:
    subject = f"{window.subject}#1"
    yield f"open {subject}"
    for request in (window.requests[i] for i in finding.requests[:1]):
        yield f"request to {subject} {_served(request)}".rstrip()
    if not finding.requests:
        events = (window.happenings[i].mark.event for i in finding.happenings[:1])
        yield from (_meaning(event, vocabulary) for event in events)
    yield f"close {subject}"


def _served(request: Request) -> str:
    """Return who served a request, in words that no other build or VM has others for."""
    if not request.context:
        return ""
    return f"by {request.context if request.context in _SERVERS else 'another context'}"


def _meaning(event: str, vocabulary: Vocabulary) -> str:
    known = vocabulary.events.get(event)
    return known.meaning.name.lower() if known is not None else event


def _happened(finding: Finding, window: Window, trace: TraceSummary) -> Iterator[str]:
    yield from (finding.rule, str(finding.rule_version), trace.digest)
    opened = window.open
    yield f"{opened.record} {opened.ts_ns}" if opened is not None else "before the trace"
    yield pointer(window.key)
    for request in (window.requests[i] for i in finding.requests):
        yield f"{request.op.label} {request.offset}+{request.length} at {request.mark.record}"
    for happening in (window.happenings[i] for i in finding.happenings):
        yield f"{happening.mark.event} at {happening.mark.record}"
