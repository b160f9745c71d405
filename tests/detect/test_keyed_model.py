"""The windows of nodes, held against a model that looks at one record after the other: it is too simple to be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import any_cuts
from tests.detect.ruled import Tale, followed, happened, inside, rule, scan, told
from tests.timeline.story import BLOCK, COPY, DISK, DRIVE, OTHER_DISK, OTHER_DRIVE, OWN
from traceview.findings import Verdict

NODES = (DISK, OTHER_DISK, COPY)
Act = tuple[str, int]
Found = tuple[int, int, int | None, list[int], list[int]]
"""Node, and the lines of opening and closing, of requests and of happenings."""

ACTS: dict[str, Callable[[Tale, int], int]] = {
    "drained": lambda tale, node: tale.drained(node),
    "end": lambda tale, node: tale.end(node),
    "begin": lambda tale, node: tale.begin(node),
    "attach": lambda tale, node: tale.attach_ctx(node),
    "read": lambda tale, node: tale.read(BLOCK, node=node),
    "write": lambda tale, node: tale.write(2 * BLOCK, node=node),
}
OFTEN = ("drained", "end", "read", "write")
acts = st.lists(st.tuples(st.sampled_from([*OFTEN, *OFTEN, *ACTS]), st.sampled_from(NODES)), max_size=40)
cuts_of = any_cuts(50)


@dataclass
class Open:
    """A window of the model that is open."""

    line: int
    depth: int = 1
    requests: list[int] = field(default_factory=list)
    happened: list[int] = field(default_factory=list)

    def found(self, node: int, close: int | None) -> Found:
        return node, self.line, close, self.requests, self.happened


def model(story: list[Act], *, again: str, after: bool, cancel: str) -> list[Found]:
    """Return the windows of `rule_for` with the same clauses, by looking at each act in turn."""
    windows: dict[int, Open] = {}
    armed: set[int] = set()
    done: list[Found] = []
    for line, (act, node) in enumerate(story, start=1):
        window = windows.get(node)
        match act:
            case "end" if window is not None and window.depth > 1:
                window.depth -= 1
            case "end":
                armed.discard(node)
                if window is not None:
                    done.append(windows.pop(node).found(node, line))
            case "attach" if cancel == "of all":
                windows.clear()
                armed.clear()
            case "attach" if cancel == "of the node":
                windows.pop(node, None)
                armed.discard(node)
            case "begin":
                armed.add(node)
            case "drained" if not after or node in armed:
                if window is None or again == "restarts":
                    windows[node] = Open(line)
                elif again == "nests":
                    window.depth += 1
            case _:
                pass
        if act == "write" and window is not None:
            window.requests.append(line)
        if act == "begin" and window is not None:
            window.happened.append(line)
    return sorted([*done, *(w.found(node, None) for node, w in windows.items())], key=lambda f: f[1])


def clauses_for(*, again: str, after: bool, cancel: str) -> str:
    parts = [
        "open drained(node)",
        again,
        "after drained_begin(node)" if after else "",
        {"": "", "of all": "cancel ctx_attached", "of the node": "cancel ctx_attached(node)"}[cancel],
        "close drained_end(node)",
        "forbid guest_io(node) or drained_begin(node) allow guest_read(node)",
    ]
    return " ".join(parts)


def tell(story: list[Act], tale: Tale) -> Tale:
    for act, node in story:
        ACTS[act](tale, node)
    return tale


@pytest.mark.parametrize("again", ["", "restarts", "nests"])
@pytest.mark.parametrize("after", [False, True])
@given(acts, cuts_of, st.sampled_from(["", "of all", "of the node"]))
def test_the_windows_of_nodes_are_those_that_a_plain_walk_finds(
    again: str, after: bool, story: list[Act], cuts: list[int], cancel: str
) -> None:
    own = rule(clauses_for(again=again, after=after, cancel=cancel))
    tale = tell(story, Tale())
    tale.iteration()  # so that there is a table
    found = [
        (w.key, w.open.line, w.close.line if w.close else None, inside(w), happened(w))
        for w in followed(tale, own, cuts=cuts)
        if w.open is not None
    ]
    assert found == model(story, again=again, after=after, cancel=cancel)


GUESTS = {DISK: DRIVE, OTHER_DISK: OTHER_DRIVE, COPY: OWN}
"""By whom nodes are used here: the one of the job's own BlockBackend is used by no guest."""


@given(st.lists(st.tuples(st.sampled_from(OFTEN), st.sampled_from(NODES)), max_size=30), cuts_of)
def test_the_verdicts_of_a_scan_are_those_of_a_plain_walk(story: list[Act], cuts: list[int]) -> None:
    tale = told()
    before = tale.lines
    for act, node in story:
        if act in ("read", "write"):
            tale.submit("preadv" if act == "read" else "pwritev", node=node, blk=GUESTS[node])
        else:
            ACTS[act](tale, node)
    open_at: dict[int, int] = {}
    requests: dict[int, list[int]] = {}
    expected: list[tuple[int, int, int | None, list[int], Verdict]] = []
    for line, (act, node) in enumerate(story, start=before + 1):
        if act == "drained" and node not in open_at:
            open_at[node], requests[node] = line, []
        elif act == "end" and node in open_at:
            verdict = Verdict.VIOLATED if requests[node] else Verdict.CLEAN
            expected.append((node, open_at.pop(node), line, requests[node], verdict))
        elif act in ("read", "write") and node in open_at and GUESTS[node] != OWN:
            requests[node].append(line)
    for node, line in open_at.items():
        verdict = Verdict.VIOLATED if requests[node] else Verdict.INCONCLUSIVE
        expected.append((node, line, None, requests[node], verdict))
    own = rule("open drained(node) close drained_end(node) forbid guest_io(node)", more="unjudged inconclusive")
    edges_shown = {"drained", "end"} <= {act for act, _ in story}
    result = scan(tale, own, cuts=cuts)
    found = [
        (w.key, w.open.line, w.close.line if w.close else None, inside(w), w.verdict) for w in result.windows if w.open
    ]
    if edges_shown:
        assert found == sorted(expected, key=lambda e: e[1])
    else:
        assert {verdict for *_, verdict in found} <= {Verdict.INCONCLUSIVE}
