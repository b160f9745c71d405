"""Rules by id, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from traceview.errors import UnknownNameError, nearest
from traceview.rules.model import Rule, Severity
from traceview.vocabulary import Meaning

__all__ = ["RuleSet"]


class RuleSet:
    """Some rules, each with an id of its own."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {r.id: r for r in rules}

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())

    def __len__(self) -> int:
        return len(self._rules)

    def __contains__(self, name: object) -> bool:
        return name in self._rules

    def __getitem__(self, name: str) -> Rule:
        """Return a rule by its id. Raises UnknownNameError, with the nearest one."""
        rule = self._rules.get(name)
        if rule is None:
            known = ", ".join(self._rules)
            raise UnknownNameError(f"rule {name!r} is not known{nearest(name, self._rules)}; known are {known}")
        return rule

    @property
    def ids(self) -> list[str]:
        """The ids, in the order of the rules."""
        return list(self._rules)

    def choose(self, names: Iterable[str] | None) -> RuleSet:
        """Return the set of the named rules, all for None, in the order of this one. Raises UnknownNameError.

        Whoever names a rule wants its answer: a scan that has nothing to judge by it is inconclusive.
        """
        if names is None:
            return self
        chosen = {self[name].id for name in names}
        return RuleSet(replace(r, must_judge=True) for r in self if r.id in chosen)

    def losing(self) -> RuleSet:
        """Return the rules of which a violated window can mean lost data."""
        return RuleSet(r for r in self if any(s.severity is Severity.DATA_LOSS for s in r.severities))

    @property
    def meanings(self) -> frozenset[Meaning]:
        """All that must be decoded to judge by them."""
        return frozenset().union(*(r.meanings for r in self))
