"""What the tests of formats with named values share: writers of lines, and the Lark grammar as what they must mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st
from lark import Token, Tree
from lark.exceptions import UnexpectedInput

from tests import strategies
from tests.strategies import FORMS
from tests.writers import Value
from traceview.events import EventForm, Kind, StringTable
from traceview.formats import bpftrace, lttng, perf, simpletrace_text
from traceview.formats.field_grammar import Syntax, field_reference
from traceview.formats.field_lines import Dialect
from traceview.formats.fields import Decoded, EventFields
from traceview.source import compression_of

Read = tuple[str, tuple[int | bytes, ...]] | None
"""Event and arguments, as read from a line; None for a line that is refused."""
_TWO_64 = 1 << 64


@dataclass(frozen=True)
class Written:
    """A form with values, and a line of a format that holds them."""

    form: EventForm
    values: tuple[Value, ...]
    line: bytes


@dataclass(frozen=True)
class Style:
    """One way to write a line: what stands before and behind the values, and how each is written."""

    id: str
    dialect: Callable[[], Dialect]
    head: Callable[[bytes], bytes]
    number: Callable[[Kind, int], bytes]
    string: Callable[[bytes], bytes]
    sure: bool
    """Whether a string's end always shows."""

    def line(self, form: EventForm, values: Sequence[Value], names: Sequence[str] | None = None) -> bytes:
        """Return the line of a record."""
        syntax = self.dialect().syntax
        named = names if names is not None else [a.name for a in form.args]
        out = b""
        for place, (name, arg, value) in enumerate(zip(named, form.args, values, strict=True)):
            shown = self.string(value) if isinstance(value, bytes) else self.number(arg.kind, value)
            out += (syntax.between if place else syntax.lead) + name.encode() + syntax.equals + shown
        tail = syntax.tail if values else syntax.tail.lstrip()
        return self.head(form.name.encode()) + out + tail


def hexadecimal(_kind: Kind, value: int) -> bytes:
    """Return a number as simpletrace.py writes all of them."""
    return b"0x%x" % (value % _TWO_64)


def by_kind(kind: Kind, value: int) -> bytes:
    """Return a number as most do: pointers are hexadecimal."""
    return b"0x%x" % value if kind is Kind.POINTER else b"%d" % (value if kind is Kind.INT else value % _TWO_64)


def upper(kind: Kind, value: int) -> bytes:
    """Return a number as babeltrace does."""
    return b"0x%X" % value if kind is Kind.POINTER else by_kind(kind, value)


def escaped(value: bytes) -> bytes:
    """Return a string as babeltrace 2 does."""
    plain = {0x07: b"a", 0x08: b"b", 0x1B: b"e", 0x0C: b"f", 0x0A: b"n", 0x0D: b"r", 0x09: b"t", 0x0B: b"v", 0: b"0"}
    out = b'"'
    for byte in value:
        if byte in plain:
            out += b"\\" + plain[byte]
        elif byte < 0x20 or byte == 0x7F:
            out += b"\\x%02x" % byte
        else:
            out += (b"\\" if byte in b"\"'?\\" else b"") + bytes([byte])
    return out + b'"'


def in_quotes(value: bytes) -> bytes:
    """Return a string between quotes, as it is."""
    return b'"' + value + b'"'


def python_literal(value: bytes) -> bytes:
    """Return a string as Python 3 prints bytes."""
    return repr(value).encode("ascii")


LTTNG = b"[01:04:54.815768466] (+?.?????????) vm qemu:"
PERF = b" qemu-system-x86  7629 [001]  5366.243300: probe_qemu:"
CONTEXTS = b'{ cpu_id = 0 }, { vtid = 11683, vpid = 11682, procname = "qemu-system-x86" }, { '
STYLES = (
    Style(
        "simpletrace-text", simpletrace_text.SimpletraceText, lambda n: n + b" 26057.184 pid=7999", hexadecimal,
        python_literal, sure=True,
    ),
    Style(
        "simpletrace-text-raw", simpletrace_text.SimpletraceText, lambda n: n + b" -0.001", hexadecimal, bytes,
        sure=False,
    ),
    Style(
        "babeltrace2", lttng.Babeltrace, lambda n: LTTNG + n + b": " + CONTEXTS,
        upper, escaped, sure=True,
    ),
    Style(
        "babeltrace1", lttng.Babeltrace, lambda n: b"[1795395887.473484682] vm qemu:" + n + b": { ", upper, in_quotes,
        sure=False,
    ),
    Style(
        "perf", perf.PerfScript, lambda n: PERF + n + b": (55b8d935b139)",
        by_kind, in_quotes, sure=False,
    ),
    Style("bpftrace", bpftrace.BpftraceScript, lambda n: n + b" 8680 5487417495762", by_kind, in_quotes, sure=False),
)  # fmt: skip


@st.composite
def written(draw: st.DrawFn, style: Style, forms: st.SearchStrategy[EventForm]) -> Written:
    """Return a form with values of all kinds, written in a style; strings hold its markers now and then."""
    form = draw(forms)
    syntax = style.dialect().syntax
    markers = [syntax.marker(i, a.name).decode() for i, a in enumerate(form.args)]
    literals = [*markers, '", ', " }", " }, { ", *(m + "0x1" for m in markers)]
    values: list[Value] = []
    for arg in form.args:
        match arg.kind:
            case Kind.STRING:
                values.append(draw(strategies.strings(literals)))
            case Kind.INT:
                values.append(draw(strategies.signed()))
            case _:
                values.append(draw(strategies.unsigned()))
    return Written(form, tuple(values), style.line(form, values))


class OnlyKnown(EventFields):
    """An event whose records have the known forms and no others, as in the grammar."""

    def decode_nameless(self, text: bytes, *, literals: bool) -> Decoded | None:
        return None

    def adapt(self, text: bytes, *, literals: bool) -> Decoded | None:
        return None


class Layer:
    """Forms of events of different names: as reference grammars, and on the hot path."""

    def __init__(self, forms: Sequence[EventForm], make: Callable[[], Dialect]) -> None:
        self.forms = {f.name: f for f in forms}
        self.numbers = {f"event_{i}": f for i, f in enumerate(forms)}
        self.make = make
        self.syntax: Syntax = make().syntax
        self.larks = [field_reference(forms, self.syntax, quoted=quoted) for quoted in (True, False)]

    def by_hot_path(self, line: bytes) -> Read:
        dialect, strings = self.make(), StringTable()
        match = dialect.line.fullmatch(line)
        if match is None:
            return None
        name = match["NAME"].decode("ascii")
        form = self.forms.get(name)
        if form is None:
            text = dialect.text(match)
            return None if text is None else (name, (text.strip(b" "),))
        found = dialect.values(match, OnlyKnown(name, [form], self.syntax, strings, partial=dialect.partial))
        if found is None:
            return None
        texts = [
            strings[v].encode("utf-8", "surrogateescape") if a.kind is Kind.STRING else v
            for a, v in zip(form.args, found[1], strict=True)
        ]
        return name, tuple(texts)

    def by_lark(self, line: bytes) -> Read:
        for number, lark in enumerate(self.larks):
            try:
                tree = lark.parse(line.decode("latin-1"))
            except UnexpectedInput:
                continue
            found = self._taken(tree.children[0], quoted=number == 0)
            if found is not None:
                return found
        return None

    def _taken(self, record: Any, *, quoted: bool) -> Read:
        assert isinstance(record, Tree)
        tokens = [t for t in record.children if isinstance(t, Token)]
        if record.data == "undeclared":
            named = {t.type: t.encode("latin-1") for t in tokens}
            return named["NAME"].decode(), (named.get("TEXT", b"").strip(b" "),)
        form = self.numbers.get(str(record.data))
        if form is None:
            return None  # a mark of lost records
        return self._values(
            form, [t for t in tokens if t.type == "NUMBER" or t.type.startswith("VALUE_")], quoted=quoted
        )

    def _values(self, form: EventForm, tokens: list[Token], *, quoted: bool) -> Read:
        values: list[int | bytes] = []
        rest = list(tokens)
        for place, arg in enumerate(form.args):
            if arg.kind is Kind.STRING:
                there = bool(rest) and rest[0].type.endswith(f"_{place}")
                raw = rest.pop(0).encode("latin-1") if there else b""
                values.append(self.syntax.unquote(raw) if quoted else raw)
                continue
            text = str(rest.pop(0))
            value = int(text, 16 if text[1:2] in ("x", "X") else 10)
            most = 1 << (63 if arg.kind is Kind.INT and text[1:2] not in ("x", "X") else 64)
            if not -(1 << 63) <= value < most:
                return None
            values.append(value - _TWO_64 if value >= 1 << 63 else value)
        assert not rest
        return form.name, tuple(values)


def messes(lines: st.SearchStrategy[bytes], *others: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Texts of lines, whole and damaged, and of noise and `others`, with ends or without; none looks compressed."""
    ends = st.sampled_from([b"\n", b"\n", b"\n", b"", b"\r\n"])
    pieces = st.one_of(lines, strategies.damaged(lines), st.binary(max_size=30), *others)
    texts = st.lists(st.builds(lambda a, b: a + b, pieces, ends), max_size=8).map(b"".join)
    return texts.filter(lambda raw: not compression_of(raw))


@cache
def layers(make: Callable[[], Dialect]) -> tuple[Layer, ...]:
    """Return all forms of the vocabulary in layers: the newest of each event, then the second newest, and so on."""
    by_name: dict[str, list[EventForm]] = {}
    for form in FORMS:
        by_name.setdefault(form.name, []).append(form)
    most = max(len(f) for f in by_name.values())
    return tuple(Layer([f[i] for f in by_name.values() if len(f) > i], make) for i in range(most))


def assert_agreement(layer: Layer, line: bytes) -> Read:
    """Return what the grammar reads from a line; the hot path must read the same."""
    line = line.removesuffix(b"\r")
    by_lark = layer.by_lark(line)
    assert layer.by_hot_path(line) == by_lark, line
    return by_lark
