"""Eight bytes at a time: what the compiled path of log lines reads numbers and finds line ends with.

These are functions of a kernel (`traceview.compiled`). A *word* is eight bytes as one number, the first byte the
lowest; *flags* are a word in which the high bit of a byte says something of that byte. Bytes behind the text that is
looked at are read as well, but change nothing.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "BEYOND", "NONE", "decimal", "first_byte", "hexadecimal", "line_end", "pointer", "six_digits", "up_to_blank",
    "word",
]  # fmt: skip

NONE, BEYOND = np.int64(-1), np.int64(-2)
"""Instead of the place where a number ends: there is no number, or one that is not read, of more than 16 digits."""

_0, _1, _4, _6, _7, _8, _9, _10 = (np.uint64(i) for i in (0, 1, 4, 6, 7, 8, 9, 10))
_16, _24, _32, _40, _48, _56 = (np.uint64(i) for i in (16, 24, 32, 40, 48, 56))
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_LOWS = np.uint64(0x7F7F7F7F7F7F7F7F)
_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_ABOVE_BLANK = np.uint64(0x2121212121212121)
_ZEROS = np.uint64(0x3030303030303030)
_TO_HIGH_FROM_10 = np.uint64(0x7676767676767676)  # added to a byte, sets its high bit from 10 on
_TO_HIGH_FROM_7 = np.uint64(0x7979797979797979)
_BACKQUOTES = np.uint64(0x6060606060606060)
_NIBBLES = np.uint64(0x0F0F0F0F0F0F0F0F)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
_EVEN_PAIRS = np.uint64(0x0000FFFF0000FFFF)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_FIRST_OF_FOUR = np.uint64(0x000000FF000000FF)
_MILLION_HUNDRED = np.uint64(0x000F424000000064)
_TEN_THOUSAND_ONE = np.uint64(0x0000271000000001)
_SIX_BYTES = np.uint64(0x0000FFFFFFFFFFFF)
_BYTE, _COLON = np.uint64(0xFF), np.uint64(0x3A)
_0X, _TWO_BYTES = np.uint64(0x7830), np.uint64(0xFFFF)
_NIL, _FIVE_BYTES = np.uint64(0x296C696E28), np.uint64(0xFFFFFFFFFF)


def word(b, k):
    """Return the eight bytes at `k`, the first the lowest."""
    return (
        np.uint64(b[k])
        | (np.uint64(b[k + 1]) << _8)
        | (np.uint64(b[k + 2]) << _16)
        | (np.uint64(b[k + 3]) << _24)
        | (np.uint64(b[k + 4]) << _32)
        | (np.uint64(b[k + 5]) << _40)
        | (np.uint64(b[k + 6]) << _48)
        | (np.uint64(b[k + 7]) << _56)
    )


def first_byte(flags):
    """Return the number of the lowest byte whose high bit is set."""
    low = flags & (~flags + _1)
    return np.int64((((low >> _7) - _1) & _ONES) * _ONES >> _56)


def line_end(b, k):
    """Return the place of the next newline."""
    while True:
        x = word(b, k) ^ _NEWLINES
        y = word(b, k + 8) ^ _NEWLINES
        f = (x - _ONES) & ~x & _HIGHS
        g = (y - _ONES) & ~y & _HIGHS
        if f | g != _0:
            if f != _0:
                return k + first_byte(f)
            return k + 8 + first_byte(g)
        k += 16


def no_hex(w):
    """Return the high bits of the bytes that are no lower-case hexadecimal digits."""
    d = w ^ _ZEROS
    e = w ^ _BACKQUOTES
    low = e & _LOWS
    letter = (low + _LOWS) & ~(low + _TO_HIGH_FROM_7) & ~e
    return (((d & _LOWS) + _TO_HIGH_FROM_10) | d) & ~letter & _HIGHS


def eight_hex(w):
    """Return the value of eight hexadecimal digits, in 32 bits, the first the highest."""
    v = ((w & _NIBBLES) + ((w >> _6) & _ONES) * _9) & _NIBBLES
    v = ((v << _4) | (v >> _8)) & _EVEN_BYTES
    v = ((v << _8) | (v >> _16)) & _EVEN_PAIRS
    return ((v << _16) | (v >> _32)) & _LOW_HALF


def hexadecimal(b, k):
    """Return the value of the digits at `k`, and where they end, `NONE` or `BEYOND`."""
    w = word(b, k)
    f = no_hex(w)
    if f != _0:
        n = first_byte(f)
        if n == 0:
            return _0, NONE
        return eight_hex(w) >> np.uint64(4 * (8 - n)), k + n
    high = eight_hex(w)
    w = word(b, k + 8)
    f = no_hex(w)
    if f != _0:
        n = first_byte(f)
        low = eight_hex(w) >> np.uint64(4 * (8 - n)) if n > 0 else _0
        return (high << np.uint64(4 * n)) | low, k + 8 + n
    if no_hex(word(b, k + 16)) & _HIGHS & _BYTE == _0:
        return _0, BEYOND
    return (high << _32) | eight_hex(w), k + 16


def no_digit(d):
    """Return the high bits of the bytes that are above 9."""
    return (((d & _LOWS) + _TO_HIGH_FROM_10) | d) & _HIGHS


def eight_digits(d):
    """Return the number that eight digits make, each a byte from 0 to 9, the first the lowest byte."""
    d = d * _10 + (d >> _8)
    return (((d & _FIRST_OF_FOUR) * _MILLION_HUNDRED) + (((d >> _16) & _FIRST_OF_FOUR) * _TEN_THOUSAND_ONE)) >> _32


def decimal(b, k):
    """Return the value of the digits at `k`, and where they end, `NONE` or `BEYOND`."""
    d = word(b, k) ^ _ZEROS
    f = no_digit(d)
    if f != _0:
        n = first_byte(f)
        if n == 0:
            return _0, NONE
        return eight_digits(d << np.uint64(8 * (8 - n))), k + n
    value = eight_digits(d)
    d = word(b, k + 8) ^ _ZEROS
    f = no_digit(d)
    n = first_byte(f) if f != _0 else np.int64(8)
    for _ in range(n):
        value = value * _10
    if n > 0:
        value = value + eight_digits(d << np.uint64(8 * (8 - n)))
    if n == 8 and 48 <= b[k + 16] <= 57:
        return _0, BEYOND
    return value, k + 8 + n


def pointer(b, k):
    """Return the value of a pointer at `k`, ``0x`` and digits or ``(nil)``, and where it ends, `NONE` or `BEYOND`."""
    w = word(b, k)
    if w & _TWO_BYTES == _0X:
        return hexadecimal(b, k + 2)
    return _0, k + 5 if w & _FIVE_BYTES == _NIL else NONE


def six_digits(b, k):
    """Return the value of six digits at `k` with a colon behind them, or -1."""
    w = word(b, k)
    d = (w ^ _ZEROS) & _SIX_BYTES
    if no_digit(d) != _0 or (w >> _48) & _BYTE != _COLON:
        return np.int64(-1)
    return np.int64(eight_digits(d << _16))


def up_to_blank(w):
    """Return the flag of the first byte that is no more than a blank, 0 if there is none."""
    f = (w - _ABOVE_BLANK) & ~w & _HIGHS
    return f & (~f + _1)
