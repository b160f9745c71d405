"""Rules as SARIF 2.1.0 describes them: what is promised, how bad it is to break it, where to read more."""

from __future__ import annotations

import re
from typing import Any

from traceview.findings import Severity
from traceview.report.sarif_words import message
from traceview.rules import Rule

__all__ = ["LEVELS", "rule_descriptor"]

LEVELS = {Severity.DATA_LOSS: "error", Severity.BROKEN_PROMISE: "warning"}
MOST_TITLE = 1000
"""Characters of a short description: GitHub takes 1,024."""
_PAGE = re.compile(r"https://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")


def rule_descriptor(rule: Rule) -> dict[str, Any]:
    """Return the descriptor of a rule. Its level is that of the worst that it can find."""
    worst = max((s.severity for s in rule.severities), key=lambda s: s.rank, default=Severity.BROKEN_PROMISE)
    pages = [r for r in rule.references if _PAGE.fullmatch(r)]
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": message(rule.title[:MOST_TITLE]),
        "fullDescription": message(rule.sentence),
        **({"helpUri": pages[0]} if pages else {}),
        "help": message(_help(rule)),
        "defaultConfiguration": {"level": LEVELS[worst]},
        "properties": {"tags": _tags(rule, worst), "version": rule.version},
    }


def _help(rule: Rule) -> str:
    parts = [rule.sentence, *(f"Affected: QEMU {a}" for a in rule.affected), *(f"See {r}" for r in rule.references)]
    return "\n\n".join(p for p in parts if p)


def _tags(rule: Rule, worst: Severity) -> list[str]:
    """Return at most five tags; GitHub shows ten."""
    losing = [Severity.DATA_LOSS.value] if worst is Severity.DATA_LOSS else []
    label = [rule.label] if rule.label else []
    return list(dict.fromkeys(["qemu", rule.template.value, rule.subject, *losing, *label]))
