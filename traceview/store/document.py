"""Reads plain data that somebody else wrote: what is not what it should be is told with its place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from traceview.errors import StoreError
from traceview.store.texts import storable

__all__ = ["Part"]

T = TypeVar("T")


class Part:
    """One object of a document. Its methods raise StoreError for a value that is missing, or none of what they give."""

    def __init__(self, value: Any, place: str = "") -> None:
        if not isinstance(value, dict):
            raise StoreError(f"{place or 'the document'}: expected an object, found {_shown(value)}")
        self._value = value
        self.place = place

    def refused(self, name: str, expected: str) -> StoreError:
        """Return the error that says what was expected of a value."""
        where = f"{self.place}.{name}" if self.place else name
        found = _shown(self._value[name]) if name in self._value else "nothing"
        return StoreError(f"{where}: expected {expected}, found {found}")

    def text(self, name: str) -> str:
        """Return a text, such as a database takes it."""
        return storable(self._of(name, str, "a text"))

    def text_or_none(self, name: str) -> str | None:
        """Return a text, or None where null stands for it."""
        return None if self.is_null(name) else self.text(name)

    def word(self, name: str, make: Callable[[str], T], expected: str) -> T:
        """Return what `make` makes of a text; it raises ValueError where it makes nothing of it."""
        try:
            return make(self.text(name))
        except ValueError:
            raise self.refused(name, expected) from None

    def number(self, name: str, *, most: int = (1 << 63) - 1) -> int:
        """Return a whole number that is not negative."""
        value = self._of(name, int, "a whole number")
        if isinstance(value, bool) or not 0 <= value <= most:
            raise self.refused(name, f"a whole number from 0 to {most}")
        return value

    def truth(self, name: str) -> bool:
        """Return whether it is true."""
        return self._of(name, bool, "true or false")

    def time(self, name: str) -> datetime:
        """Return a moment in UTC."""
        expected = "a time as 2026-01-31T12:00:00Z"
        moment = self.word(name, datetime.fromisoformat, expected)
        if moment.tzinfo is None:
            raise self.refused(name, expected)
        return moment.astimezone(UTC)

    def time_or_none(self, name: str) -> datetime | None:
        """Return a moment in UTC, or None where null stands for it."""
        return None if self.is_null(name) else self.time(name)

    def day_or_none(self, name: str) -> date | None:
        """Return a day, or None where null stands for it."""
        return None if self.is_null(name) else self.word(name, date.fromisoformat, "a day as 2026-01-31")

    def mapping(self, name: str) -> dict[str, Any]:
        """Return an object as it is, such as a database takes it."""
        return storable(self._of(name, dict, "an object"))

    def texts(self, name: str) -> list[str]:
        """Return the texts of a list."""
        values = self._of(name, list, "a list of texts")
        if not all(isinstance(v, str) for v in values):
            raise self.refused(name, "a list of texts")
        return storable(values)

    def parts(self, name: str) -> list[Part]:
        """Return the objects of a list."""
        where = f"{self.place}.{name}" if self.place else name
        return [Part(v, f"{where}[{i}]") for i, v in enumerate(self._of(name, list, "a list"))]

    def _of(self, name: str, kind: type[T], expected: str) -> T:
        value = self._value.get(name)
        if not isinstance(value, kind):
            raise self.refused(name, expected)
        return value

    def is_null(self, name: str) -> bool:
        """Say whether null stands there."""
        return name in self._value and self._value[name] is None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
