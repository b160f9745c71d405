"""Many processes that use one store at the same time lose nothing."""

from __future__ import annotations

import itertools
import threading
from collections import Counter

from tests.store.conftest import NewPlace, Scanners
from tests.store.notes import key, note, seen
from traceview.store import Letter, Store, open_store

SCANNERS, TRACES = 10, 3


def test_ten_scanners_that_record_into_one_store_at_once_lose_nothing(new_place: NewPlace, scanners: Scanners) -> None:
    where = new_place()
    news = scanners("crowd", where=where, scanners=SCANNERS, number=TRACES)
    store = open_store(where)
    shared = store.finding(key("identity", "shared"))
    assert (shared.occurrences, shared.traces) == (2 * SCANNERS * TRACES, SCANNERS * TRACES)
    assert shared.vms == tuple(sorted(f"vm{i}" for i in range(SCANNERS)))
    own = [store.finding(key("identity", f"own {i}")) for i in range(SCANNERS)]
    assert [f.occurrences for f in own] == [TRACES] * SCANNERS
    assert sorted(f.id for f in store.findings()) == list(range(1, SCANNERS + 2))
    stats = store.stats()
    assert (stats.scans, stats.unfinished, stats.occurrences) == (SCANNERS * TRACES, (), 3 * SCANNERS * TRACES)
    assert stats.by_release == {"2.6": (10 * SCANNERS * TRACES, SCANNERS * TRACES)}
    runs = store.export()["runs"]
    assert len(runs) == SCANNERS
    assert all(run["ended_at"] for run in runs)
    told = Counter(identity for of_one in news for _, identity in of_one)
    assert told == Counter([shared.identity, *(f.identity for f in own)]), "each finding is new to one scanner"
    assert all(["new", f.identity] in of_one for f, of_one in zip(own, news, strict=True))
    assert len(store.outbox()) == SCANNERS + 1


def test_two_senders_do_not_get_one_letter(store: Store) -> None:
    with store.run(host="hv1", webhooks=["https://chat.example/hook"]) as run:
        run.record(note(), [seen(f"bug {i}") for i in range(24)])
    claimed: list[list[Letter]] = [[], [], [], []]

    def send(mine: list[Letter]) -> None:
        while letters := store.due(limit=3):
            mine += letters

    senders = [threading.Thread(target=send, args=[mine]) for mine in claimed]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(x.id for x in itertools.chain(*claimed)) == sorted(x.id for x in store.outbox())


def test_people_and_scans_that_change_one_finding_at_once_lose_nothing(store: Store) -> None:
    with store.run(host="hv1") as run:
        run.record(note(), [seen()])

    def work(person: int) -> None:
        for i in range(5):
            store.note(1, f"{person} {i}", who=str(person))

    people = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for person in people:
        person.start()
    with store.run(host="hv1") as run:
        for i in range(5):
            run.record(note(str(i)), [seen(place=i + 2)])
    for person in people:
        person.join()
    assert len(store.history(1)) == 1 + 4 * 5
    assert store.finding("1").occurrences == 6
