"""Which windows must stay quiet. The rules are text, in the language of ``grammars/rules.lark``: see ``pack/``."""

from __future__ import annotations

from traceview.rules.load import builtin_rules, load_rules, read_rule_files, rule_files, words
from traceview.rules.model import (
    SUBJECTS,
    Affected,
    Again,
    Condition,
    Evidence,
    Executor,
    Need,
    Outcome,
    Pattern,
    Rule,
    Severity,
    Template,
    WindowClause,
)
from traceview.rules.ruleset import RuleSet

__all__ = [
    "EXIT_RULE",
    "FINAL_DRAIN_RULE",
    "SUBJECTS",
    "Affected",
    "Again",
    "Condition",
    "Evidence",
    "Executor",
    "Need",
    "Outcome",
    "Pattern",
    "Rule",
    "RuleSet",
    "Severity",
    "Template",
    "WindowClause",
    "builtin_rules",
    "load_rules",
    "read_rule_files",
    "rule_files",
    "words",
]

EXIT_RULE = "mirror-exit-guest-io"
"""The founding rule; its windows have a shape."""
FINAL_DRAIN_RULE = "mirror-final-drain-guest-io"
"""The rule of the second door, just before the window of the founding one."""
