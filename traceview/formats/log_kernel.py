"""The compiled hot path of log lines: one pass over a block of complete lines, from bytes to columns.

It takes lines with the epoch prefix (``THREAD@SECONDS.MICROSECONDS:``) whose event is known and whose text is of one
of the event's forms. Every other line is handed back untouched, as a *stop*, to the Python path (`formats.log_lines`),
which knows all the cases and decides. What is taken is spelt out here by hand where ``grammars/log_line.lark`` spells
it as terminals (the tests hold both to the same answers on real, generated and mutated lines); what stands in a line is
in tables that are made from the forms (`formats.log_tables`).

It reads eight bytes at a time (`words_kernel`): a block is followed by some bytes that may be anything
(`compiled.PADDING`). These are plain functions over pointers and 64-bit numbers; `traceview.compiled` makes machine
code of them.

The tables:

``name_hash`` (u64), ``name_code`` (i32)
    Open addressing by the hash of the name (`mix` over its words): the number of the name, -1 for a free slot.
``name_words`` (u64), ``name_size`` (i64), ``first_plan`` (i64)
    By number: the name's bytes in `NAME_WORDS` words, the rest zero; its size; where its first plan begins in `plan`,
    `COUNTED` for an event whose records are only counted, or `LEFT` for one that the Python path decodes.
``plan`` (u64)
    Steps of four: opcode, and a literal of up to eight bytes that stands before its value: bytes, mask, size. A plan
    begins with a step of its own: code of the form, and the place of the plan to try next (0 for none). `POINTER` to
    `ALT_HEX` are the value terminals of the grammar by the same names; `REST` is a string that goes up to the end of
    the line, `STRING` one that goes on as long as the rest of the line has the form of the steps behind it; `NOTHING`
    is a literal alone (of those longer than eight bytes, a part), `END` the end of the line.
"""

from __future__ import annotations

import numpy as np

from traceview.formats.clock import STEP_NS
from traceview.formats.words_kernel import (
    BEYOND,
    NONE,
    decimal,
    first_byte,
    hexadecimal,
    line_end,
    pointer,
    six_digits,
    up_to_blank,
    word,
)

__all__ = [
    "ALT_HEX", "BASIS", "CHECKED", "COUNTED", "DECIMAL", "DONE", "END", "FULL", "HEX", "LEFT", "MIX_SHIFT",
    "MOST_THREADS", "NAME_WORDS", "NOTHING", "POINTER", "PRIME", "REST", "SCRATCH", "SIGNATURE", "STEP", "STRING",
    "STRING_SHIFT", "UNKNOWN", "UNSIGNED", "scan_block",
]  # fmt: skip

END, NOTHING, POINTER, DECIMAL, UNSIGNED, HEX, ALT_HEX, STRING, REST = range(9)
COUNTED, LEFT = -2, -3
CHECKED = 1 << 30
"""The code of forms that nobody wants: a line is held against them, and counted."""
STEP = 4
NAME_WORDS = 8
SCRATCH = 64
MOST_THREADS = 256
DONE, FULL, UNKNOWN, AGAIN = range(4)
STRING_SHIFT, MIX_SHIFT = 24, 29
"""A string argument is its place in the block, shifted by this, plus its size (a line is shorter than 2**24)."""

SIGNATURE = (
    "u8*", "i64", "i64",
    "i64", "u64*", "i32*", "u64*", "i64*", "i64*", "u64*",
    "i64*", "i64*", "i64*", "i64*", "i64*", "i64*", "u64*", "i64", "i64",
    "i64*", "i64*", "i64", "i64*", "u64*", "i64", "i64", "i64*",
)  # fmt: skip

_0, _1, _7, _8, _10, _62 = (np.uint64(i) for i in (0, 1, 7, 8, 10, 62))
_0X, _TWO_BYTES = np.uint64(0x7830), np.uint64(0xFFFF)
BASIS, PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x9E3779B97F4A7C15)
_MICROSECOND = np.int64(1000)
_MOST_AHEAD = np.int64(STEP_NS)
_SECOND = np.uint64(1_000_000_000)
_MOST_SECONDS = np.uint64(9_223_372_036)  # later times do not fit 64 bits of nanoseconds: left to the Python path
_OP_END, _OP_NOTHING, _OP_POINTER, _OP_DECIMAL, _OP_UNSIGNED, _OP_HEX, _OP_ALT_HEX, _, _OP_REST = (
    np.uint64(i) for i in range(9)
)
_STRING_SHIFT, _MIX_SHIFT = np.uint64(STRING_SHIFT), np.uint64(MIX_SHIFT)
_SLOT = 16  # of the prefixes met: three words and their masks, size, thread, time, whether the thread is remembered


def decode(b, first, plan, at, args, out):
    """Write the arguments of the text at `first` from ``args[out]`` on; return its form's code and its end, or -1.

    A text with something that is not read here is of no form at all: the next one might fit what the Python path finds
    to be of this one.
    """
    while True:
        k = first
        arg = out
        step = at + STEP
        string = begin = behind = np.int64(-1)
        string_arg = np.int64(0)
        while True:
            while k >= 0 and (word(b, k) ^ plan[step + 1]) & plan[step + 2] == _0:
                k += np.int64(plan[step + 3])
                op = plan[step]
                if op == _OP_END:
                    if b[k] == 10:
                        return np.int64(plan[at]), k
                    break
                if op == _OP_POINTER:
                    args[arg], k = pointer(b, k)
                    arg += 1
                elif op == _OP_DECIMAL:
                    if b[k] == 45:
                        value, k = decimal(b, k + 1)
                        args[arg] = ~value + _1
                    else:
                        args[arg], k = decimal(b, k)
                    arg += 1
                elif op == _OP_UNSIGNED:
                    args[arg], k = decimal(b, k)
                    arg += 1
                elif op == _OP_HEX:
                    args[arg], k = hexadecimal(b, k)
                    arg += 1
                elif op == _OP_ALT_HEX:
                    if word(b, k) & _TWO_BYTES == _0X:
                        args[arg], k = hexadecimal(b, k + 2)
                    else:
                        args[arg] = _0
                        k = (BEYOND if b[k + 1] == 48 else k + 1) if b[k] == 48 else NONE
                    arg += 1
                elif op == _OP_REST:
                    end = line_end(b, k)
                    args[arg] = (np.uint64(k) << _STRING_SHIFT) | np.uint64(end - k)
                    arg += 1
                    k = BEYOND if b[end - 1] == 13 else end
                elif op != _OP_NOTHING:
                    string, begin, behind, string_arg = step, k, line_end(b, k) + 1, arg
                    if b[behind - 2] == 13:  # no form ends so: not to try all places
                        k = BEYOND
                    break
                step += STEP
            if k == BEYOND:
                return np.int64(-1), np.int64(-1)
            if behind <= begin:
                break
            # A string takes as much as leaves the rest of the line its form.
            behind -= 1
            args[string_arg] = (np.uint64(begin) << _STRING_SHIFT) | np.uint64(behind - begin)
            k, step, arg = behind, string + STEP, string_arg + 1
        if plan[at + 1] == _0:
            return np.int64(-1), np.int64(-1)
        at = np.int64(plan[at + 1])


def mix(h, w):
    """Return the hash of a name, from that of its words before and the next word."""
    h = (h ^ w) * PRIME
    return h ^ (h >> _MIX_SHIFT)


def find_name(b, k, mask, name_hash, name_code, name_words, name_size):
    """Return the number of the name at `k` (-1 if it is not known) and the place behind it."""
    first = k
    h = BASIS
    while True:
        w = word(b, k)
        f = up_to_blank(w)
        if f != _0:
            break
        h = mix(h, w)
        k += 8
    w &= (f >> _7) - _1
    h = mix(h, w)
    full = k
    k += first_byte(f)
    slot = np.int64(h & np.uint64(mask))
    while name_code[slot] >= 0:
        code = np.int64(name_code[slot])
        if name_hash[slot] == h and name_size[code] == k - first:
            at = code * NAME_WORDS
            j = first
            while j < full and word(b, j) == name_words[at]:
                j += 8
                at += 1
            if j == full and (j == k or w == name_words[at]):
                return code, k
        slot = (slot + 1) & mask
    return np.int64(-1), k


def parse_prefix(b, k, seen, slot):
    """Put the thread and second of the prefix at `k` into a slot of `seen`; say whether there is such a prefix."""
    first = k
    thread = _0
    while 48 <= b[k] <= 57:
        thread = thread * _10 + np.uint64(b[k] - 48)
        k += 1
    if k - first < 1 or k - first > 10 or b[k] != 64 or (b[first] == 48 and k - first > 1):
        return False
    k += 1
    second = _0
    behind = k
    while 48 <= b[k] <= 57:
        second = second * _10 + np.uint64(b[k] - 48)
        k += 1
    if k - behind < 1 or k - behind > 10 or b[k] != 46 or second >= _MOST_SECONDS:
        return False
    size = k + 1 - first
    for i in range(3):
        left = size - 8 * i
        mask = ~_0
        if left <= 0:
            mask = _0
        elif left < 8:
            mask = (_1 << np.uint64(8 * left)) - _1
        seen[slot + 2 * i] = word(b, first + 8 * i) & mask
        seen[slot + 2 * i + 1] = mask
    seen[slot + 6] = np.uint64(size)
    seen[slot + 7] = thread
    seen[slot + 8] = second * _SECOND
    seen[slot + 9] = _0
    return True


def remember(threads, thread, records):
    """Note that a thread is met, unless it was; return False where there are too many."""
    i = np.int64(0)
    while i < MOST_THREADS and threads[2 * i] >= 0:
        if threads[2 * i] == thread:
            return True
        i += 1
    if i == MOST_THREADS:
        return False
    threads[2 * i] = thread
    threads[2 * i + 1] = records
    return True


def together(b, k, end):
    """Say whether there is an @ between digits: another record may have run into this one."""
    while k < end:
        if b[k] == 64 and 48 <= b[k - 1] <= 57 and 48 <= b[k + 1] <= 57:
            return True
        k += 1
    return False


def count_ats(b, k, end):
    """Return how many @ there are."""
    count = np.int64(0)
    while k < end:
        here = np.uint8(0)
        stop = min(k + 128, end)
        for i in range(k, stop):
            here += np.uint8(b[i] == 64)
        count += np.int64(here)
        k = stop
    return count


def scan(
    b, begin, size,
    mask, name_hash, name_code, name_words, name_size, first_plan, plan,
    codes, record, line, place, time, tid, args, width, most_rows,
    counts, stops, most_stops, threads, seen, learn, careful, totals,
):  # fmt: skip
    """Do what `scan_block` does; where not `careful`, take it that no record runs into another."""
    n = stopped = np.int64(0)
    records = lines = np.int64(0)
    first_time = last_time = np.int64(-1)
    previous = np.int64(-1)
    status = DONE
    k = begin
    while k < size:
        if n == most_rows or stopped == most_stops:
            status = FULL
            break
        w = word(b, k)
        slot = np.int64((w * PRIME) >> _62) * _SLOT
        known = (w ^ seen[slot]) & seen[slot + 1]
        known |= (word(b, k + 8) ^ seen[slot + 2]) & seen[slot + 3]
        known |= (word(b, k + 16) ^ seen[slot + 4]) & seen[slot + 5]
        taken = (known == _0 and seen[slot + 6] != _0) or parse_prefix(b, k, seen, slot)
        end = np.int64(-1)
        unknown = False
        if taken:
            at = k + np.int64(seen[slot + 6])
            micros = six_digits(b, at)
            taken = micros >= 0
        if taken:
            now = np.int64(seen[slot + 8]) + micros * _MICROSECOND
            code, at = find_name(b, at + 7, mask, name_hash, name_code, name_words, name_size)
            unknown = code < 0
            taken = not unknown and b[at] == 32
            if taken and careful:
                end = line_end(b, at)
                taken = not together(b, at, end)
            if taken and seen[slot + 9] == _0:
                taken = remember(threads, np.int64(seen[slot + 7]), records)
                seen[slot + 9] = np.uint64(taken)
            is_record = taken
            if taken and (records != 0 or stopped != 0):
                taken = previous >= 0 and previous <= now <= previous + _MOST_AHEAD
            previous = now if is_record else np.int64(-1)
            if taken:
                row = first_plan[code]
                if row == COUNTED:
                    end = line_end(b, at)
                    taken = b[end - 1] != 13
                elif row == LEFT:
                    taken = False
                else:
                    form, stop = decode(b, at + 1, plan, row, args, n * width)
                    taken = form >= 0
                    if taken:
                        end = stop
                    if taken and form != CHECKED:
                        codes[n] = form
                        record[n] = records
                        line[n] = lines
                        place[n] = k
                        time[n] = now
                        tid[n] = np.int64(seen[slot + 7])
                        n += 1
        elif not careful:
            status = AGAIN
            break
        else:
            previous = np.int64(-1)
        if taken:
            counts[code] += 1
            records += 1
            last_time = now
            if first_time < 0:
                first_time = now
        else:
            if unknown and learn != 0:
                status = UNKNOWN
                break
            stops[5 * stopped] = k
            stops[5 * stopped + 1] = n
            stops[5 * stopped + 2] = records
            stops[5 * stopped + 3] = lines
            stops[5 * stopped + 4] = last_time
            stopped += 1
            if end < 0:
                end = line_end(b, k)
        lines += 1
        k = end + 1
    if not careful and status != AGAIN and count_ats(b, begin, k) != lines:
        status = AGAIN
    totals[0] = n
    totals[1] = stopped
    totals[2] = records
    totals[3] = lines
    totals[4] = k
    totals[5] = first_time
    totals[6] = last_time
    return status


def scan_block(
    b, begin, size,
    mask, name_hash, name_code, name_words, name_size, first_plan, plan,
    codes, record, line, place, time, tid, args, width, most_rows,
    counts, stops, most_stops, threads, seen, learn, names, totals,
):  # fmt: skip
    """Take the lines of ``b[begin:size]``, which ends in a newline, until it ends or an output is full.

    Writes a decoded record to each of `codes` (its form), `record`, `line` (both counted from 0), `place`, `time` (ns)
    and `tid`, and `width` numbers of `args`. Writes ``stops[5 * i:]`` (place, rows, records, lines before it, last time
    before it or -1) for each line left to the Python path, which counts as a line and as no record. Adds to `counts`,
    of `names` numbers, the records of each name. `threads` becomes pairs (thread, records before its first), -1 behind
    the last. `seen` is scratch of `SCRATCH` words.

    A record whose time is earlier than that of the line before it, or much later, is left to the Python path. So is the
    one behind a line that was left, as its time is not known here. The first line is taken whatever its time is.

    `totals` becomes (rows, stops, records, lines, place to go on from, first time or -1, last time or -1, careful). The
    last is read, too: where it is 0, it is taken for granted that each line has but one @, and afterwards checked; if
    that was wrong, all is done again, looking for records that have run into others.

    Returns `DONE`, `FULL`, or, where `learn` is not 0, `UNKNOWN` before a line whose event is not known.
    """
    careful = totals[7] != 0
    while True:
        for i in range(names):
            counts[i] = 0
        for i in range(MOST_THREADS):
            threads[2 * i] = -1
        for i in range(SCRATCH):
            seen[i] = _0
        status = scan(
            b, begin, size,
            mask, name_hash, name_code, name_words, name_size, first_plan, plan,
            codes, record, line, place, time, tid, args, width, most_rows,
            counts, stops, most_stops, threads, seen, learn, careful, totals,
        )  # fmt: skip
        if status != AGAIN:
            totals[7] = np.int64(careful)
            return status
        careful = True
