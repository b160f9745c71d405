"""Declarations of probes: what QEMU would write by them is what traceview reads."""

from __future__ import annotations

import pytest

from traceview.events import EventForm, Kind, StringTable
from traceview.formats.declarations import parse_declaration
from traceview.vocabulary import EventMeaning, builtin
from traceview.vocabulary.declare import declaration

PROBES = [e for e in builtin().events.values() if e.releases is None]
VALUES = (0x7F00DEADBEEF, 5, 3, 17, 4096, 1)


def declared(form: EventForm) -> EventForm:
    (found,) = parse_declaration(declaration(form), "here")
    return found.form


def text_of(form: EventForm) -> str:
    strings = StringTable()
    at = strings.intern(b"drive0")
    values = [at if a.kind is Kind.STRING else VALUES[i] for i, a in enumerate(form.args)]
    return form.render(values, strings)


@pytest.mark.parametrize("event", PROBES, ids=lambda e: e.name)
def test_a_build_that_declares_a_probe_so_writes_the_line_that_is_known(event: EventMeaning) -> None:
    (known,) = event.forms
    made = declared(known)
    assert made.name == event.name
    assert text_of(made) == text_of(known)
    assert set(event.terms(made)) == set(event.terms(known))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("bdrv_drained_begin_done", 'bdrv_drained_begin_done(void *bs) "bs %p"'),
        (
            "bdrv_drained_begin",
            'bdrv_drained_begin(void *bs, int64_t quiesce_counter) "bs %p quiesce_counter %" PRId64',
        ),
        ("blk_attach", 'blk_attach(void *blk, const char *name, void *bs) "blk %p name %s bs %p"'),
        (
            "blk_aio_pwritev",
            "blk_aio_pwritev(void *blk, void *bs, int64_t offset, uint64_t bytes, void *opaque) "
            '"blk %p bs %p offset %" PRId64 " bytes %" PRIu64 " opaque %p"',
        ),
    ],
)
def test_a_declaration_is_what_a_developer_would_write(name: str, line: str) -> None:
    assert declaration(builtin().events[name].forms[0]) == line


def test_an_event_without_arguments_takes_void() -> None:
    assert declaration(builtin().events["nbd_trip"].forms[0]) == 'nbd_trip(void) "Reading request"'
