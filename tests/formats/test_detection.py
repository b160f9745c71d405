"""Which format a file is, by its first bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.conftest import ROOT
from tests.writers import PREFIXES, MemorySource, SimpletraceWriter, log_line
from traceview.errors import UnknownFormatError, UnknownNameError
from traceview.formats import FORMATS, Detection, detect, format_by_id
from traceview.source import HEAD_BYTES, ByteSource

EXIT = log_line("mirror_exit", "bs 0x10 job 0x20 ret 0 should_complete 1")


def scores(data: bytes) -> dict[str, float]:
    return Detection(MemorySource(data)).scores


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_log_is_known_in_every_generation(prefix: str) -> None:
    data = log_line("job_completed", "job 0x1 ret 0", prefix=prefix) + b"\n"
    assert detect(MemorySource(data)).id == "log"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [0, 1, 2, 3, 4, 5])
def test_a_simpletrace_file_is_known_in_every_version_and_byte_order(version: int, order: str) -> None:
    data = SimpletraceWriter(version, order=order).data
    assert detect(MemorySource(data)).id == "simpletrace"
    assert scores(data)["simpletrace"] == 1.0


@pytest.mark.parametrize("length", range(16, 24))
def test_sixteen_bytes_of_a_simpletrace_header_are_enough(length: int) -> None:
    assert detect(MemorySource(SimpletraceWriter(4).data[:length])).id == "simpletrace"


def test_an_empty_file_is_of_no_format() -> None:
    with pytest.raises(UnknownFormatError, match=r"^memory: the file is empty$"):
        detect(MemorySource(b""))
    assert scores(b"") == {}
    assert Detection(MemorySource(b"")).best is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\x01\x01\x00" + b"\x00" * 100,
        b"CPU Reset (CPU 0)\nEAX=00000000 EBX=00000000\n",
        b"just some words\nand some more\n",
        b'{"execute": "query-block"}\n',
        SimpletraceWriter(4).data[:15],
        b"\n\n\n",
    ],
)
def test_a_file_that_no_format_recognises_is_refused_with_those_that_are_known(data: bytes) -> None:
    with pytest.raises(UnknownFormatError) as e:
        detect(MemorySource(data))
    message = str(e.value)
    assert message.startswith("memory: no trace format recognises its first ")
    assert str(len(data)) in message
    assert "--format" in message
    for info in FORMATS:
        assert f"{info.id} ({info.title})" in message


def test_the_share_of_records_says_how_sure_a_log_is() -> None:
    pure = scores(EXIT + b"\n")["log"]
    mixed = scores(EXIT + b"\n" + b"words of another writer\n" * 9)["log"]
    bare = scores(log_line("mirror_exit", "bs 0x10", prefix="bare") + b"\n")["log"]
    assert pure == pytest.approx(0.9)
    assert 0.3 < mixed < 0.4
    assert mixed < bare < pure


def test_one_record_in_mid_line_is_enough_to_know_a_log() -> None:
    assert detect(MemorySource(b"/ # \x1b[6n" + EXIT + b"\n")).id == "log"


def test_a_single_line_without_end_can_be_known_too() -> None:
    assert detect(MemorySource(EXIT)).id == "log"


def test_no_more_than_the_first_bytes_of_a_file_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "late.log"
    path.write_bytes(b"-" * HEAD_BYTES + b"\n" + EXIT + b"\n")
    with pytest.raises(UnknownFormatError, match=f"its first {HEAD_BYTES} bytes"):
        detect(ByteSource(path))


@given(st.binary(max_size=400) | strategies.damaged(strategies.log_lines(strategies.vocabulary_lines())))
def test_any_bytes_get_a_score_between_no_and_certain(data: bytes) -> None:
    assert all(0.0 <= score <= 1.0 for score in scores(data).values())


@pytest.mark.parametrize("info", FORMATS, ids=lambda f: f.id)
def test_a_format_is_found_by_its_id_and_says_what_it_is(info: object) -> None:
    found = next(f for f in FORMATS if f is info)
    assert format_by_id(found.id) is found
    for text in (found.title, found.releases, found.clock, found.thread, found.loss, found.reference):
        assert text


def test_an_unknown_format_is_refused_with_the_nearest_that_is_known() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'simpletrace'") as e:
        format_by_id("simpletrac")
    assert "known are simpletrace, log" in str(e.value)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "sample-traces").rglob("trace.*")), ids=lambda p: f"{p.parent.name}-{p.suffix[1:]}"
)
def test_the_sample_traces_are_known_for_what_they_are(path: Path) -> None:
    assert detect(ByteSource(path)).id == {".log": "log", ".bin": "simpletrace"}[path.suffix]
