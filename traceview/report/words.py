"""The vocabulary as text for a person: what records can say and by which events; what one trace tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from traceview.detect.tellable import Tellable, TellableRule
from traceview.releases import ReleaseRange
from traceview.report.escape import printable, valid_text
from traceview.report.style import Style, plural
from traceview.vocabulary import EventMeaning, Vocabulary
from traceview.vocabulary.words import Word

__all__ = ["tellable_document", "tellable_lines", "word_lines", "words_document"]

_MOST_UNKNOWN = 8


def word_lines(
    words: Iterable[Word], vocabulary: Vocabulary, style: Style, releases: ReleaseRange | None = None
) -> Iterator[str]:
    """Yield the words of rules, each with its roles, its sentence and its events (those of `releases` only)."""
    count = 0
    for word in words:
        count += 1
        yield f"{style.paint(word.name, 'bold')}{_roles(word)}"
        yield f"  {word.says}"
        events = [_event_words(e) for e in _events(word, vocabulary, releases)]
        yield f"  {', '.join(events) or style.paint('no event', 'dim')}"
    yield ""
    yield f"{plural(count, 'meaning')}; traceview vocabulary TRACE says which of them a trace has"


def _roles(word: Word) -> str:
    roles = sorted(word.ever)
    return f"({', '.join(roles)})" if roles else ""


def _events(word: Word, vocabulary: Vocabulary, releases: ReleaseRange | None) -> Iterator[EventMeaning]:
    for event in vocabulary.events.values():
        if event.meaning in word.meanings and (not word.ops or any(event.can(op) for op in word.ops)):
            stock = event.releases is None or releases is None or releases.overlaps(*event.releases)
            placed = event.releases is not None or releases is None or _has_place(event, releases)
            if stock and placed:
                yield event


def _has_place(event: EventMeaning, releases: ReleaseRange) -> bool:
    return any(releases.overlaps(since, until) for since, until, _ in event.places)


def _event_words(event: EventMeaning) -> str:
    if event.releases is None:
        return f"{event.name} (a probe)"
    since, until = event.releases
    return f"{event.name} ({since})" if since == until else f"{event.name} ({since} to {until})"


def words_document(
    words: Iterable[Word], vocabulary: Vocabulary, releases: ReleaseRange | None = None
) -> dict[str, Any]:
    """Return the words of rules as plain data."""
    return {
        "schema_version": 1,
        "meanings": [
            {
                "name": word.name,
                "says": word.says,
                "roles": sorted(word.ever),
                "point": word.point,
                "only": list(word.only),
                "events": [_event(e) for e in _events(word, vocabulary, releases)],
            }
            for word in words
        ],
    }


def _event(event: EventMeaning) -> dict[str, Any]:
    since, until = event.releases or (None, None)
    places = [{"since": a, "until": b, "place": text} for a, b, text in event.places]
    return {"name": event.name, "since": since, "until": until, "places": places}


def tellable_lines(told: Tellable, words: Mapping[str, Word], vocabulary: Vocabulary, style: Style) -> Iterator[str]:
    """Yield what a trace tells: its release, its events by what they mean, the rules that it can judge."""
    release = f"QEMU {told.dating.text}" if told.dating.text else "QEMU of a release that the trace does not tell"
    yield f"{style.paint(printable(told.path), 'bold')}: {release}"
    if told.dating.reason:
        yield f"  {printable(told.dating.reason)}"
    yield ""
    yield style.paint("what it tells", "bold")
    for word in words.values():
        count = sum(told.meanings.get(m, 0) for m in word.meanings)
        if count and len(word.meanings) == 1 and not word.point:
            yield f"  {count:>9}  {word.name:<22} {word.says}"
    if told.unknown:
        names = sorted(told.unknown, key=lambda n: -told.unknown[n])
        more = f" … {len(names) - _MOST_UNKNOWN} more" if len(names) > _MOST_UNKNOWN else ""
        shown = ", ".join(printable(n) for n in names[:_MOST_UNKNOWN])
        yield f"  {sum(told.unknown.values()):>9}  {'(nothing to rules)':<22} {shown}{more}"
    yield ""
    yield style.paint("what can be judged by it", "bold")
    for rule in told.rules:
        yield from _rule_lines(rule, vocabulary, style)
    blind = [r for r in told.rules if not r.can]
    if blind:
        yield ""
        yield f"{plural(len(blind), 'rule')} cannot be judged; traceview suggest ID --qemu RELEASE says what to trace"


def _traced(name: str, vocabulary: Vocabulary) -> str:
    return name if vocabulary.events[name].releases else f"{name} (a probe)"


def _rule_lines(told: TellableRule, vocabulary: Vocabulary, style: Style) -> Iterator[str]:
    about = f" of {printable(told.clause.about)}" if told.clause.about else ""
    how = f"by stand-ins{about}" if told.clause.evidence.value == "proxy" else "exactly"
    if told.can:
        yield f"  {style.paint('✓', 'green')} {told.rule.id}: {how}"
        return
    yield f"  {style.paint('✗', 'yellow')} {told.rule.id}" + (f": {told.reason}" if told.reason else "")
    for names in told.lacks:
        yield f"      lacks {' or '.join(_traced(n, vocabulary) for n in names)}"


def tellable_document(told: Tellable) -> dict[str, Any]:
    """Return what a trace tells as plain data."""
    span = told.dating.span
    return {
        "schema_version": 1,
        "path": valid_text(told.path),
        "qemu": {
            "release": told.dating.text,
            "reason": valid_text(told.dating.reason),
            "since": span.since if span is not None else None,
            "until": span.until if span is not None else None,
        },
        "events": told.events,
        "unknown": {valid_text(n): c for n, c in told.unknown.items()},
        "meanings": {m.name.lower(): c for m, c in told.meanings.items()},
        "rules": [
            {
                "rule": r.rule.id,
                "can_be_judged": r.can,
                "evidence": r.clause.evidence.value,
                "about": r.clause.about,
                "reason": r.reason,
                "events": [list(names) for names in r.lacks],
            }
            for r in told.rules
        ],
    }
