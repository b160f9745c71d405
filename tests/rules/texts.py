"""Rule files for the tests: a rule that makes sense, and changes to it."""

from __future__ import annotations

from traceview.rules import Rule, words
from traceview.rules.build import build_rules

PLAIN = """\
rule drained-node-io {
  title    "guest I/O to a drained node"
  says     "Nothing may come."
  template forbidden-in-window
  subject  node
  exact {
    open   drained(node)
    close  drained_end(node)
    forbid guest_io(node)
  }
}
"""
"""A whole rule in ten lines and a bit, as a developer would write it."""


def changed(*changes: tuple[str, str], text: str = PLAIN) -> str:
    """Return the text with parts of it put in another's place; each must be there."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def built(*changes: tuple[str, str], text: str = PLAIN) -> Rule:
    """Return the rule of the changed text."""
    (rule,) = build_rules(changed(*changes, text=text), "my.rules", words())
    return rule
