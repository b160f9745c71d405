"""What an event of a QEMU release means to the block layer. The knowledge is data: the TOML files of this folder."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from traceview.errors import GrammarError
from traceview.events import EventBatch, EventForm, Int64Array, Kind
from traceview.formats.printf import line_template
from traceview.resources import data_files
from traceview.vocabulary.binding import UNKNOWN, Binding, BoundForm, Term
from traceview.vocabulary.dating import Dating, date_trace
from traceview.vocabulary.meanings import ROLES, STRING_ROLES, Meaning, Op
from traceview.vocabulary.table import Mask, MeaningTable, Row

__all__ = ["Dating", "EventMeaning", "Mask", "Meaning", "MeaningTable", "Op", "Row", "Vocabulary", "builtin"]


class EventMeaning:
    """What one event means: its meaning, its operation, the roles of its arguments and its known forms.

    Raises GrammarError where the TOML table is not what ``jobs.toml`` describes.
    """

    def __init__(self, name: str, table: dict[str, Any]) -> None:
        try:
            self.name = name
            self.meaning = Meaning[table["means"].upper()]
            self.op = Op[table.get("op", "none").upper()]
            self.op_from: dict[str, str] = table.get("op_from", {})
            self.op_flag: dict[str, Any] = table.get("op_flag", {})
            self.roles = {r: [Term.parse(t) for t in text.split("|")] for r, text in table.get("roles", {}).items()}
            self._forms: list[list[str]] = table["forms"]
            self.device: str = table.get("device", "")
            """The kind of guest device whose record it is, where only one kind has it."""
            self.places = tuple((since, until, text) for since, until, text in table.get("places", ()))
            """Where a tracepoint belongs that no release has: first and last release with the function, the place."""
        except (LookupError, AttributeError, ValueError) as e:
            raise GrammarError(f"vocabulary: event {name}: {e}") from e
        unknown = set(self.roles) - set(ROLES)
        if unknown:
            raise GrammarError(f"vocabulary: event {name}: unknown roles {sorted(unknown)}")

    @cached_property
    def forms(self) -> tuple[EventForm, ...]:
        """The known forms, the newest first."""
        out = []
        for since, until, text in self._forms:
            args, line = line_template(text)
            out.append(EventForm(self.name, args, line, (since, until) if since else None))
        return tuple(out)

    @property
    def releases(self) -> tuple[str, str] | None:
        """First and last release that has the event, or None where no release has it."""
        ranges = [f for f in self._forms if f[0]]
        return (ranges[-1][0], ranges[0][1]) if ranges else None

    def can(self, op: Op) -> bool:
        """Say whether a record of the event can tell of an operation (any for `Op.NONE`)."""
        told = {self.op.label, self.op_flag.get("op"), *self.op_from}
        return not op or op.label in told

    def terms(self, form: EventForm) -> dict[str, Term]:
        """Return, for each role that `form` can fill, the alternative whose arguments it has.

        A form can be a user's declaration: an argument of the right name counts only if it is of the right kind.
        """
        strings = {a.name for a in form.args if a.kind is Kind.STRING}
        numbers = {a.name for a in form.args} - strings
        out = {}
        for role, alternatives in self.roles.items():
            usable = strings if role in STRING_ROLES else numbers
            for term in alternatives:
                needed = {term.arg, *(f for _, f in term.factors if not f.isdigit())}
                if needed <= usable:
                    out[role] = term
                    break
        return out


class Vocabulary:
    """All events that traceview understands, by name."""

    def __init__(self, events: Iterable[EventMeaning]) -> None:
        self.events = {e.name: e for e in events}
        self._binding: Binding | None = None

    def forms_of(self, name: str) -> Sequence[EventForm]:
        """Return the known forms of an event, the newest first; none for an unknown event."""
        event = self.events.get(name)
        return event.forms if event is not None else ()

    def device_of(self, name: str) -> str:
        """Return the kind of guest device whose record an event is, ``""`` where it does not tell."""
        event = self.events.get(name)
        return event.device if event is not None else ""

    def names_of(self, *meanings: Meaning) -> list[str]:
        """Return the names of the events that have one of the meanings."""
        return [e.name for e in self.events.values() if e.meaning in meanings]

    def interpret(self, batch: EventBatch) -> MeaningTable:
        """Return a batch as meanings. Events that the vocabulary does not know mean `Meaning.NOTHING`."""
        # The forms of one trace are bound once: its batches share one list of them.
        binding = self._binding
        if binding is None or binding.forms is not batch.forms:
            binding = self._binding = Binding(self._bind, batch.forms)
        return MeaningTable(batch, binding)

    def _bind(self, form: EventForm) -> BoundForm:
        event = self.events.get(form.name)
        if event is None or not form.declared:
            return UNKNOWN
        by_row = bool(event.op_from or event.op_flag)
        ops = partial(_ops_by_row, event, form) if by_row else None
        return BoundForm(event.meaning, event.op, ops, event.terms(form))

    def date(self, names: Iterable[str], forms: Iterable[EventForm], *, text: bool) -> Dating:
        """Deduce which QEMU releases can have written a trace.

        `names` are the events met, `forms` the forms in which records of them were read, `text` whether they were
        read from text.
        """
        met = list(names)
        # A build with tracepoints of its own may have been given events of later releases with them.
        own = any(n in self.events and self.events[n].releases is None for n in met)
        return date_trace(met, forms, self.forms_of, own_tracepoints=own, text=text)


def _ops_by_row(event: EventMeaning, form: EventForm, args: Int64Array, batch: EventBatch) -> Int64Array:
    """Return the operations of records whose arguments tell them: by a string, or by a flag."""
    ops = np.full(len(args), int(event.op), dtype=np.int64)
    kinds = {a.name: a.kind for a in form.args}  # of a user's declaration perhaps
    if event.op_from and kinds.get(event.op_from["arg"]) is Kind.STRING:
        values = args[:, form.slot(event.op_from["arg"])]
        for label, text in event.op_from.items():
            if label != "arg":
                for word in text.split("|"):
                    ops[values == batch.strings.find(word)] = Op[label.upper()]
    if event.op_flag and kinds.get(event.op_flag["arg"], Kind.STRING) is not Kind.STRING:
        flags = args[:, form.slot(event.op_flag["arg"])]
        ops[(flags & int(event.op_flag["bit"])) != 0] = Op[event.op_flag["op"].upper()]
    return ops


@cache
def builtin() -> Vocabulary:
    """Return the vocabulary that comes with the package."""
    events = []
    for path in data_files("vocabulary", ".toml"):
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        events += [EventMeaning(name, table) for name, table in tables.items()]
    return Vocabulary(events)
