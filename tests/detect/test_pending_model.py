"""Claims that nothing is on its way, held against a model that looks at one record after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.cuts import any_cuts
from tests.detect.ruled import followed, happened, rule, told
from tests.timeline.story import DISK, OTHER_DISK

IDLE = rule("claim drained(node) until drained_end(node) disprove guest_done(node)", template="counter-says-idle")
NODES = (DISK, OTHER_DISK)
acts = st.lists(
    st.tuples(
        st.sampled_from(["submit", "submit", "done", "done", "answered", "drained", "drained", "end", "other"]),
        st.sampled_from(NODES),
        st.integers(1, 3),
    ),
    max_size=40,
)


@given(acts, any_cuts(50))
def test_a_claim_is_belied_by_the_ends_that_a_plain_walk_finds(
    acts: list[tuple[str, int, int]], cuts: list[int]
) -> None:
    tale = told()
    on_their_way: dict[int, set[int]] = {}
    """By request, the nodes that it was handed over to since it was done last."""
    claimed: dict[int, tuple[int, set[int], list[int]]] = {}
    """By node, the line of the claim, the requests that it would be belied by, and the lines that belie it."""
    expected: list[tuple[int, int, int | None, list[int]]] = []
    for act, node, request in acts:
        match act:
            case "submit":
                tale.submit("pwritev", node=node, request=request)
                on_their_way.setdefault(request, set()).add(node)
                for _, pending, _ in claimed.values():
                    pending.discard(request)  # from here on it is another request's pointer
            case "done" | "answered":
                line = tale.done(request) if act == "done" else tale.answered(request)
                on_their_way.pop(request, None)
                for _, pending, belied_by in claimed.values():
                    if request in pending:
                        pending.discard(request)
                        belied_by.append(line)
            case "drained":
                line = tale.drained(node)
                if node not in claimed:
                    claimed[node] = line, {r for r, nodes in on_their_way.items() if node in nodes}, []
            case "end":
                line = tale.end(node)
                if node in claimed:
                    opened, _, belied_by = claimed.pop(node)
                    expected.append((node, opened, line, belied_by))
            case _:
                tale.iteration()
    expected += [(node, opened, None, belied_by) for node, (opened, _, belied_by) in claimed.items()]
    found = [
        (w.key, w.open.line, w.close.line if w.close else None, happened(w))
        for w in followed(tale, IDLE, cuts=cuts)
        if w.open is not None
    ]
    assert found == sorted(expected, key=lambda e: e[1])
