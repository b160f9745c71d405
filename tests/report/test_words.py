"""The vocabulary for a person, and what one trace tells."""

from __future__ import annotations

import pytest

from tests.report import HOSTILE, RAW
from tests.timeline.story import instrumented, stock, trace_of
from traceview.releases import ReleaseRange
from traceview.report.style import Style
from traceview.report.words import tellable_document, tellable_lines, word_lines, words_document
from traceview.rules import EXIT_RULE
from traceview.rules.load import words
from traceview.vocabulary import builtin

PLAIN = Style(colour=False)


def lines_of_vocabulary(qemu: str | None = None) -> list[str]:
    span = ReleaseRange(qemu, qemu) if qemu else None
    return list(word_lines(words().values(), builtin(), PLAIN, span))


def test_every_meaning_is_told_with_its_roles_its_sentence_and_its_events() -> None:
    lines = lines_of_vocabulary()
    for word in words().values():
        (at,) = [i for i, line in enumerate(lines) if line.split("(")[0] == word.name]
        assert lines[at + 1] == f"  {word.says}"
    at = lines.index("drained_end(count, node)")
    assert lines[at + 2] == "  bdrv_drained_end (a probe)"
    assert lines[-1].startswith(f"{len(words())} meanings;")


def test_every_event_is_told_under_what_it_means() -> None:
    text = "\n".join(lines_of_vocabulary())
    assert all(f" {name} (" in text for name in builtin().events)


@pytest.mark.parametrize(
    ("qemu", "there", "not_there"),
    [
        ("2.6", ["qemu_coroutine_enter", "block_job_cb", "blk_aio_writev"], ["blk_co_pwritev", "blk_aio_pwritev"]),
        ("9.0", ["qemu_aio_coroutine_enter", "blk_co_pwritev"], ["block_job_cb", "aio_disable_external"]),
    ],
)
def test_the_events_can_be_limited_to_those_of_a_release(qemu: str, there: list[str], not_there: list[str]) -> None:
    text = "\n".join(lines_of_vocabulary(qemu))
    assert all(f" {name} (" in text for name in there)
    assert not any(f" {name} (" in text for name in not_there)


def test_the_document_has_the_same_meanings_and_events() -> None:
    meanings = {m["name"]: m for m in words_document(words().values(), builtin())["meanings"]}
    assert list(meanings) == list(words())
    (ended,) = meanings["drained_end"]["events"]
    assert (ended["name"], ended["since"]) == ("bdrv_drained_end", None)
    assert ended["places"][0]["place"].startswith("block/io.c: bdrv_drained_end")
    assert meanings["job_left"]["point"]


def test_a_trace_tells_its_events_by_what_they_mean_and_the_rules_that_it_can_judge() -> None:
    story = instrumented()
    story.start()
    story.look()
    story.defer()
    story.write()
    story.leave()
    told = story.trace().tells([EXIT_RULE, "drained-node-guest-io"])
    lines = list(tellable_lines(told, words(), builtin(), PLAIN))
    assert any(line.split()[:2] == ["1", "job_deferred"] for line in lines)
    assert f"  ✓ {EXIT_RULE}: exactly" in lines
    at = lines.index("  ✗ drained-node-guest-io")
    assert "      lacks bdrv_drained_begin (a probe)" in lines[at : at + 4]
    assert lines[-1].startswith("1 rule cannot be judged")


def test_stand_ins_are_told_as_such() -> None:
    story = stock()
    story.before_drain()
    story.enter()
    story.reach("pwritev")
    story.reach("preadv")
    story.completed()
    told = story.trace().tells([EXIT_RULE])
    (line,) = [x for x in tellable_lines(told, words(), builtin(), PLAIN) if EXIT_RULE in x]
    assert "by stand-ins of QEMU" in line


def test_names_and_paths_of_a_trace_are_made_harmless() -> None:
    trace = trace_of(b"1@2.000003:unheard_of_event \x1b[31m\n")
    told = trace.tells()
    hostile = type(told)(HOSTILE, told.dating, told.events, told.meanings, {HOSTILE: 1}, told.rules)
    lines = list(tellable_lines(hostile, words(), builtin(), PLAIN))
    assert not [line for line in lines if any(raw in line for raw in RAW)]
    assert tellable_document(hostile)["rules"]


def test_the_document_of_a_trace_says_what_is_lacking() -> None:
    document = tellable_document(stock().trace().tells(["external-off-kick"]))
    (rule,) = document["rules"]
    assert (rule["rule"], rule["can_be_judged"]) == ("external-off-kick", False)
    assert ["aio_disable_external"] in rule["events"]
