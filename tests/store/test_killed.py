"""A scanner that is killed (SIGKILL) anywhere leaves a store that the next scan completes, and no news is lost."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import text

from tests.store.conftest import NewPlace, Scanners
from tests.store.notes import key
from tests.store.scanner import HOOK, record_all, traces_of
from traceview.store import News, Store, open_store
from traceview.store.engine import open_database

TRACES = 2
ALL = sorted([key("identity", "shared"), key("identity", "own 0")])


def left_behind(where: str, store: Store) -> None:
    """Hold a store to what holds of it whoever was killed: each trace is in it as a whole, or not at all."""
    document = store.export()
    occurrences = {o["scan"]: 0 for f in document["findings"] for o in f["occurrences"]}
    for finding in document["findings"]:
        assert finding["identities"]
        assert finding["history"]
        for occurrence in finding["occurrences"]:
            occurrences[occurrence["scan"]] += 1
    for one in document["scans"]:
        whole = one["finished_at"] is not None
        assert occurrences.get(one["id"], 0) == (3 if whole else 0)
        assert len(one["rules"]) == (1 if whole else 0)
    assert len(store.stats().unfinished) <= 1
    assert len(store.outbox()) == len(document["findings"]), "a letter is written with the news that it tells"
    if "://" not in where:
        with open_database(where).reading() as session:
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []


def what_matters(store: Store) -> list[Any]:
    """Return what a store has, without what depends on who scanned when."""
    document = store.export()
    traces = {s["id"]: s["trace"] for s in document["scans"]}
    assert sorted(traces.values()) == sorted(n.trace for n, _ in traces_of(0, TRACES))
    assert all(s["finished_at"] for s in document["scans"])
    return [
        [f["identities"], f["state"], f["merged_into"], [h["text"] for h in f["history"]],
         sorted((o["instance"], traces[o["scan"]], o["severity"], o["interleaving"]) for o in f["occurrences"])]
        for f in document["findings"]
    ]  # fmt: skip


def the_next_scan_completes(where: str, ended: dict[str, Any], reference: list[Any]) -> None:
    """Scan again what a scanner did that was killed, and hold the store to what an undisturbed one has."""
    store = open_store(where)
    left_behind(where, store)
    has_told = any(run["ended_at"] for run in store.export()["runs"])
    assert ended["killed"] or has_told
    news: list[News] = []
    record_all(store, traces_of(0, TRACES), news.extend)
    assert sorted(n.finding.identity for n in news) == ([] if has_told else ALL)
    assert what_matters(store) == reference
    assert store.stats().unfinished == ()
    assert sorted(letter.url for letter in store.outbox()) == [HOOK] * len(ALL), "no letter is written twice"
    again: list[News] = []
    record_all(store, traces_of(0, TRACES), again.extend)
    assert again == []


def undisturbed(where: str, scanners: Scanners) -> tuple[dict[str, Any], list[Any]]:
    """Return what a scanner says that nobody kills, and what is in the store then."""
    answer: dict[str, Any] = scanners("killed", where=where, number=TRACES, at=None, after_s=None)
    assert not answer["killed"]
    assert sorted(identity for _, identity in answer["news"]) == ALL
    return answer, what_matters(open_store(where))


def points(whole: dict[str, Any], number: int, *, between: bool) -> list[int]:
    """Return statements before which to kill: the end of each transaction, some in it, and what follows it."""
    last, ends = whole["statements"], [n for n in whole["commits"] if n > whole["opened"]]
    assert len(ends) == 2 * TRACES + 1, "each trace is begun and recorded, and the run ends"
    spread = {1 + (last - 1) * i // number for i in range(number)}
    return sorted(spread | {*ends} | ({n + 1 for n in ends[:-1]} if between else set()))


@pytest.mark.parametrize(("kind", "spread", "between"), [("sqlite", 6, True), ("postgresql", 1, False)])
def test_killed_before_a_statement(
    new_place: NewPlace, scanners: Scanners, kind: str, spread: int, between: bool
) -> None:
    whole, reference = undisturbed(new_place(), scanners)
    for at in points(whole, spread, between=between):
        where = new_place()
        ended = scanners("killed", where=where, number=TRACES, at=at, after_s=None)
        assert ended["killed"]
        the_next_scan_completes(where, ended, reference)


@pytest.mark.parametrize(("kind", "times"), [("sqlite", 4), ("postgresql", 1)])
def test_killed_at_a_random_moment(new_place: NewPlace, scanners: Scanners, kind: str, times: int) -> None:
    whole, reference = undisturbed(new_place(), scanners)
    moments = random.Random(7)  # noqa: S311  (nobody is to be kept from guessing them)
    for _ in range(times):
        where = new_place()
        after = moments.uniform(0, whole["seconds"])
        ended = scanners("killed", where=where, number=TRACES, at=None, after_s=after)
        the_next_scan_completes(where, ended, reference)
