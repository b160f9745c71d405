"""The compiled hot path of log lines: one pass over a block of complete lines, from bytes to columns.

It takes lines with the epoch prefix (``THREAD@SECONDS.MICROSECONDS:``) whose event is known and whose text is of one
of the event's forms. Every other line is handed back untouched, as a *stop*, to the Python path (`formats.log_lines`),
which knows all the cases and decides. What is taken is spelt out here by hand where ``grammars/log_line.lark`` spells
it as terminals (the tests hold both to the same answers on real, generated and mutated lines); what stands in a line is
in tables that are made from the forms (`formats.log_tables`):

``names``
    Open addressing by the FNV-1a hash of the name: `name_hash` (uint64), `name_code` (int32, -1 for a free slot), and
    the name's bytes at ``name_bytes[name_at : name_at + name_size]``. The code indexes `first_plan` (int64): a row of
    `plan`, `COUNTED` for an event that is only counted, `LEFT` for one that the Python path decodes.
``plan``
    int64 of shape (n, 3): opcode and two operands. `LITERAL` has place and size in `literals`. A plan closes with
    `END`: the code of its form, and the row of the plan to try next, or -1.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "ALT_HEX", "COUNTED", "DECIMAL", "END", "HEX", "LEFT", "LITERAL", "POINTER", "REST", "STRING_SHIFT", "UNSIGNED",
    "scan_block",
]  # fmt: skip

END, LITERAL, POINTER, DECIMAL, UNSIGNED, HEX, ALT_HEX, REST = range(8)
COUNTED, LEFT = -2, -3
STRING_SHIFT = 24
"""A string argument is its place in the block, shifted by this, plus its size (a line is shorter than 2**24)."""

_BASIS = np.uint64(14695981039346656037)
_PRIME = np.uint64(1099511628211)
_ONE, _FOUR, _TEN = np.uint64(1), np.uint64(4), np.uint64(10)
_MOST_SECONDS = 9_223_372_036  # later times do not fit 64 bits of nanoseconds: left to the Python path
_MOST_HEX, _MOST_DECIMAL = 16, 18  # digits that cannot overflow 64 bits; longer numbers are left to the Python path


@njit(nogil=True, cache=True, boundscheck=False)
def _hex(b, k, end):  # type: ignore[no-untyped-def]
    """Return the value of the hexadecimal digits at `k`, where they end, and whether their number is right."""
    value = np.uint64(0)
    first = k
    while k < end:
        c = b[k]
        if 48 <= c <= 57:
            digit = c - 48
        elif 97 <= c <= 102:
            digit = c - 87
        else:
            break
        value = (value << _FOUR) | np.uint64(digit)
        k += 1
    return value, k, 0 < k - first <= _MOST_HEX


@njit(nogil=True, cache=True, boundscheck=False)
def _decimal(b, k, end):  # type: ignore[no-untyped-def]
    """Return the value of the decimal digits at `k`, where they end, and whether their number is right."""
    value = np.uint64(0)
    first = k
    while k < end:
        c = b[k]
        if c < 48 or c > 57:
            break
        value = value * _TEN + np.uint64(c - 48)
        k += 1
    return value, k, 0 < k - first <= _MOST_DECIMAL


@njit(nogil=True, cache=True, boundscheck=False)
def _literal(b, k, end, literals, at, size):  # type: ignore[no-untyped-def]
    """Say whether the text at `k` begins with a literal."""
    if k + size > end:
        return False
    for j in range(size):  # noqa: SIM110  (all() is slower when compiled)
        if b[k + j] != literals[at + j]:
            return False
    return True


@njit(nogil=True, cache=True, boundscheck=False)
def _value(b, k, end, op):  # type: ignore[no-untyped-def]
    """Return the value of one conversion at `k` as int64, where it ends, and whether it is one."""
    if op == REST:
        return (np.int64(k) << np.int64(STRING_SHIFT)) | np.int64(end - k), end, True
    if op in (DECIMAL, UNSIGNED):
        negative = op == DECIMAL and k < end and b[k] == 45
        value, k, ok = _decimal(b, k + 1 if negative else k, end)
        return (-np.int64(value) if negative else np.int64(value)), k, ok
    if op == HEX:
        value, k, ok = _hex(b, k, end)
        return np.int64(value), k, ok
    if k + 2 < end and b[k] == 48 and b[k + 1] == 120:
        value, k, ok = _hex(b, k + 2, end)
        return np.int64(value), k, ok
    if op == ALT_HEX:
        return np.int64(0), k + 1, k < end and b[k] == 48
    nil = k + 5 <= end and b[k] == 40 and b[k + 1] == 110 and b[k + 2] == 105 and b[k + 3] == 108 and b[k + 4] == 41
    return np.int64(0), k + 5, nil


@njit(nogil=True, cache=True, boundscheck=False)
def _decode(b, first, end, plan, row, literals, args, n):  # type: ignore[no-untyped-def]
    """Write the arguments of the text ``b[first:end]`` to ``args[n]``; return the code of its form, or -1 for none."""
    while row >= 0:
        k = first
        arg = 0
        ok = True
        while ok and plan[row, 0] != END:
            op = plan[row, 0]
            if op == LITERAL:
                ok = _literal(b, k, end, literals, plan[row, 1], plan[row, 2])
                k += plan[row, 2]
            else:
                value, k, ok = _value(b, k, end, op)
                args[n, arg] = value
                arg += 1
            row += 1
        while plan[row, 0] != END:
            row += 1
        if ok and k == end:
            return plan[row, 1]
        row = plan[row, 2]
    return np.int64(-1)


@njit(nogil=True, cache=True, boundscheck=False)
def _find_name(b, k, mask, name_hash, name_code, name_at, name_size, name_bytes):  # type: ignore[no-untyped-def]
    """Return the code of the name at `k` (-1 if it is not known) and the place of the blank behind it (-1 if none)."""
    first = k
    h = _BASIS
    while b[k] != 32:
        if b[k] == 10:
            return np.int64(-1), np.int64(-1)
        h = (h ^ np.uint64(b[k])) * _PRIME
        k += 1
    slot = h & mask
    while name_code[slot] >= 0:
        if name_hash[slot] == h and name_size[slot] == k - first:
            at = name_at[slot]
            same = True
            for j in range(k - first):
                if b[first + j] != name_bytes[at + j]:
                    same = False
                    break
            if same:
                return np.int64(name_code[slot]), np.int64(k)
        slot = (slot + _ONE) & mask
    return np.int64(-1), np.int64(k)


@njit(nogil=True, cache=True, boundscheck=False)
def _prefix(b, k, size):  # type: ignore[no-untyped-def]
    """Return thread, time in ns, and the place behind the prefix at `k` (-1 if there is no epoch prefix)."""
    thread = np.int64(0)
    first = k
    while 48 <= b[k] <= 57:
        thread = thread * 10 + (b[k] - 48)
        k += 1
    if not 0 < k - first <= 10 or b[k] != 64 or (b[first] == 48 and k - first > 1):
        return thread, np.int64(0), np.int64(-1)
    k += 1
    second = np.int64(0)
    first = k
    while 48 <= b[k] <= 57:
        second = second * 10 + (b[k] - 48)
        k += 1
    # The line's end bounds every loop here: it is no digit, and six digits and a colon must fit before the block ends.
    if not 0 < k - first <= 10 or b[k] != 46 or k + 8 >= size or second >= _MOST_SECONDS:
        return thread, np.int64(0), np.int64(-1)
    micro = np.int64(0)
    for j in range(1, 7):
        c = b[k + j]
        if c < 48 or c > 57:
            return thread, np.int64(0), np.int64(-1)
        micro = micro * 10 + (c - 48)
    if b[k + 7] != 58:
        return thread, np.int64(0), np.int64(-1)
    return thread, second * 1_000_000_000 + micro * 1_000, np.int64(k + 8)


@njit(nogil=True, cache=True, boundscheck=False)
def _remember(threads, thread, known):  # type: ignore[no-untyped-def]
    """Put a thread into the set; return how many it holds, and whether it has the thread."""
    slot = thread % len(threads)
    while threads[slot] != 0:
        if threads[slot] == thread + 1:
            return known, True
        slot = (slot + 1) % len(threads)
    if 4 * known >= len(threads):
        return known, False
    threads[slot] = thread + 1
    return known + 1, True


@njit(nogil=True, cache=True, boundscheck=False)
def scan_block(  # type: ignore[no-untyped-def]
    b, begin, size, mask, name_hash, name_code, name_at, name_size, name_bytes, first_plan, plan, literals,
    counts, rows, args, stops, threads, totals,
):  # fmt: skip
    """Take the lines of ``b[begin:size]``, which ends in a newline, until it ends or an output is full.

    Writes ``rows[i] = (form code, record, line, place, time in ns, thread)`` and ``args[i]`` for each decoded record.
    Writes ``stops[i] = (place, rows, records, lines before it, last time before it or -1)`` for each line left to the
    Python path. Records and lines are counted from 0; a stop counts as a line and as no record. `counts` grows by one
    for each record of a name. `threads` is an open-addressed set of the threads met (plus 1; 0 is free), of which a
    quarter at most is used. `totals` becomes (rows, stops, records, lines, place to go on from, first time or -1, last
    time or -1, threads in the set); the last is also read. A line into which another record may have run ends the go,
    so that the Python path knows the threads met before it.
    """
    n = stopped = 0
    records = lines = np.int64(0)
    first_time = last_time = np.int64(-1)
    known = totals[7]
    last_thread = np.int64(-1)
    together = False
    k = begin
    while not together and k < size and n < len(rows) and stopped < len(stops):
        thread, time, name = _prefix(b, k, size)
        code = blank = np.int64(-1)
        if name >= 0:
            code, blank = _find_name(b, name, mask, name_hash, name_code, name_at, name_size, name_bytes)
        end = blank + 1 if blank >= 0 else k
        plain = bool(code >= 0)
        while b[end] != 10:
            # A digit before and behind an @: another record may have run into this one.
            if b[end] == 64 and 48 <= b[end - 1] <= 57 and 48 <= b[end + 1] <= 57:
                plain = False
                together = True
            end += 1
        if plain and thread != last_thread:
            known, kept = _remember(threads, thread, known)
            last_thread = thread if kept else np.int64(-1)
            plain = plain and kept
        if plain and b[end - 1] != 13:
            row = first_plan[code]
            taken = row == COUNTED
            if row >= 0:
                form = _decode(b, blank + 1, end, plan, row, literals, args, n)
                if form >= 0:
                    taken = True
                    rows[n, 0] = form
                    rows[n, 1] = records
                    rows[n, 2] = lines
                    rows[n, 3] = k
                    rows[n, 4] = time
                    rows[n, 5] = thread
                    n += 1
            if taken:
                counts[code] += 1
                records += 1
                lines += 1
                last_time = time
                if first_time < 0:
                    first_time = time
                k = end + 1
                continue
        stops[stopped, 0] = k
        stops[stopped, 1] = n
        stops[stopped, 2] = records
        stops[stopped, 3] = lines
        stops[stopped, 4] = last_time
        stopped += 1
        lines += 1
        k = end + 1
    totals[0] = n
    totals[1] = stopped
    totals[2] = records
    totals[3] = lines
    totals[4] = k
    totals[5] = first_time
    totals[6] = last_time
    totals[7] = known
