"""The Lark grammars of formats with named values are the reference: the hot paths must agree with them exactly."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.formats.field_lines import STYLES, Style, assert_agreement, layers, written
from tests.strategies import FORMS
from traceview.formats import bpftrace, lttng, perf, simpletrace_text
from traceview.formats.field_grammar import explain_fields
from traceview.vocabulary import builtin

IDS = [s.id for s in STYLES]
EXAMPLES = max(1, settings().max_examples // 6)
"""Lark reads some thousands of lines a second, and there are six ways to write one."""


@pytest.mark.parametrize("style", STYLES, ids=IDS)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_lark_and_the_hot_path_read_the_same_from_every_form(style: Style, data: st.DataObject) -> None:
    for layer in layers(style.dialect):
        for _ in range(2):
            made = data.draw(written(style, st.sampled_from(list(layer.forms.values()))))
            read = assert_agreement(layer, made.line)
            assert read is not None
            assert read[0] == made.form.name


@pytest.mark.parametrize("style", STYLES, ids=IDS)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_lark_and_the_hot_path_refuse_and_accept_the_same_damaged_lines(style: Style, data: st.DataObject) -> None:
    layer = layers(style.dialect)[0]
    whole = written(style, st.sampled_from(list(layer.forms.values()))).map(lambda w: w.line)
    for damaged in data.draw(st.lists(strategies.damaged(whole), min_size=10, max_size=20)):
        assert_agreement(layer, damaged)


@pytest.mark.parametrize("style", STYLES, ids=IDS)
def test_lark_and_the_hot_path_agree_whichever_byte_of_a_line_is_wrong(style: Style) -> None:
    layer = layers(style.dialect)[0]
    form = layer.forms["job_state_transition"]
    line = style.line(form, [0x5555, -5, b"allowed", b'a" b', b"c'd"])
    seen = set()
    for at in range(len(line)):
        for wrong in (b"", b" ", b'"', b"\xff"):
            seen.add(assert_agreement(layer, line[:at] + wrong + line[at + 1 :]) is None)
    assert seen == {True, False}


@pytest.mark.captures
@pytest.mark.parametrize(
    ("style", "capture", "file"),
    [
        (STYLES[0], "qemu-9.0.0/quad-backends", "simpletrace.txt"),
        (STYLES[0], "qemu-9.0.0/mirror-vblk-noioeventfd", "simpletrace.txt"),
        (STYLES[2], "qemu-9.0.0/ust-log", "babeltrace.txt"),
    ],
    ids=["quad-backends", "mirror-vblk-noioeventfd", "ust-log"],
)
def test_lark_and_the_hot_path_agree_on_lines_from_all_over_a_capture(
    style: Style, capture: str, file: str, capture_bytes: Callable[[str, str], bytes]
) -> None:
    lines = capture_bytes(capture, file).split(b"\n")[:-1]
    layer = layers(style.dialect)[0]
    for line in lines[:: max(1, len(lines) // 1500)]:
        assert assert_agreement(layer, line) is not None


@pytest.mark.parametrize(
    ("module", "line", "place"),
    [
        (simpletrace_text, b"blk_co_pwritev 1.000 pid=7 blk=0x1 bs=none offset=0x0 bytes=0x200 flags=0x0", b"none"),
        (simpletrace_text, b"bdrv_open_common 1.000 pid=7 bs=0x1 filename=b'd0' flags=0xa022", b""),
        (lttng, b"[01:04:54.815768466] vm qemu:job_completed: { job = 0x1, ret = x }", b"x }"),
        (perf, b" qemu 7 [001] 5.243300: probe_qemu:job_completed: (55b8) job=0x1 ret=x", b"x"),
        (bpftrace, b"job_completed 8680 54874 job=0x1 rat=0", b" rat"),
    ],
)
def test_a_refused_line_is_explained_with_a_caret_under_what_is_wrong(
    module: object, line: bytes, place: bytes
) -> None:
    name = next(f.name for f in FORMS if re.search(rb"\b%s\b" % f.name.encode(), line))
    forms = builtin().forms_of(name)[:1]
    explained = explain_fields(line, forms, module.SYNTAX).split("\n")  # type: ignore[attr-defined]
    assert explained[0].startswith(f"{name} (")
    assert ": expected " in explained[0]
    assert explained[2].strip() == "^"
    assert explained[1][explained[2].index("^") :].encode() == line[line.rindex(place) if place else len(line) :]


def test_a_line_that_the_grammar_takes_needs_no_explanation() -> None:
    line = b"job_completed 1.000 pid=7 job=0x1 ret=0x0"
    assert explain_fields(line, builtin().forms_of("job_completed"), simpletrace_text.SYNTAX) == ""
