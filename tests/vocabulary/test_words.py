"""The words of rules hold together with the meanings, the roles and the clauses that they speak of."""

from __future__ import annotations

import re

import pytest

from traceview.rules.complaints import clauses
from traceview.vocabulary import EventMeaning, Meaning, Op, Vocabulary, builtin
from traceview.vocabulary.meanings import ROLES, STRING_ROLES
from traceview.vocabulary.words import ANYWHERE, RUNS_IN, Word, read_words

WORDS = read_words(builtin())
every_word = pytest.mark.parametrize("word", WORDS.values(), ids=list(WORDS))


@pytest.mark.parametrize("meaning", [m for m in Meaning if m], ids=lambda m: m.name.lower())
def test_every_meaning_has_a_word_of_its_name_and_an_event(meaning: Meaning) -> None:
    word = WORDS[meaning.name.lower()]
    assert (word.meanings, word.ops, word.point) == ((meaning,), (), False)
    assert builtin().names_of(meaning)


@every_word
def test_a_word_says_what_it_means_in_a_sentence(word: Word) -> None:
    assert re.fullmatch(r"[A-Za-z][^\n]*\.", word.says)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", word.name)
    assert WORDS[word.name] is word


def test_no_two_words_say_the_same() -> None:
    said = [w.says for w in WORDS.values()]
    assert len(set(said)) == len(said)


@every_word
def test_what_a_word_carries_and_finds_are_roles(word: Word) -> None:
    assert word.carried | word.found | word.found_of_jobs <= set(ROLES)
    assert word.ever == word.carried | word.found | word.found_of_jobs
    assert not word.ever & set(ANYWHERE)


@every_word
def test_what_is_found_out_for_a_word_is_not_what_all_its_events_carry(word: Word) -> None:
    events = [e for e in builtin().events.values() if e.meaning in word.meanings]
    always = frozenset.intersection(*(frozenset(e.roles) for e in events))
    assert not word.found & always


@every_word
def test_the_clauses_that_alone_can_speak_of_a_word_are_clauses(word: Word) -> None:
    assert set(word.only) <= set(clauses())
    assert len(set(word.only)) == len(word.only)


@every_word
def test_what_stands_beside_a_word_is_no_meaning_of_it(word: Word) -> None:
    assert not set(word.beside) & set(word.meanings)
    assert len(set(word.meanings)) == len(word.meanings)


@every_word
def test_a_word_for_some_operations_has_an_event_that_tells_one_of_them(word: Word) -> None:
    events = [e for e in builtin().events.values() if e.meaning in word.meanings]
    assert Op.NONE not in word.ops
    assert any(e.can(op) for e in events for op in word.ops or (Op.NONE,))


@every_word
def test_only_points_and_words_for_several_meanings_are_called_otherwise_than_their_meaning(word: Word) -> None:
    own = word.meanings == (Meaning[word.name.upper()],) if word.name.upper() in Meaning.__members__ else False
    assert own or word.point or word.is_guest or len(word.meanings) > 1


@every_word
def test_the_roles_of_a_word_are_those_it_carries_and_those_that_are_found_out(word: Word) -> None:
    if word.point:
        assert word.roles(of_jobs=True) == word.found_of_jobs | {"thread"}
        assert word.roles(of_jobs=False) == word.found | {"thread"}
    else:
        assert word.roles(of_jobs=True) == word.carried | word.found_of_jobs | {"thread"}
        assert word.roles(of_jobs=False) == word.carried | word.found | {"thread"}
    for of_jobs in (True, False):
        assert {r for r in (*ROLES, *ANYWHERE) if word.takes(r, of_jobs=of_jobs)} == word.roles(of_jobs=of_jobs)
        assert not word.takes("no_role", of_jobs=of_jobs)


def test_what_is_found_out_of_jobs_is_not_asked_of_pointers_nor_the_other_way_round() -> None:
    look, taken_up, point = WORDS["job_look"], WORDS["guest_taken_up"], WORDS["job_drained"]
    assert ("node" in look.roles(of_jobs=False), "node" in look.roles(of_jobs=True)) == (True, False)
    assert ("blk" in taken_up.roles(of_jobs=False), "blk" in taken_up.roles(of_jobs=True)) == (False, True)
    assert (point.takes("job", of_jobs=True), point.takes("job", of_jobs=False)) == (True, False)
    assert "coroutine" in point.carried
    assert not point.takes("coroutine", of_jobs=True)


def test_points_are_told_from_all_of_their_meanings_but_where_any_will_do() -> None:
    points = {w.name: w.all_of for w in WORDS.values() if w.point}
    assert points == {
        "job_left": True, "job_running": True, "job_working": False, "job_drained": True, "job_switched": True,
        "job_moved_on": True,
    }  # fmt: skip
    assert not any(w.all_of for w in WORDS.values() if not w.point)


def test_what_a_guest_does_is_told_by_the_operations_of_its_requests() -> None:
    guests = {w.name for w in WORDS.values() if w.is_guest}
    assert {"guest_io", "guest_read", "guest_done", "guest_taken_up"} <= guests
    assert not guests & {"submit", "reach", "job_io", "device_request"}
    assert WORDS["guest_change"].ops == tuple(op for op in Op if op.changes_data)
    assert WORDS["guest_io"].ops == tuple(op for op in Op if op)


@pytest.mark.parametrize("role", [*ROLES, *ANYWHERE])
def test_a_role_is_text_or_a_number(role: str) -> None:
    assert WORDS["job_state"].is_text(role) == (role in STRING_ROLES)


def test_the_context_of_a_thread_is_told_by_what_names_one() -> None:
    assert all("ctx" in WORDS[m.name.lower()].carried for m in RUNS_IN)


def test_roles_are_those_of_the_vocabulary_at_hand() -> None:
    event = EventMeaning(
        "made_up",
        {"means": "job_look", "roles": {"job": "s", "count": "cnt"}, "forms": [["", "", "s {s:p} n {cnt:d}"]]},
    )
    words = read_words(Vocabulary([event]))
    assert words["job_look"].carried == {"job", "count"}
    assert words["job_flush"].carried == frozenset()
    assert words.keys() == WORDS.keys()
