"""How the arguments of each form fill the roles of its meaning: bound once a form, by the arguments' names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from traceview.events import EventBatch, EventForm, Int64Array, distinct
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

    def constant(self) -> int | None:
        """Return the number that the argument is multiplied by, or None if there is more to the term."""
        factor = 1
        for sign, operand in self.factors:
            if sign != "*" or not operand.isdigit():
                return None
            factor *= int(operand)
        return factor

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


_PlainTerms = tuple[npt.NDArray[np.bool_], Int64Array, Int64Array, list[int]]

UNKNOWN = BoundForm(Meaning.NOTHING, Op.NONE, None, {})


@dataclass(slots=True)
class Binding:
    """The bound forms of one trace, by code. A trace's list of forms only grows, and so does this."""

    bind: Callable[[EventForm], BoundForm]
    forms: Sequence[EventForm]
    bound: list[BoundForm] = field(default_factory=list)
    _meaning: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    _plain: dict[str, _PlainTerms] = field(default_factory=dict)
    _having: dict[tuple[Meaning, ...], npt.NDArray[np.bool_]] = field(default_factory=dict)
    _op: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))

    def _grow(self) -> None:
        if len(self.bound) < len(self.forms):
            self.bound += [self.bind(form) for form in self.forms[len(self.bound) :]]
            self._meaning = np.array([b.meaning for b in self.bound], dtype=np.uint8)
            self._op = np.array([b.op for b in self.bound], dtype=np.uint8)

    def having(self, meanings: tuple[Meaning, ...]) -> npt.NDArray[np.bool_]:
        """Return, by code, whether a form has one of the meanings."""
        self._grow()
        having = self._having.get(meanings)
        if having is None or len(having) < len(self.bound):
            having = self._having[meanings] = np.array([b.meaning in meanings for b in self.bound], dtype=np.bool_)
        return having

    def meanings(self, batch: EventBatch) -> npt.NDArray[np.uint8]:
        """Return the meaning of each row of a batch."""
        self._grow()
        return self._meaning[batch.code] if len(batch) else np.zeros(0, dtype=np.uint8)

    def ops(self, batch: EventBatch) -> npt.NDArray[np.uint8]:
        """Return the operation of each row of a batch."""
        self._grow()
        if not len(batch):
            return np.zeros(0, dtype=np.uint8)
        ops = self._op[batch.code]
        for code, bound in enumerate(self.bound):
            if bound.ops is not None:
                rows = np.flatnonzero(batch.code == code)
                if len(rows):
                    ops[rows] = bound.ops(batch.args[rows], batch)
        return ops

    def role(self, batch: EventBatch, role: str, rows: Int64Array | None = None) -> Int64Array:
        """Return a role for each row of a batch, or for the given rows of it.

        The value is 0 (-1 for a string) where a row's event does not have the role.
        """
        self._grow()
        codes = batch.code if rows is None else batch.code[rows]
        plain, slot, scale, others = self._plain_terms(role)
        if rows is not None and len(rows) and plain[codes].all():  # requests, most of the time
            found = batch.args[rows, slot[codes]]
            return found * scale[codes] if (scale != 1).any() else found
        values = np.full(len(codes), -1 if role in STRING_ROLES else 0, dtype=np.int64)
        places = np.flatnonzero(plain[codes]) if len(codes) else np.zeros(0, dtype=np.int64)
        if len(places):
            found = codes[places]
            values[places] = batch.args[places if rows is None else rows[places], slot[found]] * scale[found]
        for code in others:
            places = np.flatnonzero(codes == code)
            if len(places):
                args = batch.args[places if rows is None else rows[places]]
                values[places] = self.bound[code].terms[role].values(self.forms[code], args)
        return values

    def _plain_terms(self, role: str) -> _PlainTerms:
        """Return, by code, whether a form's term for a role is one argument times a number, its slot, the number.

        And the codes of the forms that have another term for it.
        """
        known = self._plain.get(role)
        if known is not None and len(known[0]) == len(self.bound):
            return known
        plain = np.zeros(len(self.bound), dtype=np.bool_)
        slot, scale = np.zeros(len(self.bound), dtype=np.int64), np.ones(len(self.bound), dtype=np.int64)
        others = []
        for code, bound in enumerate(self.bound):
            term = bound.terms.get(role)
            if term is None:
                continue
            factor = term.constant()
            if factor is None:
                others.append(code)
            else:
                plain[code], slot[code], scale[code] = True, self.forms[code].slot(term.arg), factor
        self._plain[role] = plain, slot, scale, others
        return self._plain[role]

    def seen(self, batch: EventBatch, code: int, op: npt.NDArray[np.uint8]) -> set[tuple[Meaning, Op]]:
        """Return what the records of one form in a batch mean, with their operations; `op` is that of each row."""
        self._grow()
        bound = self.bound[code]
        ops = [int(bound.op)] if bound.ops is None else distinct(op[batch.code == code])
        return {(bound.meaning, Op(o)) for o in ops}

    def is_fixed(self, code: int) -> bool:
        """Say whether all records of a form have one operation."""
        self._grow()
        return self.bound[code].ops is None
