"""What the reader of a log knows of each event name that it meets, and of the times in its lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from traceview.errors import GrammarError
from traceview.events import NO_THREAD, NO_TIME, Arg, Conversion, EventForm, Kind, ReadStats, StringTable
from traceview.formats.base import FormsOf
from traceview.formats.builder import BatchBuilder
from traceview.formats.declarations import Declarations, forms_for
from traceview.formats.log_grammar import DecodePlan, scanner
from traceview.formats.log_scraps import near_names
from traceview.formats.log_tables import is_plain

__all__ = ["Event", "NearNames", "in_range", "is_likely_name", "iso_prefix", "make_event", "note_names"]

MOST_COMPARED = 1000
"""Of so many names that nothing declares it is looked whether they are damaged ones that are known."""
_NS = 1_000_000_000
# Without prefix any words could be a record; QEMU's event names all have an underscore or are declared.
_LIKELY_NAME = re.compile(rb"[a-z][a-z0-9]*_[A-Za-z0-9_]*")


def is_likely_name(word: bytes) -> bool:
    """Say whether a word without a declaration looks like the name of an event."""
    return _LIKELY_NAME.fullmatch(word) is not None


class _Nowhere(StringTable):
    """A table for strings that nobody wants."""

    def intern(self, raw: bytes) -> int:  # noqa: ARG002
        """Keep nothing."""
        return 0


class Event:
    """What the reader knows of one event name.

    `checked` says that a record's text is held against the event's forms, whether it is wanted or not; `near` are the
    plans of events whose names differ in one letter.
    """

    __slots__ = ("checked", "code", "count", "near", "plans", "wanted")

    def __init__(self, plans: list[DecodePlan], code: list[int], wanted: bool, near: Sequence[DecodePlan] = ()) -> None:
        self.plans = plans
        self.code = code
        self.wanted = wanted
        self.near = near
        self.checked = wanted or bool(near) or bool(plans and all(is_plain(p.form) for p in plans))
        self.count = 0

    def decode(self, text: bytes, strings: StringTable) -> tuple[int, Sequence[int] | None]:
        """Return which of the event's forms a text has and its arguments, or None where it has none of them."""
        for which, plan in enumerate(self.plans):
            values = plan.decode(text)
            if values is not None:
                return which, values
        if self.plans or any(p.decode(text) is not None for p in self.near):
            return 0, None
        return 0, (strings.intern(text),) if self.wanted else ()


class NearNames:
    """Looks up the known events whose names differ in one letter from one that nothing declares."""

    def __init__(self, forms_of: FormsOf, declarations: Declarations | None) -> None:
        self._forms_of = forms_of
        self._declarations = declarations
        self._compared = 0

    def plans(self, name: str) -> list[DecodePlan]:
        """Return the plans of their forms; none for names beyond `MOST_COMPARED`."""
        self._compared += 1
        if self._compared > MOST_COMPARED:
            return []
        return _plans(_near_forms(name, self._forms_of, self._declarations), _Nowhere())


@lru_cache(maxsize=1 << 12)  # the files of a folder have the same names
def _near_forms(name: str, forms_of: FormsOf, declarations: Declarations | None) -> tuple[EventForm, ...]:
    # A thousand names are tried: all that is known of one is asked for where there is something only.
    near = [n for n in near_names(name) if forms_of(n) or (declarations is not None and declarations.get(n))]
    return tuple(form for n in near for form in forms_for(n, declarations, forms_of))


def make_event(name: str, forms: Sequence[EventForm], builder: BatchBuilder, near: NearNames, *, wanted: bool) -> Event:
    """Return what is known of a name, which has `forms`: of a wanted one, records are to be put into `builder`."""
    plans = _plans(forms, builder.strings if wanted else _Nowhere())
    codes: list[int] = []
    if wanted:
        whole = EventForm(name, (Arg("text", Kind.STRING),), (Conversion("STRING", 0),), declared=False)
        codes = [builder.code_of(f) for f in ([p.form for p in plans] or [whole])]
    looked_at = not forms and is_likely_name(name.encode())
    return Event(plans, codes, wanted, near.plans(name) if looked_at else ())


def note_names(events: Mapping[bytes, Event], stats: ReadStats) -> None:
    """Leave in `stats` how often which name was met, and which of them nothing declares."""
    stats.names = {n.decode("ascii"): e.count for n, e in events.items() if e.count}
    stats.unknown_names = {n for n in stats.names if not events[n.encode()].plans}


def _plans(forms: Iterable[EventForm], strings: StringTable) -> list[DecodePlan]:
    plans = []
    for form in forms:
        try:
            plans.append(DecodePlan(form, strings))
        except GrammarError:  # a form whose line cannot be taken apart: its text is kept as it is
            continue
    return plans


def iso_prefix(match: re.Match[bytes]) -> tuple[int, int]:
    """Return time (ns) and thread of a line whose prefix has a time of day, or a thread's name."""
    scan = scanner()
    for time_group, thread_group in scan.iso:
        if match[time_group] is not None:
            tid = int(match[thread_group]) if thread_group else NO_THREAD
            return _iso_ns(match[time_group]), tid
    return NO_TIME, int(match[scan.named_thread])


def _iso_ns(text: bytes) -> int:
    try:
        moment = datetime.fromisoformat(text[:19].decode("ascii")).replace(tzinfo=UTC)
    except ValueError:  # a month 13 or the like: the record is real, its time is not
        return NO_TIME
    return in_range(int(moment.timestamp()) * _NS + int(text[20:26]) * 1000)


def in_range(ts_ns: int) -> int:
    """Return a time, or NO_TIME where it is so far off that 64 bits do not hold it."""
    return ts_ns if abs(ts_ns) < 1 << 63 else NO_TIME
