"""Letters of the outbox reach their receivers, whatever those do; none is lost."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from tests.conftest import ROOT
from tests.store.letters import write
from tests.store.receivers import (
    Answer,
    Post,
    dripping_until,
    free_port,
    listening,
    reset,
    silent_until,
    status,
)
from traceview.errors import TriageError
from traceview.store import Store, Why, open_store
from traceview.store.deliver import Delivery, check_url, deliver, parse_secret, shown_url
from traceview.store.model import Letter
from traceview.store.post import retry_after

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
DAY = timedelta(days=1)


class Clock:
    """A clock that stands still but for who sleeps by it; `slept` is for how long, in seconds."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)  # receivers refuse signatures that are old
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock, tmp_path: Path) -> Store:
    return open_store(tmp_path / "findings.sqlite", clock=clock)


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Return what is set when the test is over, so that receivers that keep silent can go."""
    event = threading.Event()
    yield event
    event.set()


def send(store: Store, clock: Clock, *, secret: str | None = SECRET, deadline_s: float = 30.0) -> Delivery:
    """Deliver by the clock of the test, without jitter."""
    return deliver(store, secret=secret, deadline_s=deadline_s, clock=clock, sleep=clock.sleep, jitter=lambda: 0.0)


def waits(store: Store) -> dict[str, tuple[int, str]]:
    """Return the letters that wait, by id: attempts and last error."""
    return {letter.id: (letter.attempts, letter.last_error) for letter in store.outbox()}


# what is sent


@pytest.mark.parametrize(
    ("secret", "key"), [(SECRET, SECRET), ("plain text of twenty-four", b"plain text of twenty-four")]
)
def test_a_letter_is_posted_as_json_that_the_receiver_can_verify(
    secret: str, key: str | bytes, store: Store, clock: Clock
) -> None:
    with listening() as receiver:
        (letter,) = write(store, receiver.url, title="größer ☠")
        assert send(store, clock, secret=secret) == Delivery(1, 0, (), signed=True)
    (post,) = receiver.accepted
    assert post.id == letter.id
    assert post.headers["content-type"] == "application/json"
    assert post.headers["webhook-timestamp"] == str(int(clock.now.timestamp()))
    verified = Webhook(key).verify(post.body, post.headers)
    assert verified == json.loads(letter.payload)
    assert (verified["type"], verified["finding"]["title"]) == ("finding.new", "größer ☠")
    assert store.outbox() == []


def test_another_secret_does_not_verify(store: Store, clock: Clock) -> None:
    with listening() as receiver:
        write(store, receiver.url)
        send(store, clock, secret=SECRET[::-1])
    with pytest.raises(WebhookVerificationError, match="No matching signature found"):
        Webhook(SECRET).verify(receiver.posts[0].body, receiver.posts[0].headers)


def test_without_a_secret_a_letter_is_not_signed_and_that_is_told(store: Store, clock: Clock) -> None:
    with listening() as receiver:
        write(store, receiver.url)
        assert send(store, clock, secret=None) == Delivery(1, 0, (), signed=False)
    assert "webhook-signature" not in receiver.posts[0].headers
    assert receiver.posts[0].headers["webhook-id"]


def test_user_and_password_of_a_url_are_sent_as_such_and_never_shown(store: Store, clock: Clock) -> None:
    with listening(200, 403) as receiver:
        url = f"http://me:p%40ss@localhost:{receiver.port}/hook?token=t0ken"
        write(store, url)
        write(store, url)
        done = send(store, clock)
    assert receiver.posts[0].path == "/hook?token=t0ken"
    assert receiver.posts[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert done.errors == (f"http://localhost:{receiver.port}/hook answered 403 (1 letter waits)",)


def test_many_letters_share_a_connection(store: Store, clock: Clock) -> None:
    with listening() as receiver:
        write(store, *[receiver.url] * 30)
        assert send(store, clock).sent == 30
    assert len(receiver.connections) == 1


def test_an_answer_is_not_read_to_its_end_where_it_is_long(store: Store, clock: Clock) -> None:
    with listening(status(200, text="x" * 200_000)) as receiver:
        write(store, *[receiver.url] * 3)
        assert send(store, clock).sent == 3
    assert len(receiver.connections) == 2


# a receiver that fails for a moment


def test_a_receiver_that_fails_twice_gets_the_letter_in_the_third_try_with_the_same_id(
    store: Store, clock: Clock
) -> None:
    with listening(500, 500) as receiver:
        (letter,) = write(store, receiver.url)
        assert send(store, clock) == Delivery(1, 0, (), signed=True)
    assert [p.id for p in receiver.posts] == [letter.id] * 3
    assert clock.slept == [0.5, 1.0]
    assert [int(p.headers["webhook-timestamp"]) for p in receiver.posts][-1] == int(clock.now.timestamp())
    for post in receiver.posts:
        Webhook(SECRET).verify(post.body, post.headers)


@pytest.mark.parametrize("answer", [reset, 408, 425, 429, 502])
def test_what_may_be_other_in_a_moment_is_tried_again(answer: Answer, store: Store, clock: Clock) -> None:
    with listening(answer) as receiver:
        write(store, receiver.url)
        assert send(store, clock) == Delivery(1, 0, (), signed=True)
    assert len(receiver.posts) == 2


def test_a_receiver_that_goes_on_failing_is_tried_four_times_and_left_for_later(store: Store, clock: Clock) -> None:
    with listening(*[503] * 9) as receiver:
        (letter,) = write(store, receiver.url)
        assert send(store, clock) == Delivery(0, 1, (f"{receiver.url} answered 503 (1 letter waits)",), signed=True)
        assert len(receiver.posts) == 4
    assert clock.slept == [0.5, 1.0, 2.0]
    assert waits(store) == {letter.id: (1, "answered 503")}


def test_pauses_and_waits_are_shortened_by_chance(store: Store, clock: Clock) -> None:
    chances = iter([0.0, 0.5, 1.0, 0.0, 0.5])
    with listening(*[503] * 4) as receiver:
        write(store, receiver.url)
        deliver(store, secret=None, clock=clock, sleep=clock.sleep, jitter=lambda: next(chances))
    assert clock.slept == [0.5, 0.75, 1.0]
    assert store.outbox()[0].next_try_at - clock.now == timedelta(seconds=45)


def test_failures_that_are_not_in_a_row_do_not_make_a_receiver_be_left(store: Store, clock: Clock) -> None:
    with listening(*[500, 200] * 6) as receiver:
        write(store, *[receiver.url] * 7)
        assert send(store, clock) == Delivery(7, 0, (), signed=True)
    assert clock.slept == [0.5] * 6


def test_a_letter_that_cannot_be_taken_does_not_keep_the_others_from_their_receiver(store: Store, clock: Clock) -> None:
    with listening() as receiver:
        poison, *others = write(store, *[receiver.url] * 8)
        receiver.otherwise = lambda post: 500 if post.id == poison.id else 200
        assert send(store, clock).sent == 7
    assert receiver.ids == [x.id for x in others]
    assert len(receiver.posts) == 7 + 4
    assert waits(store) == {poison.id: (1, "answered 500")}


def test_a_receiver_that_fails_does_not_delay_another(store: Store, clock: Clock) -> None:
    with listening(*[500] * 99) as bad, listening() as good:
        write(store, *[bad.url] * 15)
        clock.now += timedelta(seconds=1)
        write(store, *[good.url] * 15)
        done = send(store, clock)
    assert (done.sent, done.waiting) == (15, 15)
    begun = bad.posts[0].headers["webhook-timestamp"]
    assert {p.headers["webhook-timestamp"] for p in good.posts} == {begun}, "before the other was tried again"
    assert len(bad.posts) == 4
    assert Counter(error for _, error in waits(store).values()) == {
        "answered 500": 4,
        "not tried: it answered 500 before": 11,
    }
    assert done.errors == (f"{bad.url} answered 500 (15 letters wait)",)


# a receiver that says when


def test_retry_after_is_honoured_within_the_run(store: Store, clock: Clock) -> None:
    with listening(status(429, retry_after="7")) as receiver:
        write(store, receiver.url)
        assert send(store, clock).sent == 1
    assert clock.slept == [7.0]


def test_retry_after_says_nothing_beside_other_statuses(store: Store, clock: Clock) -> None:
    with listening(status(500, retry_after="7")) as receiver:
        write(store, receiver.url)
        assert send(store, clock).sent == 1
    assert clock.slept == [0.5]


def test_retry_after_counts_for_all_letters_to_the_receiver(store: Store, clock: Clock) -> None:
    with listening(status(503, retry_after="600")) as receiver:
        write(store, *[receiver.url] * 3)
        done = send(store, clock)
        assert (len(receiver.posts), done.waiting, clock.slept) == (1, 3, [])
    assert [x.next_try_at - clock.now for x in store.outbox()] == [timedelta(seconds=600)] * 3


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("3600", timedelta(hours=1)),
        (" 3600 ", timedelta(hours=1)),
        ("999999999", DAY),
        ("9" * 5000, DAY),
        ("in an hour", None),
        ("-3600", None),
        ("1e9", None),
        ("٣٦٠٠", None),
        ("", None),
        ("Mon, 99 Jan 2027 00:00:00 GMT", None),
        ("Fri, 01 Jan 1999 00:00:00 GMT", None),
        ("Fri, 01 Jan 2027 01:00:00 +99999999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", DAY),
    ],
)
def test_what_retry_after_may_say(asked: str, wait: timedelta | None) -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    assert retry_after(asked, now) == (wait or timedelta())


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_retry_after_may_be_a_date(zone: str) -> None:
    assert retry_after(f"Fri, 01 Jan 2027 01:00:00 {zone}", datetime(2027, 1, 1, tzinfo=UTC)) == timedelta(hours=1)


# a receiver that does not take letters


@pytest.mark.parametrize(
    ("answer", "tries", "error"),
    [
        (400, 1, "answered 400"),
        (404, 1, "answered 404"),
        (410, 1, "answered 410: it says that it is gone for good"),
        (418, 1, "answered 418"),
    ],
)
def test_what_will_not_be_other_in_a_moment_waits_with_its_error(
    answer: int, tries: int, error: str, store: Store, clock: Clock
) -> None:
    with listening(*[answer] * 9) as receiver:
        (letter,) = write(store, receiver.url)
        send(store, clock)
        assert len(receiver.posts) == tries
        assert waits(store) == {letter.id: (1, error)}
        receiver.answers.clear()
        clock.now += DAY
        assert send(store, clock) == Delivery(1, 0, (), signed=True)


def test_one_letter_that_is_refused_does_not_speak_for_the_others(store: Store, clock: Clock) -> None:
    with listening(422) as receiver:
        write(store, *[receiver.url] * 3)
        assert (send(store, clock).sent, len(receiver.posts)) == (2, 3)


def test_a_receiver_that_is_gone_gets_no_more_letters_in_this_run(store: Store, clock: Clock) -> None:
    with listening(410) as receiver:
        write(store, *[receiver.url] * 25)
        done = send(store, clock)
    assert (len(receiver.posts), done.sent, done.waiting) == (1, 0, 25)


def test_a_redirect_is_not_followed(store: Store, clock: Clock) -> None:
    with listening() as other, listening(status(307, location=other.url)) as receiver:
        write(store, receiver.url)
        done = send(store, clock)
    assert other.posts == []
    assert done.errors == (
        f"{receiver.url} answered 307: redirects are not followed, give the URL that it leads to (1 letter waits)",
    )


def test_waits_grow_from_run_to_run_up_to_a_day(store: Store, clock: Clock) -> None:
    grown = []
    with listening() as receiver:
        receiver.otherwise = lambda post: 404
        write(store, receiver.url)
        for _ in range(9):
            send(store, clock)
            (letter,) = store.outbox()
            grown.append((letter.next_try_at - clock.now).total_seconds() / 60)
            clock.now = letter.next_try_at
    assert grown == [1, 4, 16, 64, 256, 1024, 1440, 1440, 1440]


def test_a_letter_is_not_tried_before_its_time(store: Store, clock: Clock) -> None:
    with listening(404) as receiver:
        write(store, receiver.url)
        send(store, clock)
        assert send(store, clock) == Delivery(0, 1, (), signed=True)
        assert len(receiver.posts) == 1


def test_what_failed_is_not_tried_again_in_a_long_run(store: Store, clock: Clock) -> None:
    with listening(404, status(503, retry_after="200")) as receiver:
        write(store, receiver.url)
        write(store, receiver.url)
        assert send(store, clock, deadline_s=9999.0).waiting == 1
        assert (clock.slept, len(receiver.posts)) == ([200.0], 3)


def test_a_run_ends_before_others_take_its_letters_for_abandoned(store: Store, clock: Clock) -> None:
    with listening(status(503, retry_after="250")) as receiver:
        write(store, receiver.url)
        assert send(store, clock, deadline_s=9999.0).waiting == 1
    assert clock.slept == []


def test_while_a_receiver_is_left_alone_not_all_letters_to_it_are_held(store: Store, clock: Clock) -> None:
    for_others = []

    def sleep(seconds: float) -> None:
        for_others.append(len(store.due(limit=999)))
        clock.sleep(seconds)

    with listening(status(503, retry_after="5")) as receiver:
        write(store, *[receiver.url] * 107)
        assert deliver(store, secret=None, clock=clock, sleep=sleep).sent == 100
    assert for_others == [7]


# a receiver that is not there


def test_letters_wait_while_a_receiver_is_down_and_all_arrive_when_it_is_up(store: Store, clock: Clock) -> None:
    port = free_port()
    url = f"http://localhost:{port}/hook"
    letters = write(store, *[url] * 12)
    for _ in range(2):
        done = send(store, clock)
        assert (done.sent, done.waiting) == (0, 12)
        assert done.errors == (f"{url} could not be reached: Connection refused (12 letters wait)",)
        clock.now += DAY
    with listening(port=port) as receiver:
        assert send(store, clock) == Delivery(12, 0, (), signed=True)
    assert sorted(receiver.ids) == sorted(x.id for x in letters)


def test_a_name_that_nobody_knows_is_told(store: Store, clock: Clock) -> None:
    write(store, "http://no-such-host.invalid/hook")
    (error,) = send(store, clock).errors
    assert error == "http://no-such-host.invalid/hook could not be reached: its name is not known (1 letter waits)"


def test_a_receiver_that_says_nothing_is_waited_for_no_longer_than_the_run_lasts(
    store: Store, over: threading.Event
) -> None:
    with listening(silent_until(over)) as receiver:
        (letter,) = write(store, receiver.url)
        begun = time.monotonic()
        done = deliver(store, secret=None, deadline_s=0.5)
        assert time.monotonic() - begun < 4
        assert done.errors == (f"{receiver.url} gave no answer within 1 s (1 letter waits)",)
        assert waits(store) == {letter.id: (1, "gave no answer within 1 s")}
        over.set()


def test_an_answer_that_never_ends_does_not_hold_up_the_run(store: Store, over: threading.Event) -> None:
    with listening(dripping_until(over)) as receiver:
        write(store, receiver.url)
        begun = time.monotonic()
        done = deliver(store, secret=None, deadline_s=0.5)
        assert time.monotonic() - begun < 4
        assert done.errors == (f"{receiver.url} gave no whole answer within 1 s (1 letter waits)",)
        over.set()


def test_a_letter_to_what_is_no_url_waits_and_keeps_nobody_else_waiting(store: Store, clock: Clock) -> None:
    with listening() as receiver:
        write(store, "ftp://me:secret@files.example/x")
        write(store, receiver.url)
        done = send(store, clock)
    assert (done.sent, done.waiting) == (1, 1)
    assert done.errors == ("ftp://files.example/x is no URL that can be posted to (1 letter waits)",)


# the run's time


def test_letters_that_there_was_no_time_for_are_due_at_once(store: Store, clock: Clock) -> None:
    with listening() as receiver:
        write(store, *[receiver.url] * 12)

        def slow(post: Post) -> Answer:
            clock.now += timedelta(seconds=10)
            return 200

        receiver.otherwise = slow
        done = send(store, clock)
        assert (done.sent, done.waiting) == (3, 9)
        assert done.errors == (f"{receiver.url} was not tried: the time for this run was up (7 letters wait)",)
        assert len(store.due(limit=99)) == 9


def test_a_letter_that_failed_before_the_time_was_up_waits_with_its_error(store: Store, clock: Clock) -> None:
    with listening(500) as bad, listening() as slow:
        (letter,) = write(store, bad.url)
        clock.now += timedelta(seconds=1)
        write(store, slow.url)

        def answer(post: Post) -> Answer:
            clock.now += timedelta(seconds=60)
            return 200

        slow.otherwise = answer
        assert send(store, clock).sent == 1
    assert waits(store) == {letter.id: (1, "answered 500")}


def test_no_letters_are_looked_for_when_the_time_is_up(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = store.due

    def slow_due(*, limit: int) -> list[Letter]:
        clock.now += timedelta(seconds=10)
        return due(limit=limit)

    monkeypatch.setattr(store, "due", slow_due)
    with listening(410) as receiver:
        write(store, *[receiver.url] * 60)
        send(store, clock)
    assert Counter(attempts for attempts, _ in waits(store).values()) == {1: 30, 0: 30}


def test_an_empty_outbox_is_no_work(store: Store, clock: Clock) -> None:
    assert send(store, clock) == Delivery(0, 0, (), signed=True)


# crashes and crowds


def test_a_crash_before_the_arrival_is_noted_sends_a_letter_twice_with_one_id(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(letter: Letter) -> None:
        raise Killed

    with listening() as receiver:
        (letter,) = write(store, receiver.url)
        with monkeypatch.context() as patch:
            patch.setattr(store, "delivered", killed)
            with pytest.raises(Killed):
                send(store, clock)
        assert send(store, clock) == Delivery(0, 1, (), signed=True)  # somebody may be at it
        clock.now += timedelta(minutes=6)
        assert send(store, clock) == Delivery(1, 0, (), signed=True)
    assert receiver.ids == [letter.id] * 2


def test_ten_senders_at_once_send_each_letter_once(store: Store, tmp_path: Path) -> None:
    with listening() as receiver:
        letters = write(store, *[receiver.url] * 80)
        begin = threading.Barrier(10)

        def sender(_: int) -> int:
            mine = open_store(tmp_path / "findings.sqlite")
            begin.wait()
            return deliver(mine, secret=SECRET).sent

        with ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(sender, range(10))) == 80
    assert Counter(receiver.ids) == Counter(x.id for x in letters)
    assert store.outbox() == []


@given(
    st.lists(st.sampled_from([200, 200, 302, 404, 410, 429, 500, 503, reset]), max_size=20),
    st.integers(1, 8),
    st.integers(1, 3),
)
@settings(max_examples=12)
def test_whatever_receivers_answer_every_letter_arrives_once_in_the_end(
    answers: list[Answer], letters: int, receivers: int
) -> None:
    clock = Clock()
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        store = open_store(Path(folder) / "findings.sqlite", clock=clock)
        heard = [stack.enter_context(listening(*answers[i::receivers])) for i in range(receivers)]
        written = write(store, *[heard[i % receivers].url for i in range(letters)])
        for _ in range(len(answers) + 1):
            done = send(store, clock)
            assert done.waiting == len(store.outbox())
            assert bool(done.errors) == bool(done.waiting)
            if not done.waiting:
                break
            clock.now += DAY
        assert store.outbox() == []
    assert Counter(x for r in heard for x in r.ids) == Counter(x.id for x in written)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for localhost that nobody has signed but itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    made = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "-",
    ]  # fmt: skip
    path.write_bytes(subprocess.run(made, check=True, capture_output=True).stdout)
    return path


def test_a_certificate_that_nobody_vouches_for_gets_no_letter(certificate: Path, store: Store, clock: Clock) -> None:
    with listening(certificate=certificate) as receiver:
        write(store, receiver.url)
        done = send(store, clock)
    assert receiver.posts == []
    assert done.errors == (
        f"{receiver.url} has a certificate that is not trusted: self-signed certificate (1 letter waits)",
    )
    assert clock.slept == []


def test_a_certificate_of_ones_own_is_trusted_by_the_environment(
    certificate: Path, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with listening(certificate=certificate) as receiver:
        write(store, receiver.url)
        write(store, receiver.url.replace("localhost", "127.0.0.1"))
        done = send(store, clock)
    assert done.sent == 1
    assert done.errors[0].startswith(
        f"https://127.0.0.1:{receiver.port}/hook has a certificate that is not trusted: IP address mismatch"
    )


# secrets and URLs


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SECRET, bytes(range(32))),
        (f" {SECRET}\n", bytes(range(32))),
        ("whsec_" + "A" * 32, bytes(24)),
        ("whsec_" + "A" * 34, bytes(25)),
        ("x" * 24, b"x" * 24),
        ("ö" * 12, "ö".encode() * 12),
        ("\udcff" * 24, b"\xff" * 24),
    ],
)
def test_a_secret_is_base64_behind_its_prefix_or_plain_text(text: str, key: bytes) -> None:
    assert parse_secret(text) == key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has 0 bytes"),
        ("hunter2-hunter2", "has 15 bytes"),
        ("whsec_" + "A" * 31, "has 23 bytes"),
        ("whsec_hunter2-hunter2-hunter2-hunter2", "expected base64 behind it"),
        ("whsec_" + "A" * 33, "expected base64 behind it"),
        ("whsec_" + "ö" * 32, "expected base64 behind it"),
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_told(text: str, said: str) -> None:
    with pytest.raises(TriageError) as told:
        parse_secret(text)
    assert said in str(told.value)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://triage.example/hooks/7", "https://triage.example/hooks/7"),
        (" http://localhost:8080\n", "http://localhost:8080"),
        ("HTTPS://me:secret@Triage.example:8443/a?token=secret#secret", "https://triage.example:8443/a"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://host/ä", "http://host/%C3%A4"),
    ],
)
def test_a_url_is_http_or_https_with_a_host(text: str, shown: str) -> None:
    assert check_url(text) == text.strip()
    assert shown_url(check_url(text)) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("triage.example/hooks", "triage.example/hooks"),
        ("ftp://me:secret@files.example/x?secret", "ftp://files.example/x"),
        ("https://", "https://"),
        ("https:///hooks", "https:///hooks"),
        ("https://host:99999/", "https://host:99999/"),
        ("https://me:sec/ret@host/", "https://host/"),
        ("https://me:sec\nret@host/", "https://host/"),
        ("https://me:secret@ho st/", "https://ho st/"),
        ("https://host/\x1b[31m\u202e", r"https://host/\x1b[31m\u202e"),
        ("http://" + "a" * 70 + ".example/", "http://" + "a" * 70 + ".example/"),
    ],
)
def test_a_url_that_cannot_be_posted_to_is_refused_without_its_credentials(text: str, shown: str) -> None:
    with pytest.raises(TriageError) as told:
        check_url(text)
    assert str(told.value).startswith(f"'{shown}' is no URL that can be posted to: expected http:// or https:// and")
    assert "sec" not in str(told.value)


@given(st.text() | st.from_regex(r"https?://[^/]{0,9}[:@/?#][^/]{0,9}@?[a-z.]{0,5}(:[0-9]{0,6})?/.*"))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        url = check_url(text)
    except TriageError:
        assert shown_url(text).isascii()
    else:
        assert shown_url(url).startswith(("http://", "https://"))
        assert shown_url(url).isascii()
        assert shown_url(url).isprintable()


# what the documentation says


def test_the_documentation_has_every_key_of_a_letter(store: Store) -> None:
    (letter,) = write(store, "http://localhost/hook")
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    table = page.split("<!-- payload -->\n", 1)[1].split("\n\n", 1)[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    payload = json.loads(letter.payload)
    assert list(told) == list(payload)
    for key in ("occurrence", "scan"):
        assert re.findall(r"`(\w+)`", told[key]) == list(payload[key])
    assert set(re.findall(r"`(\w+)`", told["finding"])) <= payload["finding"].keys()
    assert re.findall(r"`finding\.(\w+)`", told["type"]) == [why.value for why in Why]


def test_the_example_in_the_documentation_verifies_a_letter(store: Store, clock: Clock) -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    code = page.split("```python\n", 1)[1].split("```", 1)[0]
    names: dict[str, Any] = {}
    exec(compile(code, "docs/webhooks.md", "exec"), names)  # noqa: S102  (our own page)
    with listening() as receiver:
        write(store, receiver.url)
        send(store, clock)
    (post,) = receiver.posts
    assert names["receive"](SECRET, post.body, post.headers)["type"] == "finding.new"
