"""Lines of the log backend to records: every generation of the line, other output mixed in.

The hot path is two regular expressions derived from ``grammars/log_line.lark``: one for the line, one for each form
of a wanted event. Whatever they refuse goes the slow way, line by line, which tells a record that begins in the
middle of a physical line from text that is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from traceview.events import NO_THREAD, NO_TIME, Conversion, Gap, ReadStats
from traceview.formats.base import FormsOf, Wanted
from traceview.formats.builder import BatchBuilder
from traceview.formats.clock import STEP_NS, Clock
from traceview.formats.declarations import Declarations, forms_for
from traceview.formats.log_blocks import Fault, note_fault
from traceview.formats.log_copies import Copies, Text
from traceview.formats.log_events import Event, NearNames, in_range, is_likely_name, iso_prefix, make_event, note_names
from traceview.formats.log_grammar import scanner
from traceview.formats.log_scraps import begins_like_a_record, holds_arguments, is_garbage, words_of

__all__ = ["Event", "LineReader", "is_likely_name"]

_NS = 1_000_000_000


class LineReader:
    """Takes the lines of one log, in order, and collects their records in `builder`.

    `events` is what is known of each name met, in the order of its first line; `threads` are the thread ids met, as
    they are written; `prefixed` says whether a record with a prefix was met. When all was taken, `finish` is to be
    called.
    """

    def __init__(self, forms_of: FormsOf, declarations: Declarations | None, wanted: Wanted, stats: ReadStats) -> None:
        self.stats = stats
        self.builder = BatchBuilder()
        self.events: dict[bytes, Event] = {}
        self.threads: set[bytes] = set()
        self.prefixed = False
        self._forms_of = forms_of
        self._declarations = declarations
        self._wanted = wanted
        self._second = b""
        self._second_ns = 0
        self._clock = Clock(stats)
        self._copies = Copies(stats)
        self._held = b""
        self._held_at = 0
        """Lines that are taken when what follows them is known: it tells whether they are a copy."""
        self._final = False
        self._near = NearNames(forms_of, declarations)

    def finish(self) -> None:
        """Take what was held back, and tell what is known at the end alone."""
        self._let_go()
        self._copies.finish()
        note_names(self.events, self.stats)

    def take_fault(self, fault: Fault) -> None:
        """Take what is no line: of what it cuts off, no number can be relied on."""
        self._let_go()
        self._copies.finish()
        if fault.rest:
            self.stats.lines += 1
            self.stats.other_lines += 1
        note_fault(fault, self.stats)

    def _let_go(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._final = True
            self.take_lines(held, self._held_at)
            self._final = False

    def take_unfinished(self, line: bytes, base: int) -> None:
        """Take the last line, which lacks its end: a number in it may be cut, so it is no record."""
        self.finish()
        stats = self.stats
        stats.lines += 1
        stats.other_lines += 1
        looks = scanner().line.match(line)
        cut_prefix = self.prefixed and line[:1].isdigit()
        bare = looks is not None and looks.start(scanner().name) == 0
        record = looks is not None and (not bare or self._bare_name(looks[scanner().name]))
        if not record and not cut_prefix and scanner().embedded.search(line) is None:
            return
        text = "the last line has no end: it may be cut, and is not judged"
        stats.add_gap(Gap("cut", stats.records, base, stats.lines, stats.last_ts_ns, 1, text))

    def take_lines(self, block: bytes, base: int) -> None:
        """Take complete lines; `base` is the offset of the first in the file."""
        at = self.resume(block, len(block), base)
        self.end_block(block, self.take_part(block, at, len(block), len(block), base), len(block), base)

    def end_block(self, block: Text, done: int, size: int, base: int) -> None:
        """Let go of a block of which the lines up to `done` are taken; the others are held back."""
        if self._held:  # all of it is
            return
        self._copies.keep(block, done)
        if done < size:
            self._held, self._held_at = bytes(block[done:size]), base + done

    def resume(self, block: Text, size: int, base: int) -> int:
        """Take the lines that were held back, and those of a copy that goes on; return where in the block to go on."""
        held, self._held = self._held, b""
        if not held:
            return self._copies.follow(block, 0, size, base) if self._copies.going_on else 0
        both = held + bytes(block[:size])
        done = self.take_part(both, 0, len(held), len(both), self._held_at)
        if done < len(held):  # what follows is no more than a line
            self._held = both[done:]
            self._held_at += done
            self._copies.keep(both, done)
            return size
        self._copies.keep(held, len(held))
        return done - len(held)

    def take_part(self, block: Text, at: int, end: int, size: int, base: int) -> int:
        """Take the lines of ``block[at:end]``, of which `size` bytes are complete lines; return where to go on.

        That is behind `end` where a copy of lines reaches further, and before it where what follows is too little to
        tell whether it is one.
        """
        while at < end:
            at, told = self._take_run(block, at, end, size, base)
            if not told:
                break
        return at

    def _take_run(self, block: Text, at: int, end: int, size: int, base: int) -> tuple[int, bool]:
        """Take lines up to the end, or to the end of a copy; return where to go on, and whether it is known how."""
        scan = scanner()
        name_group, text_group, thread_group = scan.name, scan.text, scan.thread
        stats = self.stats
        crlf = block.find(b"\r\n", at, end) >= 0  # QEMU on Windows ends its lines so
        for match in scan.line.finditer(block, at, end):
            start = match.start()
            if start > at:
                self._others(bytes(block[at : start - 1]), base + at)
                at = start
            prefixed = match.start(name_group) > start
            thread = match[thread_group]
            if thread is not None:
                ts = self._epoch(match[scan.seconds], match[scan.microseconds])
                if NO_TIME != ts < stats.last_ts_ns:
                    copied = self._copies.begin(block, start, size, ts // 1000, final=self._final)
                    if copied is None:
                        return start, False
                    if copied:
                        return self._copies.follow(block, start, size, base), True
            at = match.end() + 1
            stats.lines += 1
            name = match[name_group]
            event = self.events.get(name)
            if event is None:
                event = self._event(name)
            text = match[text_group]
            # Text is looked into, wanted or not, so that gaps and the numbers of records do not depend on what is
            # wanted; where its forms are not plain, only where another record may have run into it.
            alone = b"@" not in text or scan.embedded.search(text) is None
            if alone and prefixed and not event.checked:
                self._count(match, base + start, prefixed)
                event.count += 1
                continue
            if crlf:
                text = text.removesuffix(b"\r")
            if not prefixed and not self._accept_bare(name, event, text):
                self._slow(bytes(block[start : match.end()]), base + start)
                continue
            which, values = event.decode(text, self.builder.strings)
            if values is None:
                self._split(bytes(block[start : match.end()]), base + start, 0, match.start(text_group) - start)
                continue
            ts, tid = self._count(match, base + start, prefixed)
            event.count += 1
            if not alone:  # a string takes anything, and of text without known form nobody knows where it ends
                words = "a record in the text of another: the line is torn, or its text only looks like one"
                place = (stats.records - 1, base + start, stats.lines, ts)
                stats.add_gap(Gap("unreadable", *place, None, words))
            if event.wanted:
                self.builder.add(event.code[which], (stats.records - 1, stats.lines, base + start, ts, tid), values)
        if at < end:
            self._others(bytes(block[at : end - 1]), base + at)
        return end, True

    def _event(self, name: bytes) -> Event:
        text = name.decode("ascii")
        forms = forms_for(text, self._declarations, self._forms_of)
        event = make_event(text, forms, self.builder, self._near, wanted=self._wanted(text))
        self.events[name] = event
        return event

    def _accept_bare(self, name: bytes, event: Event, text: bytes) -> bool:
        """Say whether a line without prefix is a record: its form fits, or it is likely in a log without prefixes."""
        if event.plans:
            return any(p.decode(text) is not None for p in event.plans)
        return self._bare_name(name)

    def _bare_name(self, name: bytes) -> bool:
        """Say whether the first word of a line without prefix can be the name of an event."""
        event = self.events.get(name)
        if event is not None and event.plans:
            return True
        return not self.prefixed and is_likely_name(name)

    def _count(self, match: re.Match[bytes], offset: int, prefixed: bool) -> tuple[int, int]:
        """Count a record, which stands at `offset`, and return its time in ns and its thread."""
        ts, tid = NO_TIME, NO_THREAD
        if prefixed:
            scan = scanner()
            self.prefixed = True
            thread = match[scan.thread]
            if thread is not None:
                ts, tid = self._epoch(match[scan.seconds], match[scan.microseconds]), int(thread)
                self.threads.add(thread)
            else:
                ts, tid = iso_prefix(match)
        stats = self.stats
        if ts != NO_TIME:
            if stats.first_ts_ns == NO_TIME:
                stats.first_ts_ns = ts
            elif not -STEP_NS <= ts - stats.last_ts_ns <= STEP_NS:
                self._clock.step(ts, stats.last_ts_ns, offset, stats.lines)
            stats.last_ts_ns = ts
        stats.records += 1
        return ts, tid

    def _epoch(self, second: bytes, microsecond: bytes) -> int:
        if second != self._second:
            self._second, self._second_ns = second, int(second) * _NS
        return in_range(self._second_ns + int(microsecond) * 1000)

    def _others(self, text: bytes, offset: int) -> None:
        """Take lines that no expression matched as they stand."""
        for line in text.split(b"\n"):
            self.stats.lines += 1
            self._slow(line, offset)
            offset += len(line) + 1

    def _slow(self, line: bytes, offset: int) -> None:
        """Take a line that is no record from its beginning: one may begin in its middle."""
        if scanner().embedded.search(line) is not None:
            self._split(line, offset, None, 0)
            return
        stats = self.stats
        stats.other_lines += 1
        if begins_like_a_record(line) or (self.prefixed and any(self._is_record(*word) for word in words_of(line))):
            text = "what is left of a damaged record"
            self._note_unreadable(line, stats.records, offset, stats.last_ts_ns, text)
        elif is_garbage(line):
            self._note_garbage(line, offset)

    def _is_record(self, name: bytes, text: bytes) -> bool:
        """Say whether a word is the name of a known event, and what stands behind it of one of its forms."""
        event = self.events.get(name) or self._event(name)
        return any(p.decode(text.removesuffix(b"\r")) is not None for p in event.plans)

    def _note_garbage(self, line: bytes, offset: int) -> None:
        """Note a line that is no text; what stands right behind what cannot be read, either, is one gap with it."""
        stats = self.stats
        last = stats.gaps[-1] if stats.gaps else None
        goes_on = last is not None and (last.record, last.end_byte_offset) == (stats.records, offset)
        if last is not None and goes_on and last.cause in ("unreadable", "not-utf8") and last.size_bytes is not None:
            stats.gaps[-1] = replace(last, count=None, size_bytes=last.size_bytes + len(line) + 1)
            return
        text = "what is no text, where records may have been"
        self._note_unreadable(line, stats.records, offset, stats.last_ts_ns, text)

    def _note_unreadable(self, line: bytes, record: int, offset: int, ts_ns: int, text: str) -> None:
        """Note a record that cannot be read as a gap before or at `record`."""
        try:
            line.decode("utf-8")
            cause = "unreadable"
        except UnicodeDecodeError:
            cause, text = "not-utf8", f"{text}, and of bytes that are no UTF-8"
        self.stats.add_gap(Gap(cause, record, offset, self.stats.lines, ts_ns, 1, text, len(line) + 1))

    def _split(self, line: bytes, offset: int, begin: int | None, search_from: int) -> None:
        """Take the records of a line that holds several, or other output before or behind a record.

        `begin` is where the first record is known to begin (None if that is to be found), `search_from` where
        others can.
        """
        for inner in scanner().embedded.finditer(line, search_from):
            # Digits before a record may have run into its thread; the threads named so far tell, if just one fits.
            stop = inner.end("epoch_THREAD")
            starts = [at for at in range(inner.start(), stop) if line[at:stop] in self.threads]
            if begin is not None:
                end = starts[0] if len(starts) == 1 else inner.start()
                self._piece(line[begin:end], offset + begin, sure_of_end=len(starts) == 1)
            begin = min(starts, default=inner.start())
            if not starts and any(known.endswith(line[begin:stop]) for known in self.threads):
                # Its thread is the rest of one: the line is torn, and there is no telling what stood where it is.
                text = "a record without its beginning behind other text: the line is torn there"
                place = (self.stats.records, offset + begin, self.stats.lines, self.stats.last_ts_ns)
                self.stats.add_gap(Gap("unreadable", *place, None, text))
        assert begin is not None, "a line without records is not split"
        self._piece(line[begin:].removesuffix(b"\r"), offset + begin, sure_of_end=True)

    def _piece(self, piece: bytes, offset: int, *, sure_of_end: bool) -> None:
        """Take a piece of a line that begins with a record; other output may have run into the record's text.

        Where it is not sure where the next record begins, a value must not reach up to it: its last digits could be
        the first of that record's thread.
        """
        match = scanner().line.match(piece)
        assert match is not None, "a piece begins with a prefix and a name"
        name, text = match[scanner().name], match[scanner().text]
        event = self.events.get(name) or self._event(name)
        if not event.plans:
            which, values = event.decode(text, self.builder.strings)
            if values is None:
                self._unreadable(piece, match, offset, event)
            else:
                self._add(match, offset, event, which, values)
            return
        for which, plan in enumerate(event.plans):
            values, end = plan.decode(text), len(text)
            if values is None:
                values, end = plan.decode_head(text) or (None, 0)
            if values is None or text[end : end + 1].isalnum() or holds_arguments(text[end:]):
                continue
            ends_in_value = bool(plan.form.line) and isinstance(plan.form.line[-1], Conversion)
            if sure_of_end or end < len(text) or not ends_in_value:
                self._add(match, offset, event, which, values)
                return
        self._unreadable(piece, match, offset, event)

    def _add(self, match: re.Match[bytes], offset: int, event: Event, which: int, values: Sequence[int] | None) -> None:
        ts, tid = self._count(match, offset, prefixed=True)
        event.count += 1
        if event.wanted and values is not None:
            row = (self.stats.records - 1, self.stats.lines, offset, ts, tid)
            self.builder.add(event.code[which], row, values)

    def _unreadable(self, line: bytes, match: re.Match[bytes], offset: int, event: Event) -> None:
        """Take a record of which no more than its event can be told. It is a record all the same, and has a number."""
        stats = self.stats
        record = stats.records
        ts, _ = self._count(match, offset, prefixed=match.start(scanner().name) > 0)
        event.count += 1
        if not event.plans:
            self._note_unreadable(line, record, offset, ts, "a record whose event has a damaged name")
            return
        stats.refuse(offset, line)
        self._note_unreadable(line, record, offset, ts, "a record whose text is of no known form")
