"""The plan of a mixture: what stays, what is added, in which order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.captures import UnusableInputError
from benchmarks.mixing import mixed, places


@given(
    wanted=st.lists(st.booleans(), min_size=1, max_size=300).filter(any),
    share=st.floats(0.02, 1),
    surplus=st.integers(1, 50),
)
def test_all_that_matters_stays_in_order_and_has_its_share(wanted: list[bool], share: float, surplus: int) -> None:
    mask = np.array(wanted)
    source, bearer = places(mask, share, surplus)
    matter = np.flatnonzero(mask)
    own = source[source >= 0]
    assert own[mask[own]].tolist() == matter.tolist()
    assert (np.diff(own) > 0).all()
    assert (np.diff(bearer) >= 0).all()
    assert bearer[source >= 0].tolist() == own.tolist()
    assert mask[bearer[source < 0]].all()
    assert len(source) - len(matter) == round(len(matter) * (1 - share) / share)
    assert ((-1 - source[source < 0]) < surplus).all()


def test_the_same_is_mixed_in_every_time() -> None:
    mask = np.arange(100) % 7 == 0
    assert [a.tolist() for a in places(mask, 0.05, 30)] == [a.tolist() for a in places(mask, 0.05, 30)]


def test_a_mixture_takes_from_both() -> None:
    assert mixed(["a", "b"], ["x", "y"], np.array([0, -2, 1, -1])) == ["a", "y", "b", "x"]


def test_what_cannot_be_mixed_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="no record of the original matters"):
        places(np.array([False]), 0.5, 1)
    with pytest.raises(UnusableInputError, match="no capture has records that do not matter"):
        places(np.array([True]), 0.5, 0)
