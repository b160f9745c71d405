"""Which releases of QEMU can have written a trace: told by the events that it holds, and by their arguments."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from traceview.events import EventForm, Kind
from traceview.releases import ReleaseRange, parse_release, release_key
from traceview.resources import data_files

__all__ = ["NEWEST", "OLDEST", "Dating", "date_trace", "known_spans"]

OLDEST = "1.0"
"""The oldest release whose declarations are known."""
NEWEST = "9.0"
"""The newest release whose declarations are known."""
_GENERATED = (("qmp_enter_", "7.0"), ("qmp_exit_", "7.0"))
"""Events that the build makes of the commands' names, by the beginning of theirs, and their first release."""

Span = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Dating:
    """The releases that can have written a trace, and why.

    `span` is None where nothing dates it. With `own_tracepoints` the build has tracepoints that no release has, so
    that events of later releases may be among them; the range is then open to the past.
    """

    span: ReleaseRange | None
    reason: str
    own_tracepoints: bool = False

    @classmethod
    def given(cls, release: str) -> Dating:
        """Return the dating of a trace whose release the user knows. Raises ValueError for text that is none."""
        known = parse_release(release)
        return cls(ReleaseRange(known, known), "given by the user")

    @property
    def text(self) -> str | None:
        """The range in words, such as ``2.12 to 4.1`` or ``6.1 or newer``; None where nothing dates the trace."""
        if self.span is None:
            return None
        if self.own_tracepoints:
            return f"{self.span.until} or older"
        return f"{self.span.since} or newer" if self.span.until is None else str(self.span)


@cache
def known_spans() -> Mapping[str, Span]:
    """Return the first and last release of each event that tells one (``words/releases.toml``)."""
    spans: dict[str, Span] = {}
    for path in data_files("vocabulary/words", "releases.toml"):
        for span, names in tomllib.loads(path.read_text(encoding="utf-8")).items():
            since, until = span.split()
            spans.update(dict.fromkeys(names.split(), (since, until)))
    return spans


def date_trace(
    names: Iterable[str],
    forms: Iterable[EventForm],
    forms_of: Callable[[str], Sequence[EventForm]],
    *,
    own_tracepoints: bool,
    text: bool,
) -> Dating:
    """Deduce which releases can have written a trace.

    `names` are the events met, `forms` the forms in which records of them were read, `forms_of` gives all known forms
    of an event, `text` says whether they were read from text.
    """
    span = ReleaseRange(None, None)
    reasons: dict[str, str] = {}
    by_form = _spans_of_forms(forms, forms_of, text=text)
    for name in sorted(names):
        releases = by_form.get(name) or _span_of(name, forms_of)
        if releases is None:
            continue
        if own_tracepoints:
            releases = (OLDEST, releases[1])
        narrowed = span.narrowed(*releases)
        if narrowed.empty:
            against = ", ".join(reasons.values())
            return Dating(None, f"{name} ({releases[0]} to {releases[1]}) does not go with {against}", own_tracepoints)
        if narrowed.since not in (span.since, OLDEST):
            reasons["since"] = f"{name} is there from {releases[0]}"
        if narrowed.until != span.until and releases[1] != NEWEST:
            reasons["until"] = f"{name} is there up to {releases[1]}"
        span = narrowed
    if not reasons:
        return Dating(None, "no event of the trace is particular to a release", own_tracepoints)
    reason = "; ".join(reasons.values())
    if own_tracepoints:
        reason += "; the build has tracepoints of its own, so what it traces does not tell the oldest"
        return Dating(ReleaseRange(None, span.until), reason, own_tracepoints)
    return Dating(ReleaseRange(span.since, None if span.until == NEWEST else span.until), reason)


def _span_of(name: str, forms_of: Callable[[str], Sequence[EventForm]]) -> Span | None:
    known = known_spans().get(name)
    if known is not None:
        return known
    spans = [f.releases for f in forms_of(name) if f.releases is not None]
    if spans:
        return spans[-1][0], spans[0][1]
    return next(((since, NEWEST) for start, since in _GENERATED if name.startswith(start)), None)


def _spans_of_forms(
    forms: Iterable[EventForm], forms_of: Callable[[str], Sequence[EventForm]], *, text: bool
) -> dict[str, Span]:
    """Return, by event, from the first to the last release that writes it as its records are written."""
    spans: dict[str, Span] = {}
    for form in forms:
        alike = [f.releases for f in forms_of(form.name) if f.releases and _same_to_a_reader(f, form, text)]
        if alike:
            first = min((r[0] for r in alike), key=release_key)
            last = max((r[1] for r in alike), key=release_key)
            known = spans.get(form.name, (first, last))
            spans[form.name] = (min(known[0], first, key=release_key), max(known[1], last, key=release_key))
    return spans


def _same_to_a_reader(a: EventForm, b: EventForm, text: bool) -> bool:
    """Say whether records of two forms cannot be told apart: in text by the line, in binary by the arguments."""
    if not text:
        return [(x.name, x.kind is Kind.STRING) for x in a.args] == [(x.name, x.kind is Kind.STRING) for x in b.args]
    return _shape(a) == _shape(b)


def _shape(form: EventForm) -> str:
    # Few numbers are negative, so a signed and an unsigned conversion look the same; so do %#x and 0x%x but for 0.
    marks = {"UNSIGNED": "<DECIMAL>", "ALT_HEX": "0x<HEX>"}
    return "".join(p if isinstance(p, str) else marks.get(p.terminal, f"<{p.terminal}>") for p in form.line)
