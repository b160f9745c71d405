"""CTF folders of LTTng-UST, read through babeltrace2: the program itself where it is installed, else one made here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import captures_folder
from tests.formats import Reading, read, rows
from tests.writers import MemorySource
from traceview.api import open as open_trace
from traceview.errors import MissingPackageError, UnsupportedVersionError
from traceview.findings import Verdict
from traceview.fleet import find_traces
from traceview.formats import ctf, detect, lttng
from traceview.source import ByteSource
from traceview.vocabulary import builtin

TEXT_METADATA = b"/* CTF 1.8 */\n\ntrace { major = 1; };\n"
PACKED_METADATA = b"\x57\x1d\xd1\x75" + bytes(60)
EVENT = "[{:10}.{:09}] vm qemu:job_completed: {{ cpu_id = 0 }}, {{ vtid = 7 }}, {{ job = 0x1, ret = 0 }}"
LOST = (
    'WARNING: Tracer discarded 7 events between [0000000002.000000000] and [0000000003.500000000] in trace "t" '
    '(no UUID) within stream "c0_0" (stream class ID: 0, stream ID: 0).'
)


def a_trace(tmp_path: Path, metadata: bytes = TEXT_METADATA) -> Path:
    """Make a folder that looks like a CTF trace and return its metadata file."""
    folder = tmp_path / "ust"
    folder.mkdir()
    (folder / "c0_0").write_bytes(b"\xc1\x1f\xfc\xc1" + bytes(100))
    (folder / "metadata").write_bytes(metadata)
    return folder / "metadata"


def a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> Path:
    """Make a babeltrace2 of a few lines of shell; it keeps its arguments in a file, which is returned."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "babeltrace2"
    program.write_text(
        "#!/bin/sh\n" + f'echo "$@" > {tmp_path}/arguments\n' + "\n".join(lines) + "\n", encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    return tmp_path / "arguments"


def printed(*seconds: int) -> str:
    return "\n".join(f"echo '{EVENT.format(second, 0)}'" for second in seconds)


def read_folder(metadata: Path, *, chunk_bytes: int = 1 << 20, max_bytes: int | None = None) -> Reading:
    source = ByteSource(metadata, chunk_bytes=chunk_bytes, max_bytes=max_bytes)
    reader = ctf.FORMAT.make(source, builtin().forms_of, None)
    return Reading([row for batch in reader.batches(lambda _name: True) for row in rows(batch)], reader.stats)


@pytest.mark.parametrize("metadata", [TEXT_METADATA, PACKED_METADATA, PACKED_METADATA[3::-1] + bytes(60)])
def test_a_folder_is_known_by_its_metadata_and_its_streams_are_no_traces(tmp_path: Path, metadata: bytes) -> None:
    path = a_trace(tmp_path, metadata)
    assert find_traces(tmp_path) == [path]
    assert detect(ByteSource(path)).id == "ctf"


def test_without_babeltrace2_it_is_said_what_to_install_or_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_trace(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackageError) as e:
        open_trace(path).scan()
    assert str(path.parent) in str(e.value)
    assert "apt install babeltrace2" in str(e.value)
    assert "babeltrace2 DIR 2>&1 | traceview scan -" in str(e.value)


def test_metadata_alone_is_no_trace() -> None:
    source = MemorySource(TEXT_METADATA)
    source.once = True
    with pytest.raises(UnsupportedVersionError, match="which is a folder"):
        ctf.FORMAT.make(source, builtin().forms_of, None)


def test_the_folder_is_what_babeltrace2_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = a_program(tmp_path, monkeypatch, printed(1, 2))
    reading = read_folder(a_trace(tmp_path))
    assert [(r.ts_ns, r.tid, r.values) for r in reading.records] == [
        (10**9, 7, {"job": 1, "ret": 0}),
        (2 * 10**9, 7, {"job": 1, "ret": 0}),
    ]
    assert reading.stats.gaps == []
    *options, folder = arguments.read_text(encoding="utf-8").split()
    assert folder == str(tmp_path / "ust")
    assert "--clock-seconds" in options


@pytest.mark.parametrize("place", range(6))
def test_what_it_says_of_discarded_events_is_a_gap_over_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    lines = [printed(s) for s in range(1, 6)]
    lines.insert(place, f"echo '{LOST}' >&2")
    a_program(tmp_path, monkeypatch, *lines)
    (gap,) = read_folder(a_trace(tmp_path)).stats.gaps
    assert (gap.cause, gap.count) == ("dropped", 7)
    assert gap.between(1, 2)
    assert gap.record >= 3 or place < 2


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("echo 'ERROR: x' >&2; echo '  Failed to index CTF stream file' >&2; exit 1", "code 1: Failed to index"),
        ("exit 3", "code 3: it does not say why"),
        ("kill -9 $$", "code -9"),
    ],
)
def test_a_trace_that_cannot_be_read_to_its_end_ends_with_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, text: str
) -> None:
    a_program(tmp_path, monkeypatch, printed(1), ending)
    reading = read_folder(a_trace(tmp_path))
    assert len(reading.records) == 1
    (gap,) = reading.stats.gaps
    assert (gap.cause, gap.record) == ("cut", 1)
    assert text in gap.text


def test_many_messages_do_not_make_it_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flood = (
        "i=0; while [ $i -lt 3000 ]; do echo 'a message that nobody asked for, and rather long' >&2; i=$((i+1)); done"
    )
    a_program(tmp_path, monkeypatch, flood, printed(1), flood)
    assert len(read_folder(a_trace(tmp_path)).records) == 1


def test_who_stops_early_stops_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_program(tmp_path, monkeypatch, printed(*range(40)), "while true; do sleep 1; done")
    source = ByteSource(a_trace(tmp_path), max_bytes=2000)
    reader = ctf.FORMAT.make(source, builtin().forms_of, None)
    assert sum(len(b) for b in reader.batches(lambda _name: True)) == 2000 // (len(EVENT.format(0, 0)) + 1)
    assert "stopped after 2000 bytes" in reader.stats.gaps[-1].text


def test_chunks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_program(tmp_path, monkeypatch, printed(*range(20)))
    path = a_trace(tmp_path)
    whole = read_folder(path)
    assert [read_folder(path, chunk_bytes=n).records for n in (1, 7, 100)] == [whole.records] * 3


@pytest.mark.captures
@pytest.mark.skipif(shutil.which("babeltrace2") is None, reason="babeltrace2 is not installed")
def test_the_capture_has_the_records_and_the_verdicts_of_its_text(tmp_path: Path) -> None:
    captures = captures_folder()
    assert captures is not None
    (path,) = find_traces(captures / "qemu-9.0.0" / "ust-log" / "ctf")
    folder = read_folder(path)
    assert folder.stats.gaps == []
    assert len(folder.records) == folder.stats.records == 10_476
    windows = open_trace(path).scan().windows
    assert [w.verdict for w in windows] == [Verdict.CLEAN] * 29


@pytest.mark.captures
@pytest.mark.skipif(shutil.which("babeltrace2") is None, reason="babeltrace2 is not installed")
@pytest.mark.parametrize(
    "option", ["--no-delta", "--names=all", "--names=scope", "--names=context", "--clock-date", "--fields=all"]
)
def test_whatever_babeltrace2_is_asked_for_the_text_has_the_records_of_the_folder(option: str) -> None:
    captures = captures_folder()
    assert captures is not None
    (path,) = find_traces(captures / "qemu-9.0.0" / "ust-log" / "ctf")
    command = ["babeltrace2", "--clock-gmt", option, str(path.parent)]
    text = subprocess.run(command, check=True, capture_output=True).stdout
    folder, reading = read_folder(path), read(lttng.FORMAT, text)
    tells = option != "--names=scope"
    assert [(r.name, r.tid if tells else 0, r.values) for r in reading.records if r.name in builtin().events] == [
        (r.name, r.tid if tells else 0, r.values) for r in folder.records if r.name in builtin().events
    ]
    assert {r.ts_ns % 10**9 - f.ts_ns % 10**9 for r, f in zip(reading.records, folder.records, strict=True)} == {0}
    assert reading.stats.gaps == []
