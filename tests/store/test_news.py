"""News are told once: by the run that made them, or by a later one if that was killed before it could."""

from __future__ import annotations

import json
from contextlib import suppress

from sqlalchemy import text

from tests.store.conftest import NewPlace
from tests.store.notes import BROKEN, LOSS, Clock, note, scan, seen, whys
from traceview.store import Store, TriageState, open_store
from traceview.store.engine import open_database

HOOK, OTHER_HOOK = "https://chat.example/hook", "https://pager.example/hook"


class Killed(BaseException):
    """What stands for the end of a process: no code of the store's runs but that of the context manager."""


def killed_while_recording(store: Store, *, webhooks: tuple[str, ...] = ()) -> None:
    """Have a run record a trace and not live to tell its news."""
    with suppress(Killed), store.run(host="hv1", webhooks=webhooks) as run:
        assert whys(run.record(note(), [seen()])) == [("new", LOSS)]
        raise Killed


def test_the_run_that_records_the_trace_next_tells_what_a_killed_one_did_not(store: Store) -> None:
    killed_while_recording(store)
    before = store.export()
    (news,) = scan(store, seen())
    assert (news.why.value, news.finding) == ("new", store.finding("1"))
    assert news.occurrence == store.occurrences(1)[0]
    assert scan(store, seen()) == [], "it has been told"
    assert store.export() == before


def test_a_run_that_records_another_trace_does_not(store: Store) -> None:
    killed_while_recording(store)
    assert scan(store, seen(place=2), trace="other.log") == []
    assert whys(scan(store, seen())) == [("new", LOSS)]


def test_the_trace_may_have_grown_since(store: Store) -> None:
    killed_while_recording(store)
    assert whys(scan(store, seen(), seen("b"), events=2000)) == [("new", LOSS), ("new", LOSS)]
    assert scan(store, seen(), seen("b"), events=3000) == []


def test_what_was_taken_over_and_not_told_either_is_taken_over_again(store: Store) -> None:
    killed_while_recording(store)
    killed_while_recording(store)
    assert whys(scan(store, seen())) == [("new", LOSS)]
    assert scan(store, seen()) == []


def test_a_run_does_not_tell_itself_twice(store: Store) -> None:
    with store.run(host="hv1") as run:
        assert len(run.record(note(), [seen()])) == 1
        assert run.record(note(), [seen()]) == []


def test_a_run_that_ended_has_told(store: Store) -> None:
    scan(store, seen())
    assert scan(store, seen()) == []


def test_untold_news_and_what_is_worse_are_both_told(store: Store) -> None:
    run = store.run(host="hv1")
    assert whys(run.record(note(), [seen(severity=BROKEN)])) == [("new", BROKEN)]
    assert whys(scan(store, seen(), events=2000)) == [("new", LOSS), ("worse", LOSS)]


def test_untold_news_of_a_finding_that_was_merged_are_of_the_one_that_has_it(store: Store) -> None:
    scan(store, seen("a"), trace="a")
    run = store.run(host="hv1")
    run.record(note(), [seen("b")])
    store.merge(2, 1)
    (news,) = scan(store, seen("b"))
    assert news.finding.id == 1


def test_what_was_begun_is_unfinished_until_the_trace_is_recorded(store: Store, clock: Clock) -> None:
    run = store.run(host="hv7")
    run.begin("/logs/vm.log", note().digest, {"rules": ["all"]})
    (unfinished,) = store.stats().unfinished
    assert (unfinished.note.trace, unfinished.note.host, unfinished.run) == ("/logs/vm.log", "hv7", run.id)
    assert (unfinished.started_at, unfinished.finished_at) == (clock.now, None)
    assert store.stats().scans == 0
    clock.pass_by(minutes=5)
    run.record(note(), [])
    (finished,) = store.scans()
    assert finished.id == unfinished.id
    assert (finished.started_at, finished.finished_at) == (unfinished.started_at, clock.now)
    assert store.stats().unfinished == ()


def test_the_next_scan_of_a_trace_completes_what_killed_ones_began(store: Store, clock: Clock) -> None:
    for _ in range(3):
        store.run(host="hv1").begin("vm.log", note().digest, {})
        clock.pass_by(minutes=1)
    assert len(store.stats().unfinished) == 1, "one trace is unfinished once"
    store.run(host="hv1").begin("other.log", note("other").digest, {})
    clock.pass_by(days=1)
    scan(store, seen(), events=5000, options={"rules": ["other"]})
    assert [s.note.trace for s in store.stats().unfinished] == ["other.log"]
    assert [r["id"] for r in store.export()["runs"]] == [s.run for s in reversed(store.scans())]


def test_of_a_run_that_recorded_nothing_nothing_stays_once_its_trace_is_scanned(new_sqlite: NewPlace) -> None:
    where = new_sqlite()
    store = open_store(where)
    store.run(host="hv1").begin("vm.log", note().digest, {})
    scan(store, seen())
    with open_database(where).reading() as session:
        assert session.scalar(text("SELECT count(*) FROM runs")) == 1


def test_two_runs_that_scan_one_trace_at_once_do_not_undo_each_other(store: Store, clock: Clock) -> None:
    first, second = store.run(host="hv1"), store.run(host="hv1")
    with first, second:
        first.begin("vm.log", note().digest, {})
        clock.pass_by(seconds=1)
        second.begin("vm.log", note().digest, {"rules": ["one"]})
        assert len(first.record(note(), [seen()])) == 1
        assert [s.run for s in store.stats().unfinished] == [second.id], "which goes on"
        second.record(note(options={"rules": ["one"]}), [seen()])
    assert store.stats().unfinished == ()
    assert store.finding("1").occurrences == 1


def letters(store: Store) -> list[tuple[str, str]]:
    """Return the URL and the type of all letters in the outbox."""
    return sorted((letter.url, json.loads(letter.payload)["type"]) for letter in store.outbox())


def test_each_piece_of_news_is_a_letter_to_each_url(store: Store, clock: Clock) -> None:
    with store.run(host="hv1", webhooks=[HOOK, OTHER_HOOK, HOOK]) as run:
        news = run.record(note(qemu="2.6.0"), [seen("a"), seen("b", severity=BROKEN)])
        run.record(note(), [seen("a")])
    assert letters(store) == [(HOOK, "finding.new")] * 2 + [(OTHER_HOOK, "finding.new")] * 2
    assert store.stats().outbox_pending == 4
    first = next(x for x in store.outbox() if x.url == HOOK and "data-loss" in x.payload)
    assert (first.attempts, first.last_error, first.delivered_at) == (0, "", None)
    assert first.created_at == first.next_try_at == clock.now
    payload = json.loads(first.payload)
    assert payload == {
        "schema_version": 1,
        "type": "finding.new",
        "id": first.id,
        "timestamp": "2026-03-01T02:30:00Z",
        "finding": payload["finding"],
        "occurrence": {
            "instance": news[0].occurrence.instance,
            "severity": LOSS,
            "certain": True,
            "lost_bytes": 4096,
            "document": seen("a").document,
            "interleaving": seen("a").interleaving,
        },
        "scan": {"trace": note().trace, "host": "hv1", "vm": "web-3", "qemu": "2.6.0", "format": "log"},
    }
    told = payload["finding"]
    assert (told["id"], told["identity"], told["state"]) == (1, seen("a").identities[0], "new")
    assert (told["first_seen"], told["until"], told["vms"]) == ("2026-03-01T02:30:00Z", None, ["web-3"])


def test_letters_say_why(store: Store, clock: Clock) -> None:
    with store.run(host="hv1", webhooks=[HOOK]) as run:
        run.record(note("a", release="2.4"), [seen(severity=BROKEN)])
        store.set_state(1, TriageState.KNOWN, fixed_in="2.6")
        run.record(note("b", release="2.6"), [seen(place=2, severity=BROKEN)])
        run.record(note("c", release="2.4"), [seen(place=3)])
        store.set_state(1, TriageState.IGNORED, reason="later", until=clock.now.date())
        clock.pass_by(days=2)
        run.record(note("d"), [seen(place=4)])
    assert [kind for _, kind in letters(store)] == [
        "finding.new",
        "finding.regressed",
        "finding.reopened",
        "finding.worse",
    ]


def test_what_is_suppressed_is_no_letter(store: Store) -> None:
    with store.run(host="hv1", webhooks=[HOOK]) as run:
        run.record(note(), [seen(suppressed="a lab machine")])
    assert store.outbox() == []


def test_a_letter_is_written_with_what_it_tells_of_and_never_again(store: Store) -> None:
    killed_while_recording(store, webhooks=(HOOK,))
    assert letters(store) == [(HOOK, "finding.new")], "it is in the outbox although the run was killed"
    with store.run(host="hv1", webhooks=[HOOK, OTHER_HOOK]) as run:
        assert len(run.record(note(), [seen()])) == 1
    assert letters(store) == [(HOOK, "finding.new"), (OTHER_HOOK, "finding.new")]


def test_a_letter_that_was_delivered_is_not_written_again(store: Store) -> None:
    killed_while_recording(store, webhooks=(HOOK,))
    (letter,) = store.due(limit=10)
    store.delivered(letter)
    with store.run(host="hv1", webhooks=[HOOK]) as run:
        assert len(run.record(note(), [seen()])) == 1
    assert store.outbox() == []
