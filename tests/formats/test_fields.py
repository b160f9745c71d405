"""Named values in text to the arguments of a form."""

from __future__ import annotations

import time

import pytest

from tests.formats import declared
from traceview.events import EventForm, Kind, StringTable
from traceview.formats import lttng, perf, simpletrace_text
from traceview.formats.fields import MAX_ADAPTED, EventFields, FieldPlan
from traceview.vocabulary import builtin

SIMPLE, PERF, LTTNG = simpletrace_text.SYNTAX, perf.SYNTAX, lttng.SYNTAX


def form_of(declaration: str) -> EventForm:
    return declared(declaration).all[0].form


NUMBERS = form_of('e(int i, unsigned u, void *p) "%d %u %p"')
STRINGS = form_of('e(const char *a, int n, const char *b, const char *c) "%s %d %s %s"')


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b" i=0xfffffffffffffffb u=0xffffffffffffffff p=0x0", (-5, -1, 0)),
        (b" i=0x7fffffffffffffff u=0x0 p=0x1", ((1 << 63) - 1, 0, 1)),
        (b" i=0x10000000000000000 u=0x0 p=0x1", None),
        (b" i=5 u=0x0 p=0x1", None),
        (b"i=0x5 u=0x0 p=0x1", None),
        (b" i=0x5 u=0x0  p=0x1", None),
        (b" u=0x0 i=0x5 p=0x1", None),
        (b" i=0x5 u=0x0", None),
        (b" i=0x5 u=0x0 p=0x1 q=0x1", None),
    ],
)
def test_numbers_are_the_bits_of_their_64(text: bytes, values: tuple[int, ...] | None) -> None:
    plan = FieldPlan(NUMBERS, SIMPLE, StringTable())
    assert plan.decode(text, literals=True) == values
    assert plan.decode(text, literals=False) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b" i=-5 u=18446744073709551615 p=0xFF", (-5, -1, 255)),
        (b" i=9223372036854775808 u=0 p=0x0", None),
        (b" i=-9223372036854775809 u=0 p=0x0", None),
        (b" i=0 u=18446744073709551616 p=0x0", None),
        (b" i=007 u=0 p=8", (7, 0, 8)),
    ],
)
def test_decimal_numbers_must_fit_their_sign(text: bytes, values: tuple[int, ...] | None) -> None:
    assert FieldPlan(NUMBERS, PERF, StringTable()).decode(text, literals=True) == values


def test_strings_as_they_are_go_on_as_long_as_the_rest_still_fits() -> None:
    strings = StringTable()
    plan = FieldPlan(STRINGS, SIMPLE, strings)
    values = plan.decode(b" a=x n=0x1 b=y n=0x2 b=z c=w c=", literals=False)
    assert values is not None
    assert (strings[values[0]], values[1], strings[values[2]], strings[values[3]]) == ("x n=0x1 b=y", 2, "z c=w", "")


@pytest.mark.parametrize("literals", [True, False])
@pytest.mark.parametrize("syntax", [SIMPLE, PERF, LTTNG], ids=["simpletrace", "perf", "lttng"])
def test_a_hostile_line_takes_no_more_time_than_its_length_explains(syntax: object, literals: bool) -> None:
    fields = EventFields("e", [STRINGS], syntax, StringTable(), partial=False)  # type: ignore[arg-type]
    marker = syntax.marker  # type: ignore[attr-defined]
    middle, n, b, c = marker(1, "x"), marker(1, "n"), marker(1, "b"), marker(1, "c")
    for piece in (middle + b"0x1", b + b'"', c, n + b"0x1" + b, b"b'\\", b'"', b"\\" * 3 + b'"'):
        for text in (marker(0, "a") + piece * 20_000, piece * 20_000, marker(0, "a") + n + b"0x1" + piece * 20_000):
            started = time.perf_counter()
            fields.decode(text, literals=literals)
            fields.adapt(text, literals=literals)
            fields.decode_nameless(text, literals=literals)
            assert time.perf_counter() - started < 5


def test_forms_that_only_their_lines_tell_apart_are_one() -> None:
    fields = EventFields(
        "bdrv_open_common", builtin().forms_of("bdrv_open_common"), SIMPLE, StringTable(), partial=False
    )
    assert len(builtin().forms_of("bdrv_open_common")) == 2
    assert [f.releases for f in fields.forms] == [("2.10", "9.0")]


def test_an_older_form_is_known_by_its_names() -> None:
    forms = builtin().forms_of("mirror_iteration_done")
    fields = EventFields("mirror_iteration_done", forms, SIMPLE, StringTable(), partial=False)
    found = fields.decode(b" s=0x1 sector_num=0x8 nb_sectors=0x8 ret=0x0", literals=True)
    assert found is not None
    assert found[0].releases == ("1.4", "2.9")


def test_names_between_those_of_a_form_are_kept_with_what_they_look_like() -> None:
    fields = EventFields("e", [NUMBERS], PERF, StringTable(), partial=False)
    found = fields.adapt(b' i=-1 more=0x5 text="a b" u=1 less=-3 p=0x2', literals=True)
    assert found is not None
    assert [(a.name, a.kind) for a in found[0].args] == [
        ("i", Kind.INT), ("more", Kind.UINT), ("text", Kind.STRING),
        ("u", Kind.UINT), ("less", Kind.INT), ("p", Kind.POINTER),
    ]  # fmt: skip
    assert found[0].releases is None


def test_without_all_names_of_a_form_nothing_is_guessed_but_of_probes() -> None:
    whole = EventFields("e", [NUMBERS], PERF, StringTable(), partial=False)
    probes = EventFields("e", [NUMBERS], PERF, StringTable(), partial=True)
    assert whole.adapt(b" i=1 u=2", literals=True) is None
    assert whole.adapt(b" u=1 i=2 p=0x3", literals=True) is None
    found = probes.adapt(b" u=1 i=2", literals=True)
    assert found is not None
    assert found[1] == (1, 2)


def test_no_more_ways_are_learnt_than_a_build_can_have() -> None:
    fields = EventFields("e", [NUMBERS], PERF, StringTable(), partial=True)
    found = [fields.adapt(b" i=1 x%d=2" % n, literals=True) for n in range(MAX_ADAPTED + 5)]
    assert [f is not None for f in found] == [True] * MAX_ADAPTED + [False] * 5
    assert fields.adapt(b" i=1 x0=3", literals=True) is not None
