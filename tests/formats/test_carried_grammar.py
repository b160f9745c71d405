"""The Lark grammars of the carriers are the reference: what the hot path reads off them must agree with them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Token, Tree
from lark.exceptions import UnexpectedInput

from tests import strategies
from tests.conftest import CaptureBytes
from tests.formats.carried_writers import BANNER, ENDING, HEADER, TIME_US, WRITERS
from traceview.formats.carried_grammar import carrier_grammar, expression, rule_pattern

RULES = {
    "ftrace": ("entry", "header", "lost", "started"),
    "syslog": ("record", "lost_by", "lost", "suppressed", "dropping", "repeated"),
    "journald": ("event", "suppressed"),
    "stap": ("record", "skipped", "failures"),
    "libvirt": ("banner", "ending"),
}
"""The rules of each grammar that the hot path reads, in the order in which they are alternatives of its start."""

Read = dict[str, str] | None


def by_hot_path(grammar: str, rule: str, line: bytes) -> Read:
    match = expression(rule_pattern(grammar, rule)).fullmatch(line)
    if match is None:
        return None
    return {k.rpartition("_")[0] + "." + k: v.decode("latin-1") for k, v in match.groupdict().items() if v is not None}


def by_lark(grammar: str, line: bytes) -> tuple[str, dict[str, str]] | None:
    """Return the rule that Lark takes a line for, and its terminals by the names of their groups."""
    try:
        tree = carrier_grammar(grammar).parse(line.decode("latin-1"))
    except UnexpectedInput:
        return None
    top = tree.children[0]
    assert isinstance(top, Tree)
    found: dict[str, str] = {}
    for part in top.iter_subtrees():
        for token in part.children:
            if isinstance(token, Token):
                group = f"{part.data}_{token.type}"
                found[f"{group.rpartition('_')[0]}.{group}"] = str(token)
    return str(top.data), found


def assert_agreement(grammar: str, line: bytes) -> bool:
    """Hold the two against each other; say whether the line was taken."""
    parsed = by_lark(grammar, line)
    for rule in RULES[grammar]:
        read = by_hot_path(grammar, rule, line)
        if parsed is not None and parsed[0] == rule:
            assert read == parsed[1]
        else:
            assert read is None, (rule, line)
    return parsed is not None


def lines(writer: str) -> st.SearchStrategy[bytes]:
    """Lines of a writer with any event, thread and time. In the journal, what the grammar reads is the message."""
    format_id, write = WRITERS[writer]
    if format_id == "journald":
        return strategies.vocabulary_lines().map(lambda line: f"{line.form.name} ".encode() + line.text)
    return st.builds(
        lambda line, thread, ts_us: write(line.form.name, line.text, thread, ts_us),
        strategies.vocabulary_lines(), st.integers(1, 9_999_999), st.integers(TIME_US, TIME_US + 10**15),
    )  # fmt: skip


CARRYING = sorted(w for w in WRITERS if w != "libvirt")


@pytest.mark.parametrize("writer", CARRYING)
def test_lark_and_the_hot_path_read_the_same_from_every_event(writer: str) -> None:
    @given(lines(writer))
    def check(line: bytes) -> None:
        assert assert_agreement(WRITERS[writer][0], line)

    check()


@pytest.mark.parametrize("writer", CARRYING)
def test_lark_and_the_hot_path_take_and_refuse_the_same_damaged_lines(writer: str) -> None:
    seen: set[bool] = set()

    @given(st.lists(strategies.damaged(lines(writer)), min_size=5, max_size=10))
    def check(damaged: list[bytes]) -> None:
        for line in damaged:
            seen.add(assert_agreement(WRITERS[writer][0], line))

    check()
    assert seen == {True, False}, "the test would prove nothing if all damaged lines were refused, or none"


OTHERS = {
    "ftrace": [
        *HEADER.splitlines(),
        b"CPU:1 [LOST 123 EVENTS]", b"CPU:1 [LOST EVENTS]", b"CPU:0 [123 EVENTS DROPPED]", b"CPU:0 [EVENTS DROPPED]",
        b"##### CPU 1 buffer started ####", b"# entries-in-buffer/entries-written: 140080/250280   #P:4",
        b"    qemu-system-x86-7999    (  7999) [000] .... 2302.865513: tracing_mark_write: job_completed job 0x1 ret 0",
        b"     CPU 0/KVM [1]-2-8001    (-------) [001] d..2.  2302.865513: print: 0x0: job_completed job 0x1 ret 0",
        b"  <idle>-0 [001] 99.000000123: bputs: tracing_mark_write+0x8e/0x190: job_completed job 0x1 ret 0",
        b"  <idle>-0 [001] 99123: tracing_mark_write: job_completed",
        b"  <idle>-0 [001] d..2. 99.000000: sched_switch: prev_comm=swapper/1 prev_pid=0",
    ],
    "syslog": [
        b"<30>Nov  3 00:30:42 vm daemon.info qemu-kvm[7]: job_completed job 0x1 ret 0",
        b"Nov 23 00:30:42.123456 vm qemu: job_completed job 0x1 ret 0",
        b"2026-11-23T00:30:42+0000 vm /usr/bin/qemu-kvm[1]: message repeated 3 times: [ job_completed job 1]",
        b"<30>1 - vm qemu - - [a b=\"c\"] \xef\xbb\xbfjob_completed job 0x1 ret 0",
        b"Nov 23 00:30:42 vm kvm[7]: 8@1795393833.871579:job_completed job 0x1 ret 0",
        b"Nov 23 00:30:42 vm kernel: message repeated 3 times: [ x_y z]",
        b"lost 12 messages from pid 7 due to rate-limiting", b"12 messages lost due to rate-limiting",
        b"Suppressed 12 messages from ", b"begin to drop messages due to rate-limiting",
        b"last message repeated 2 times",
    ],
    "journald": [
        b"8@1795393833.871579:job_completed job 0x1 ret 0", b"Suppressed 12 messages from qemu.service",
        b"job_completed",
        b"terminating on signal 15",
    ],
    "stap": [b"skipped probes: 12", b"There were 3 transport failures", b"7@1795393833871579000 job_completed"],
    "libvirt": [
        *BANNER.splitlines(), *ENDING.splitlines(),
        b"2012-01-31 12:00:00.123+0000: starting up", b"2012-01-31 12:00:00.123+0000: shutting down",
        b"2016-05-16 10:11:12.123+0200: starting up libvirt version: 1.3.1, package: 1ubuntu10 (a <b@c>, 2016), "
        b"qemu version: 2.5.0 (Debian 1:2.5+dfsg-5ubuntu10), hostname: h",
        b"2016-05-16 10:11:12.123+0200: starting up libvirt version: 1.3.1, hostname: h, kernel: x",
        b"2026-11-23 00:31:00.000+0000: initiating migration",
    ],
}  # fmt: skip


@pytest.mark.parametrize("grammar", sorted(OTHERS))
def test_lark_and_the_hot_path_agree_on_other_lines_and_on_damaged_ones(grammar: str) -> None:
    assert sum(assert_agreement(grammar, line) for line in OTHERS[grammar]) >= 3

    @given(strategies.damaged(st.sampled_from(OTHERS[grammar])))
    def check(line: bytes) -> None:
        assert_agreement(grammar, line)

    check()


@pytest.mark.captures
@pytest.mark.parametrize("file", ["ftrace.txt", "syslog.iso", "syslog.rfc5424", "syslog.traditional"])
def test_lark_and_the_hot_path_agree_on_lines_from_all_over_a_capture(
    file: str, capture_bytes: Callable[[str, str], bytes] | CaptureBytes
) -> None:
    given_lines = capture_bytes("qemu-9.0.0/quad-backends", file).split(b"\n")[:-1]
    grammar = file.partition(".")[0]
    assert sum(assert_agreement(grammar, line) for line in islice(given_lines, 0, None, 10)) > 1000
