"""How the arguments of each form fill the roles of its meaning: bound once a form, by the arguments' names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from traceview.events import EventBatch, EventForm, Int64Array
from traceview.vocabulary.meanings import STRING_ROLES, Meaning, Op

__all__ = ["Binding", "BoundForm", "Term"]


@dataclass(frozen=True, slots=True)
class Term:
    """One way to fill a role: an argument, times and divided by numbers or other arguments (``sector_num*512``)."""

    arg: str
    factors: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Term:
        """Read a term. Raises IndexError or ValueError for text that is none."""
        parts = text.replace("*", " * ").replace("/", " / ").split()
        return cls(parts[0], tuple(zip(parts[1::2], parts[2::2], strict=True)))

    def needs(self) -> set[str]:
        """Return the names of the arguments it takes."""
        return {self.arg, *(operand for _, operand in self.factors if not operand.isdigit())}

    def values(self, form: EventForm, args: Int64Array) -> Int64Array:
        """Return the term's value for each row of `args`, the arguments of records of `form`."""
        result: Int64Array = args[:, form.slot(self.arg)]
        for sign, operand in self.factors:
            other = int(operand) if operand.isdigit() else args[:, form.slot(operand)]
            result = result * other if sign == "*" else result // np.maximum(other, 1)
        return result


@dataclass(frozen=True, slots=True)
class BoundForm:
    """What one form means: its meaning, its operation (or what finds it, row by row), and a term a role."""

    meaning: Meaning
    op: Op
    ops: Callable[[Int64Array, EventBatch], Int64Array] | None
    terms: dict[str, Term]


UNKNOWN = BoundForm(Meaning.NOTHING, Op.NONE, None, {})


@dataclass(slots=True)
class Binding:
    """The bound forms of one trace, by code. A trace's list of forms only grows, and so does this."""

    bind: Callable[[EventForm], BoundForm]
    forms: Sequence[EventForm]
    bound: list[BoundForm] = field(default_factory=list)
    _meaning: npt.NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, dtype=np.int16))
    _op: npt.NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, dtype=np.int16))

    def _grow(self) -> None:
        if len(self.bound) < len(self.forms):
            self.bound += [self.bind(form) for form in self.forms[len(self.bound) :]]
            self._meaning = np.array([b.meaning for b in self.bound], dtype=np.int16)
            self._op = np.array([b.op for b in self.bound], dtype=np.int16)

    def meanings(self, batch: EventBatch) -> npt.NDArray[np.int16]:
        """Return the meaning of each row of a batch."""
        self._grow()
        return self._meaning[batch.code] if len(batch) else np.zeros(0, dtype=np.int16)

    def ops(self, batch: EventBatch) -> npt.NDArray[np.int16]:
        """Return the operation of each row of a batch."""
        self._grow()
        if not len(batch):
            return np.zeros(0, dtype=np.int16)
        ops = self._op[batch.code]
        for code, bound in enumerate(self.bound):
            if bound.ops is not None:
                rows = np.flatnonzero(batch.code == code)
                if len(rows):
                    ops[rows] = bound.ops(batch.args[rows], batch)
        return ops

    def role(self, batch: EventBatch, role: str) -> Int64Array:
        """Return a role for each row of a batch: 0 (-1 for a string) where a row's event does not have it."""
        self._grow()
        values = np.full(len(batch), -1 if role in STRING_ROLES else 0, dtype=np.int64)
        for code, bound in enumerate(self.bound):
            term = bound.terms.get(role)
            if term is not None:
                rows = np.flatnonzero(batch.code == code)
                if len(rows):
                    values[rows] = term.values(self.forms[code], batch.args[rows])
        return values
