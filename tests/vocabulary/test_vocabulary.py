"""What the built-in vocabulary says of events, and which release it deduces from them."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.formats import declared, read_log
from tests.strategies import FORMS, form_id
from tests.writers import MemorySource, log_line
from traceview.errors import GrammarError
from traceview.events import EventForm, Kind
from traceview.formats import log
from traceview.formats.declarations import Declarations
from traceview.releases import release_key
from traceview.resources import data_files
from traceview.vocabulary import EventMeaning, Meaning, MeaningTable, Op, Vocabulary, builtin
from traceview.vocabulary.meanings import ROLES, STRING_ROLES

ENTRIES: dict[str, dict[str, Any]] = {
    name: table
    for path in data_files("vocabulary", ".toml")
    for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items()
}
EVENTS = builtin().events


def interpreted(
    *lines: tuple[str, str], vocabulary: Vocabulary | None = None, declarations: Declarations | None = None
) -> MeaningTable:
    """Return records, as event and text, through the log reader and a vocabulary."""
    chosen = vocabulary or builtin()
    source = MemorySource(b"".join(log_line(name, text) + b"\n" for name, text in lines))
    reader = log.FORMAT.make(source, chosen.forms_of, declarations)
    (batch,) = reader.batches(lambda _name: True)
    return chosen.interpret(batch)


def roles(name: str, text: str) -> dict[str, int | str]:
    """Return the roles that a record of an event fills."""
    table = interpreted((name, text))
    row = table.row(0)
    filled = {r: row.string(r) if r in STRING_ROLES else row.role(r) for r in ROLES}
    return {r: v for r, v in filled.items() if v}


def test_every_entry_of_the_toml_files_is_an_event_and_none_is_there_twice() -> None:
    tables = [tomllib.loads(p.read_text(encoding="utf-8")) for p in data_files("vocabulary", ".toml")]
    assert len(tables) >= 5
    assert set(EVENTS) == set(ENTRIES)
    assert sum(map(len, tables)) == len(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_means_something_and_has_forms_with_distinct_arguments(name: str) -> None:
    event = EVENTS[name]
    assert event.name == name
    assert event.meaning is not Meaning.NOTHING
    assert event.forms
    assert set(ENTRIES[name]) <= {"means", "op", "op_from", "op_flag", "device", "roles", "places", "forms"}
    assert bool(event.places) == (event.releases is None), "who adds a tracepoint must be told where it belongs"
    for form in event.forms:
        assert form.name == name
        assert form.declared
        names = [a.name for a in form.args]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_forms_of_an_event_go_from_the_newest_to_the_oldest_without_overlap(name: str) -> None:
    spans = [f.releases for f in EVENTS[name].forms]
    if None in spans:
        assert spans == [None], "an event that no release has is of one build, with one form"
        return
    known = [s for s in spans if s is not None]
    assert all(release_key(since) <= release_key(until) for since, until in known)
    assert all(release_key(older[1]) < release_key(newer[0]) for newer, older in pairwise(known))
    assert EVENTS[name].releases == (known[-1][0], known[0][1])


@pytest.mark.parametrize("name", ENTRIES)
def test_every_alternative_of_a_role_is_used_by_a_form_and_takes_arguments_of_its_kind(name: str) -> None:
    event = EVENTS[name]
    for role, terms in event.roles.items():
        assert role in ROLES
        used = [event.terms(form)[role] for form in event.forms if role in event.terms(form)]
        # A probe's arguments are called as its builder likes: the names that its line does not have come last.
        assert set(used) == set(terms) if event.releases else used == [terms[0]] * len(used), role
        kinds = {a.name: a.kind for f in event.forms for a in f.args}
        for term in used:
            assert all((kinds[n] is Kind.STRING) == (role in STRING_ROLES) for n in term.needs())


@pytest.mark.parametrize("name", ENTRIES)
def test_what_tells_an_operation_is_an_argument_of_every_form(name: str) -> None:
    event = EVENTS[name]
    if event.op_from:
        labels = {k for k in event.op_from if k != "arg"}
        assert labels <= {op.label for op in Op}
        assert all(f.args[f.slot(event.op_from["arg"])].kind is Kind.STRING for f in event.forms)
    if event.op_flag:
        assert Op[event.op_flag["op"].upper()]
        assert all(f.slot(event.op_flag["arg"]) >= 0 for f in event.forms)


@pytest.mark.parametrize("form", FORMS, ids=form_id)
def test_a_text_of_one_form_is_of_no_other_form_with_other_arguments(form: EventForm) -> None:
    """Otherwise a record could be read by the wrong release's form, and its values would be taken for others."""
    text = "".join(
        p if isinstance(p, str) else {"POINTER": "0x1", "STRING": "s", "ALT_HEX": "0x1"}.get(p.terminal, "1")
        for p in form.line
    )
    (record,) = read_log(log_line(form.name, text) + b"\n").records
    assert list(record.values) == [a.name for a in form.args]


def test_sectors_are_counted_in_bytes() -> None:
    assert roles("blk_aio_writev", "blk 0x1 bs 0x2 sector_num 18808 nb_sectors 8 opaque 0x3") == {
        "blk": 1, "node": 2, "offset": 18808 * 512, "length": 8 * 512, "request": 3,
    }  # fmt: skip


def test_bytes_are_taken_as_they_are() -> None:
    assert roles("blk_aio_pwritev", "blk 0x1 bs 0x2 offset 9629696 bytes 4096 opaque 0x3") == {
        "blk": 1, "node": 2, "offset": 9629696, "length": 4096, "request": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "offset", "length"),
    [
        ("s 0x1 offset 65536 bytes 1024", 65536, 1024),
        ("s 0x1 sector_num 128 nb_sectors 2", 65536, 1024),
    ],
)
def test_a_role_has_one_meaning_whichever_release_names_its_argument(text: str, offset: int, length: int) -> None:
    assert roles("mirror_one_iteration", text) == {"job": 1, "offset": offset, "length": length}


def test_a_place_can_be_told_in_blocks_whose_size_the_record_implies() -> None:
    assert roles("pci_nvme_read", "cid 1 nsid 1 nlb 8 count 4096 lba 0x10") == {"offset": 0x10 * 512, "length": 4096}
    assert roles("nvme_rw", "write 2 blocks (8192 bytes) from LBA 3") == {"offset": 3 * 4096, "length": 8192}


def test_a_count_of_no_blocks_divides_nothing_by_zero() -> None:
    assert roles("pci_nvme_read", "cid 1 nsid 1 nlb 0 count 4096 lba 0x10")["length"] == 4096


def test_a_string_role_is_the_string() -> None:
    text = 'bs 0x5 filename "/srv/a.img" flags 0xa022 format_name "qcow2"'
    assert roles("bdrv_open_common", text) == {"node": 5, "image": "/srv/a.img", "name": "qcow2"}


def test_what_a_record_does_not_have_is_zero_and_no_string() -> None:
    table = interpreted(("main_loop_wait", "nonblocking 0"))
    row = table.row(0)
    assert all(row.role(r) == (-1 if r in STRING_ROLES else 0) for r in ROLES)
    assert all(row.string(r) == "" for r in STRING_ROLES)


@pytest.mark.parametrize(
    ("name", "text", "op"),
    [
        ("ide_dma_cb", "IDEState 0x1; sector_num=8 n=2 cmd=DMA WRITE", Op.WRITE),
        ("ide_dma_cb", "IDEState 0x1; sector_num=8 n=2 cmd=DMA READ", Op.READ),
        ("ide_dma_cb", "IDEState 0x1; sector_num=8 n=2 cmd=DMA TRIM", Op.DISCARD),
        ("ide_dma_cb", "IDEState 0x1; sector_num=8 n=2 cmd=DMA ATAPI", Op.NONE),
        ("nvme_rw", "write 2 blocks (8192 bytes) from LBA 3", Op.WRITE),
        ("nvme_rw", "read 2 blocks (8192 bytes) from LBA 3", Op.READ),
        ("blk_co_pwritev", "blk 0x1 bs 0x2 offset 0 bytes 512 flags 0x0", Op.WRITE),
        ("blk_co_pwritev", "blk 0x1 bs 0x2 offset 0 bytes 512 flags 0x2", Op.WRITE_ZEROES),
        ("blk_co_pwritev", "blk 0x1 bs 0x2 offset 0 bytes 512 flags 0x16", Op.WRITE_ZEROES),
        ("blk_co_pwritev", "blk 0x1 bs 0x2 offset 0 bytes 512 flags 14", Op.WRITE),
        ("blk_co_preadv", "blk 0x1 bs 0x2 offset 0 bytes 512 flags 0x2", Op.READ),
        ("blk_aio_flush", "blk 0x1 bs 0x2 opaque 0x3", Op.FLUSH),
        ("mirror_start", "bs 0x1 s 0x2 opaque 0x3", Op.NONE),
    ],
)
def test_the_operation_is_the_events_or_told_by_an_argument(name: str, text: str, op: Op) -> None:
    assert interpreted((name, text)).row(0).op is op


def test_an_operation_that_no_record_names_is_none() -> None:
    table = interpreted(
        ("nvme_rw", "write 1 blocks (512 bytes) from LBA 3"), ("nvme_rw", "compare 1 blocks (512 bytes) from LBA 3")
    )
    assert [Op(int(op)) for op in table.op] == [Op.WRITE, Op.NONE]


def test_events_that_the_vocabulary_does_not_know_mean_nothing() -> None:
    table = interpreted(("qcow2_writev_done_req", "co 0x1 ret 0"), ("mirror_exit_done", "bs 0x1 job 0x2"))
    assert [table.row(i).meaning for i in range(2)] == [Meaning.NOTHING, Meaning.JOB_EXIT_DONE]
    assert table.row(0).text() == "qcow2_writev_done_req co 0x1 ret 0"


def test_a_users_declaration_of_a_known_event_means_the_same_by_its_arguments_names() -> None:
    own = declared('mirror_exit(int ret, void *job, void *extra) "ret %d job %p extra %p"')
    table = interpreted(("mirror_exit", "ret -5 job 0x7 extra 0x8"), declarations=own)
    row = table.row(0)
    assert (row.meaning, row.role("job"), row.role("ret"), row.role("node")) == (Meaning.JOB_EXIT, 7, -5, 0)


def test_an_argument_of_the_right_name_and_the_wrong_kind_fills_no_role() -> None:
    own = declared(
        'aio_context_name(void *ctx, void *name) "ctx %p name %p"',
        'mirror_before_drain(const char *s, int64_t cnt) "s %s dirty count %"PRId64',
        'nvme_rw(int verb, uint64_t byte_count) "%d of %"PRIu64',
        'blk_co_pwritev(const char *flags) "flags %s"',
    )
    table = interpreted(
        ("aio_context_name", "ctx 0x1 name 0x99"),
        ("mirror_before_drain", "s job0 dirty count 4"),
        ("nvme_rw", "0 of 512"),
        ("blk_co_pwritev", "flags x"),
        declarations=own,
    )
    assert (table.row(0).role("ctx"), table.row(0).string("name")) == (1, "")
    assert (table.row(1).role("job"), table.row(1).role("count")) == (0, 4)
    assert (table.row(2).op, table.row(2).role("length")) == (Op.NONE, 512)
    assert table.row(3).op is Op.WRITE


def test_an_empty_batch_is_an_empty_table() -> None:
    table = interpreted(("mirror_exit_done", "bs 0x1 job 0x2"))
    assert len(table.take(slice(0, 0))) == 0


def test_values_that_overflow_do_no_harm() -> None:
    big = (1 << 63) - 1
    table = interpreted(("blk_aio_writev", f"blk 0x1 bs 0x2 sector_num {big} nb_sectors {big} opaque 0x3"))
    assert table.row(0).role("offset") == np.int64(-512)


def event(**changes: object) -> dict[str, Any]:
    table: dict[str, Any] = {"means": "job_exit", "roles": {"job": "s"}, "forms": [["2.0", "9.0", "s {s:p}"]]}
    return {**table, **changes}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"forms": []}, "event e: 'means'"),
        (event(means="job_exits"), "event e: 'JOB_EXITS'"),
        (event(op="erase"), "event e: 'ERASE'"),
        (event(roles={"jobs": "s"}), r"event e: unknown roles \['jobs'\]"),
        (event(roles={"job": "s*"}), "event e: "),
        (event(roles={"job": "s||t"}), "event e: "),
        (event(roles={"job": 5}), "event e: "),
        ({"means": "job_exit"}, "event e: 'forms'"),
    ],
)
def test_an_entry_that_is_not_as_described_is_refused_with_its_name(table: dict[str, Any], message: str) -> None:
    with pytest.raises(GrammarError, match=message):
        EventMeaning("e", table)


def test_a_line_of_an_entry_that_is_no_template_is_refused() -> None:
    with pytest.raises(GrammarError, match="line template"):
        _ = EventMeaning("e", event(forms=[["2.0", "9.0", "s {s}"]])).forms


def test_an_entry_without_releases_is_of_no_release() -> None:
    made = EventMeaning("e", event(forms=[["", "", "s {s:p}"]]))
    assert made.releases is None
    assert made.forms[0].releases is None


def test_events_are_found_by_what_they_mean() -> None:
    assert set(builtin().names_of(Meaning.JOB_EXIT, Meaning.JOB_EXIT_DONE)) == {"mirror_exit", "mirror_exit_done"}


def test_an_unknown_event_has_no_forms() -> None:
    assert list(builtin().forms_of("no_such_event")) == []
