"""Letters on their way: claimed by one sender, tried again, kept until they are delivered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.store.notes import Clock, note, seen
from traceview.store import Letter, Store

HOOK = "https://chat.example/hook"


@pytest.fixture
def letters(store: Store, clock: Clock) -> list[Letter]:
    """Three letters, each a minute older than the next."""
    with store.run(host="hv1", webhooks=[HOOK]) as run:
        for bug in "abc":
            run.record(note(bug), [seen(bug)])
            clock.pass_by(minutes=1)
    return store.outbox()


def test_letters_are_due_at_once_the_oldest_first(store: Store, letters: list[Letter]) -> None:
    assert store.due(limit=2) == letters[:2]
    assert store.due(limit=2) == letters[2:]


def test_a_letter_that_is_claimed_is_given_to_nobody_else_for_five_minutes(
    store: Store, letters: list[Letter], clock: Clock
) -> None:
    assert store.due(limit=10) == letters
    clock.pass_by(minutes=4, seconds=59)
    assert store.due(limit=10) == []
    clock.pass_by(seconds=1)
    assert store.due(limit=10) == letters, "whoever claimed them is gone"


def test_a_letter_that_is_delivered_is_gone(store: Store, letters: list[Letter], clock: Clock) -> None:
    first, *others = store.due(limit=10)
    store.delivered(first)
    store.delivered(first)
    assert store.outbox() == others
    clock.pass_by(hours=1)
    assert store.due(limit=10) == others


def test_a_letter_that_failed_is_due_when_it_is_to_be_tried_again(
    store: Store, letters: list[Letter], clock: Clock
) -> None:
    first, *others = store.due(limit=10)
    for letter in others:
        store.delivered(letter)
    again = clock.now + timedelta(hours=2)
    store.failed(first, "500 \0 Internal Server Error", again)
    (waiting,) = store.outbox()
    assert (waiting.attempts, waiting.next_try_at) == (1, again)
    assert waiting.last_error == "500 \\x00 Internal Server Error"
    clock.pass_by(minutes=119)
    assert store.due(limit=10) == []
    clock.pass_by(minutes=1)
    assert store.due(limit=10) == [waiting]
    store.delivered(waiting)
    assert store.outbox() == []


def test_a_letter_that_arrived_does_not_fail_any_more(store: Store, letters: list[Letter], clock: Clock) -> None:
    """Two senders had it: the claim of the slower one had run out."""
    (first,) = store.due(limit=1)
    store.delivered(first)
    store.failed(first, "timed out", clock.now)
    assert store.outbox() == letters[1:]
