"""The files of the threads of one QEMU, as ``-d tid`` and ``-D trace-%d.log`` make them (7.1 and newer)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from traceview.detect.whose import Ids, ids_of_format
from traceview.events import NO_TIME
from traceview.releases import first_of, last_of
from traceview.sets.look import Look
from traceview.sets.model import Kind, TraceSet

__all__ = ["thread_sets"]

_SINCE = "7.1"
"""The first release that writes a file a thread."""


def thread_sets(members: Mapping[int, Path], look: Callable[[Path], Look]) -> Iterator[TraceSet]:
    """Yield the files of threads of one QEMU, of those whose names have a number each, as one trace.

    They are that where each file's records are of the thread that its name has, and the files tell of the same time.
    (Up to 3.1 the number is a process: a file a VM.) Where only one of them has what a main thread does, all are of its
    QEMU; of several QEMUs, those that name the same pointers are of one. Whose another thread is is not known then, and
    where records have neither threads nor times, their order is not: such files are traces by themselves.
    """
    looks = {thread: look(path) for thread, path in members.items()}
    looks = {t: lk for t, lk in looks.items() if lk.info is not None and ids_of_format(lk.info.id) is not Ids.PROCESS}
    looks = {t: lk for t, lk in looks.items() if not _surely_older(lk)}
    timed = {t: lk for t, lk in looks.items() if lk.ids == {t} and lk.begins_ns != NO_TIME}
    timed = {t: lk for t, lk in timed.items() if _at_once(lk, timed)}
    if any(_surely_newer(lk) or _shares(lk, timed) for lk in timed.values()):
        yield from _by_process(timed)
    bare = {t: lk for t, lk in looks.items() if not lk.ids and lk.begins_ns == NO_TIME}
    for thread, alone in bare.items():
        if _shares(alone, bare):
            yield TraceSet(Kind.UNORDERED, (alone.path,), (thread,))


def _by_process(looks: Mapping[int, Look]) -> Iterator[TraceSet]:
    """Yield the threads of each QEMU."""
    several = sum(lk.main for lk in looks.values()) > 1
    groups = _sharing(looks) if several else [tuple(sorted(looks))]
    for threads in groups:
        if len(threads) > 1:
            yield TraceSet(Kind.THREADS, tuple(looks[t].path for t in threads), threads)
        elif several and not looks[threads[0]].main:
            yield TraceSet(Kind.UNORDERED, (looks[threads[0]].path,), threads)


def _sharing(looks: Mapping[int, Look]) -> list[tuple[int, ...]]:
    """Return the threads in groups of those that name the same pointers, also by way of others."""
    groups: list[tuple[set[int], set[int]]] = []
    for thread, look in sorted(looks.items()):
        threads, pointers = {thread}, set(look.pointers)
        apart = []
        for group in groups:
            if group[1] & pointers:
                threads |= group[0]
                pointers |= group[1]
            else:
                apart.append(group)
        groups = [*apart, (threads, pointers)]
    return sorted(tuple(sorted(threads)) for threads, _ in groups)


def _surely_newer(look: Look) -> bool:
    span = look.dating.span
    return span is not None and span.since is not None and first_of(span.since) >= first_of(_SINCE)


def _surely_older(look: Look) -> bool:
    span = look.dating.span
    return span is not None and span.until is not None and last_of(span.until) < first_of(_SINCE)


def _shares(look: Look, others: Mapping[int, Look]) -> bool:
    return any(other is not look and look.pointers & other.pointers for other in others.values())


def _at_once(look: Look, others: Mapping[int, Look]) -> bool:
    """Say whether a file tells of a time of which another tells, too; where one's end is not known, it may."""
    return any(
        other is not look
        and (other.ends_ns == NO_TIME or look.begins_ns <= other.ends_ns)
        and (look.ends_ns == NO_TIME or other.begins_ns <= look.ends_ns)
        for other in others.values()
    )
