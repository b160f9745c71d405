"""Which forms the records of a simpletrace file have: built-in ones of which releases, or those of its own build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from traceview.errors import DeclarationsMismatchError
from traceview.formats.base import FormsOf
from traceview.formats.declarations import Declarations
from traceview.formats.simpletrace_items import Event, Layout
from traceview.releases import ReleaseRange, release_key

__all__ = ["Build", "BuiltinForms"]

SURELY, ONE_IN = 3, 10
"""So many records of an event that never has its declared form, or at the end one in so many, are of another build."""


class BuiltinForms:
    """Is told the names that a file maps (`note`): they tell which releases can have written it, and so the forms."""

    def __init__(self, forms_of: FormsOf, order: str) -> None:
        self._forms_of = forms_of
        self._order = order
        self._written_by = ReleaseRange("2.8", None)
        """The releases that can have mapped the names of this version 4 file."""

    def note(self, name: str) -> None:
        """Take in that the file maps an event."""
        known = [f.releases for f in self._forms_of(name) if f.releases is not None]
        if known:
            since = min((r[0] for r in known), key=release_key)
            until = max((r[1] for r in known), key=release_key)
            if self._written_by.overlaps(since, until):
                self._written_by = self._written_by.narrowed(since, until)

    def layouts(self, name: str) -> list[Layout]:
        """Return the layouts of the forms that the releases which can have written this file know.

        Where none of them knows the event (a development tree, a backport), any form will do that fits its records.
        """
        forms = self._forms_of(name)
        known = [f for f in forms if f.releases is None or self._written_by.overlaps(*f.releases)]
        return [Layout.of(f, self._order) for f in known or forms]


class Build:
    """Whether the declarations that were given are those of the build that wrote a file.

    One record that does not fit is damaged; all of an event speak for another build.
    """

    def __init__(self, name: str, declarations: Declarations | None) -> None:
        self._name = name
        self.file = declarations.name if declarations is not None else "the built-in vocabulary"
        self._undeclared: Counter[int] = Counter()
        self._words = ""

    def misfit(self, event: Event, layout: Layout, text: str, offset: int) -> None:
        """Take in a record that has not the form of its event. Raises DeclarationsMismatchError where none ever has."""
        fixed = "" if layout.fixed < 0 else f" of {layout.fixed} bytes"
        self._words = self._words or (
            f"{self._name}: byte {offset}: {text}, but {self.file} declares {len(layout.form.args)} arguments{fixed}: "
            "the declarations are of another build than the trace"
        )
        if event.misfits >= SURELY and event.misfits == event.count:
            raise DeclarationsMismatchError(self._words)

    def undeclared(self, number: int, text: str, offset: int) -> None:
        """Take in a record of an id that is not declared. Raises DeclarationsMismatchError where there are several."""
        self._undeclared[number] += 1
        self._words = self._words or (
            f"{self._name}: byte {offset}: {text}: the declarations are of another build than the trace, or it is "
            "damaged there"
        )
        if self._undeclared[number] >= SURELY:
            raise DeclarationsMismatchError(self._words)

    def finish(self, events: Iterable[Event], records: int) -> None:
        """Raise DeclarationsMismatchError where, of all records, too many had not the form of their event."""
        unknown = self._undeclared.total()
        bad = sum(e.misfits for e in events if e.misfits == e.count) + unknown
        if self._words and bad * ONE_IN >= records + unknown:
            raise DeclarationsMismatchError(self._words)
