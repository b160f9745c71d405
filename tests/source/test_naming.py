"""Names say what belongs together, and how old it is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.source.naming import rotated_groups, rotated_name, thread_groups


def grouped(*names: str) -> list[list[str]]:
    paths = [Path("logs", n) for n in names]
    random.Random(0).shuffle(paths)  # noqa: S311  (the order is to be another one, no secret)
    return sorted([p.name for p in group] for group in rotated_groups(paths))


@pytest.mark.parametrize(
    "oldest_first",
    [
        ["vm.log.10.gz", "vm.log.9.gz", "vm.log.2.xz", "vm.log.1", "vm.log"],
        ["vm.log.2", "vm.log.1", "vm.log.0", "vm.log"],
        ["vm.log.old", "vm.log"],
        ["vm.log-20261126.gz", "vm.log-20261127.zst", "vm.log-20261128", "vm.log"],
        ["vm.log-2026112801", "vm.log-2026112803.bz2", "vm.log"],
        ["vm.log-2026-11-27", "vm.log-2026-11-28", "vm.log"],
        ["vm-20261127.log", "vm-20261128.log.gz", "vm.log"],
        ["vm.log-1795393000", "vm.log-1795394000", "vm.log"],
        ["trace.1.gz", "trace"],
    ],
)
def test_the_oldest_of_a_log_comes_first(oldest_first: list[str]) -> None:
    assert grouped(*oldest_first) == [oldest_first]


def test_logs_of_other_names_or_folders_are_others() -> None:
    assert grouped("a.log", "b.log.1", "a.log.1", "b.log", "c.log.1") == [["a.log.1", "a.log"], ["b.log.1", "b.log"]]
    assert list(rotated_groups([Path("one/vm.log"), Path("two/vm.log.1")])) == []


@pytest.mark.parametrize(
    "name", ["vm.log", "vm-4711.log", "vm-20261341.log", "vm", "1", "20261128", "vm.12345", "x.gz"]
)
def test_other_numbers_are_part_of_a_name(name: str) -> None:
    assert rotated_name(name).age == (0, 0.0)


@given(st.text(min_size=1, max_size=60).filter(lambda n: n not in (".gz", ".xz", ".zst", ".bz2")))
def test_any_name_is_taken(name: str) -> None:
    assert rotated_name(name).base
    list(thread_groups([Path("logs", name), Path("logs/other")]))


@pytest.mark.parametrize("name", ["1" * 5000, "vm." + "1-" * 3000, "-" * 5000 + "20261128", "a" * 5000 + ".gz" * 500])
def test_long_names_take_no_long_time(name: str) -> None:
    assert rotated_name(name).base


def test_threads_differ_in_one_number() -> None:
    paths = [Path("logs", n) for n in ("vm1-4711.log", "vm1-4712.log", "vm2-4711.log", "other.log", "vm1-99999999.log")]
    groups = {tuple(sorted(g.items())) for g in thread_groups(paths)}
    assert ((4711, paths[0]), (4712, paths[1])) in groups
    assert not any(paths[4] in dict(g).values() for g in groups)
