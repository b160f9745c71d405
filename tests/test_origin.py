"""Which VM a trace is of: its command line knows best, then the names of file and folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from traceview import origin
from traceview.errors import TraceReadError
from traceview.origin import command_line_beside, vm_of


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/var/log/qemu/web-01.log", "web-01"),
        ("web-01.log.2.gz", "web-01"),
        ("vm.with.dots.trace.xz", "vm.with.dots"),
        ("/captures/db/trace.log", "db"),
        ("/captures/db/trace.bin.zst", "db"),
        ("/captures/db/QEMU.log", "db"),
        ("trace-17", "trace-17"),
        ("-", ""),
    ],
)
def test_without_a_command_line_the_file_or_its_folder_names_the_vm(path: str, name: str) -> None:
    assert vm_of(path) == name


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("qemu-system-x86_64 -name guest=db-3,debug-threads=on -m 256", "db-3"),
        ("qemu-system-x86_64 -name db-3 -m 256", "db-3"),
        ("qemu --name db-3,process=x", "db-3"),
        ("qemu -name debug-threads=on,guest=db-3", "db-3"),
        ("qemu -name 'guest=a name, with,,comma'", "a name"),
        ("qemu -name a,,b", "a,b"),
        ("qemu -append 'no end -name db-3", "db-3"),
        ("qemu -name debug-threads=on", "file"),
        ("qemu -m 256 -name", "file"),
        ("", "file"),
    ],
)
def test_the_command_line_beside_a_trace_names_the_vm(command: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_text(command + "\n", encoding="utf-8")
    assert vm_of(tmp_path / "file.log") == name
    assert command_line_beside(tmp_path / "file.log") == command


def test_bytes_that_are_no_utf_8_are_written_out(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_bytes(b"qemu -name \xff\n")
    assert command_line_beside(tmp_path / "x.log") == r"qemu -name \xff"


def test_a_command_line_that_is_too_long_to_be_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "MOST_BYTES", 10)
    (tmp_path / "cmdline").write_bytes(b"0123456789a")
    with pytest.raises(TraceReadError, match="has more than 10 bytes"):
        command_line_beside(tmp_path / "x.log")


def test_stdin_has_neither() -> None:
    assert (vm_of("-"), command_line_beside("-")) == ("", "")
