"""The Lark grammar of the log's line is the reference: what the hot path reads off it must agree with it exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from tests import strategies
from tests.conftest import ROOT
from tests.formats import declared
from tests.strategies import FORMS, Line, form_id
from tests.writers import PREFIXES, log_line
from traceview.errors import GrammarError
from traceview.events import Arg, Conversion, EventForm, Kind, StringTable
from traceview.formats.log_grammar import DecodePlan, explain, reference, scanner, terminal_pattern

SAMPLES = sorted((ROOT / "sample-traces").rglob("trace.log"))
LINES_A_SAMPLE = 3000
"""Lark reads some thousands of lines a second; the first lines of a sample have all its kinds of lines."""

EXAMPLES_A_FORM = max(1, settings().max_examples // 3)
"""There are over a hundred forms."""

Read = tuple[str, tuple[str, ...], tuple[int | str, ...]] | None
"""Event, the prefix's terminals and the arguments, as read from a line; None for a line that is refused."""


class Layer:
    """Forms of events of different names, as one reference grammar and as decode plans.

    An event can have several forms; the grammar must not have two alternatives that begin alike, so each is in a
    layer of its own.
    """

    def __init__(self, forms: list[EventForm]) -> None:
        self.forms = {f.name: f for f in forms}
        self.numbers = {f"event_{i}": f for i, f in enumerate(forms)}
        self.lark: Lark = reference(forms)
        self.strings = StringTable()
        self.plans: Mapping[str, DecodePlan] = {f.name: DecodePlan(f, self.strings) for f in forms}

    def by_hot_path(self, line: bytes) -> Read:
        match = scanner().line.match(line)
        if match is None:
            return None
        parts = {k: v for k, v in match.groupdict().items() if k not in ("NAME", "TEXT") and v is not None}
        prefix = tuple(v.decode("latin-1") for v in parts.values())
        name = match["NAME"].decode("ascii")
        plan = self.plans.get(name)
        if plan is None:
            return name, prefix, (match["TEXT"].decode("latin-1"),)
        values = plan.decode(match["TEXT"])
        if values is None:
            return None
        return name, prefix, tuple(self._value(a, v) for a, v in zip(plan.form.args, values, strict=True))

    def _value(self, arg: Arg, value: int) -> int | str:
        if arg.kind is Kind.STRING:
            return self.strings[value].encode("utf-8", "surrogateescape").decode("latin-1")
        return value

    def by_lark(self, line: bytes) -> Read:
        try:
            tree = self.lark.parse(line.decode("latin-1"))
        except UnexpectedInput:
            return None
        (record,) = tree.children
        assert isinstance(record, Tree)
        *before, event = record.children
        prefix = tuple(str(t) for p in before if isinstance(p, Tree) for t in p.children if isinstance(t, Token))
        assert isinstance(event, Tree)
        tokens = [t for t in event.children if isinstance(t, Token)]
        if event.data == "undeclared":
            return str(tokens[0]), prefix, ("".join(tokens[1:]),)
        form = self.numbers[str(event.data)]
        values = self._lark_values(form, tokens[1:])
        return None if values is None else (form.name, prefix, values)

    @staticmethod
    def _lark_values(form: EventForm, tokens: list[Token]) -> tuple[int | str, ...] | None:
        """Return the values of a form's tokens, None if a number needs more than 64 bits."""
        values: list[int | str] = []
        rest = iter(tokens)
        token = next(rest, None)
        for i, piece in enumerate(form.line):
            if isinstance(piece, str):
                continue
            if piece.terminal == "STRING" and (token is None or not token.type.endswith(f"_{i}")):
                values.append("")  # a string may be empty, a terminal may not
                continue
            assert token is not None
            value = _number(piece.terminal, token.strip(" ") if piece.width else token)
            if value is None:
                return None
            values.append(value)
            token = next(rest, None)
        assert token is None
        return tuple(values)


def _number(terminal: str, text: str) -> int | str | None:
    """Return what a value terminal's text means, by Python's own reading of numbers."""
    if terminal in ("STRING", "FLOAT"):
        return text
    if terminal == "CHARACTER":
        return ord(text)
    base = {"DECIMAL": 10, "UNSIGNED": 10, "OCTAL": 8}.get(terminal, 16)
    value = 0 if text == "(nil)" else int(text, base)
    if not -(1 << 63) <= value < (1 << 63 if terminal == "DECIMAL" else 1 << 64):
        return None
    return value - (1 << 64) if value >= 1 << 63 else value


@cache
def layers() -> tuple[Layer, ...]:
    """Return all forms of the vocabulary in layers: the newest of each event, then the second newest, and so on."""
    by_name: dict[str, list[EventForm]] = {}
    for form in FORMS:
        by_name.setdefault(form.name, []).append(form)
    most = max(len(f) for f in by_name.values())
    return tuple(Layer([f[i] for f in by_name.values() if len(f) > i]) for i in range(most))


def layer_of(form: EventForm) -> Layer:
    return next(layer for layer in layers() if layer.forms.get(form.name) is form)


def assert_agreement(layer: Layer, line: bytes) -> Read:
    by_lark, by_hot_path = layer.by_lark(line), layer.by_hot_path(line)
    assert by_hot_path == by_lark
    return by_lark


@pytest.mark.parametrize("form", FORMS, ids=form_id)
@settings(max_examples=EXAMPLES_A_FORM)
@given(data=st.data())
def test_lark_and_the_hot_path_read_the_same_from_every_form_and_every_prefix(
    form: EventForm, data: st.DataObject
) -> None:
    line = data.draw(strategies.lines_of(form))
    for prefix in PREFIXES:
        read = assert_agreement(layer_of(form), log_line(form.name, line.text, prefix=prefix))
        assert read is not None
        assert read[0] == form.name


@given(st.data())
def test_lark_and_the_hot_path_refuse_and_accept_the_same_damaged_lines(data: st.DataObject) -> None:
    layer = data.draw(st.sampled_from(layers()))
    lines = st.sampled_from(list(layer.forms.values())).flatmap(strategies.lines_of)
    for damaged in data.draw(st.lists(strategies.damaged(strategies.log_lines(lines)), min_size=10, max_size=20)):
        assert_agreement(layer, damaged)


def test_damage_is_refused_now_and_then_and_now_and_then_not() -> None:
    """The test above would prove nothing if all damaged lines were refused, or none."""
    seen: set[bool] = set()
    layer = layers()[0]

    @given(strategies.damaged(strategies.log_lines(strategies.lines_of(layer.forms["mirror_before_sleep"]))))
    def note(line: bytes) -> None:
        seen.add(layer.by_lark(line) is None)

    note()
    assert seen == {True, False}


@given(strategies.declarations())
def test_lark_and_the_hot_path_agree_on_any_declared_form(made: strategies.Declared) -> None:
    form = declared(made.declaration).all[0].form
    layer = Layer([form])
    assert assert_agreement(layer, log_line(made.name, made.text)) is not None
    assert_agreement(layer, log_line(made.name, made.text + b"x"))
    assert_agreement(layer, log_line(made.name, made.text[:-1]))


def sample_lines(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as f:
        for line in islice(f, LINES_A_SAMPLE):
            yield line.rstrip(b"\n")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.parent.name)
def test_lark_and_the_hot_path_agree_on_every_line_of_a_sample_trace(path: Path) -> None:
    accepted = 0
    for line in sample_lines(path):
        match = scanner().line.match(line)
        known = [layer for layer in layers() if match is not None and match["NAME"].decode() in layer.forms]
        for layer in known or layers()[:1]:
            accepted += assert_agreement(layer, line) is not None
    assert accepted > 0


@pytest.mark.captures
@pytest.mark.parametrize("name", ["qemu-2.4.0/mirror", "qemu-4.1.0/mirror-ide-verify", "qemu-7.2.22/stderr-mixed"])
def test_lark_and_the_hot_path_agree_on_lines_from_all_over_a_capture(
    name: str, capture_bytes: Callable[[str, str], bytes]
) -> None:
    lines = capture_bytes(name, "trace.log").split(b"\n")[:-1]
    for line in lines[:: max(1, len(lines) // 2000)]:
        for layer in layers():
            assert_agreement(layer, line)


@pytest.mark.parametrize("form", FORMS, ids=form_id)
@settings(max_examples=EXAMPLES_A_FORM)
@given(data=st.data())
def test_a_record_that_was_read_is_written_as_it_was(form: EventForm, data: st.DataObject) -> None:
    line = data.draw(strategies.lines_of(form))
    strings = StringTable()
    values = DecodePlan(form, strings).decode(line.text)
    assert values is not None
    assert form.render(values, strings).encode("utf-8", "surrogateescape") == line.text


@given(strategies.vocabulary_lines())
def test_the_values_that_were_printed_are_the_values_that_are_read(line: Line) -> None:
    strings_in_line = [p for p in line.form.line if isinstance(p, Conversion) and p.terminal == "STRING"]
    assume(len(strings_in_line) < 2)  # with several, one text can have several readings
    strings = StringTable()
    values = DecodePlan(line.form, strings).decode(line.text)
    assert values is not None
    for arg, value, printed in zip(line.form.args, values, line.values, strict=True):
        if isinstance(printed, bytes):
            assert strings[value].encode("utf-8", "surrogateescape") == printed
        else:
            assert value % (1 << 64) == printed % (1 << 64), arg


@given(strategies.declarations())
def test_a_declared_record_that_was_read_is_written_as_it_was(made: strategies.Declared) -> None:
    form = declared(made.declaration).all[0].form
    strings = StringTable()
    values = DecodePlan(form, strings).decode(made.text)
    assert values is not None
    assert form.render(values, strings).encode("utf-8", "surrogateescape") == made.text


def several_strings() -> EventForm:
    return declared('e(const char *a, int n, const char *b, const char *c) "<%s> %d [%s] (%s)"').all[0].form


PARTS = st.lists(st.sampled_from([b"<", b"> ", b"1", b" [", b"] (", b")", b" ", b"x", b"-"]), max_size=14).map(b"".join)


@given(st.one_of(PARTS, PARTS.map(lambda p: b"<" + p + b"> 7 [" + p + b"] (" + p + b")")))
def test_strings_found_from_the_right_are_those_that_the_expression_finds(text: bytes) -> None:
    strings = StringTable()
    plan = DecodePlan(several_strings(), strings)
    match = plan.pattern.fullmatch(text)
    values = plan.decode(text)
    assert (values is None) == (match is None)
    if match is not None and values is not None:
        a, n, b, c = match.groups()
        assert values == (strings.intern(a), int(n), strings.intern(b), strings.intern(c))
    head, found = plan.pattern.match(text), plan.decode_head(text)
    assert (found is None) == (head is None)
    if head is not None and found is not None:
        a, n, b, c = head.groups()
        assert found == ((strings.intern(a), int(n), strings.intern(b), strings.intern(c)), head.end())


def test_a_hostile_line_takes_no_more_time_than_its_length_explains() -> None:
    form = next(f for f in FORMS if f.name == "job_state_transition")
    plan = DecodePlan(form, StringTable())
    text = b"job 0x1 (ret: 0) attempting " + b" transition (" * 20_000 + b"-->" * 20_000
    started = time.perf_counter()
    assert plan.decode(text) is None
    assert plan.decode_head(text) is None
    assert plan.decode(text + b")") is not None
    # Trying all ways to divide these 320 kB into three strings takes hours; once from the right takes a moment.
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "number", [b"9223372036854775808", b"18446744073709551616", b"-9223372036854775809", b"9" * 20]
)
def test_a_number_that_its_64_bits_do_not_hold_is_refused_and_the_explanation_says_so(number: bytes) -> None:
    form = next(f for f in FORMS if f.name == "mirror_exit")
    text = b"bs 0x1 job 0x2 ret " + number + b" should_complete 1"
    line = log_line("mirror_exit", text)
    assert DecodePlan(form, StringTable()).decode(text) is None
    shown = explain(line, [form]).split("\n")
    assert "expected a number of 64 bits" in shown[0]
    assert shown[1][shown[2].index("^") :].startswith(number.decode())


def test_a_refused_line_is_explained_by_what_was_expected_with_a_caret_under_the_place() -> None:
    form = next(f for f in FORMS if f.name == "mirror_exit")
    line = log_line("mirror_exit", b"bs 0x1 job 0x2 ret zero should_complete 1")
    message, shown, caret = explain(line, [form]).split("\n")
    column = line.index(b"zero") + 1
    assert message == f"mirror_exit: expected DECIMAL at column {column}"
    assert shown[caret.index("^") :] == "zero should_complete 1"


def test_the_explanation_of_a_line_that_ends_too_early_points_behind_it() -> None:
    form = next(f for f in FORMS if f.name == "mirror_exit")
    line = log_line("mirror_exit", b"bs 0x1 job 0x2 ret 0")
    message, shown, caret = explain(line, [form]).split("\n")
    assert message == f'mirror_exit: expected " should_complete " at column {len(line) + 1}'
    assert caret.index("^") == len(shown)


def test_the_explanation_of_a_line_that_goes_on_says_that_its_end_was_expected() -> None:
    form = next(f for f in FORMS if f.name == "mirror_exit")
    message = explain(log_line("mirror_exit", b"bs 0x1 job 0x2 ret 0 should_complete 1 2"), [form]).split("\n")[0]
    assert "expected the end of the line" in message


def test_the_explanation_calls_a_string_a_string_and_shows_literals_as_they_are() -> None:
    form = next(f for f in FORMS if f.name == "job_state_transition")
    line = log_line("job_state_transition", b"job 0x1 (ret: 0) attempting allowed change")
    message = explain(line, [form]).split("\n")[0]
    assert message.startswith('job_state_transition (3.0 to 9.0): expected " transition (" or STRING at column ')


def test_text_that_prints_no_argument_is_passed_over_between_strings() -> None:
    form = declared('e(const char *a, const char *b) "<%s> %m [%s]"').all[0].form
    strings = StringTable()
    values = DecodePlan(form, strings).decode(b"<x> Input/output error [y]")
    assert values is not None
    assert [strings[v] for v in values] == ["x", "y"]


def test_a_line_is_explained_for_each_form_that_its_event_has_had() -> None:
    forms = [f for f in FORMS if f.name == "mirror_start"]
    message = explain(log_line("mirror_start", b"nothing of this"), forms)
    assert "mirror_start (2.8 to 9.0)" in message
    assert "mirror_start (1.3 to 2.7)" in message


def test_a_line_that_one_of_the_forms_fits_needs_no_explanation() -> None:
    forms = [f for f in FORMS if f.name == "mirror_start"]
    assert explain(log_line("mirror_start", b"bs 0x1 s 0x2 co 0x3 opaque (nil)"), forms) == ""


def test_a_form_that_prints_its_arguments_in_another_order_makes_no_plan() -> None:
    args = (Arg("a", Kind.INT), Arg("b", Kind.INT))
    form = EventForm("e", args, (Conversion("DECIMAL", 1), " ", Conversion("DECIMAL", 0)))
    with pytest.raises(GrammarError, match="one by one"):
        DecodePlan(form, StringTable())


def test_a_form_whose_record_makes_two_lines_makes_no_plan() -> None:
    form = EventForm("e", (Arg("a", Kind.INT),), ("first\nsecond ", Conversion("DECIMAL", 0)))
    with pytest.raises(GrammarError, match="several lines"):
        DecodePlan(form, StringTable())


def test_the_scanner_is_read_off_the_grammar() -> None:
    for name in ("THREAD", "SECONDS", "MICROSECONDS", "ISO_TIME", "PROGRAM", "THREAD_NAME", "NAME", "TEXT"):
        assert terminal_pattern(name) in scanner().line.pattern.decode()


def test_literals_that_mean_something_to_a_grammar_or_an_expression_are_taken_as_they_are() -> None:
    form = declared(r'e(int a, const char *b) "a/b \\ [%d].* \"%s\"|$^ 100%%"').all[0].form
    layer = Layer([form])
    line = log_line("e", rb'a/b \ [-3].* "x/y \"|$^ 100%')
    assert assert_agreement(layer, line) == ("e", ("4711", "1459344553", "123456"), (-3, "x/y \\"))


def test_literals_that_are_no_ascii_are_compared_byte_by_byte() -> None:
    form = declared('e(int a) "größe %d"').all[0].form
    layer = Layer([form])
    assert assert_agreement(layer, log_line("e", "größe 5")) == ("e", ("4711", "1459344553", "123456"), (5,))
