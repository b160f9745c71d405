"""Brings the letters of the outbox to their URLs: signed, tried again, never dropped.

What a POST looks like and what its answer means is `traceview.store.post`'s; here it is decided which letter goes when.
A receiver that fails is left alone for a moment and then for longer, while others are served; in the end its letters
wait in the outbox for a later run.

A letter whose arrival was not noted, as the process died or the answer got lost, is sent again: at least once, and
receivers tell by its id. docs/webhooks.md explains it to them.
"""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from traceview.store.model import Letter
from traceview.store.post import Outcome, Poster, check_url, parse_secret, shown_url

__all__ = ["Delivery", "Outbox", "check_url", "deliver", "parse_secret", "shown_url"]

_TRIES = 4
"""How often a letter is tried in one run, and after how many failures in a row its receiver is left for later runs."""
_FIRST_PAUSE_S = 0.5
"""Within a run; each pause after it is twice as long."""
_FIRST_WAIT = timedelta(minutes=1)
"""From run to run; each wait after it is four times as long, up to `_LONGEST_WAIT`."""
_LONGEST_WAIT = timedelta(days=1)
_CLAIMED = 10
"""How many letters are claimed at a time: few, so that several senders share the work."""
_MOST_HELD = 100
"""How many are held while their receivers are left alone for a moment, in search of letters to others."""
_LONGEST_RUN_S = 240.0
"""Claims run out after 5 minutes; a letter that is held for longer would be sent by two."""
_LEAST_PATIENCE_S = 1.0
"""For the answer to a try that begins just before the time is up."""
_TIME_UP = "was not tried: the time for this run was up"


class Outbox(Protocol):
    """What delivery asks of a store (`traceview.store.Store`)."""

    def due(self, *, limit: int) -> list[Letter]:
        """Claim letters whose time has come."""
        ...

    def delivered(self, letter: Letter) -> None:
        """Note that a letter has arrived."""
        ...

    def failed(self, letter: Letter, error: str, next_try: datetime) -> None:
        """Note that a letter has not arrived, why, and when to try again."""
        ...

    def outbox(self) -> list[Letter]:
        """Return all letters that have not arrived."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the outbox: how many letters were sent, how many are in it still, and what keeps them there.

    `errors` name each receiver without credentials. `signed` says whether letters were: without a secret, a receiver
    cannot tell them from forgeries.
    """

    sent: int
    waiting: int
    errors: tuple[str, ...]
    signed: bool


def _utc_now() -> datetime:
    return datetime.now(UTC)


def deliver(
    store: Outbox, *, secret: str | None, deadline_s: float = 30.0, clock: Callable[[], datetime] = _utc_now,
    sleep: Callable[[float], None] = time.sleep, jitter: Callable[[], float] = random.random,
) -> Delivery:  # fmt: skip
    """Send the letters whose time has come, for `deadline_s` seconds (240 at most), and return what came of it.

    A letter that fails is tried again within the run, after pauses that double; then it waits in the outbox, longer
    after each run, up to a day. `secret` is what `parse_secret` takes; with None letters are not signed, and whoever
    calls should say so. `clock` tells the time (UTC), `jitter` gives numbers from 0 to 1 by which pauses are shortened.

    Raises TriageError for a secret that is none, StoreError where the store fails.
    """
    key = parse_secret(secret) if secret is not None else None
    deadline = clock() + timedelta(seconds=min(deadline_s, _LONGEST_RUN_S))
    with Poster(key) as poster:
        run = _Run(store, poster, deadline, clock, sleep, jitter)
        run.deliver()
    return Delivery(run.sent, len(store.outbox()), tuple(run.errors()), signed=key is not None)


@dataclass(slots=True)
class _Receiver:
    """One URL in this run, with the letters to it that are held."""

    quiet_until: datetime
    """It is not tried before."""
    letters: deque[Letter] = field(default_factory=deque)
    failures: int = 0
    """How many in a row."""
    error: str = ""
    """What the last failure was."""
    asked: timedelta = timedelta()
    """For how long it asked then to be left alone."""
    left: bool = False
    """It is left for later runs."""


class _Run:
    """One run over the outbox; `sent` counts the letters that arrived."""

    def __init__(
        self, store: Outbox, poster: Poster, deadline: datetime, clock: Callable[[], datetime],
        sleep: Callable[[float], None], jitter: Callable[[], float],
    ) -> None:  # fmt: skip
        self._store = store
        self._poster = poster
        self._deadline = deadline
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._receivers: dict[str, _Receiver] = {}
        self._tries: Counter[str] = Counter()
        self._failed: Counter[tuple[str, str]] = Counter()
        self.sent = 0

    def deliver(self) -> None:
        """Send what can be sent until the deadline, and put the rest back."""
        while (now := self._clock()) < self._deadline:
            receiver = self._next(now)
            if receiver is None:
                break
            if receiver.quiet_until > now:
                self._sleep((receiver.quiet_until - now).total_seconds())
            else:
                self._try(receiver, now)
        for receiver in self._receivers.values():
            self._put_back(receiver)

    def errors(self) -> Iterator[str]:
        """Yield what was told of letters that failed, each once for a receiver."""
        for (url, error), count in self._failed.items():
            yield f"{shown_url(url)} {error} ({count} {'letter waits' if count == 1 else 'letters wait'})"

    def _next(self, now: datetime) -> _Receiver | None:
        """Return the receiver that was served longest ago, else the one that may be tried first; None for none."""
        while True:
            waiting = [r for r in self._receivers.values() if r.letters]
            first = min(waiting, key=lambda r: r.quiet_until, default=None)
            if first is not None and first.quiet_until <= now:
                return first
            # Nobody can be served at once, unless there are letters to somebody else.
            if sum(len(r.letters) for r in waiting) >= _MOST_HELD or not self._claim(now):
                return first

    def _claim(self, now: datetime) -> bool:
        if self._clock() >= self._deadline:
            return False
        letters = self._store.due(limit=_CLAIMED)
        for letter in letters:
            receiver = self._receivers.setdefault(letter.url, _Receiver(now))
            receiver.letters.append(letter)
            if receiver.left:
                self._put_back(receiver)
        return bool(letters)

    def _try(self, receiver: _Receiver, now: datetime) -> None:
        letter = receiver.letters.popleft()
        self._tries[letter.id] += 1
        left = (self._deadline - now).total_seconds()
        answer = self._poster.post(letter, now=now, timeout_s=max(left, _LEAST_PATIENCE_S))
        receiver.quiet_until = now = self._clock()
        match answer.outcome:
            case Outcome.DELIVERED:
                self._store.delivered(letter)
                self.sent += 1
                receiver.failures = 0
                return
            case Outcome.REFUSED:
                self._fail(letter, answer.error)
                return
            case Outcome.SOON | Outcome.SHUT:
                receiver.error, receiver.asked = answer.error, answer.retry_after
                receiver.failures += 1
        pause = timedelta(seconds=_FIRST_PAUSE_S * 2 ** (receiver.failures - 1) * self._share())
        receiver.quiet_until = now + max(pause, receiver.asked)
        # Behind the others: a letter that this receiver cannot take does not keep them from it.
        receiver.letters.append(letter)
        if (
            answer.outcome is Outcome.SHUT
            or receiver.failures >= _TRIES
            or receiver.quiet_until >= self._deadline
        ):  # fmt: skip
            receiver.left = True
            self._put_back(receiver)
        elif self._tries[letter.id] >= _TRIES:
            receiver.letters.pop()
            self._fail(letter, receiver.error, asked=receiver.asked)

    def _put_back(self, receiver: _Receiver) -> None:
        """Put back the letters to a receiver: it is left for later runs, or the time is up."""
        while receiver.letters:
            letter = receiver.letters.popleft()
            if self._tries[letter.id]:
                self._fail(letter, receiver.error, asked=receiver.asked)
            elif receiver.left:
                self._fail(letter, receiver.error, asked=receiver.asked, noted=f"not tried: it {receiver.error} before")
            else:
                self._store.failed(letter, _TIME_UP, self._clock())
                self._failed[letter.url, _TIME_UP] += 1

    def _fail(self, letter: Letter, error: str, *, asked: timedelta = timedelta(), noted: str = "") -> None:
        # Shortened and never lengthened: a job that runs once a day finds the letters of the day before due.
        wait = min(_FIRST_WAIT * 4 ** min(letter.attempts, 10), _LONGEST_WAIT) * self._share()
        self._store.failed(letter, noted or error, max(self._clock() + max(wait, asked), self._deadline))
        self._failed[letter.url, error] += 1

    def _share(self) -> float:
        """Return between a half and the whole: so that senders that failed together do not come back together."""
        return 1 - self._jitter() / 2
