"""Every reader takes damaged input or refuses it; what fuzzing found once stays repaired.

``python -m tests.fuzz`` tries for longer.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.fuzz import trying
from tests.fuzz.__main__ import main
from tests.fuzz.entries import ENTRIES, EXTERNAL, run
from tests.fuzz.mutate import mutate
from tests.fuzz.seeds import seeds
from tests.fuzz.trying import FINDS, Told, note, tried
from traceview.errors import TraceviewError
from traceview.formats import FORMATS

EXAMPLES = 20
FOUND = sorted(p for p in FINDS.glob("*.bin"))

lines = st.lists(strategies.log_lines(strategies.vocabulary_lines()) | strategies.other_lines(), max_size=12)
texts = lines.map(b"\n".join) | strategies.damaged(lines.map(b"\n".join))


def reader_of(path: Path) -> str:
    return path.stem.rpartition("-")[0]


def test_every_format_has_an_entry() -> None:
    named = {"simpletrace" if name.startswith("simpletrace-") and name[-1].isdigit() else name for name in ENTRIES}
    assert {f.id for f in FORMATS} <= named | set(EXTERNAL)


@pytest.mark.parametrize("reader", ENTRIES)
def test_some_of_what_the_mutators_begin_with_is_valid(reader: str) -> None:
    assert any(run(reader, data) for data in seeds(reader))


@pytest.mark.parametrize("reader", ENTRIES)
@settings(max_examples=EXAMPLES)
@given(number=st.integers(0, 1 << 32))
def test_mutated_input_is_read_or_refused(reader: str, number: int) -> None:
    trying.limited_in_time()
    assert tried(reader, mutate(random.Random(number), seeds(reader)))[1] == ""  # noqa: S311  (not for secrets)


@settings(max_examples=EXAMPLES)
@given(texts)
def test_lines_of_all_events_damaged_or_not_are_read(data: bytes) -> None:
    trying.limited_in_time()
    assert tried("log", data) == (True, "")


@settings(max_examples=EXAMPLES)
@given(strategies.declarations().flatmap(lambda d: strategies.damaged(st.just(d.declaration.encode()))))
def test_damaged_declarations_are_read_or_refused(data: bytes) -> None:
    trying.limited_in_time()
    assert tried("declarations", data)[1] == ""


@pytest.mark.parametrize("path", FOUND, ids=lambda p: p.stem)
def test_what_was_found_once_is_found_no_more(path: Path) -> None:
    trying.limited_in_time()
    assert tried(reader_of(path), path.read_bytes())[1] == ""


# the harness itself


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(data: bytes) -> None:
        if b"hang" in data:
            while True:
                pass
        if b"refuse" in data:
            raise TraceviewError("no")
        if b"crash" in data:
            raise ValueError("out of range")

    monkeypatch.setitem(ENTRIES, "broken", entry)
    monkeypatch.setattr(trying, "_SECONDS", 0.05)


@pytest.mark.usefixtures("broken")
def test_a_crash_and_a_hang_are_finds_and_a_refusal_is_none() -> None:
    trying.limited_in_time()
    assert tried("broken", b"fine") == (True, "")
    assert tried("broken", b"refuse") == (False, "")
    assert tried("broken", b"crash")[1].startswith("ValueError at ")
    assert tried("broken", b"hang")[1].startswith("hang of ")


@pytest.mark.usefixtures("broken")
def test_a_find_is_saved_once_by_its_kind_and_place(tmp_path: Path) -> None:
    trying.limited_in_time()
    told = Told("broken")
    for data in (b"crash 1", b"crash 2", b"fine"):
        note(told, data, tmp_path)
    ((_, name),) = told.finds.items()
    assert (told.inputs, told.read) == (3, 1)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(name, b"crash 1")]
    assert reader_of(tmp_path / name) == "broken"


def test_the_command_prints_a_line_for_each_reader_and_one_for_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--runs", "5", "--readers", "baseline,rules", "--finds", str(tmp_path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in out] == [
        ["reader", "inputs"], ["baseline", "5"], ["rules", "5"], ["all", "10"],
    ]  # fmt: skip
