"""The compiled hot path of simpletrace files: one pass over the records of a block, from bytes to columns.

It takes records of a little-endian file whose id is in the table and whose length and strings are those of one of the
event's forms. Before anything else it stops, and the Python path (`formats.simpletrace_walk`), which knows all the
cases, takes one item and decides: mappings, marks of dropped records, ids that stand for nothing, lengths that cannot
be, records that do not fit. These are plain functions over pointers and 64-bit numbers; `traceview.compiled` makes
machine code of them.

The tables:

``first_plan`` (i64)
    By id: where its first plan begins in `plan`, `COUNTED` for an event whose records are counted, whatever their
    length, or `LEFT` for one that the Python path takes.
``plan`` (i64)
    One plan a form: its code, or `NOT_WANTED` where records are checked and counted; the place of the plan to try next
    (0 for none); the length of the whole record, or 0 where there are strings; the number of arguments; then, where
    there are strings, for each argument 1 if it is one, else 0.
``known`` (u64)
    Strings of up to 16 bytes that the table of strings has: by `slot_of` or in one of the next `PROBES` - 1 slots, two
    words (the bytes, the rest zero), size plus 1 (0 for a free slot), and index in the table of strings.
"""

from __future__ import annotations

import numpy as np

from traceview.formats.clock import STEP_NS
from traceview.formats.simpletrace_items import MAX_RECORD, MAX_STRING, RECORD_HEADER
from traceview.formats.words_kernel import word

__all__ = [
    "COUNTED", "DONE", "FIRST_TIME", "FULL", "KNOWN_SIZE", "KNOWN_SLOTS", "LAST_PLACE", "LAST_TIME", "LEFT",
    "NOT_WANTED", "PLACE", "PLAN", "PRIME", "PROBES", "PROCESS", "RECORDS", "ROWS", "SIGNATURE", "SLOT", "SLOT_SHIFT",
    "STOPPED", "STRING_SHIFT", "TEXTS", "TOTALS", "scan_records",
]  # fmt: skip

COUNTED, LEFT = -2, -3
NOT_WANTED = -1
PLAN = 4
"""Words of a plan before those of its arguments."""
DONE, FULL, STOPPED = range(3)
ROWS, TEXTS, RECORDS, PLACE, FIRST_TIME, LAST_TIME, PROCESS, LAST_PLACE = range(8)
TOTALS = 8
STRING_SHIFT = 16
"""A string that is not known is its place in the block, shifted by this, plus its size."""
KNOWN_SLOTS, SLOT, PROBES, KNOWN_SIZE = 1024, 4, 4, 16
SLOT_SHIFT = 54
PRIME = np.uint64(0x9E3779B97F4A7C15)

SIGNATURE = (
    "u8*", "i64", "i64", "i64", "i64",
    "i64*", "i64", "i64*", "u64*",
    "i64*", "i64*", "i64*", "i64*", "i64*", "u64*", "i64", "i64",
    "i64*", "i64", "i64*", "i64", "i64*",
)  # fmt: skip

_0, _1 = np.uint64(0), np.uint64(1)
_MOST_AHEAD = np.int64(STEP_NS)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_SLOT_SHIFT, _STRING_SHIFT = np.uint64(SLOT_SHIFT), np.uint64(STRING_SHIFT)


def half(b, k):
    """Return the four bytes at `k`, the first the lowest."""
    return np.int64(word(b, k) & _LOW_HALF)


def some_of(b, k, size):
    """Return the `size` bytes at `k`, the rest of the word zero (none below 1, at most eight)."""
    if size <= 0:
        return _0
    if size >= 8:
        return word(b, k)
    return word(b, k) & ((_1 << np.uint64(8 * size)) - _1)


def slot_of(low, high):
    """Return where the slots of a string begin, by its two words."""
    return np.int64((low ^ (high * PRIME)) * PRIME >> _SLOT_SHIFT)


def known_string(b, k, size, known):
    """Return the index of a string in the table of strings, or -1 if it is not among the known."""
    if size > KNOWN_SIZE:
        return np.int64(-1)
    low, high = some_of(b, k, size), some_of(b, k + 8, size - 8)
    slot = slot_of(low, high)
    for i in range(PROBES):
        at = SLOT * ((slot + i) % KNOWN_SLOTS)
        if known[at] == low and known[at + 1] == high and known[at + 2] == np.uint64(size + 1):
            return np.int64(known[at + 3])
    return np.int64(-1)


def strings_fit(b, k, end, plan, row):
    """Say whether the arguments from `k` to `end` can be those of a plan with strings."""
    for i in range(plan[row + 3]):
        if plan[row + PLAN + i] == 0:
            k += 8
            continue
        if k + 4 > end:
            return False
        size = half(b, k)
        if size > MAX_STRING:
            return False
        k += 4 + size
    return k == end


def take_strings(b, k, plan, row, known, args, out, texts, count):
    """Write arguments of which some are strings, and the places of those that are not known; return their number."""
    for i in range(plan[row + 3]):
        if plan[row + PLAN + i] == 0:
            args[out + i] = word(b, k)
            k += 8
            continue
        size = half(b, k)
        index = known_string(b, k + 4, size, known)
        if index >= 0:
            args[out + i] = np.uint64(index)
        else:
            args[out + i] = (np.uint64(k + 4) << _STRING_SHIFT) | np.uint64(size)
            texts[count] = out + i
            count += 1
        k += 4 + size
    return count


def scan_records(
    b, begin, size, base, before,
    first_plan, ids, plan, known,
    codes, record, place, time, tid, args, width, most_rows,
    texts, most_texts, counts, threaded, totals,
):  # fmt: skip
    """Take the records that stand whole in ``b[begin:size]``, until another item comes or an output is full.

    `base` is added to places in the block; `before` are the bytes before a record's header: 8 for the type of the item
    (which is then checked), or 0. Writes a decoded record to each of `codes` (its form), `record`, `place`, `time` (ns)
    and `tid` (-1 where not `threaded`), and its arguments to the first of `width` numbers of `args`; the rest of them
    is left as it is. Writes to `texts` where in `args` a string's place and size stand instead of its index. Adds to
    `counts` the records of each of `ids` ids.

    `totals` is read and written: rows and texts so far, records before the next one, the place to go on from (written
    only), time of the first record (written if it comes by) and of the last, the process of the records, where that is
    known (read only), the place of the last record (written if there was one). A record whose time is earlier than that
    of the one before it, or much later, is left to the Python path, and so is one of another process.

    Returns `DONE` where what follows does not stand whole in the block, `FULL`, or `STOPPED` before an item that is
    left to the Python path.
    """
    n, texted, records, last_time = totals[ROWS], totals[TEXTS], totals[RECORDS], totals[LAST_TIME]
    last = size - before - RECORD_HEADER
    status = DONE
    k = begin
    while k <= last:
        start = k + before
        number = word(b, start)
        length = half(b, start + 16)
        end = start + length
        if (before != 0 and word(b, k) != _1) or number >= np.uint64(ids) or not RECORD_HEADER <= length <= MAX_RECORD:
            status = STOPPED
            break
        if end > size:
            break
        now = np.int64(word(b, start + 8))
        process = half(b, start + 20)
        if (records != 0 and (now < last_time or now > last_time + _MOST_AHEAD)) or (
            threaded != 0 and process != 0 and process != totals[PROCESS]
        ):
            status = STOPPED
            break
        row = first_plan[np.int64(number)]
        if row != COUNTED:
            if row == LEFT:
                status = STOPPED
                break
            while plan[row + 2] != length:
                if plan[row + 2] == 0 and strings_fit(b, start + RECORD_HEADER, end, plan, row):
                    break
                row = plan[row + 1]
                if row == 0:
                    break
            if row == 0:
                status = STOPPED
                break
            if plan[row] != NOT_WANTED:
                if n == most_rows or texted + width > most_texts:
                    status = FULL
                    break
                codes[n] = np.int64(plan[row])
                record[n] = records
                place[n] = base + k
                time[n] = now
                tid[n] = process if threaded != 0 else np.int64(-1)
                at = start + RECORD_HEADER
                if plan[row + 2] == 0:
                    texted = take_strings(b, at, plan, row, known, args, n * width, texts, texted)
                else:
                    for i in range(plan[row + 3]):
                        args[n * width + i] = word(b, at + 8 * i)
                n += 1
        counts[np.int64(number)] += 1
        last_time = now
        totals[LAST_PLACE] = base + k
        if records == 0:
            totals[FIRST_TIME] = last_time
        records += 1
        k = end
    if status == DONE and before != 0 and k + 8 <= size and word(b, k) != _1:
        status = STOPPED  # a mapping may be shorter than the header of a record
    totals[ROWS] = n
    totals[TEXTS] = texted
    totals[RECORDS] = records
    totals[PLACE] = k
    totals[LAST_TIME] = last_time
    return status
