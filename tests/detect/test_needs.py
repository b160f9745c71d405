"""What a rule needs traced, held against what a trace has, and what the events are called that it lacks."""

from __future__ import annotations

import pytest

from tests.detect.ruled import rule
from traceview.detect.needs import Namer, Seen, lacking, nearest_clause
from traceview.releases import ReleaseRange
from traceview.rules import Evidence, Need, WindowClause
from traceview.vocabulary import EventMeaning, Meaning, Op, Vocabulary, builtin


def event(name: str, since: str = "", until: str = "", means: str = "job_exit") -> EventMeaning:
    return EventMeaning(name, {"means": means, "roles": {"job": "job"}, "forms": [[since, until, "job {job:p}"]]})


EXIT = Need((Meaning.JOB_EXIT,))
OLD, NEW, PROBE = event("of_old", "1.0", "2.11"), event("of_new", "2.12", "9.0"), event("of_no_release")
KNOWN = Vocabulary([OLD, NEW, PROBE])


# what a trace lacks


def test_a_need_of_no_operation_is_met_by_any() -> None:
    need = Need((Meaning.SUBMIT,))
    assert lacking([need], {(Meaning.SUBMIT, Op.FLUSH)}) == []
    assert lacking([need], {(Meaning.REACH, Op.FLUSH)}) == [need]


def test_a_need_of_an_operation_is_met_by_no_other() -> None:
    need = Need((Meaning.SUBMIT, Meaning.REACH), Op.READ)
    assert lacking([need], {(Meaning.SUBMIT, Op.WRITE), (Meaning.REACH, Op.WRITE)}) == [need]
    assert lacking([need], {(Meaning.SUBMIT, Op.WRITE), (Meaning.REACH, Op.READ)}) == []


def test_what_is_lacking_comes_in_the_order_of_the_needs() -> None:
    needs = [Need((m,)) for m in (Meaning.JOB_EXIT, Meaning.DRAINED, Meaning.JOB_START)]
    assert lacking(needs, {(Meaning.DRAINED, Op.NONE)}) == [needs[0], needs[2]]
    assert lacking(needs, set()) == needs
    assert lacking([], set()) == []


# what it is called


def test_exact_evidence_is_named_by_every_event_whatever_the_release() -> None:
    for releases in (None, ReleaseRange("2.12", "2.12")):
        assert Namer(KNOWN, releases).names(EXIT, Evidence.EXACT) == ("of_old", "of_new", "of_no_release")


@pytest.mark.parametrize(
    ("releases", "names"),
    [
        (None, ("of_old", "of_new")),
        (ReleaseRange(None, None), ("of_old", "of_new")),
        (ReleaseRange("2.6", "2.6"), ("of_old",)),
        (ReleaseRange("7.2", "7.2"), ("of_new",)),
        (ReleaseRange("2.11", "2.12"), ("of_old", "of_new")),
        (ReleaseRange("3.0", None), ("of_new",)),
        (ReleaseRange("9.1", None), ("of_old", "of_new")),  # a release that is not known yet: any may help
    ],
)
def test_stand_ins_are_named_by_the_events_of_the_releases_that_can_have_written_the_trace(
    releases: ReleaseRange | None, names: tuple[str, ...]
) -> None:
    assert Namer(KNOWN, releases).names(EXIT, Evidence.PROXY) == names


def test_where_no_release_has_an_event_its_probe_is_named() -> None:
    assert Namer(Vocabulary([PROBE]), ReleaseRange("7.2", "7.2")).names(EXIT, Evidence.PROXY) == ("of_no_release",)


def test_an_event_that_cannot_tell_of_the_operation_is_not_named() -> None:
    namer = Namer(builtin(), ReleaseRange("7.2", "7.2"))
    assert namer.names(Need((Meaning.REACH,), Op.READ), Evidence.PROXY) == ("blk_co_preadv",)
    assert namer.names(Need((Meaning.REACH,), Op.WRITE_ZEROES), Evidence.PROXY) == ("blk_co_pwritev",)
    assert namer.names(Need((Meaning.REACH,), Op.DISCARD), Evidence.PROXY) == ()


def test_any_of_several_meanings_names_its_events() -> None:
    other = event("another_thing", "2.0", "9.0", means="drained")
    names = Namer(Vocabulary([NEW, other])).names(Need((Meaning.JOB_EXIT, Meaning.DRAINED)), Evidence.EXACT)
    assert names == ("of_new", "another_thing")


# which clause the trace is nearest to


def clauses() -> tuple[WindowClause, ...]:
    """Return a clause of four needs, one of one, and another of one."""
    made = rule(
        "open drained(node) close drained_end(node) forbid job_io(node) needs job_start",
        "open drained_begin(node) close drained_begin(node) forbid drained_begin(node)",
        proxies=["open ctx_attached(node) close ctx_attached(node) forbid ctx_attached(node)"],
    )
    assert [len(c.needs) for c in made.windows] == [4, 1, 1]
    return made.windows


@pytest.mark.parametrize(
    ("seen", "nearest"),
    [
        (set(), 1),
        ({(Meaning.CTX_ATTACHED, Op.NONE)}, 2),
        ({(m, Op.NONE) for m in (Meaning.DRAINED, Meaning.DRAINED_END)}, 1),
        ({(m, Op.NONE) for m in (Meaning.DRAINED, Meaning.DRAINED_END, Meaning.JOB_START)}, 0),
        ({(m, Op.NONE) for m in (Meaning.DRAINED_BEGIN, Meaning.CTX_ATTACHED)}, 1),
    ],
)
def test_the_nearest_clause_is_the_one_of_which_least_is_lacking_and_of_as_good_ones_the_first(
    seen: Seen, nearest: int
) -> None:
    made = clauses()
    assert made.index(nearest_clause(made, seen)) == nearest


def test_there_is_no_nearest_clause_of_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        nearest_clause([], set())
