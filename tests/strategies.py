"""Hypothesis strategies for the text and the bytes that QEMU writes, and for what can go wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.writers import PREFIXES, Value, log_line
from traceview.events import Conversion, EventForm
from traceview.vocabulary import builtin

INT64_MIN, INT64_MAX, UINT64_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1

FORMS: tuple[EventForm, ...] = tuple(f for e in builtin().events.values() for f in e.forms)
"""Every form of the built-in vocabulary."""


def form_id(form: EventForm) -> str:
    """Return a name for a form in the list of tests."""
    return f"{form.name}-{form.releases[0]}" if form.releases else form.name


def unsigned() -> st.SearchStrategy[int]:
    """Values of 64 bits, those at the edges more often."""
    edges = st.sampled_from([0, 1, 9, 10, 512, 0xFF, (1 << 32) - 1, 1 << 32, INT64_MAX, 1 << 63, UINT64_MAX])
    return edges | st.integers(0, UINT64_MAX) | st.integers(0, 1 << 40)


def signed() -> st.SearchStrategy[int]:
    """Signed values of 64 bits, those at the edges more often."""
    edges = st.sampled_from([0, 1, -1, -5, INT64_MIN, INT64_MAX])
    return edges | st.integers(INT64_MIN, INT64_MAX) | st.integers(-1000, 1000)


def strings(literals: Sequence[str] = ()) -> st.SearchStrategy[bytes]:
    """What a ``%s`` can print on one line: anything but the end of a line, the line's own literals among it."""
    plain = st.binary(max_size=12).map(lambda b: b.replace(b"\n", b" ").replace(b"\r", b" "))
    known = st.sampled_from([b"", b" ", b"(null)", b'"', b"drive0", b"/srv/a b.img", b"'x'", b"\xc3\xa9", b"\xff\x00"])
    parts = known | plain
    if literals:
        parts |= st.sampled_from([t.encode("utf-8", "surrogateescape") for t in literals])
    return st.lists(parts, max_size=4).map(b"".join)


def printed(terminal: str, value: Value) -> bytes:
    """Return what printf makes of a value; `terminal` says which conversion it is."""
    if isinstance(value, bytes):
        return value
    match terminal:
        case "POINTER":
            return b"(nil)" if value == 0 else b"0x%x" % value
        case "HEX":
            return b"%x" % value
        case "UPPER_HEX":
            return b"%X" % value
        case "ALT_HEX":
            return b"0x%x" % value if value else b"0"
        case "OCTAL":
            return b"%o" % value
        case "CHARACTER":
            return bytes([value])
        case _:
            return b"%d" % value


def values_of(conversion: Conversion, literals: Sequence[str] = ()) -> st.SearchStrategy[Value]:
    """Return the values that a conversion can print."""
    match conversion.terminal:
        case "STRING":
            return strings(literals)
        case "DECIMAL":
            return signed()
        case "CHARACTER":
            return st.integers(32, 126)
        case _:
            return unsigned()


@dataclass(frozen=True)
class Line:
    """An event with values, and the text that QEMU prints after the name."""

    form: EventForm
    values: tuple[Value, ...]
    text: bytes


@st.composite
def lines_of(draw: st.DrawFn, form: EventForm) -> Line:
    """Return a form with values of all kinds and its text, put together here piece by piece.

    Strings hold the literals of the line now and then: where several follow each other, the text can then be read
    in more than one way.
    """
    literals = [p for p in form.line if isinstance(p, str)]
    values: list[Value] = []
    text = b""
    for piece in form.line:
        if isinstance(piece, str):
            text += piece.encode("utf-8", "surrogateescape")
            continue
        value = draw(values_of(piece, literals))
        values.append(value)
        shown = printed(piece.terminal, value)
        text += shown.rjust(piece.width) if piece.width >= 0 else shown.ljust(-piece.width)
    return Line(form, tuple(values), text)


def vocabulary_lines() -> st.SearchStrategy[Line]:
    """Events of the built-in vocabulary, in any of their forms."""
    return st.sampled_from(FORMS).flatmap(lines_of)


def prefixes() -> st.SearchStrategy[str]:
    """The generations of the prefix."""
    return st.sampled_from(PREFIXES)


def log_lines(lines: st.SearchStrategy[Line]) -> st.SearchStrategy[bytes]:
    """Whole physical lines, with any prefix, thread and time."""
    return st.builds(
        lambda line, prefix, thread, ts_us: log_line(
            line.form.name, line.text, prefix=prefix, thread=thread, ts_us=ts_us
        ),
        lines,
        prefixes(),
        st.integers(1, (1 << 32) - 1),
        st.integers(0, 4_102_444_800_000_000),
    )


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Return bytes with some of them changed, left out, put in or cut off; never with the end of a line."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "insert", "leave out", "cut", "double"])):
            case "change" if at < len(data):
                data[at] = draw(st.sampled_from(b'0 9af@.:()x"-\xff\x00') | st.integers(0, 255))
            case "insert":
                data[at:at] = draw(
                    st.sampled_from([b" ", b"0", b"x", b"1@2.000003:", b"99999999999999999999", b"\xff"])
                )
            case "leave out":
                del data[at : at + draw(st.integers(1, 5))]
            case "cut":
                del data[at:]
            case _:
                data[at:at] = data[at : at + draw(st.integers(1, 30))]
    return bytes(data).replace(b"\n", b"?")


def other_lines() -> st.SearchStrategy[bytes]:
    """Lines of other writers, none of which can be taken for a record in a log that has prefixes."""
    return st.sampled_from(
        [
            b"",
            b"qemu-system-x86_64: warning: TCG doesn't support requested feature",
            b"2026-11-23T00:30:42.008953Z qemu-system-x86_64: terminating on signal 15 from pid 1 (<unknown process>)",
            b"Formatting '/srv/t.qcow2', fmt=qcow2 size=67108864 cluster_size=65536",
            b"CPU Reset (CPU 0)",
            b"EAX=00000000 EBX=00000000 ECX=00000000 EDX=00000663",
            b"ES =0000 00000000 0000ffff 00009300",
            b"FPR0=0000000000000000 0000 FPR1=0000000000000000 0000",
            b"\x1b[2J\x1b[01;01H[    0.000000] Linux version 6.1.0",
            b"/ # \x1b[6n",
            b"\xff\xfe\x00\x01",
            b"bdrv_unknown_words that look like a record",
        ]
    )


@dataclass(frozen=True)
class Spelling:
    """One argument of a declaration: its C type, the conversion that prints it, and its values."""

    c_type: str
    conversion: str
    terminal: str
    values: st.SearchStrategy[Value]
    minimum: int = 0
    """At least so many characters, filled up with blanks on the left."""
    zeros: int = 0
    """At least so many characters, filled up with zeros after a sign or 0x."""

    def shown(self, value: Value) -> bytes:
        """Return what printf makes of a value."""
        text = printed(self.terminal, value)
        if self.zeros and len(text) < self.zeros:
            head = next(h for h in (b"-", b"0x", b"") if text.startswith(h))
            text = head + text[len(head) :].rjust(self.zeros - len(head), b"0")
        return text.rjust(self.minimum) if self.minimum >= 0 else text.ljust(-self.minimum)


def _range(low: int, high: int) -> st.SearchStrategy[Value]:
    return st.sampled_from([v for v in (low, high, 0, 1) if low <= v <= high]) | st.integers(low, high)


_U8, _U16, _U32, _U64 = (_range(0, (1 << bits) - 1) for bits in (8, 16, 32, 64))
_I32, _I64 = (_range(-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (32, 64))
_TEXT: st.SearchStrategy[Value] = strings()
_WORD: st.SearchStrategy[Value] = st.text("abcyz19_", max_size=12).map(str.encode)

SPELLINGS: tuple[Spelling, ...] = (
    Spelling("void *", '"%p"', "POINTER", _U64),
    Spelling("const void *", '"%p"', "POINTER", _U64),
    Spelling("struct Error **", '"%p"', "POINTER", _U64),
    Spelling("BlockDriverState *", '"%p"', "POINTER", _U64),
    Spelling("const char **", '"%p"', "POINTER", _U64),
    Spelling("int", '"%d"', "DECIMAL", _I32),
    Spelling("int", '"%i"', "DECIMAL", _I32),
    Spelling("int", '"%4d"', "DECIMAL", _I32, minimum=4),
    Spelling("int", '"%-6d"', "DECIMAL", _I32, minimum=-6),
    Spelling("int", '"%05d"', "DECIMAL", _I32, zeros=5),
    Spelling("bool", '"%d"', "DECIMAL", _range(0, 1)),
    Spelling("int8_t", '"%hhd"', "DECIMAL", _range(-128, 127)),
    Spelling("long", '"%ld"', "DECIMAL", _I64),
    Spelling("long long int", '"%lld"', "DECIMAL", _I64),
    Spelling("signed short int", '"%hd"', "DECIMAL", _range(-32768, 32767)),
    Spelling("int64_t", '"%"PRId64', "DECIMAL", _I64),
    Spelling("int64_t", '"%" PRIi64 ""', "DECIMAL", _I64),
    Spelling("ssize_t", '"%zd"', "DECIMAL", _I64),
    Spelling("unsigned", '"%u"', "UNSIGNED", _U32),
    Spelling("unsigned int", '"%u"', "UNSIGNED", _U32),
    Spelling("size_t", '"%zu"', "UNSIGNED", _U64),
    Spelling("uint64_t", '"%"PRIu64', "UNSIGNED", _U64),
    Spelling("uint8_t", '"%02x"', "HEX", _U8, zeros=2),
    Spelling("uint16_t", '"%04" PRIx16', "HEX", _U16, zeros=4),
    Spelling("uint32_t", '"%.8x"', "HEX", _U32, zeros=8),
    Spelling("uint32_t", '"%#x"', "ALT_HEX", _U32),
    Spelling("uint32_t", '"%#06x"', "ALT_HEX", _U32, zeros=6),
    Spelling("uint64_t", '"%016"PRIx64', "HEX", _U64, zeros=16),
    Spelling("uint64_t", '"%"PRIX64', "UPPER_HEX", _U64),
    Spelling("hwaddr", '"%" HWADDR_PRIx', "HEX", _U64),
    Spelling("hwaddr", "HWADDR_FMT_plx", "HEX", _U64, zeros=16),
    Spelling("target_ulong", "TARGET_FMT_lx", "HEX", _U64),
    Spelling("mode_t", '"%o"', "OCTAL", _U32),
    Spelling("char", '"%c"', "CHARACTER", _range(32, 126)),
    Spelling("const char *", '"%s"', "STRING", _TEXT),
    Spelling("char *", '"%s"', "STRING", _TEXT),
    Spelling("const char*", '"%8s"', "STRING", st.text("abcyz19_", min_size=8, max_size=12).map(str.encode)),
)
"""Types and conversions that go together in QEMU's declarations."""

PIECES: tuple[tuple[str, bytes], ...] = (
    (" ret ", b" ret "), (" offset 0x", b" offset 0x"), ("=", b"="), (" (", b" ("), (") ", b") "), (", ", b", "),
    ("; 100%% ", b"; 100% "), (' \\"', b' "'), (" a/b ", b" a/b "), (" \\\\ ", b" \\ "), (" -> [", b" -> ["),
    ("0x", b"0x"),
)  # fmt: skip
"""Literal text, as a declaration spells it and as it is printed."""


@dataclass(frozen=True)
class Declared:
    """A declaration, and values with the text that they print."""

    name: str
    declaration: str
    values: tuple[Value, ...]
    text: bytes


@st.composite
def declarations(draw: st.DrawFn, name: str = "made_event", *, words: bool = False) -> Declared:
    """Return a declaration of up to ten arguments, and one record of it.

    With `words`, strings hold nothing that a declaration's literals hold, so that only one reading is possible.
    """
    chosen = draw(st.lists(st.sampled_from(SPELLINGS), max_size=10))
    arguments, written, shown = [], [], b""
    values: list[Value] = []
    for i, spelling in enumerate(chosen):
        literal, text = draw(st.sampled_from(PIECES))
        value = draw(_WORD if words and spelling.values is _TEXT else spelling.values)
        arguments.append(f"{spelling.c_type} arg_{i}")
        written.append(f'"{literal}"{spelling.conversion}')
        shown += text + spelling.shown(value)
        values.append(value)
    if draw(st.booleans()):
        literal, text = draw(st.sampled_from(PIECES))
        written.append(f'"{literal}"')
        shown += text
    line = f"{name}({', '.join(arguments) or 'void'}) {' '.join(written)}".rstrip()
    return Declared(name, line, tuple(values), shown)


def chunk_sizes(length: int) -> st.SearchStrategy[int]:
    """How many bytes to read at a time, from one to all."""
    return st.integers(1, max(1, length)) | st.integers(1, 40)
