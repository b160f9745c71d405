"""Whether a release is known to be affected, fixed, or neither."""

from __future__ import annotations

import pytest

from traceview.releases import ReleaseRange
from traceview.rules.model import Affected
from traceview.rules.standing import State, standing

MAIN_LOOP = Affected("2.2", "2.6.0-rc4", "ab27c3b5e7", "the main loop")
VCPU = Affected("2.2", "4.2.0", "cf3129323f", "vCPU threads")
TODAY = Affected("8.2", None, "", "")


def of(*affected: Affected, since: str | None, until: str | None) -> State:
    return standing(affected, ReleaseRange(since, until)).state


@pytest.mark.parametrize(
    ("since", "until", "state"),
    [
        ("2.4", "2.4", State.AFFECTED),
        ("2.2", "2.5", State.AFFECTED),
        ("2.6.0-rc3", "2.6.0-rc3", State.AFFECTED),
        ("2.6.0-rc4", "2.6.0-rc4", State.FIXED),
        ("2.6", "2.6", State.PARTLY),
        ("2.6.0", "2.6.0", State.FIXED),
        ("2.6.50", "2.6.50", State.FIXED),
        (None, "2.7", State.PARTLY),
        ("2.0", "2.3", State.PARTLY),
        ("2.1", "2.1", State.UNLISTED),
        ("1.0", "2.1", State.UNLISTED),
        ("9.0", None, State.FIXED),
        ("2.5", None, State.PARTLY),
    ],
)
def test_a_range_of_releases_is_affected_fixed_neither_or_in_part(
    since: str | None, until: str | None, state: State
) -> None:
    assert of(MAIN_LOOP, since=since, until=until) is state


def test_a_release_with_one_fix_of_two_is_affected_still() -> None:
    known = standing([MAIN_LOOP, VCPU], ReleaseRange("3.0", "4.1"))
    assert known.state is State.AFFECTED
    assert known.words == "QEMU 3.0 to 4.1 is known to be affected; fixed in 4.2.0 by cf3129323f"


def test_a_release_with_all_fixes_calls_for_a_report() -> None:
    known = standing([MAIN_LOOP, VCPU], ReleaseRange("7.2", "7.2"))
    assert known.state is State.FIXED
    assert known.words == (
        "QEMU 7.2 has the known fixes, in 2.6.0-rc4 by ab27c3b5e7, in 4.2.0 by cf3129323f: not a known bug, report it"
    )


def test_what_is_not_fixed_anywhere_affects_the_newest() -> None:
    assert of(TODAY, since="9.0", until=None) is State.AFFECTED
    assert of(TODAY, since="7.0", until=None) is State.PARTLY
    assert of(TODAY, since="7.0", until="8.1") is State.UNLISTED


def test_without_a_release_it_is_said_what_is_known() -> None:
    known = standing([MAIN_LOOP, TODAY], None)
    assert known.state is State.UNKNOWN
    assert known.words == (
        "the release is not known (--qemu tells it); known to be affected: 2.2 until 2.6.0-rc4, 8.2 and newer"
    )


def test_a_rule_that_knows_of_no_release_calls_for_a_report() -> None:
    assert standing([], ReleaseRange("7.2", "7.2")).state is State.UNLISTED
    assert "report it" in standing([], None).words
