"""Which clauses each template's windows have, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from traceview.rules.model import Template

__all__ = ["SHAPES", "Shape"]


@dataclass(frozen=True, slots=True)
class Shape:
    """The clauses of a template's windows: those it needs, and those it may have beside them.

    `opens` and `closes` are what the opening and the closing are called in it.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    opens: str = "open"
    closes: str = "close"

    @property
    def allowed(self) -> frozenset[str]:
        """All clauses that its windows can have."""
        return frozenset(self.needed + self.optional)


_EDGES = ("cancel", "confirm", "needs", "holds", "tentative", "open_ended")

SHAPES = {
    Template.FORBIDDEN: Shape(("open", "close", "forbid"), (*_EDGES, "allow", "guard", "excuse")),
    Template.NEVER_CLOSED: Shape(("open", "close", "lasts"), ("cancel", "needs", "holds", "starves")),
    Template.COUNTER: Shape(("claim", "until", "disprove"), (*_EDGES, "allow"), "claim", "until"),
    Template.EXECUTOR: Shape(("open", "close", "run"), (*_EDGES, "allow")),
}
