"""Raw images, read and written by the offsets of the guest."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.repair import noise
from traceview.errors import ImageError
from traceview.findings import Extent
from traceview.repair.images import RawImage, pieces


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "disk.img"
    file.write_bytes(noise(65536))
    return file


@given(st.integers(0, 1 << 40), st.integers(1, 1000), st.integers(1, 300))
def test_pieces_are_an_extent_cut_up_in_order(offset: int, length: int, size: int) -> None:
    cut = list(pieces(Extent(offset, length), size))
    assert cut[0].offset == offset
    assert cut[-1].end == offset + length
    assert all(0 < p.length <= size for p in cut)
    assert all(a.end == b.offset for a, b in pairwise(cut))


def test_what_was_written_is_read_and_nothing_else_has_changed(path: Path) -> None:
    image = RawImage(path, writable=True)
    image.write(5000, b"x" * 3000)
    image.flush()
    assert image.read(Extent(5000, 3000)) == b"x" * 3000
    image.close()
    old = noise(65536)
    assert path.read_bytes() == old[:5000] + b"x" * 3000 + old[8000:]


def test_the_size_is_that_of_the_file(path: Path) -> None:
    image = RawImage(path, writable=False)
    assert (image.size, image.format, image.path) == (65536, "raw", path)
    image.close()


def test_an_extent_behind_the_end_is_refused_and_one_up_to_it_is_not(path: Path) -> None:
    image = RawImage(path, writable=False)
    assert image.refusal(Extent(61440, 4096)) == ""
    assert image.refusal(Extent(61441, 4096)) == "ends at 65537, behind the end of disk.img (65536 B)"
    image.close()


def test_an_image_that_becomes_shorter_is_an_error_and_no_short_read(path: Path) -> None:
    image = RawImage(path, writable=False)
    os.truncate(path, 1000)
    with pytest.raises(ImageError, match="ends at 1000: it has become shorter"):
        image.read(Extent(0, 4096))
    image.close()


def test_writes_that_the_system_takes_in_parts_are_completed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_write, plain_read = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: plain_write(fd, data[:700], at))
    monkeypatch.setattr(os, "pread", lambda fd, count, at: plain_read(fd, min(count, 900), at))
    image = RawImage(path, writable=True)
    data = noise(10_000, seed=2)
    image.write(100, data)
    assert image.read(Extent(100, 10_000)) == data
    image.close()


@pytest.mark.parametrize("call", ["pread", "pwrite", "fsync"])
def test_what_the_system_refuses_is_an_error_that_names_the_image(
    call: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object) -> None:
        raise OSError(5, "Input/output error")

    image = RawImage(path, writable=True)
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(ImageError, match=re.escape(str(path)) + ".*: Input/output error"):
        {"pread": lambda: image.read(Extent(0, 1)), "pwrite": lambda: image.write(0, b"x"), "fsync": image.flush}[
            call
        ]()
    monkeypatch.undo()
    image.close()


def test_an_image_that_was_opened_to_be_read_takes_no_write(path: Path) -> None:
    image = RawImage(path, writable=False)
    with pytest.raises(ImageError, match="cannot be written at 0"):
        image.write(0, b"x")
    image.close()


def test_what_is_no_image_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(ImageError, match="is neither a file nor a block device"):
            RawImage(tmp_path / name, writable=False)
    with pytest.raises(ImageError, match="cannot be opened: No such file"):
        RawImage(tmp_path / "gone.img", writable=False)
