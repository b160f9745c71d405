"""Lines that carry what the log backend prints, ``NAME FMT``, to records: by the carrier and the plans of the event."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from traceview.events import MANY, NO_TIME, Conversion, EventForm, Gap, ReadStats
from traceview.formats.base import FormsOf, Wanted
from traceview.formats.builder import BatchBuilder
from traceview.formats.carried import NAME, TEXT, Carrier, MakeLines
from traceview.formats.clock import STEP_NS, Clock
from traceview.formats.declarations import Declarations, forms_for
from traceview.formats.log_blocks import Fault, note_fault
from traceview.formats.log_events import Event, NearNames, is_likely_name, make_event, note_names
from traceview.formats.log_scraps import is_garbage

__all__ = ["MAX_REPEATED", "CarriedLines", "lines_of"]

MAX_REPEATED = 1000
"""A line that stands for more records than this is a gap of so many."""
_WORD = re.compile(rb"(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]*) ")
_WITHIN = 200
"""A record's prefix is shorter than this."""
_RECORD_UNREADABLE = "a record whose text is of no known form"
_RECORD_CUT = "a record that was cut on its way"


class CarriedLines:
    """Takes the lines of one trace, in order, and collects their records in `builder`.

    `events` is what is known of each name met, in the order of its first line.
    """

    def __init__(
        self, carrier: Carrier, forms_of: FormsOf, declarations: Declarations | None, wanted: Wanted, stats: ReadStats
    ) -> None:
        self.stats = stats
        self.builder = BatchBuilder()
        self.events: dict[bytes, Event] = {}
        self._carrier = carrier
        self._forms_of = forms_of
        self._declarations = declarations
        self._near = NearNames(forms_of, declarations)
        self._wanted = wanted
        self._clock = Clock(stats)
        self._strands: dict[bytes, tuple[int, int]] = {}
        """Time of the last record of each strand, and how many records had been read with it."""

    def take_lines(self, block: bytes, base: int) -> None:
        """Take complete lines; `base` is the offset of the first in the file."""
        hints, inside = self._carrier.hints, self._carrier.inside
        at = 0
        for match in self._carrier.line.finditer(block):
            start = match.start()
            if start > at:
                self._others(block[at : start - 1], base + at)
            at = match.end() + 1
            self.stats.lines += 1
            text = match[TEXT] or b""
            event = self._known(match[NAME])
            if event is None:
                self._other(match[0], base + start)
            elif any(hint in text for hint in hints) and inside.search(text) is not None:
                self._pieces(match[0], base + start)
            else:
                self._take(match, text.removesuffix(b"\r"), event, base + start)
        if at < len(block):
            self._others(block[at:-1], base + at)

    def take_unfinished(self, line: bytes, base: int) -> None:
        """Take the last line, which lacks its end: a number in it may be cut, so it is no record."""
        stats = self.stats
        stats.lines += 1
        stats.other_lines += 1
        if not line.strip() or self._carrier.loss(line, stats.records) is not None:
            return
        text = "the last line has no end: it may be cut, and is not judged"
        stats.add_gap(Gap("cut", stats.records, base, stats.lines, stats.last_ts_ns, 1, text))

    def take_fault(self, fault: Fault) -> None:
        """Take what is no line; what it cuts off is as uncertain as itself."""
        if fault.rest:
            self.stats.lines += 1
            self.stats.other_lines += 1
        note_fault(fault, self.stats)

    def finish(self) -> None:
        """Take the end: nothing was held back."""
        note_names(self.events, self.stats)

    def _forms(self, name: str) -> Sequence[EventForm]:
        return forms_for(name, self._declarations, self._forms_of)

    def _known(self, name: bytes) -> Event | None:
        """Return what is known of an event, None for a word that does not look like the name of one."""
        event = self.events.get(name)
        if event is None:
            text = name.decode("ascii")
            forms = self._forms(text)
            if not forms and not is_likely_name(name):
                return None
            event = make_event(text, forms, self.builder, self._near, wanted=self._wanted(text))
            self.events[name] = event
        return event

    def _others(self, text: bytes, offset: int) -> None:
        """Take lines that the expression did not match as they stand: a record may begin in the middle of one."""
        for line in text.split(b"\n"):
            self.stats.lines += 1
            if any(hint in line for hint in self._carrier.hints) and self._carrier.inside.search(line) is not None:
                self._pieces(line, offset)
            else:
                self._other(line, offset)
            offset += len(line) + 1

    def _other(self, line: bytes, offset: int) -> None:
        """Take a line that is no record."""
        stats = self.stats
        stats.other_lines += 1
        line = line.removesuffix(b"\r")
        loss = self._carrier.loss(line, stats.records)
        if loss is not None:
            gap = Gap("dropped", *self._place(offset), loss.count, loss.text, None, loss.reach)
        elif self._must_have_been_record(line):
            gap = Gap("unreadable", *self._place(offset), 1, "what is left of a damaged record", len(line) + 1)
        else:
            return
        stats.add_gap(gap)

    def _place(self, offset: int) -> tuple[int, int, int, int]:
        stats = self.stats
        return stats.records, offset, stats.lines, stats.last_ts_ns

    def _must_have_been_record(self, line: bytes) -> bool:
        """Say whether a line was a record, where that is looked for and not all that follows is in doubt anyway."""
        if not self._carrier.lossless or (self.stats.gaps and self.stats.gaps[-1].cause == MANY):
            return False
        return self._carrier.suspect(line) or is_garbage(line) or self._holds_record(line)

    def _holds_record(self, line: bytes) -> bool:
        """Say whether a line has the name of a known event, and behind it what fits one of its forms."""
        for word in _WORD.finditer(line, 0, _WITHIN):
            event = self.events.get(word[1]) or (self._known(word[1]) if self._forms(word[1].decode("ascii")) else None)
            if event is not None and any(p.decode(line[word.end() :]) is not None for p in event.plans):
                return True
        return False

    def _pieces(self, line: bytes, offset: int) -> None:
        """Take the records of a line that holds several, or other text before one."""
        carrier = self._carrier
        line = line.removesuffix(b"\r")
        whole = carrier.line.match(line)
        found = list(carrier.inside.finditer(line, whole.end(NAME) if whole is not None else 0))
        first, *ends = [f.start() for f in found] + [len(line)]
        known = False
        if whole is not None and (event := self._known(whole[NAME])) is not None:
            known = True
            text = line[whole.end(NAME) + 1 : first]
            self._take(whole, text, event, offset, sure_of_end=carrier.sure_start or not found)
        for match, end in zip(found, ends, strict=True):
            event = self._known(match[NAME])
            if event is not None:
                known = True
                sure = end == len(line) or carrier.sure_start
                text = line[match.end() : end]
                self._take(match, text, event, offset + match.start(), glued=True, sure_of_end=sure)
        if not known:
            self._other(line, offset)

    def _take(
        self, match: re.Match[bytes], raw: bytes, event: Event, offset: int, *, glued: bool = False,
        sure_of_end: bool = True,
    ) -> None:  # fmt: skip
        """Take a record. One that cannot be read is a record all the same, and has a number."""
        stats = self.stats
        ts, tid = self._carrier.moment(match, stats.records, glued)
        text, times = self._carrier.spread(match, raw)
        if ts != NO_TIME:
            self._stamp(ts, self._carrier.strand(match), offset)
        readable = 0 < times <= MAX_REPEATED
        record = stats.records
        stats.records += times if readable else 1
        event.count += times if readable else 1
        if not event.checked and readable:
            return
        which, values = event.decode(text, self.builder.strings)
        cut = len(match[NAME]) + 1 + len(raw) >= self._carrier.cut_from
        unsure = (cut or not sure_of_end) and self._ends_in_number(event, which)
        if values is None or unsure or not readable:
            self._refuse(match[NAME] + b" " + text, (record, offset, stats.lines, ts), times or None, cut=cut)
            return
        for repeated in range(times if event.wanted else 0):
            self.builder.add(event.code[which], (record + repeated, stats.lines, offset, ts, tid), values)

    def _stamp(self, ts_ns: int, strand: bytes | None, offset: int) -> None:
        """Take the time of the next record in."""
        stats = self.stats
        before = stats.last_ts_ns
        if before == NO_TIME:
            stats.first_ts_ns = ts_ns
        elif not before <= ts_ns <= before + STEP_NS:
            self._clock.step(ts_ns, before, offset, stats.lines)
        if strand is not None:
            last = self._strands.get(strand)
            if last is not None and last[0] > ts_ns >= before - STEP_NS:
                words = f"time steps back by {(last[0] - ts_ns) // 1000} µs where it cannot: records changed places"
                place = (stats.records, offset, stats.lines, ts_ns)
                stats.add_gap(Gap("clock-jump", *place, None, words, None, stats.records - last[1] + 1))
            self._strands[strand] = ts_ns, stats.records + 1
        stats.last_ts_ns = ts_ns

    @staticmethod
    def _ends_in_number(event: Event, which: int) -> bool:
        line = event.plans[which].form.line if event.plans else ()
        return bool(line) and isinstance(line[-1], Conversion) and line[-1].terminal != "STRING"

    def _refuse(self, text: bytes, place: tuple[int, int, int, int], count: int | None, *, cut: bool) -> None:
        """Note records that are not told; `place` is (record, byte_offset, line, ts_ns)."""
        stats = self.stats
        stats.refuse(place[1], text)
        cause, words = ("cut", _RECORD_CUT) if cut or count is None else ("unreadable", _RECORD_UNREADABLE)
        stats.add_gap(Gap(cause, *place, count, words))


def lines_of(make_carrier: Callable[[], Carrier]) -> MakeLines:
    """Return what takes the lines of a carrier."""
    return lambda *given: CarriedLines(make_carrier(), *given)
